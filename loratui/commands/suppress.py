"""`suppress` says that a finding is fine, with a reason, so that lint sets it apart from then on."""

from typing import TYPE_CHECKING, Annotated

import typer

from curation.text import visible
from loratui.commands.options import Photos

if TYPE_CHECKING:
    from curation import Dataset


def suppress(
    photos: Photos,
    code: Annotated[str | None, typer.Argument(help="The rule whose finding is fine: IMG002.")] = None,
    photo: Annotated[
        list[str] | None,
        typer.Option("--photo", metavar="NAME", help="A photo that the finding names; may be repeated for a group."),
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Why it is fine.")] = None,
    list_all: Annotated[bool, typer.Option("--list", help="Print what is suppressed, and why.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Take suppressions of the rule back.")] = False,
) -> None:
    """Say that what a rule finds is fine: on these photos, or, without --photo, on the whole set.

    It goes by the photo's content: a renamed photo keeps it, a changed one is judged anew. `loratui undo` takes it
    back.

    Example: loratui suppress photos IMG002 --photo fog.jpg --reason "the fog is the point"
    """
    from curation import open_dataset

    if list_all + remove + (reason is not None) != 1 or (list_all and (code or photo)) or not (list_all or code):
        raise typer.BadParameter("give CODE and --reason TEXT, or CODE and --remove, or --list alone.")
    dataset = open_dataset(photos)
    if list_all:
        _list(dataset)
    elif code is not None and reason is not None:
        _add(dataset, code, photo or [], reason)
    elif code is not None:
        _remove(dataset, code, photo or [])


def _list(dataset: "Dataset") -> None:
    from curation.formats.text import photos
    from curation.suppressions import read_suppressions

    for one in read_suppressions(dataset.root):
        typer.echo(f"{one.code} {photos(one.photos)}: {visible(one.reason)} ({visible(one.date)})")


def _add(dataset: "Dataset", code: str, names: list[str], reason: str) -> None:
    from curation.formats.text import photos
    from curation.suppressions import suppress

    added = suppress(dataset, code, names, reason)
    about = "" if names else "; findings that name photos need --photo"
    typer.echo(f"Suppressed {added.code} on {photos(added.photos)}{about}.", err=True)


def _remove(dataset: "Dataset", code: str, names: list[str]) -> None:
    from curation.formats.text import photos
    from curation.suppressions import remove

    for one in remove(dataset, code, names):
        typer.echo(f"No longer suppressed: {one.code} on {photos(one.photos)}.", err=True)
