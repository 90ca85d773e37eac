"""The edits of many captions at once that a screen offers, as `loratui caption` does on the command line."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from curation.captions import (
    Context,
    DeduplicateTags,
    Edit,
    InsertTrigger,
    MoveTagFirst,
    Prefix,
    Remove,
    RemoveTag,
    Replace,
    Set,
    SortTags,
    Suffix,
    Template,
)
from curation.errors import CurationError
from curation.text import visible


@dataclass(frozen=True)
class Operation:
    """name: what the user chooses.  hint: how its texts are meant.  fields: the names of the texts it wants.

    make: the edit, from those texts.  words: the texts that the edit's Context takes besides, by its own names.
    """

    name: str
    hint: str
    fields: tuple[str, ...]
    make: Callable[..., Edit]
    words: tuple[str, ...] = ()

    def edit(self, texts: Sequence[str]) -> tuple[Edit, Context]:
        """The edit and its words. Raises CurationError for texts that do not do."""
        own = len(self.fields) - len(self.words)
        return self.make(*texts[:own]), Context(**dict(zip(self.words, texts[own:], strict=True)))


def _sort(keep: str) -> Edit:
    try:
        number = int(keep or 0)
    except ValueError:
        number = -1
    if number < 0:
        raise CurationError(f'"{visible(keep)}" is no number of tags.', "Write a number such as 1.")
    return SortTags(number)


def _needed(text: str, what: str) -> str:
    if not text:
        raise CurationError(f"There is no {what} yet.", "Type it.")
    return text


OPERATIONS: tuple[Operation, ...] = (
    Operation("Replace text", "wherever it stands", ("old", "new"), Replace),
    Operation(
        "Replace by expression",
        r"a regular expression; new may name its groups: \1",
        ("old", "new"),
        lambda old, new: Replace(old, new, regex=True),
    ),
    Operation("Put in front", "exactly as written", ("text",), lambda text: Prefix(_needed(text, "text"))),
    Operation("Put at the end", "exactly as written", ("text",), lambda text: Suffix(_needed(text, "text"))),
    Operation("Remove text", "wherever it stands", ("text",), Remove),
    Operation(
        "Remove a tag", "where it stands alone between commas", ("tag",), lambda tag: RemoveTag(_needed(tag, "tag"))
    ),
    Operation(
        "Move a tag first", "in the captions that have it", ("tag",), lambda tag: MoveTagFirst(_needed(tag, "tag"))
    ),
    Operation("Sort tags", "by the alphabet, all but the first", ("keep",), _sort),
    Operation("Each tag once", "where it stands first", (), DeduplicateTags),
    Operation(
        "Say the trigger word",
        "before the class noun, or else in front; a caption that has it stays",
        ("trigger", "class noun"),
        InsertTrigger,
        ("trigger", "class_noun"),
    ),
    Operation(
        "Write by a template",
        "with {caption}, {trigger}, {class_noun} and {lookalike}",
        ("template", "trigger", "class noun", "lookalike"),
        Template,
        ("trigger", "class_noun", "lookalike"),
    ),
    Operation("Set", "one caption for all, over what is there", ("text",), lambda text: Set(_needed(text, "text"))),
)


def changed_span(before: str, after: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """Where two texts differ: start and end in each, from the first character that differs to the last one."""
    start = next(
        (i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(map(len, (before, after)))
    )
    most = min(len(before), len(after)) - start
    same = next((i for i in range(most) if before[-1 - i] != after[-1 - i]), most)
    return (start, len(before) - same), (start, len(after) - same)
