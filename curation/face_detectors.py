"""What finds faces: insightface with a pack that is on this disk, else OpenCV's cascades, which only hint."""

import contextlib
import functools
import importlib.util
import io
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from curation.errors import CurationError
from curation.face_packs import FacePack, best_pack
from curation.faces import Ability, Face, FaceDetector
from curation.text import visible

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


def choose_detector() -> FaceDetector:
    """insightface with the best whole pack on this disk, else the cascades. Nothing is loaded yet, nor ever fetched."""
    pack = best_pack() if insightface_is_installed() else None
    return InsightFaceDetector(pack) if pack else CascadeDetector()


def insightface_is_installed() -> bool:
    """Asked without importing it, which takes a second."""
    return all(importlib.util.find_spec(name) for name in ("insightface", "onnxruntime"))


class CascadeDetector:
    """OpenCV's bundled cascades: upright frontal faces only; a profile, a turned or a covered face is not found."""

    name = "opencv-cascade"
    abilities: frozenset[Ability] = frozenset()

    def find(self, rgb: "np.ndarray") -> tuple[Face, ...]:
        """Faces on which three cascades agree, largest first."""
        import numpy as np

        image = Image.fromarray(rgb).convert("L")
        scale = SEARCH_SIDE / max(image.size)
        grey = np.asarray(image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale)))))
        boxes, _, weights = _cascades(threading.get_ident())["default"].detectMultiScale3(
            grey, scaleFactor=1.1, minNeighbors=5, minSize=(SMALLEST, SMALLEST), outputRejectLevels=True
        )
        height, width = grey.shape
        found = [
            Face(float(x / width), float(y / height), float(w / width), float(h / height), round(float(weight), 2))
            for (x, y, w, h), weight in zip(boxes, weights, strict=True)
            if weight > LEAST_WEIGHT and _confirmed(grey, int(x), int(y), int(w))
        ]
        return _largest_first(found)


class InsightFaceDetector:
    """`insightface.app.FaceAnalysis` with a pack on this disk. The models are loaded when the first photo comes.

    Detection runs twice, at 640 and at 128 pixels, which is insightface's own default: SCRFD's largest anchors are 512
    pixels, so a close-up that fills 640 is only seen at 128.
    """

    def __init__(self, pack: FacePack) -> None:
        self._pack = pack
        self._lock = threading.Lock()  # onnxruntime spreads one photo over all cores by itself
        self.name = f"insightface {pack.name} {pack.fingerprint}"
        tasks = {model.task for model in pack.models.values()}
        told: dict[str, Ability] = {"detection": "profiles", "recognition": "identity", "landmarks": "landmarks"}
        self.abilities: frozenset[Ability] = frozenset(ability for task, ability in told.items() if task in tasks)

    def find(self, rgb: "np.ndarray") -> tuple[Face, ...]:
        """Faces of score 0.5 and more, largest first. Raises CurationError when the pack's models cannot be used."""
        import cv2
        import numpy as np

        bgr = np.ascontiguousarray(rgb[:, :, ::-1])
        with self._lock:
            analysis = self._analysis
            try:
                found = analysis.get(bgr)
            except (cv2.error, np.linalg.LinAlgError, ValueError, ZeroDivisionError):
                return ()  # a photo of a pixel's width, or points on one line: no face is in it
            except Exception as error:  # onnxruntime raises its own kinds
                raise self._unusable(error) from error
        height, width = rgb.shape[:2]
        return _largest_first([_face(one, width, height) for one in found])

    @functools.cached_property
    def _analysis(self) -> Any:
        import numpy as np

        try:
            # Its words on stdout would end up in reports that programs read.
            with contextlib.redirect_stdout(io.StringIO()):
                import onnxruntime
                from insightface.app import FaceAnalysis

                cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
                providers = ["CUDAExecutionProvider"] * cuda + ["CPUExecutionProvider"]
                modules = ["detection", "recognition", "landmark_3d_68"]
                analysis = FaceAnalysis(str(self._pack.folder), allowed_modules=modules, providers=providers)
                analysis.prepare(ctx_id=0 if cuda else -1)
                analysis.get(np.zeros((128, 128, 3), np.uint8))  # what fails now is no photo's fault
                return analysis
        except Exception as error:  # bare assertions too
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> CurationError:
        reason = visible((str(error) or type(error).__name__).splitlines()[0])
        return CurationError(
            f"The face pack {self._pack.name} at {visible(str(self._pack.folder))} cannot be used: {reason}.",
            "Look at it with `loratui models check`, or leave it out with `loratui lint --ignore FAC`.",
        )


def _face(found: Any, width: int, height: int) -> Face:
    """insightface's face as ours.  found: bbox, kps and landmarks in pixels, pose as (pitch, yaw, roll) in degrees."""
    import numpy as np

    left, top, right, bottom = np.clip(found.bbox / (width, height, width, height), 0.0, 1.0).round(5).tolist()
    pitch, yaw, roll = (None, None, None) if found.pose is None else np.round(found.pose, 1).tolist()
    embedding = found.normed_embedding
    return Face(
        left,
        top,
        right - left,
        bottom - top,
        round(float(found.det_score), 3),
        yaw=yaw,
        pitch=pitch,
        roll=roll,
        keypoints=_points(found.kps, width, height),
        landmarks=_points(found.landmark_3d_68, width, height),
        embedding=None if embedding is None else embedding.astype("<f2").tobytes(),
        embedding_norm=None if embedding is None else round(float(found.embedding_norm), 2),
    )


def _points(points: "np.ndarray | None", width: int, height: int) -> tuple[tuple[float, float], ...] | None:
    if points is None:
        return None
    return tuple((round(float(x) / width, 5), round(float(y) / height, 5)) for x, y in points[:, :2])


def _largest_first(faces: list[Face]) -> tuple[Face, ...]:
    return tuple(sorted(faces, key=lambda face: face.width * face.height, reverse=True))


def _confirmed(grey: "np.ndarray", x: int, y: int, side: int) -> bool:
    """Whether both other cascades see a face in the enlarged box too."""
    import cv2

    margin = round(0.3 * side)
    crop = grey[max(0, y - margin) : y + side + margin, max(0, x - margin) : x + side + margin]
    crop = cv2.resize(crop, (CONFIRM_SIDE, CONFIRM_SIDE), interpolation=cv2.INTER_CUBIC)
    cascades = _cascades(threading.get_ident())
    return all(
        len(cascades[name].detectMultiScale(crop, scaleFactor=1.05, minNeighbors=4, minSize=(60, 60)))
        for name in ("alt", "alt2")
    )


@functools.lru_cache(maxsize=64)
def _cascades(thread: int) -> "dict[str, cv2.CascadeClassifier]":
    """A classifier keeps scratch space while it searches, so each thread has its own."""
    import cv2

    folder = Path(cv2.__file__).parent / "data"
    return {
        name: cv2.CascadeClassifier(str(folder / f"haarcascade_frontalface_{name}.xml"))
        for name in ("default", "alt", "alt2")
    }
