"""`caption auto`: let a model write the captions that are missing."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from curation.text import visible
from loratui.commands.options import CaptionColumn, Photos
from loratui.progress import progress_bar

if TYPE_CHECKING:
    from curation import Dataset
    from curation.captioners import Captioned


def auto(
    photos: Photos,
    model: Annotated[
        str, typer.Option(metavar="NAME", help="A captioning model of the hub, or the folder of one.")
    ] = "Salesforce/blip-image-captioning-base",
    prompt: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="What the model is asked: BLIP continues it, Florence-2 takes a task such as <CAPTION>, "
            "others answer it.",
        ),
    ] = None,
    template: Annotated[
        str,
        typer.Option(metavar="TEXT", help='What is made of a caption: "a photo of TOK woman, {caption}".'),
    ] = "{caption}",
    trigger: Annotated[str, typer.Option(metavar="WORD", help="For {trigger} in the template.")] = "",
    class_noun: Annotated[str, typer.Option(metavar="NOUN", help="For {class_noun}.")] = "",
    lookalike: Annotated[str, typer.Option(metavar="NAME", help="For {lookalike}.")] = "",
    photo: Annotated[
        list[str] | None, typer.Option("--photo", metavar="NAME", help="Only this photo; may be repeated.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace captions that are there.")] = False,
    batch_size: Annotated[int, typer.Option(min=1, metavar="N", help="Photos that the model sees at once.")] = 8,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would change, and save nothing.")] = False,
    caption_column: CaptionColumn = "prompt",
) -> None:
    """Let a model caption the photos that have no caption.

    Each batch is saved when it is done, so the same command goes on after Ctrl-C or a crash. A caption that somebody
    writes meanwhile stays. Prints the names of the photos that got a caption, one in a line.

    Examples: loratui caption auto photos --template "a photo of TOK woman, {caption}";
    loratui caption auto photos --model florence-community/Florence-2-large --dry-run --photo beach.jpg
    """
    from curation import open_dataset
    from curation.captioners import caption_photos, load_captioner, photos_to_caption
    from curation.captions import Context, Template
    from engine.extras import require

    form, words = Template(template), Context(trigger, class_noun, lookalike)
    if form.apply("", words) == form.apply("a", words):
        raise typer.BadParameter('--template says where the caption goes: "a photo of TOK woman, {caption}".')
    dataset = open_dataset(photos, caption_column)
    names = photos_to_caption(dataset, photo or [], overwrite)
    if not names:
        _say("Every photo has a caption; --overwrite replaces them.")
        return
    require("train", "loratui caption auto")
    _say(f"Loading {model} for {len(names)} photos.")
    captioner = load_captioner(model, prompt)

    def keep(texts: Mapping[str, str]) -> int:
        captions = {name: form.apply(text, words) for name, text in texts.items()}
        return _show(dataset, captions) if dry_run else _save(dataset, captions, f"Caption with {model}")

    given, unreadable = _caption(caption_photos(dataset, names, captioner, batch_size), len(names), keep)
    _say(f"Captioned {given} of {len(names)} photos{'; nothing was saved (--dry-run)' if dry_run else ''}.")
    if unreadable:
        raise typer.Exit(1)


def _caption(batches: Iterable["Captioned"], total: int, keep: Callable[[Mapping[str, str]], int]) -> tuple[int, int]:
    """Hand each batch to `keep` when it is done; returns how many captions it kept, and how many photos gave none."""
    kept = unreadable = done = 0
    try:
        with progress_bar("captioning photos") as show:
            show(0, total)
            for batch in batches:
                kept += keep(batch.captions)
                for name, reason in batch.unreadable.items():
                    _say(f"Passed over {name}: {reason}.")
                unreadable += len(batch.unreadable)
                done += len(batch.captions) + len(batch.unreadable)
                show(done, total)
    except KeyboardInterrupt:
        _say(f"Stopped after {kept} captions; the same command goes on with the others.")
        raise typer.Exit(130) from None
    return kept, unreadable


def _show(dataset: "Dataset", captions: Mapping[str, str]) -> int:
    """Print what would change, as a diff; returns how many captions."""
    from curation.captions import CaptionChange, diff

    before = {photo.name: photo.caption for photo in dataset.photos}
    if captions:
        typer.echo(diff(CaptionChange(name, before[name], caption) for name, caption in captions.items()))
    return len(captions)


def _save(dataset: "Dataset", captions: Mapping[str, str], summary: str) -> int:
    """Save captions and print the photos' names; returns how many."""
    from curation.captioners import fill

    taken = fill(dataset, captions, summary)
    for name in taken:
        typer.echo(visible(name))
    return len(taken)


def _say(text: str) -> None:
    typer.echo(visible(text), err=True)
