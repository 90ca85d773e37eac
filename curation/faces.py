"""The faces in a photo: where they are and, with a face pack, whose they might be; facts only, no judgement."""

import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

if TYPE_CHECKING:
    from curation.facts.pixels import Pixels

FACE_SIDE = 112
"""Pixels that a face's box is brought to before its sharpness is measured: what the recognition models take."""

TORSO_TOP, TORSO_HEIGHT, TORSO_WIDTH = 0.2, 1.6, 2.0
"""The torso below a face: its distance, height and width in heights and widths of the face. Of a standing figure of 7.5
heads it covers chest and belly; an assumption, as no labelled photos of people are at hand."""

COLOUR_BINS = 8

Ability = Literal["profiles", "identity", "landmarks"]
"""What a detector can do beyond a frontal face's box: find faces from all sides, with a score between 0 and 1; give
embeddings; give landmarks and the head's angle."""


@dataclass(frozen=True)
class Face:
    """One face. Lengths and points are fractions of the upright photo's width and height; None: not measured.

    score: the detector's own; for a pack a probability, for the cascade the weight of its last stage.
    yaw, pitch, roll: degrees, 0 when it looks into the camera.  keypoints: eyes, nose, corners of the mouth.
    landmarks: 68 points in iBUG's order.  embedding: 512 little-endian float16, of length one.
    embedding_norm: its length before.  sharpness: variance of the Laplacian of the face's box, FACE_SIDE pixels high
    and wide.  brightness: mean grey of the box, 0 to 255.  clothing: colours under the face, for `clothing_similarity`.
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
    embedding_norm: float | None = None
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

    @property
    def abilities(self) -> frozenset[Ability]: ...

    def find(self, rgb: np.ndarray) -> tuple[Face, ...]:
        """The faces in an upright photo, largest first.  rgb: uint8, (height, width, 3). Called by several threads."""
        ...


def measure_faces(pixels: "Pixels", detector: FaceDetector) -> FaceFacts:
    """Find the faces in a photo, and measure the pixels in and under each."""
    return FaceFacts(detector.name, tuple(_seen(pixels, face) for face in detector.find(pixels.rgb)))


def clothing_similarity(one: bytes, other: bytes) -> float:
    """How alike the colours under two faces are, from 0 to 1: the intersection of their histograms."""
    mine, theirs = (np.frombuffer(zlib.decompress(counts), "<u2").astype(float) for counts in (one, other))
    return float(np.minimum(mine / mine.sum(), theirs / theirs.sum()).sum())


def _seen(pixels: "Pixels", face: Face) -> Face:
    import cv2

    box = _crop(pixels.grey, face.left, face.top, face.width, face.height)
    if not box.size:
        return face
    filter = cv2.INTER_AREA if box.shape[0] > FACE_SIDE else cv2.INTER_CUBIC
    sharpness = cv2.Laplacian(cv2.resize(box, (FACE_SIDE, FACE_SIDE), interpolation=filter), cv2.CV_64F).var()
    return replace(
        face,
        sharpness=round(float(sharpness), 1),
        brightness=round(float(box.mean()), 1),
        clothing=_clothing(pixels.rgb, face),
    )


def _clothing(rgb: np.ndarray, face: Face) -> bytes | None:
    """Lab colours (8 x 8 x 8, a and b stretched) of the torso under a face, compressed; None where most is cut off."""
    import cv2

    top = face.top + face.height * (1 + TORSO_TOP)
    if top + 0.5 * TORSO_HEIGHT * face.height > 1:
        return None
    left = face.left + 0.5 * face.width * (1 - TORSO_WIDTH)
    torso = _crop(rgb, left, top, TORSO_WIDTH * face.width, TORSO_HEIGHT * face.height)
    if not torso.size:
        return None
    small = cv2.resize(torso, (64, 64), interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB)
    # Photographs use the middle of a and b: half of their range is spread over the bins.
    ranges = [0, 256, 64, 192, 64, 192]
    lab[..., 1:] = lab[..., 1:].clip(64, 191)
    counts = cv2.calcHist([lab], [0, 1, 2], None, [COLOUR_BINS] * 3, ranges)
    return zlib.compress(counts.astype("<u2").tobytes())


def _crop(picture: np.ndarray, left: float, top: float, width: float, height: float) -> np.ndarray:
    """The part of a box, in fractions, that lies in the picture."""
    rows, columns = picture.shape[:2]
    x, right = (round(min(max(edge, 0.0), 1.0) * columns) for edge in (left, left + width))
    y, bottom = (round(min(max(edge, 0.0), 1.0) * rows) for edge in (top, top + height))
    return picture[y:bottom, x:right]
