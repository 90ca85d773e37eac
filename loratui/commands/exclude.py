"""`exclude` leaves photos out of training, `include` takes them back; the files stay where they are."""

from typing import Annotated

import typer

from loratui.commands.options import Photos

Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="Photos, by their paths inside the folder.")]


def exclude(photos: Photos, names: Names, reason: Annotated[str, typer.Option(help="Why, for yourself.")]) -> None:
    """Leave photos out of training, checks and `caption auto`. `loratui include` or `loratui undo` takes them back.

    Example: loratui exclude photos blurred.jpg group.jpg --reason "not her"
    """
    from curation import exclude, open_dataset

    dataset = exclude(open_dataset(photos), dict.fromkeys(names, reason))
    typer.echo(f"Left out {len(set(names))}: {len(dataset.trainable)} of {len(dataset.photos)} photos train.", err=True)


def include(photos: Photos, names: Names) -> None:
    """Take photos back into training that were left out. Example: loratui include photos blurred.jpg"""
    from curation import include, open_dataset

    dataset = include(open_dataset(photos), names)
    typer.echo(
        f"Took back {len(set(names))}: {len(dataset.trainable)} of {len(dataset.photos)} photos train.", err=True
    )
