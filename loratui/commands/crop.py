"""`crop` places the training crop of photos, or lists where it was placed."""

from typing import TYPE_CHECKING, Annotated

import typer

from curation.text import visible
from loratui.commands.options import Photos

if TYPE_CHECKING:
    from curation.crops import Focus


def crop(
    photos: Photos,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Photos, by their paths inside the folder.")
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(metavar="X,Y", help="The crop's centre: fractions of the width and the height."),
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Crop them as the settings say again.")] = False,
) -> None:
    """Place the training crop of photos; without a photo, list where crops were placed. `loratui undo` takes it back.

    Examples: loratui crop photos beach.jpg --at 0.4,0.3; loratui crop photos beach.jpg --clear; loratui crop photos
    """
    from curation import open_dataset, place_crops

    dataset = open_dataset(photos)
    if not names:
        if at is not None or clear:
            raise typer.BadParameter("name the photos whose crop is meant.")
        for photo in dataset.photos:
            if photo.focus:
                typer.echo(visible(f"{photo.name}: {photo.focus[0]:g},{photo.focus[1]:g}"))
        return
    if clear == (at is not None):
        raise typer.BadParameter("say where: --at 0.4,0.3, or --clear.")
    place_crops(dataset, dict.fromkeys(names, None if at is None else _point(at)))
    where = "as the settings say" if clear else f"around {at}"
    typer.echo(f"Training crops {len(set(names))} {'photo' if len(set(names)) == 1 else 'photos'} {where}.", err=True)


def _point(text: str) -> "Focus":
    try:
        across, down = map(float, text.split(","))
    except ValueError as error:
        raise typer.BadParameter("--at takes two numbers between 0 and 1, such as 0.4,0.3.") from error
    return across, down
