"""The faces in a photo: where they are and, with a face pack, whose they might be; facts only, no judgement."""

import functools
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from PIL import Image

if TYPE_CHECKING:
    import cv2
    import numpy as np

LEAST_WEIGHT = 2.5
"""Least weight of the first cascade's last stage. With the second opinions below, measured: no false face on 46 photos
without people (three on weight > 5 alone), and 48 of 50 small portraits (40 and 80 px) found on a busy picture."""

SEARCH_SIDE = 1280
"""Long side, in pixels, of the picture that is searched: a face of 2 % of it is 24 px, the smallest to be found."""

SMALLEST = 24
CONFIRM_SIDE = 160

CASCADE = "opencv-cascade"


@dataclass(frozen=True)
class Face:
    """One face. Lengths and points are fractions of the upright photo's width and height; None: not measured.

    score: the detector's own; for a pack a probability, for the cascade the weight of its last stage.
    yaw, pitch, roll: degrees, 0 when it looks into the camera.  keypoints: eyes, nose, corners of the mouth.
    landmarks: 68 points in iBUG's order.  embedding: 512 little-endian float16, of length one.
    sharpness: variance of the Laplacian of the face's box at a fixed size.  brightness: its mean grey, 0 to 255.
    clothing: Lab histogram of the box under the face, to be compared by `curation.faces.clothing_similarity`.
    """

    left: float
    top: float
    width: float
    height: float
    score: float
    yaw: float | None = None
    pitch: float | None = None
    roll: float | None = None
    keypoints: tuple[tuple[float, float], ...] | None = None
    landmarks: tuple[tuple[float, float], ...] | None = None
    embedding: bytes | None = None
    sharpness: float | None = None
    brightness: float | None = None
    clothing: bytes | None = None


@dataclass(frozen=True)
class FaceFacts:
    """The faces that a detector found, largest first.  detector: its name; other detectors would find others."""

    detector: str
    faces: tuple[Face, ...]


class FaceDetector(Protocol):
    """Something that finds faces.  name: changes whenever it would find other faces, so stored facts grow old."""

    @property
    def name(self) -> str: ...

    def find(self, rgb: "np.ndarray") -> tuple[Face, ...]:
        """The faces in an upright photo, largest first.  rgb: uint8, (height, width, 3). Called by several threads."""
        ...


class CascadeDetector:
    """OpenCV's bundled cascades: frontal faces only, as hints."""

    name = CASCADE

    def find(self, rgb: "np.ndarray") -> tuple[Face, ...]:
        return find_faces(Image.fromarray(rgb))


def choose_detector() -> FaceDetector:
    """The best detector at hand."""
    return CascadeDetector()


def find_faces(image: Image.Image) -> tuple[Face, ...]:
    """Frontal faces in an RGB photo, largest first. Profiles, turned and covered faces are not found."""
    import numpy as np

    grey = image.convert("L")
    scale = SEARCH_SIDE / max(grey.size)
    grey = np.asarray(grey.resize((max(1, round(grey.width * scale)), max(1, round(grey.height * scale)))))
    boxes, _, weights = _cascade("default").detectMultiScale3(
        grey, scaleFactor=1.1, minNeighbors=5, minSize=(SMALLEST, SMALLEST), outputRejectLevels=True
    )
    height, width = grey.shape
    found = [
        Face(float(x / width), float(y / height), float(w / width), float(h / height), round(float(weight), 2))
        for (x, y, w, h), weight in zip(boxes, weights, strict=True)
        if weight > LEAST_WEIGHT and _confirmed(grey, int(x), int(y), int(w))
    ]
    return tuple(sorted(found, key=lambda face: face.width * face.height, reverse=True))


def _confirmed(grey: "np.ndarray", x: int, y: int, side: int) -> bool:
    """Whether both other cascades see a face in the enlarged box too."""
    import cv2

    margin = round(0.3 * side)
    crop = grey[max(0, y - margin) : y + side + margin, max(0, x - margin) : x + side + margin]
    crop = cv2.resize(crop, (CONFIRM_SIDE, CONFIRM_SIDE), interpolation=cv2.INTER_CUBIC)
    return all(
        len(_cascade(name).detectMultiScale(crop, scaleFactor=1.05, minNeighbors=4, minSize=(60, 60)))
        for name in ("alt", "alt2")
    )


def _cascade(name: str) -> "cv2.CascadeClassifier":
    return _cascades(threading.get_ident())[name]


@functools.lru_cache(maxsize=64)
def _cascades(thread: int) -> "dict[str, cv2.CascadeClassifier]":
    """A classifier keeps scratch space while it searches, so each thread has its own."""
    import cv2

    folder = Path(cv2.__file__).parent / "data"
    return {
        name: cv2.CascadeClassifier(str(folder / f"haarcascade_frontalface_{name}.xml"))
        for name in ("default", "alt", "alt2")
    }
