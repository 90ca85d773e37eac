"""What a checkpoint was trained on: its settings, its model's weights, its photos and captions; told without torch."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from curation.crops import Focus
from curation.errors import CurationError
from curation.text import visible
from engine.config import TrainConfig, sections
from engine.data.examples import Example, real_class_images
from engine.models.contents import model_contents
from engine.paths import typed_path
from engine.training.manifest import STATE

VERSION = 1
# Commands and addresses of the box. They may hold secrets, and checkpoints are copied off it.
LEFT_OUT = frozenset({"run.sync_to", "run.on_finish", "run.notify_command", "run.notify_webhook"})


@dataclass(frozen=True)
class Content:
    """What a file holds. size, mtime_ns: they tell that a file was not touched, and are not compared."""

    sha256: str
    size: int = field(compare=False)
    mtime_ns: int = field(compare=False)


@dataclass(frozen=True)
class Picture:
    """A photo or class image. caption: "" for a class image.  mask: None without a file of its own.

    focus: the centre of its crop, where a person placed it.
    """

    content: Content
    caption: str
    mask: Content | None = None
    focus: Focus | None = None


@dataclass(frozen=True)
class Fingerprint:
    """Equal for two runs that are trained on the same.

    settings: resolved, by section.key.  model: of its weights, None where they are not on this disk.  photos: by name.
    class_images: the real ones by name; those that the base model makes are a function of the rest.
    """

    settings: Mapping[str, Any]
    model: str | None
    photos: Mapping[str, Picture]
    class_images: Mapping[str, Picture]

    def to_json(self) -> dict[str, Any]:
        """As a checkpoint's state.json holds it."""
        return {"version": VERSION, **asdict(self)}


def take_fingerprint(config: TrainConfig, examples: Sequence[Example], known: Fingerprint | None = None) -> Fingerprint:
    """Read what a run is trained on.  config: resolved.  examples: its photos.

    known: an earlier one; files whose size and time of change it knows are not read again.
    Raises CurationError for what cannot be read, EngineError for class images that are not to be had.
    """
    masks: dict[str, Path] = {}
    if config.loss.masked_loss:
        from engine.data.masks import mask_files  # 80 ms, with numpy

        masks = mask_files(examples, typed_path(config.data.mask_dir) if config.data.mask_dir else None)
    before = known or Fingerprint({}, None, {}, {})
    photo_contents = _contents(
        {example.name: example.path for example in examples},
        {name: photo.content for name, photo in before.photos.items()},
    )
    mask_contents = _contents(masks, {name: photo.mask for name, photo in before.photos.items()})
    class_contents = _contents(
        _named(real_class_images(config.prior)), {name: image.content for name, image in before.class_images.items()}
    )
    return Fingerprint(
        settings=settings_of(config),
        model=model_contents(config.model),
        photos={
            example.name: Picture(
                photo_contents[example.name], example.caption, mask_contents.get(example.name), example.focus
            )
            for example in examples
        },
        class_images={name: Picture(content, "") for name, content in class_contents.items()},
    )


def recorded_fingerprint(checkpoint: Path) -> Fingerprint | None:
    """The one that a checkpoint carries; None in one of an earlier version of the program."""
    try:
        return fingerprint_from_json(json.loads((checkpoint / STATE).read_text("utf-8"))["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def fingerprint_from_json(stored: Mapping[str, Any]) -> Fingerprint | None:
    """What `to_json` gave; None for another version. Settings that were not there yet have their defaults.

    Raises KeyError, TypeError or AttributeError for what is none.
    """
    if stored["version"] != VERSION:
        return None
    return Fingerprint(
        settings={name: stored["settings"].get(name, default) for name, default in settings_of(TrainConfig()).items()},
        model=stored["model"],
        photos={name: _picture(picture) for name, picture in stored["photos"].items()},
        class_images={name: _picture(picture) for name, picture in stored["class_images"].items()},
    )


def _picture(stored: Mapping[str, Any]) -> Picture:
    mask, focus = stored["mask"], stored.get("focus")  # older versions of the program knew of none
    return Picture(
        Content(**stored["content"]),
        stored["caption"],
        Content(**mask) if mask else None,
        (focus[0], focus[1]) if focus else None,
    )


def settings_of(config: TrainConfig) -> dict[str, Any]:
    """A config's values by section.key, without those that may hold secrets."""
    values = config.model_dump(mode="json")
    names = (f"{section}.{key}" for section, model in sections().items() for key in model.model_fields)
    return {name: values[name.split(".")[0]][name.split(".")[1]] for name in names if name not in LEFT_OUT}


def _named(paths: Sequence[Path]) -> dict[str, Path]:
    """Files of several folders, by names that hang on no folder's place."""
    named: dict[str, Path] = {}
    for path in paths:
        name, number = path.name, 2
        while name in named:
            name, number = f"{path.name} ({number})", number + 1
        named[name] = path
    return named


def _contents(paths: Mapping[str, Path], known: Mapping[str, Content | None]) -> dict[str, Content]:
    with ThreadPoolExecutor() as pool:
        return dict(zip(paths, pool.map(_content, paths.values(), map(known.get, paths)), strict=True))


def _content(path: Path, known: Content | None) -> Content:
    try:
        status = path.stat()
        if known and (known.size, known.mtime_ns) == (status.st_size, status.st_mtime_ns):
            return known
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CurationError(
            f"{visible(path.name)} cannot be read: {error.strerror}.", f"Mend it, or leave it out of {path.parent}."
        ) from error
    return Content(sha256, status.st_size, status.st_mtime_ns)
