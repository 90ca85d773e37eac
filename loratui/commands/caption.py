"""`caption`: read and write the photos' captions."""

import json
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from curation.text import visible
from loratui.commands import caption_auto
from loratui.commands.options import Photos

if TYPE_CHECKING:
    from curation import Dataset

app = typer.Typer(help="Read and write captions.", no_args_is_help=True)
app.command("auto")(caption_auto.auto)

Column = Annotated[str, typer.Option("--caption-column", "--caption_column", help="Column of the metadata file.")]


@app.command("list")
def list_captions(
    photos: Photos,
    format: Annotated[Literal["text", "json"], typer.Option(help="How the captions are written to stdout.")] = "text",
    caption_column: Column = "prompt",
) -> None:
    """Print each photo's caption; a missing one is shown as -."""
    from curation import open_dataset

    dataset = open_dataset(photos, caption_column)
    if format == "json":
        rows = [{"photo": p.name, "caption": p.caption, "excluded": p.excluded} for p in dataset.photos]
        typer.echo(json.dumps({"version": 1, "dataset": str(dataset.root), "photos": rows}, indent=2))
        return
    for photo in dataset.photos:
        left_out = "" if photo.excluded is None else f"  (left out: {photo.excluded})"
        typer.echo(visible(f"{photo.name}: {photo.caption or '-'}{left_out}"))


@app.command("set")
def set_captions(
    photos: Photos,
    text: Annotated[str, typer.Argument(help="The caption.")],
    photo: Annotated[
        list[str] | None, typer.Option("--photo", metavar="NAME", help="Caption this photo; may be repeated.")
    ] = None,
    empty: Annotated[bool, typer.Option("--empty", help="Caption the photos that have none.")] = False,
    all_photos: Annotated[bool, typer.Option("--all", help="Caption every photo, over what is there.")] = False,
    caption_column: Column = "prompt",
) -> None:
    """Write one caption to some photos: into the metadata file that is there, else a new metadata.jsonl.

    Example: loratui caption set photos "a photo of TOK on a beach" --photo beach.jpg
    """
    from curation import open_dataset, save_captions

    if [bool(photo), empty, all_photos].count(True) != 1:
        raise typer.BadParameter("say which photos: --photo NAME, --empty or --all (one of them).")
    dataset = open_dataset(photos, caption_column)
    names = photo or _chosen(dataset, empty)
    save_captions(dataset, dict.fromkeys(names, text))
    typer.echo(f"Captioned {len(set(names))} of {len(dataset.photos)} photos.", err=True)


def _chosen(dataset: "Dataset", only_empty: bool) -> list[str]:
    return [p.name for p in dataset.photos if not only_empty or not (p.caption or "").strip()]
