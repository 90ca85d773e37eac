"""`caption replace`, `prefix`, `trigger` and the like: one edit for many captions, shown before or undone after."""

from typing import TYPE_CHECKING, Annotated

import typer

from loratui.commands.options import CaptionColumn, Photos

if TYPE_CHECKING:
    from pathlib import Path

    from curation.captions import Context, Edit, Filter

Named = Annotated[
    list[str] | None,
    typer.Option("--photo", metavar="NAME", help='Only this photo, or those of a pattern: "beach/*"; may be repeated.'),
]
Match = Annotated[
    str | None, typer.Option("--match", metavar="REGEX", help="Only captions in which this expression is found.")
]
Empty = Annotated[bool, typer.Option("--empty", help="Only photos without a caption.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would change as a diff, and save nothing.")]
ClassNoun = Annotated[str, typer.Option("--class-noun", metavar="NOUN", help='What the subject is: "woman".')]


def replace(
    photos: Photos,
    old: Annotated[str, typer.Argument(help="What captions hold now.")],
    new: Annotated[str, typer.Argument(help="What they are to hold.")],
    regex: Annotated[
        bool, typer.Option("--regex", help=r"OLD is a regular expression, and NEW may name its groups: \1.")
    ] = False,
    photo: Named = None,
    match: Match = None,
    empty: Empty = False,
    dry_run: DryRun = False,
    caption_column: CaptionColumn = "prompt",
) -> None:
    r"""Replace a text in captions, wherever it stands.

    Example: loratui caption replace photos "a person" "a TOK woman" --dry-run

    Example: loratui caption replace photos "(\w+) hair" "hair that is \1" --regex
    """
    from curation.captions import Replace

    _edit(photos, caption_column, Replace(old, new, regex), _filter(photo, match, empty), dry_run)


def remove(
    photos: Photos,
    text: Annotated[str, typer.Argument(help="The text, or the tag.")],
    tag: Annotated[bool, typer.Option("--tag", help="Only where it stands alone between commas.")] = False,
    photo: Named = None,
    match: Match = None,
    dry_run: DryRun = False,
    caption_column: CaptionColumn = "prompt",
) -> None:
    """Take a text out of captions.

    Example: loratui caption remove photos "blurry "

    Example: loratui caption remove photos solo --tag
    """
    from curation.captions import Remove, RemoveTag

    _edit(photos, caption_column, RemoveTag(text) if tag else Remove(text), _filter(photo, match), dry_run)


def prefix(
    photos: Photos,
    text: Annotated[str, typer.Argument(help="Put in front exactly as written, spaces and commas included.")],
    photo: Named = None,
    match: Match = None,
    empty: Empty = False,
    dry_run: DryRun = False,
    caption_column: CaptionColumn = "prompt",
) -> None:
    """Put a text in front of captions.

    Example: loratui caption prefix photos "a photo of TOK, " --match "^(?!.*TOK)"
    """
    from curation.captions import Prefix

    _edit(photos, caption_column, Prefix(text), _filter(photo, match, empty), dry_run)


def suffix(
    photos: Photos,
    text: Annotated[str, typer.Argument(help="Put at the end exactly as written, spaces and commas included.")],
    photo: Named = None,
    match: Match = None,
    empty: Empty = False,
    dry_run: DryRun = False,
    caption_column: CaptionColumn = "prompt",
) -> None:
    """Put a text at the end of captions.

    Example: loratui caption suffix photos ", in the kitchen" --photo "kitchen/*"
    """
    from curation.captions import Suffix

    _edit(photos, caption_column, Suffix(text), _filter(photo, match, empty), dry_run)


def first(
    photos: Photos,
    tag: Annotated[str, typer.Argument(help="A tag: what stands between commas.")],
    photo: Named = None,
    match: Match = None,
    dry_run: DryRun = False,
    caption_column: CaptionColumn = "prompt",
) -> None:
    """Move a tag to the front of the captions that have it.

    Example: loratui caption first photos TOK
    """
    from curation.captions import MoveTagFirst

    _edit(photos, caption_column, MoveTagFirst(tag), _filter(photo, match), dry_run)


def sort(
    photos: Photos,
    keep: Annotated[int, typer.Option(min=0, metavar="N", help="Leave the first N tags where they are.")] = 0,
    photo: Named = None,
    match: Match = None,
    dry_run: DryRun = False,
    caption_column: CaptionColumn = "prompt",
) -> None:
    """Put the tags of captions in alphabetical order.

    Example: loratui caption sort photos --keep 1
    """
    from curation.captions import SortTags

    _edit(photos, caption_column, SortTags(keep), _filter(photo, match), dry_run)


def dedupe(
    photos: Photos,
    photo: Named = None,
    match: Match = None,
    dry_run: DryRun = False,
    caption_column: CaptionColumn = "prompt",
) -> None:
    """Keep each tag of a caption once.

    Example: loratui caption dedupe photos --dry-run
    """
    from curation.captions import DeduplicateTags

    _edit(photos, caption_column, DeduplicateTags(), _filter(photo, match), dry_run)


