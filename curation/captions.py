"""Caption edits as values: choose photos, preview what an edit would change, then save it."""

import re
import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Protocol

from curation.dataset import Dataset, Photo
from curation.errors import CurationError
from curation.text import visible
from curation.triggers import trigger_pattern

TEMPLATE_FIELDS = ("caption", "trigger", "class_noun", "lookalike")


@dataclass(frozen=True)
class Context:
    """Words that edits may use, empty where there are none.

    trigger: the word that stands for the concept, TOK in the guide.  class_noun: what the subject is, "woman".
    lookalike: a public person that the base model knows and who resembles the subject; the guide tells of better
    results when the trigger word stands with such a name.
    """

    trigger: str = ""
    class_noun: str = ""
    lookalike: str = ""


class Edit(Protocol):
    """One operation on one caption. It returns the new caption, and changes nothing else."""

    def apply(self, caption: str, context: Context) -> str: ...


@dataclass(frozen=True)
class Set:
    """Put one text in the caption's place."""

    text: str

    def apply(self, caption: str, context: Context) -> str:
        return self.text


@dataclass(frozen=True)
class Replace:
    r"""Replace every `old` by `new`. With `regex`, `old` is Python's, and `new` may name groups: `\1`, `\g<name>`.

    Raises CurationError for an empty `old`, and for an expression or a group that is not valid.
    """

    old: str
    new: str
    regex: bool = False

    def __post_init__(self) -> None:
        if not self.old:
            raise CurationError("There is no text to replace.", "Give the text that captions hold now.")
        if self.regex:
            try:
                compiled(self.old).sub(self.new, "")
            except (re.error, IndexError) as error:
                raise CurationError(
                    f'The replacement "{visible(self.new)}" is not valid: {error}.',
                    r"Name groups that the expression has: \1, or \g<name>; write a backslash twice.",
                ) from error

    def apply(self, caption: str, context: Context) -> str:
        if self.regex:
            return compiled(self.old).sub(self.new, caption)
        return caption.replace(self.old, self.new)


@dataclass(frozen=True)
class Prefix:
    """Put a text in front, exactly as written: a space or comma after it is part of it."""

    text: str

    def apply(self, caption: str, context: Context) -> str:
        return self.text + caption


@dataclass(frozen=True)
class Suffix:
    """Put a text at the end, exactly as written."""

    text: str

    def apply(self, caption: str, context: Context) -> str:
        return caption + self.text


@dataclass(frozen=True)
class Remove:
    """Take a text out, wherever it stands, and one of the two spaces that would be left side by side."""

    text: str

    def __post_init__(self) -> None:
        if not self.text:
            raise CurationError("There is no text to remove.", "Give the text that captions hold now.")

    def apply(self, caption: str, context: Context) -> str:
        text = re.escape(self.text)
        return re.sub(rf"\s{text}\Z|(?:\A|(?<=\s)){text}\s|{text}", "", caption)


@dataclass(frozen=True)
class RemoveTag:
    """Take a tag out. Tags are what stands between commas."""

    tag: str

    def apply(self, caption: str, context: Context) -> str:
        return _with_tags(caption, [tag for tag in tags_of(caption) if tag != self.tag])


@dataclass(frozen=True)
class MoveTagFirst:
    """Put a tag in front, where the caption has it: kohya's `keep_tokens` leaves the first tags in place."""

    tag: str

    def apply(self, caption: str, context: Context) -> str:
        tags = tags_of(caption)
        if self.tag not in tags:
            return caption
        return _with_tags(caption, [self.tag, *(tag for tag in tags if tag != self.tag)])


@dataclass(frozen=True)
class SortTags:
    """Put the tags in alphabetical order, all but the first `keep`."""

    keep: int = 0

    def apply(self, caption: str, context: Context) -> str:
        tags = tags_of(caption)
        return _with_tags(caption, tags[: self.keep] + sorted(tags[self.keep :], key=lambda tag: (tag.casefold(), tag)))


@dataclass(frozen=True)
class DeduplicateTags:
    """Keep each tag once, where it stands first."""

    def apply(self, caption: str, context: Context) -> str:
        return _with_tags(caption, list(dict.fromkeys(tags_of(caption))))


@dataclass(frozen=True)
class InsertTrigger:
    """Say the trigger word before the class noun, "a woman" becoming "a TOK woman", or else put both in front.

    A caption that has the trigger word stays as it is.
    """

    def apply(self, caption: str, context: Context) -> str:
        trigger, noun = _needed(context, "trigger"), context.class_noun
        if trigger_pattern([trigger]).search(caption):
            return caption
        found = re.search(rf"(?<!\w){re.escape(noun)}(?!\w)", caption, re.IGNORECASE) if noun else None
        if found:
            return f"{caption[: found.start()]}{trigger} {caption[found.start() :]}"
        concept = f"{trigger} {noun}".rstrip()
        return f"{concept}, {caption}" if caption.strip() else concept


