"""`caption auto`: let a model write the captions that are missing."""

import json
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
    json_output: Annotated[
        bool,
        typer.Option("--json", help="Print what goes on as one JSON object a line: event, done, total and the like."),
    ] = False,
    caption_column: CaptionColumn = "prompt",
) -> None:
    """Let a model caption the photos that have no caption.

    Each batch is saved when it is done, so the same command goes on after Ctrl-C or a crash. A caption that somebody
    writes meanwhile stays. Prints the names of the photos that got a caption, one in a line.

    Examples: loratui caption auto photos --template "a photo of TOK woman, {caption}";
    loratui caption auto photos --model florence-community/Florence-2-large --dry-run --photo beach.jpg
    """
    from curation import open_dataset
    from curation.captioners import caption_photos, fill, load_captioner, photos_to_caption
    from curation.captions import Context, Template
    from engine.extras import require

    form, words = Template(template), Context(trigger, class_noun, lookalike)
    if form.apply("", words) == form.apply("a", words):
        raise typer.BadParameter('--template says where the caption goes: "a photo of TOK woman, {caption}".')
    if json_output and dry_run:
        raise typer.BadParameter("--json tells what is saved; --dry-run saves nothing and prints a diff.")
    dataset = open_dataset(photos, caption_column)
    names = photos_to_caption(dataset, photo or [], overwrite)
    tell = _print_event if json_output else _say_event
    if not names:
        tell("Every photo has a caption; --overwrite replaces them.", event="ended", captioned=0, total=0)
        return
    require("train", "loratui caption auto")
    tell(f"Loading {model} for {len(names)} photos.", event="loading", model=model, total=len(names))
    captioner = load_captioner(model, prompt)

    def keep(texts: Mapping[str, str]) -> tuple[str, ...]:
        captions = {name: form.apply(text, words) for name, text in texts.items()}
        if dry_run:
            return _show(dataset, captions)
        taken = fill(dataset, captions, f"Caption with {model}")
        if not json_output:
            for name in taken:
                typer.echo(visible(name))
        return taken

    given, unreadable = _caption(caption_photos(dataset, names, captioner, batch_size), len(names), keep, tell)
    told = f"Captioned {given} of {len(names)} photos{'; nothing was saved (--dry-run)' if dry_run else ''}."
    tell(told, event="ended", captioned=given, total=len(names))
    if unreadable:
        raise typer.Exit(1)


def _caption(
    batches: Iterable["Captioned"],
    total: int,
    keep: Callable[[Mapping[str, str]], tuple[str, ...]],
    tell: Callable[..., None],
) -> tuple[int, int]:
    """Hand each batch to `keep` when it is done; returns how many captions it kept, and how many photos gave none."""
    kept = unreadable = done = 0
    try:
        with progress_bar("captioning photos") as show:
            show(0, total)
            for batch in batches:
                names = keep(batch.captions)
                kept += len(names)
                done += len(batch.captions) + len(batch.unreadable)
                passed_over = [f"Passed over {name}: {reason}." for name, reason in batch.unreadable.items()]
                unreadable += len(passed_over)
                show(done, total)
                tell(
                    "\n".join(passed_over),
                    event="batch",
                    done=done,
                    total=total,
                    captioned=names,
                    passed_over=dict(batch.unreadable),
                )
    except KeyboardInterrupt:
        told = f"Stopped after {kept} captions; the same command goes on with the others."
        tell(told, event="stopped", captioned=kept, total=total)
        raise typer.Exit(130) from None
    return kept, unreadable


def _show(dataset: "Dataset", captions: Mapping[str, str]) -> tuple[str, ...]:
    """Print what would change, as a diff; returns the photos' names."""
    from curation.captions import CaptionChange, diff

    before = {photo.name: photo.caption for photo in dataset.photos}
    if captions:
        typer.echo(diff(CaptionChange(name, before[name], caption) for name, caption in captions.items()))
    return tuple(captions)


def _print_event(text: str, **event: object) -> None:
    """For a program."""
    typer.echo(json.dumps(event))


def _say_event(text: str, **event: object) -> None:
    """For a person: the text, on stderr."""
    if text:
        typer.echo("\n".join(map(visible, text.split("\n"))), err=True)
