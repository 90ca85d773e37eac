"""What is decided about photos on the screen Photos: which are left out, where they are cropped; and the way back."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from curation import journal
from curation.dataset import Dataset, Photo, exclude, include, open_dataset, place_crops
from curation.errors import StatedError
from curation.text import visible
from engine.data.buckets import Size
from engine.settings import DataSection
from loratui.jobs import Job
from loratui.photos.left_out import BY_HAND
from loratui.photos.training_crop import takes_whole
from loratui.screens.crop import CropScreen, Placed
from loratui.screens.step import StepScreen


class Deciding(StepScreen):
    """The actions that write into the photos' folder. The screen beneath shows the photos."""

    def _photo(self) -> Photo | None:
        """The photo under the cursor."""
        raise NotImplementedError

    def _chosen(self) -> Sequence[Photo]:
        """The marked photos, or the one under the cursor."""
        raise NotImplementedError

    def _size_of(self, photo: Photo) -> Size | None:
        """(height, width) of the upright photo, where it is known."""
        raise NotImplementedError

    def _draw_decided(self, dataset: Dataset, names: Collection[str]) -> None:
        """Draw these photos alone: it was decided about them."""
        raise NotImplementedError

    @property
    def _data(self) -> DataSection:
        return self.project.recipe.compose().config.data

    # Leaving out

    def action_leave_out_or_back(self) -> None:
        """All of the marked go the way of the one under the cursor, or of the first."""
        chosen = self._chosen()
        if not chosen:
            return
        photo = self._photo()
        leading = photo if photo in chosen else chosen[0]
        if leading and leading.excluded is None:
            names = {each.name: BY_HAND for each in chosen if each.excluded is None}
            self._decide(names, lambda dataset: exclude(dataset, names))
        else:
            names = dict.fromkeys((each.name for each in chosen), "")
            self._decide(names, lambda dataset: include(dataset, names))

    # The training crop

    @property
    def _can_crop(self) -> bool:
        """Whether training cuts anything off the photo under the cursor."""
        photo = self._photo()
        size = self._size_of(photo) if photo else None
        return size is not None and not takes_whole(size, self._data)

    def action_crop(self) -> None:
        """Place the training crop of the photo under the cursor."""
        photo = self._photo()
        size = self._size_of(photo) if photo else None
        if photo is None or size is None or not self._can_crop:
            return

        def place(placed: Placed | None) -> None:
            if placed and placed.focus != photo.focus:
                self._decide([photo.name], lambda dataset: place_crops(dataset, {photo.name: placed.focus}))

        self.app.push_screen(CropScreen(photo, size, self._data), place)

    def _decide(self, names: Collection[str], decide: Callable[[Dataset], Dataset]) -> None:
        """Write a decision about these photos."""
        if self.project.dataset is None:
            return
        try:
            dataset = decide(self.project.dataset)
        except StatedError as error:
            self.tell(error)
            return
        self.project.go_on_with(dataset)
        self._draw_decided(dataset, names)

    # The way back

    def action_undo(self) -> None:
        """Take back what was written last."""
        self._turn(journal.undo, "Took back")

    def action_redo(self) -> None:
        """Write what was taken back last once more."""
        self._turn(journal.redo, "Made again")

    def _turn(self, turn: Callable[[Path], journal.Entry], what: str) -> None:
        dataset = self.project.dataset
        if dataset is None:
            return

        def work(_: Job) -> tuple[journal.Entry, Dataset]:
            return turn(dataset.root), open_dataset(dataset.root, dataset.caption_column)

        def take(done: tuple[journal.Entry, Dataset]) -> None:
            self.notify(visible(f"{what}: {done[0].summary}."), markup=False)
            self._take_read(done[1])

        self.start_job("Undoing" if turn is journal.undo else "Redoing", work, take)

    def _take_read(self, dataset: Dataset) -> None:
        """Go on with the folder as it was read just now, unless another one was opened meanwhile."""
        if self.project.dataset is None or dataset.root != self.project.dataset.root:
            return
        if aside := self.project.go_on_with(dataset):
            self.notify(visible(f"Captions of photos that are gone are kept in {aside}."), markup=False)
        self.on_screen_resume()
