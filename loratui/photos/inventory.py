"""What a folder of photos holds: how many, how large, in which formats, from how near; kept up photo by photo."""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from curation.dataset import Photo
from curation.report import Kind
from engine.data.buckets import Size
from engine.settings import DataSection
from loratui.photos.training_crop import bucket_of

if TYPE_CHECKING:
    from curation.facts.store import Stored

FARTHER, NO_FACE = "farther", "no face"
SHARES: Mapping[str, float] = {"large": 0.25, "medium": 0.05, "small": 0.0}
"""Of the frame, from which a subject that is no person is called so: our choice."""


@dataclass(frozen=True)
class PhotoFile:
    """A readable photo. size: (height, width) upright.  format: Pillow's word.

    shot: by the height of its largest face, as the checks measured it.  share: large, medium or small, by the part of
    the frame that its subject fills, as the checks estimated it.  None where nothing was measured, or surely enough.
    """

    size: Size
    format: str
    shot: str | None = None
    share: str | None = None


class Inventory:
    """The photos to train on, counted.  unreadable: those without a header."""

    def __init__(self, data: DataSection, kind: Kind) -> None:
        self.resolution = data.resolution
        self._data = data
        self._kind = kind
        self.unreadable = 0
        self.formats: Counter[str] = Counter()
        self.shots: Counter[str] = Counter()
        self.buckets: Counter[Size] = Counter()
        self._sides: list[tuple[int, Size]] = []

    def count(self, file: PhotoFile | None, by: int = 1) -> None:
        """Take a photo in, or with -1 out."""
        if file is None:
            self.unreadable += by
            return
        self.formats[file.format] += by
        if shot := file.shot if self._kind == "person" else file.share:
            self.shots[shot] += by
        self.buckets[bucket_of(file.size, self._data)] += by
        entry = (min(file.size), file.size)
        if by > 0:
            insort(self._sides, entry)
        else:
            del self._sides[bisect_left(self._sides, entry)]

    def counts_as(self, data: DataSection, kind: Kind) -> bool:
        """Whether it counts as one with these settings would."""
        is_same = (self.resolution, self._data.aspect_ratio_buckets) == (data.resolution, data.aspect_ratio_buckets)
        return is_same and self._kind == kind

    @property
    def readable(self) -> int:
        """How many photos were counted, and have a size."""
        return len(self._sides)

    @property
    def sizes(self) -> tuple[Size, Size, Size]:
        """(height, width) of the smallest, the middle and the largest photo, by the shorter side."""
        return self._sides[0][1], self._sides[len(self._sides) // 2][1], self._sides[-1][1]

    @property
    def enlarged(self) -> int:
        """How many have a shorter side below the resolution, so that training enlarges most of them."""
        return bisect_left(self._sides, (self.resolution, (0, 0)))


def read_files(root: Path, photos: Sequence[Photo]) -> Iterator[tuple[str, PhotoFile | None]]:
    """Each photo's name and what its file says: from what the checks measured where they did, else from its header."""
    from curation.facts.store import read_facts

    stored = read_facts(root, tidy=False)
    for photo in photos:
        known = stored.get(photo.name)
        yield photo.name, _measured(photo.path, known) if known else read_header(photo.path)


def _measured(path: Path, stored: "Stored") -> PhotoFile | None:
    from curation.facts.store import Stamp

    facts = stored.facts
    if stored.stamp != Stamp.of(path) or facts.file.unreadable:
        return read_header(path)
    header = facts.file.header
    shot = share = None
    if facts.faces is not None:
        from curation.checks.people import shot_of

        faces = facts.faces.faces
        shot = (shot_of(faces[0]) or FARTHER) if faces else NO_FACE
    if facts.subject is not None:
        from curation.subject import SURE

        area = facts.subject.area
        if facts.subject.confidence >= SURE:
            share = next(word for word, least in SHARES.items() if area >= least)
    return PhotoFile((header.height, header.width), header.format, shot, share)


def read_header(path: Path) -> PhotoFile | None:
    """From the file's header alone; None when there is none to read."""
    from PIL import ExifTags, Image
    from pillow_heif import register_heif_opener  # 60 ms, so not before there are photos to read

    register_heif_opener()
    try:
        with Image.open(path) as image:
            turned = image.getexif().get(ExifTags.Base.Orientation, 1) >= 5
            size = (image.width, image.height) if turned else (image.height, image.width)
            return PhotoFile(size, image.format or "") if min(size) else None
    except Exception:  # noqa: BLE001 - Pillow's decoders raise anything on damaged bytes
        return None
