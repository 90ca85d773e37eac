"""What the screens share: a folder of photos, what its checks said, unsaved captions, the recipe, the run on view."""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from curation.atomic import write_text
from curation.dataset import Dataset, open_dataset, save_captions
from curation.errors import CurationError, StatedError
from curation.hub import photos_folder
from engine.rundir import RunDir, State
from loratui.glyphs import Sign
from loratui.monitor import Monitor
from loratui.recipe import KIND, RESOLUTION, TRIGGER, Recipe, Setting

if TYPE_CHECKING:
    from curation.report import Report

CONFIG_FILE = Path("lora.toml")
CHECKED_SETTINGS = (KIND, TRIGGER, RESOLUTION)  # what the checks judge by, besides photos and captions

RUN_SIGNS: dict[State, Sign] = {
    "queued": "open",
    "starting": "going",
    "running": "going",
    "paused": "attention",
    "stopped": "attention",
    "finished": "done",
    "failed": "blocked",
    "died": "blocked",
}
VERDICT_SIGNS: dict[str, Sign] = {"ready": "done", "attention": "attention", "blocked": "blocked"}


@dataclass(frozen=True)
class Standing:
    """How far a step is: a sign, and the same in a word."""

    sign: Sign
    word: str


class Project:
    """One folder's way to a LoRA. Holds what is not on disk yet, above all captions that were typed.

    left_out: the names of photos that were left out because of a finding, step by step, the last one last.
    """

    def __init__(self, runs_dir: Path) -> None:
        self.runs_dir = runs_dir
        self.dataset: Dataset | None = None
        self.report: Report | None = None
        self.unsaved: dict[str, str] = {}
        self.left_out: list[tuple[str, ...]] = []
        self.recipe = Recipe({})
        self.monitor: Monitor | None = None

    def open(self, folder: Path) -> None:
        """Turn to a folder of photos, with the lora.toml here if it is about it.

        Captions that could not be saved the last time are unsaved edits again.  Raises CurationError when the folder
        cannot be used or the captions of the folder before cannot be saved, ConfigError for a broken lora.toml: the
        folder is open all the same then.
        """
        self.save_captions()
        self.dataset = open_dataset(folder)
        self.report = None
        self.left_out = []
        self.recipe = Recipe.for_photos(folder)
        self.unsaved = self._take_kept_captions(self.dataset)
        if CONFIG_FILE.exists():
            recipe = Recipe.from_file(CONFIG_FILE)
            data = recipe.compose().config.data
            named = data.instance_data_dir or data.dataset_name
            if named and photos_folder(named, fetch=False).resolve() == folder.resolve():
                self.recipe = recipe
                self.dataset = open_dataset(folder, data.caption_column)

    def choose(self, setting: Setting, text: str) -> None:
        """Take what was typed for a setting."""
        self.recipe.choose(setting, text)
        if setting in CHECKED_SETTINGS:
            self.report = None

    def save_captions(self) -> int:
        """Write the unsaved captions; returns how many.

        Together, or where that is refused each on its own, so that one that cannot be written holds up no other.
        Raises CurationError then, and keeps those that were refused, here and in a file of their own.
        """
        count = len(self.unsaved)
        if not self.dataset or not count:
            return 0
        try:
            self._save(self.dataset, self.unsaved)
        except CurationError:
            for name, caption in list(self.unsaved.items()) if count > 1 else ():
                with contextlib.suppress(CurationError):
                    self._save(self.dataset, {name: caption})
            with contextlib.suppress(OSError):
                self._write_unsaved(_kept_file(self.dataset))
            raise
        _kept_file(self.dataset).unlink(missing_ok=True)
        return count

    def _save(self, dataset: Dataset, captions: Mapping[str, str]) -> None:
        self.dataset = save_captions(dataset, captions)
        self.unsaved = {name: caption for name, caption in self.unsaved.items() if name not in captions}
        self.report = None

    def read_again(self) -> None:
        """Read the folder anew; unsaved captions stay. Raises CurationError."""
        self.report = None
        if self.dataset:
            self.dataset = open_dataset(self.dataset.root, self.dataset.caption_column)
            known = {photo.name for photo in self.dataset.photos}
            self.unsaved = {name: caption for name, caption in self.unsaved.items() if name in known}

    def keep_captions(self) -> Path | None:
        """Save the captions at the end, wherever that is possible.

        Where the metadata file cannot take them they go to a file of their own, which is returned: beside the photos,
        where `open` finds it the next time, or else in the current folder.  Raises OSError when no place takes them.
        """
        if not self.dataset or not self.unsaved:
            return None
        try:
            self.save_captions()
        except (StatedError, OSError):
            try:
                return self._write_unsaved(_kept_file(self.dataset))
            except OSError:
                return self._write_unsaved(Path(_kept_file(self.dataset).name))
        return None

    def _write_unsaved(self, path: Path) -> Path:
        write_text(path, json.dumps({"version": 1, "captions": self.unsaved}, indent=1) + "\n")
        return path

    def watch(self, run: RunDir) -> Monitor:
        """Turn to a run."""
        self.monitor = Monitor(run)
        self.monitor.refresh()
        return self.monitor

    def standings(self) -> dict[str, Standing]:
        """How far each step is, by mode."""
        return {
            "photos": self._photos_standing(),
            "checks": self._checks_standing(),
            "captions": self._captions_standing(),
            "recipe": self._recipe_standing(),
            "train": self._train_standing(),
            "results": self._results_standing(),
        }

    def _photos_standing(self) -> Standing:
        if not self.dataset:
            return Standing("open", "no folder")
        return Standing("done", str(len(self.dataset.trainable)))

    def _checks_standing(self) -> Standing:
        if not self.report:
            return Standing("open", "not run")
        return Standing(VERDICT_SIGNS[self.report.verdict], self.report.verdict)

    def _captions_standing(self) -> Standing:
        if not self.dataset:
            return Standing("open", "")
        photos = self.dataset.trainable
        written = sum(bool(self.unsaved.get(photo.name, photo.caption)) for photo in photos)
        if self.unsaved:
            return Standing("attention", f"{len(self.unsaved)} unsaved")
        covered = written == len(photos) or self.recipe.compose().config.concept.instance_prompt
        return Standing("done" if covered else "attention", f"{written}/{len(photos)}")

    def _recipe_standing(self) -> Standing:
        if not self.dataset:
            return Standing("open", "")
        return Standing("blocked", "mend") if self.recipe.all_problems() else Standing("done", "ready")

    def _train_standing(self) -> Standing:
        if not self.monitor:
            return Standing("open", "no run")
        return Standing(RUN_SIGNS[self.monitor.state], self.monitor.state)

    def _results_standing(self) -> Standing:
        if not self.monitor or not self.monitor.verified:
            return Standing("open", "")
        return Standing("done", "verified") if self.monitor.verified.ok else Standing("blocked", "not verified")

    def _take_kept_captions(self, dataset: Dataset) -> dict[str, str]:
        try:
            captions = json.loads(_kept_file(dataset).read_text("utf-8"))["captions"].items()
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}
        known = {photo.name for photo in dataset.photos}
        return {name: caption for name, caption in captions if name in known and isinstance(caption, str)}


def _kept_file(dataset: Dataset) -> Path:
    return dataset.root / ".loratui" / "unsaved-captions.json"
