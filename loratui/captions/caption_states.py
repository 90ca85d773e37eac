"""What the list of captions says of each photo, and which photos it shows."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from curation.dataset import Photo
from curation.errors import CurationError
from curation.frequencies import Unit, parts_of
from curation.text import counted
from curation.triggers import trigger_pattern
from engine.config import TrainConfig
from engine.plan import trigger_words
from engine.text.chunks import TEXT_TOKENS, length_of, most_chunks

State = Literal["left out", "not saved", "without", "too long", "no trigger", "written"]
STATES: tuple[State, ...] = get_args(State)


class CaptionReader:
    """Captions as a training reads them, by its config and the base model's tokenizer (None: OpenAI's)."""

    def __init__(self, config: TrainConfig, tokenizer: Path | None) -> None:
        self.config = config
        self.triggers = trigger_words(config)
        self.trigger_pattern = trigger_pattern(self.triggers)
        self.length = functools.lru_cache(20_000)(lambda caption: length_of(caption, config, tokenizer))
        """Of a caption; raises CurationError when the tokenizer cannot be read."""

    def length_in_words(self, caption: str) -> str:
        """ "31/75 tokens", and what happens to those that are too many."""
        try:
            length = self.length(caption)
        except CurationError as error:
            return f"tokens cannot be counted: {error.problem}"
        if length.read < length.tokens:
            most = most_chunks(self.config.text_encoder) * TEXT_TOKENS
            return f"{length.tokens}/{most} tokens: the last {length.tokens - length.read} are cut off"
        if length.chunks > 1:
            return f"{length.tokens} tokens in {length.chunks} chunks of {TEXT_TOKENS}"
        return f"{length.tokens}/{TEXT_TOKENS} tokens"

    def is_too_long(self, caption: str) -> bool:
        """Whether its end is cut off."""
        try:
            length = self.length(caption)
        except CurationError:
            return False
        return length.read < length.tokens

    def lacks_trigger(self, caption: str) -> bool:
        """Whether there is a trigger word, and the caption does not say it."""
        return bool(self.triggers) and self.trigger_pattern.search(caption) is None

    def state(self, photo: Photo, unsaved: Mapping[str, str]) -> State:
        """The state that weighs most."""
        caption = unsaved.get(photo.name, photo.caption or "")
        if photo.name in unsaved:
            return "not saved"
        if photo.excluded is not None:
            return "left out"
        if not caption.strip():
            return "without"
        if self.is_too_long(caption):
            return "too long"
        return "no trigger" if self.lacks_trigger(caption) else "written"

    def holds(self, photo: Photo, unsaved: Mapping[str, str], state: State) -> bool:
        """Whether the photo belongs to a state; it may to several."""
        caption = unsaved.get(photo.name, photo.caption or "")
        match state:
            case "left out":
                return photo.excluded is not None
            case "not saved":
                return photo.name in unsaved
            case "without":
                return not caption.strip() and photo.excluded is None
            case "too long":
                return self.is_too_long(caption)
            case "no trigger":
                return bool(caption.strip()) and self.lacks_trigger(caption)
            case "written":
                return bool(caption.strip())


@dataclass(frozen=True)
class Shown:
    """Which photos the list shows.

    text: that the name or the caption holds, in any case.  state: None for all.  part: a tag or word, by `unit`, that
    the caption has; empty for any.
    """

    text: str = ""
    state: State | None = None
    part: str = ""
    unit: Unit = "tag"

    def includes(self, photo: Photo, reader: CaptionReader, unsaved: Mapping[str, str]) -> bool:
        """Whether the list shows the photo."""
        caption = unsaved.get(photo.name, photo.caption or "")
        return (
            (not self.text or self.text.casefold() in f"{photo.name}\n{caption}".casefold())
            and (not self.part or self.part in parts_of(caption, self.unit))
            and (self.state is None or reader.holds(photo, unsaved, self.state))
        )

    def in_words(self) -> str:
        """Such as "without, holding 'coat'"; empty when all are shown."""
        words = [self.state or "", f"holding {self.text!r}" if self.text else ""]
        words.append(f"with the {self.unit} {self.part!r}" if self.part else "")
        return ", ".join(filter(None, words))


def shown_in_words(shown: Shown, number: int, total: int) -> str:
    """The list's title."""
    filtered = shown.in_words()
    return f"{number} of {counted(total, 'photo')}: {filtered}" if filtered else counted(total, "photo")
