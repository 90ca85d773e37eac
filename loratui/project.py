"""What the screens share: a folder of photos, what its checks said, unsaved captions, the recipe, the run on view."""

import contextlib
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from curation.dataset import Dataset, open_dataset
from curation.errors import CurationError, StatedError
from curation.hub import photos_folder
from engine.paths import CONFIG_FILE
from engine.rundir import RunDir
from loratui.captions.kept import (
    forget_captions,
    keep_captions,
    kept_captions,
    read_captions_file,
    write_captions_file,
)
from loratui.captions.saving import Saved, write_captions
from loratui.photos.repointing import NAMING_KEYS
from loratui.photos.way_back import WayBack
from loratui.recipe import KIND, RESOLUTION, TRIGGER, Recipe, Setting
from loratui.runs.monitor import Monitor
from loratui.standing import RUN_SIGNS, VERDICT_SIGNS, WITHOUT_PHOTOS, Standing
from loratui.user.drafts import Draft, KeptDraft, config_digest, draft_file
from loratui.user.recent import remember_folder
from loratui.user.user_folders import state_folder

if TYPE_CHECKING:
    from curation.report import Report

CHECKED_SETTINGS = (KIND, TRIGGER, RESOLUTION)  # what the checks judge by, besides photos and captions


class Project:
    """One folder's way to a LoRA. Holds what is not on disk yet, above all captions that were typed.

    is_hindered: whether the recipe, when it was last examined, had what keeps a run from starting.
    config_has_changed: whether another program wrote lora.toml after settings were typed that are not in it.
    """

    def __init__(self, runs_dir: Path) -> None:
        self.runs_dir = runs_dir
        self.dataset: Dataset | None = None
        self.report: Report | None = None
        self.unsaved: dict[str, str] = {}
        self._sharers: list[None] = []  # one for each that writes into the folder besides, from threads
        self._saver = ThreadPoolExecutor(1)  # at the end of the program Python waits for what it writes
        self.saving: Future[Saved] | None = None  # captions that are being written
        self.way_back: WayBack | None = None
        self.config_has_changed = False
        self._config_digest = config_digest(CONFIG_FILE)
        self._kept_draft = self._draft_for(None)
        self.recipe = Recipe({}).to_edit()
        self.recipe.take(self._kept_draft.draft.settings)
        self.is_hindered = False
        self.monitor: Monitor | None = None

    def open(self, folder: Path) -> None:
        """Turn to a folder of photos, with the lora.toml here if it is about it; one that is open is read again.

        Captions that could not be saved the last time are unsaved edits again, and settings that were not written come
        back; those typed before any folder was open stay.  Raises CurationError when the folder cannot be used or what
        was typed for the folder before cannot be kept, ConfigError for a broken lora.toml: the folder is open all the
        same then.
        """
        self.save_captions()
        self.keep_settings()
        if self.dataset and self.dataset.root.resolve() == folder.resolve():  # the recipe may have unwritten settings
            self.read_again()
            return
        before, typed = self._kept_draft, {} if self.dataset else self.recipe.unwritten()
        self.dataset = open_dataset(folder)
        remember_folder(folder, len(self.dataset.trainable), self.runs_dir)
        self.report = None
        self.way_back = WayBack(self.dataset.root)
        self.unsaved = self._take_kept_captions(self.dataset)
        self._kept_draft = self._draft_for(folder)
        try:
            self._open_recipe(folder, {**self._kept_draft.draft.settings, **typed})
        finally:
            if typed:  # they are this folder's now
                self.keep_settings()
                before.keep(Draft({}))

    def _open_recipe(self, folder: Path, typed: Mapping[str, str]) -> None:
        """Take the recipe that lora.toml holds, or the one that is offered, with what was typed on top.

        Raises ConfigError for a broken lora.toml; then it is the one that is offered.
        """
        self._config_digest = config_digest(CONFIG_FILE)
        draft = self._kept_draft.draft
        self.config_has_changed = bool(draft.settings) and draft.config != self._config_digest
        written = Recipe.for_photos(folder)
        try:
            written = _recipe_of_config(folder) or written
        finally:
            self.recipe = written.to_edit()
            self.recipe.take(typed)
        column = written.compose().config.data.caption_column
        if self.dataset and column != self.dataset.caption_column:
            self.dataset = open_dataset(folder, column)

    def turn_to(self, dataset: Dataset) -> None:
        """Go on with the same photos in another folder, mended or as they were, by the same recipe.

        Raises CurationError when what was typed for the folder before cannot be kept.
        """
        self.save_captions()
        self.keep_settings()
        for setting in (Setting("data", key, key) for key in NAMING_KEYS):
            if self.recipe.text(setting):
                self.recipe.choose(setting, str(dataset.root))
        self._kept_draft = self._draft_for(dataset.root)
        self._stand_on_config(dataset.root)
        self.dataset, self.report = dataset, None
        self.unsaved = self._take_kept_captions(dataset)
        if self.way_back:
            self.way_back.turn_to(dataset.root)

    def choose(self, setting: Setting, text: str) -> None:
        """Take what was typed for a setting."""
        self.recipe.choose(setting, text)
        self.is_hindered = False
        if setting in CHECKED_SETTINGS:
            self.report = None

    def keep_settings(self) -> None:
        """Keep what was typed and is not in lora.toml, for the next time. Raises CurationError."""
        draft = Draft(self.recipe.unwritten(), self._config_digest)
        try:
            self._kept_draft.keep(draft)
        except OSError as error:
            raise CurationError(
                f"Settings that are not in {CONFIG_FILE} cannot be kept in {state_folder()}: {error.strerror}.",
                f"Write {CONFIG_FILE} with w on the screen 4 Recipe.",
            ) from None

    def begin_keeping_settings(self) -> None:
        """The same in the background, while one types."""
        self._kept_draft.begin(Draft(self.recipe.unwritten(), self._config_digest))

    def settings_are_written(self) -> None:
        """Go on from the lora.toml that was written just now. Raises CurationError, and ConfigError."""
        self.recipe.stand_on(Recipe.from_file(CONFIG_FILE))
        self._config_digest, self.config_has_changed = config_digest(CONFIG_FILE), False
        self.keep_settings()

    def drop_settings(self) -> None:
        """Forget what was typed and is not in lora.toml. Raises CurationError."""
        self.recipe = self.recipe.written.to_edit()
        self.report, self.is_hindered, self.config_has_changed = None, False, False
        self.keep_settings()

    def follow_config(self) -> bool:
        """Take over what another program wrote to lora.toml since it was read, with what was typed on top.

        Where it is no longer about these photos, all settings stay as they are.  Returns whether it was another one.
        Raises ConfigError.
        """
        digest = config_digest(CONFIG_FILE)
        if self.dataset is None or digest == self._config_digest:
            return False
        self._config_digest = digest
        typed, written = self.recipe.unwritten(), _recipe_of_config(self.dataset.root)
        if written:
            self.recipe = written.to_edit()
            self.recipe.take(typed)
        else:
            self.recipe.stand_on(Recipe.for_photos(self.dataset.root))
        self.report, self.is_hindered = None, False
        self.config_has_changed = bool(self.recipe.unwritten())
        return True

    def _stand_on_config(self, folder: Path) -> None:
        """Go on with the recipe as it is for another folder: what is not in a lora.toml about that is not written."""
        written = None
        with contextlib.suppress(StatedError):
            written = _recipe_of_config(folder)
        self.recipe.stand_on(written or Recipe.for_photos(folder))

    def _draft_for(self, photos: Path | None) -> KeptDraft:
        return KeptDraft(draft_file(photos, CONFIG_FILE), self._saver)

    def save_captions(self) -> int:
        """Write the unsaved captions, after what is being written already; returns how many.

        Raises CurationError where some are refused, and keeps those, here and in a file of their own.
        """
        self.take_saved()
        if not self.dataset or not self.unsaved:
            return 0
        saved = write_captions(self.dataset, dict(self.unsaved), bool(self._sharers))
        self._take(saved)
        if saved.refused:
            raise saved.refused
        return len(saved.captions)

    def begin_saving(self) -> bool:
        """Begin to write the unsaved captions in the background: of 10,000 photos that takes half a second.

        `take_saved` is for when it is done.  False when there are none, or others are being written.
        """
        if not self.dataset or not self.unsaved or self.saving is not None:
            return False
        self.saving = self._saver.submit(write_captions, self.dataset, dict(self.unsaved), bool(self._sharers))
        return True

    @contextlib.contextmanager
    def shared_folder(self) -> Iterator[None]:
        """While something else of ours writes into the folder: what it changed there refuses no caption."""
        self._sharers.append(None)
        try:
            yield
        finally:
            self._sharers.pop()

    def take_saved(self) -> Saved | None:
        """Wait for what is written in the background, and go on from it; None when there is nothing."""
        saving, self.saving = self.saving, None
        if saving is None:
            return None
        saved = saving.result()
        self._take(saved)
        return saved

    def _take(self, saved: Saved) -> None:
        """What was typed on while its caption was written stays unsaved."""
        if saved.captions:
            self.report = None
            self.unsaved = {n: text for n, text in self.unsaved.items() if saved.captions.get(n) != text}
            if self.dataset is saved.before:
                self.dataset = saved.dataset
            else:  # another step of the road read the folder meanwhile
                with contextlib.suppress(CurationError):
                    self.read_again()
        if not saved.refused:
            forget_captions(saved.dataset.root)
        else:
            with contextlib.suppress(OSError):
                keep_captions(saved.dataset.root, self.unsaved)

    def read_again(self) -> Path | None:
        """Read the folder anew, as `go_on_with` tells. Raises CurationError."""
        if not self.dataset:
            return None
        return self.go_on_with(open_dataset(self.dataset.root, self.dataset.caption_column))

    def go_on_with(self, dataset: Dataset) -> Path | None:
        """Take the same folder as it was read just now; unsaved captions stay.

        Those of photos that are gone are put into a file beside the photos, which is returned: no list shows them.
        """
        self.report = None
        self.dataset = dataset
        known = {photo.name for photo in dataset.photos}
        gone = {name: caption for name, caption in self.unsaved.items() if name not in known}
        if not gone:
            return None
        file = dataset.root / ".loratui" / "captions-of-missing-photos.json"
        try:
            write_captions_file(file, {**read_captions_file(file), **gone})
        except OSError:
            return None
        self.unsaved = {name: caption for name, caption in self.unsaved.items() if name in known}
        return file

    def keep_captions(self) -> Path | None:
        """Save the captions at the end, wherever that is possible.

        Where the metadata file cannot take them they go to a file of their own, which is returned, and where `open`
        finds them the next time.  Raises OSError when no place takes them.
        """
        if not self.dataset or not self.unsaved:
            return None
        try:
            self.save_captions()
        except (StatedError, OSError):
            return keep_captions(self.dataset.root, self.unsaved)
        return None

    def watch(self, run: RunDir) -> Monitor:
        """Turn to a run; whoever shows it refreshes the monitor, which may take a second."""
        self.monitor = Monitor(run)
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
            return WITHOUT_PHOTOS["photos"]
        trained = len(self.dataset.trainable)
        return Standing("done" if trained else "blocked", str(trained) if trained else "all left out")

    def _checks_standing(self) -> Standing:
        if not self.report:
            return WITHOUT_PHOTOS["checks"]
        return Standing(VERDICT_SIGNS[self.report.verdict], self.report.verdict)

    def _captions_standing(self) -> Standing:
        if not self.dataset:
            return Standing("open", "")
        if self.unsaved:
            return Standing("attention", f"{len(self.unsaved)} unsaved")
        photos = self.dataset.trainable
        written = sum(bool(photo.caption) for photo in photos)
        if written < len(photos):  # the instance prompt stands in for those there are not
            sign = "open" if self.recipe.compose().config.concept.instance_prompt else "attention"
            return Standing(sign, f"{written}/{len(photos)}")
        return Standing("done" if photos else "open", f"{written}/{len(photos)}")

    def _recipe_standing(self) -> Standing:
        if not self.dataset:
            return Standing("open", "")
        is_blocked = self.is_hindered or self.recipe.all_problems()
        return Standing("blocked", "mend") if is_blocked else Standing("done", "ready")

    def _train_standing(self) -> Standing:
        if not self.monitor:
            is_blocked = self._recipe_standing().sign == "blocked"
            return Standing("blocked", "mend 4 first") if is_blocked else WITHOUT_PHOTOS["train"]
        return Standing(RUN_SIGNS[self.monitor.state], self.monitor.state)

    def _results_standing(self) -> Standing:
        if not self.monitor or not self.monitor.verified:
            return Standing("open", "")
        return Standing("done", "verified") if self.monitor.verified.ok else Standing("blocked", "not verified")

    def _take_kept_captions(self, dataset: Dataset) -> dict[str, str]:
        known = {photo.name for photo in dataset.photos}
        return {name: caption for name, caption in kept_captions(dataset.root).items() if name in known}


def _recipe_of_config(folder: Path) -> Recipe | None:
    """The recipe of the lora.toml here, if there is one and it is about the folder. Raises ConfigError."""
    if not CONFIG_FILE.exists():
        return None
    recipe = Recipe.from_file(CONFIG_FILE)
    data = recipe.compose().config.data
    named = data.instance_data_dir or data.dataset_name
    return recipe if named and photos_folder(named, fetch=False).resolve() == folder.resolve() else None
