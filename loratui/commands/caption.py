"""`caption`: read and write the photos' captions."""

import json
from typing import Annotated, Literal

import typer

from curation.text import visible
from loratui.commands import caption_auto, caption_edits
from loratui.commands.options import CaptionColumn, Photos

app = typer.Typer(help="Read and write captions. `loratui undo PHOTOS` takes an edit back.", no_args_is_help=True)


@app.command("list")
def list_captions(
    photos: Photos,
    format: Annotated[Literal["text", "json"], typer.Option(help="How the captions are written to stdout.")] = "text",
    caption_column: CaptionColumn = "prompt",
) -> None:
    """Print each photo's caption; a missing one is shown as -."""
    from curation import open_dataset
    from loratui.photos.left_out import in_words

    dataset = open_dataset(photos, caption_column)
    if format == "json":
        rows = [
            {"photo": p.name, "caption": p.caption, "more_captions": p.more_captions, "excluded": p.excluded}
            for p in dataset.photos
        ]
        typer.echo(json.dumps({"version": 1, "dataset": str(dataset.root), "photos": rows}, indent=2))
        return
    for photo in dataset.photos:
        more = f"  (+{len(photo.more_captions)} in its file)" if photo.more_captions else ""
        left_out = "" if photo.excluded is None else f"  ({in_words(photo.excluded)})"
        typer.echo(visible(f"{photo.name}: {photo.caption or '-'}{more}{left_out}"))


@app.command()
def tags(
    photos: Photos,
    words: Annotated[bool, typer.Option("--words", help="Count single words instead of tags.")] = False,
    format: Annotated[Literal["text", "json"], typer.Option(help="How the numbers are written to stdout.")] = "text",
    caption_column: CaptionColumn = "prompt",
) -> None:
    """Print how many captions have each tag, the most frequent first; tags are what stands between commas.

    Photos that are left out do not count. Example: loratui caption tags photos --words
    """
    from curation import open_dataset
    from curation.frequencies import frequencies

    captions = [photo.caption or "" for photo in open_dataset(photos, caption_column).trainable]
    counted = frequencies(captions, "word" if words else "tag")
    if format == "json":
        rows = [{"text": each.text, "captions": each.captions} for each in counted]
        typer.echo(json.dumps({"version": 1, "photos": len(captions), "frequencies": rows}, indent=2))
        return
    for each in counted:
        typer.echo(visible(f"{each.captions:6}  {each.text}"))


app.command("set")(caption_edits.set_captions)
app.command("auto")(caption_auto.auto)
app.command()(caption_edits.replace)
app.command()(caption_edits.prefix)
app.command()(caption_edits.suffix)
app.command()(caption_edits.remove)
app.command()(caption_edits.trigger)
app.command()(caption_edits.template)
app.command()(caption_edits.first)
app.command()(caption_edits.sort)
app.command()(caption_edits.dedupe)
app.command()(caption_edits.sync)