def trigger(
    photos: Photos,
    word: Annotated[str, typer.Argument(help="The trigger word: TOK.")],
    class_noun: ClassNoun = "",
    photo: Named = None,
    match: Match = None,
    empty: Empty = False,
    dry_run: DryRun = False,
    caption_column: CaptionColumn = "prompt",
) -> None:
    """Say the trigger word in captions: before the class noun, "a woman" becoming "a TOK woman", else in front.

    A caption that has it stays as it is. Example: loratui caption trigger photos TOK --class-noun woman
    """
    from curation.captions import Context, InsertTrigger

    _edit(photos, caption_column, InsertTrigger(), _filter(photo, match, empty), dry_run, Context(word, class_noun))


def template(
    photos: Photos,
    text: Annotated[str, typer.Argument(help="With {caption}, {trigger}, {class_noun} and {lookalike}.")],
    word: Annotated[str, typer.Option("--trigger", metavar="WORD", help="For {trigger}: TOK.")] = "",
    class_noun: ClassNoun = "",
    lookalike: Annotated[
        str, typer.Option(metavar="NAME", help="A public person that the base model knows, who looks like the subject.")
    ] = "",
    photo: Named = None,
    match: Match = None,
    empty: Empty = False,
    dry_run: DryRun = False,
    caption_column: CaptionColumn = "prompt",
) -> None:
    """Write captions anew from their parts.

    Some fine-tuners, the guide says, saw better results with the trigger word beside a lookalike's name.

    Example: loratui caption template photos "photo of {trigger} {class_noun}, {caption}" --trigger TOK --class-noun cat

    Example: loratui caption template photos "{trigger} {lookalike}, {caption}" --trigger TOK --lookalike "Ada Lovelace"
    """
    from curation.captions import Context, Template

    context = Context(word, class_noun, lookalike)
    _edit(photos, caption_column, Template(text), _filter(photo, match, empty), dry_run, context)


def set_captions(
    photos: Photos,
    text: Annotated[str, typer.Argument(help="The caption.")],
    photo: Named = None,
    match: Match = None,
    empty: Empty = False,
    all_photos: Annotated[bool, typer.Option("--all", help="Caption every photo, over what is there.")] = False,
    dry_run: DryRun = False,
    caption_column: CaptionColumn = "prompt",
) -> None:
    """Write one caption to some photos, where the folder keeps its captions: metadata file, else .txt files.

    A folder that has neither gets a metadata.jsonl.

    Example: loratui caption set photos "a photo of TOK on a beach" --photo beach.jpg
    """
    from curation.captions import Set

    if all_photos == bool(photo or match or empty):
        raise typer.BadParameter("say which photos: --photo NAME, --match REGEX or --empty, or else --all.")
    _edit(photos, caption_column, Set(text), _filter(photo, match, empty), dry_run)


def sync(photos: Photos, dry_run: DryRun = False, caption_column: CaptionColumn = "prompt") -> None:
    """Write the metadata file's captions into the .txt files that say something else.

    The metadata file wins wherever there are both; kohya's scripts read only the .txt files. An empty caption is not
    written over one.

    Example: loratui caption sync photos --dry-run
    """
    from curation import open_dataset, save_captions
    from curation.captions import CaptionChange, diff

    dataset = open_dataset(photos, caption_column)
    captions = {photo.name: photo.caption or "" for photo in dataset.photos if photo.name in dataset.disagreeing}
    written = {name: caption for name, caption in captions.items() if caption.strip()}
    told = f"{len(written)} of {len(dataset.sidecars)} .txt files"
    if empty := len(captions) - len(written):
        told += f"; {empty} stay, as the metadata file's caption is empty"
    if dry_run:
        files = {name: dataset.sidecars[name] for name in written}
        shown = [
            CaptionChange(file.path.relative_to(photos).as_posix(), file.caption, written[name])
            for name, file in files.items()
        ]
        _print_diff(diff(shown))
        typer.echo(f"Would write {told}.", err=True)
        return
    save_captions(dataset, written, f"Sync {len(written)} captions")
    typer.echo(f"Wrote {told}.", err=True)


def _filter(photo: list[str] | None, match: str | None, empty: bool = False) -> "Filter":
    from curation.captions import Filter

    return Filter(tuple(photo or ()), empty=empty, matching=match)


def _edit(
    photos: "Path",
    caption_column: str,
    edit: "Edit",
    chosen: "Filter",
    dry_run: bool,
    context: "Context | None" = None,
) -> None:
    """Show what the edit changes, or save it as one step of the journal."""
    from curation import open_dataset, save_captions
    from curation.captions import diff, edited, in_words, preview

    dataset = open_dataset(photos, caption_column)
    changes = preview(dataset, edit, chosen, context)
    told = f"{len(changes)} of {len(dataset.photos)} captions"
    if dry_run:
        _print_diff(diff(changes))
        typer.echo(f"Would change {told}.", err=True)
        return
    if changes:
        save_captions(dataset, edited(changes), in_words(edit, changes))
    typer.echo(f"Changed {told}.", err=True)


def _print_diff(text: str) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    for line in text.splitlines():
        style = "bold" if line.startswith(("--- ", "+++ ")) else {"-": "red", "+": "green"}.get(line[0], "")
        console.print(Text(line, style))