@dataclass(frozen=True)
class Template:
    """Write the caption anew from its parts: "a photo of {trigger} {class_noun}, {caption}".

    For a lookalike: "a photo of {trigger} {lookalike}, {caption}". Braces are written twice to stand for themselves.
    Raises CurationError for a field that there is not.
    """

    text: str

    def __post_init__(self) -> None:
        for field in self._fields():
            if field not in TEMPLATE_FIELDS:
                raise CurationError(
                    f"The template has no field {{{visible(field)}}}.",
                    f"Its fields are {', '.join('{' + known + '}' for known in TEMPLATE_FIELDS)}.",
                )

    def apply(self, caption: str, context: Context) -> str:
        """Raises CurationError when the template uses a word that the context lacks."""
        words = {field: _needed(context, field) for field in self._fields() if field != "caption"}
        written = self.text.format(caption=caption, **words)
        return written if caption else written.rstrip(" ,")

    def _fields(self) -> list[str]:
        try:
            parts = list(string.Formatter().parse(self.text))
        except ValueError as error:
            raise CurationError(
                f'The template "{visible(self.text)}" is not valid: {error}.', "Write {{ and }} for braces."
            ) from error
        # "{caption!r}", "{caption:>9}" and "{caption.x}" are not offered: captions are text, and fields are words.
        return [
            f"{name}{f'!{conversion}' if conversion else ''}{f':{spec}' if spec else ''}"
            for _, name, spec, conversion in parts
            if name is not None
        ]


@dataclass(frozen=True)
class Filter:
    """Which photos an edit is for: those that pass every test that is set.

    photos: names, or patterns such as "beach/*.jpg".  empty: those without a caption.  matching: an expression that
    the caption holds.
    Raises CurationError for an expression that is not valid.
    """

    photos: tuple[str, ...] = ()
    empty: bool = False
    matching: str | None = None

    def __post_init__(self) -> None:
        if self.matching is not None:
            compiled(self.matching)

    def chosen(self, dataset: Dataset) -> tuple[Photo, ...]:
        """The photos that pass. Raises CurationError for a name or a pattern that no photo has."""
        named = self._named(dataset)
        return tuple(photo for photo in dataset.photos if photo.name in named and self._passes(photo))

    def _named(self, dataset: Dataset) -> frozenset[str]:
        names = frozenset(photo.name for photo in dataset.photos)
        if not self.photos:
            return names
        named: set[str] = set()
        for pattern in self.photos:
            found = {pattern} if pattern in names else {name for name in names if fnmatchcase(name, pattern)}
            if not found:
                raise CurationError(
                    f'There is no photo "{visible(pattern)}" in {visible(str(dataset.root))}.',
                    "Name photos by their path inside the folder; `loratui caption list` shows them.",
                )
            named |= found
        return frozenset(named)

    def _passes(self, photo: Photo) -> bool:
        caption = photo.caption or ""
        return (not self.empty or not caption.strip()) and (
            self.matching is None or compiled(self.matching).search(caption) is not None
        )


@dataclass(frozen=True)
class CaptionChange:
    """What an edit does to one photo.  photo: its name.  before: None when nobody wrote a caption."""

    photo: str
    before: str | None
    after: str


def preview(
    dataset: Dataset, edit: Edit, chosen: Filter | None = None, context: Context | None = None
) -> tuple[CaptionChange, ...]:
    """What the edit would change, photo by photo; nothing is written. `save_captions` takes it from `edited`.

    A missing caption is edited as an empty one, and stays missing where the edit leaves it empty.
    """
    photos = (chosen or Filter()).chosen(dataset)
    changes = (
        CaptionChange(photo.name, photo.caption, edit.apply(photo.caption or "", context or Context()))
        for photo in photos
    )
    return tuple(change for change in changes if change.after != (change.before or ""))


def edited(changes: Iterable[CaptionChange]) -> dict[str, str]:
    """The new captions by photo name."""
    return {change.photo: change.after for change in changes}


def in_words(edit: Edit, changes: Sequence[CaptionChange]) -> str:
    """What the journal calls a step: "Replace in 12 captions"."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(edit).__name__).capitalize()
    return f"{name} in {changes[0].photo if len(changes) == 1 else f'{len(changes)} captions'}"


def diff(changes: Iterable[CaptionChange]) -> str:
    """The changes as a unified diff, each caption in one line, with control characters spelled out."""
    lines: list[str] = []
    for change in changes:
        lines += [f"--- {visible(change.photo)}", f"+++ {visible(change.photo)}"]
        lines += [] if change.before is None else [f"-{visible(change.before)}"]
        lines.append(f"+{visible(change.after)}")
    return "\n".join(lines)


def tags_of(caption: str) -> list[str]:
    """What stands between the commas, without the spaces around it; empty ones are left out."""
    return [tag.strip() for tag in caption.split(",") if tag.strip()]


def _with_tags(caption: str, tags: list[str]) -> str:
    """The caption with these tags; as it was, its commas and spaces included, where they are the same."""
    return caption if tags == tags_of(caption) else ", ".join(tags)


def compiled(expression: str) -> re.Pattern[str]:
    """The expression, compiled (`re` keeps the last ones). Raises CurationError for one that is not valid."""
    try:
        return re.compile(expression)
    except (re.error, OverflowError, RecursionError) as error:
        raise CurationError(
            f'The expression "{visible(expression)}" is not valid: {error}.',
            "Mend it; Python's `re` page describes what it may hold.",
        ) from error


def _needed(context: Context, field: str) -> str:
    word = getattr(context, field)
    if not word:
        raise CurationError(
            f"The {field.replace('_', ' ')} is not known.", f"Give it with --{field.replace('_', '-')}."
        )
    return word
