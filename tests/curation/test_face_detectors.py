"""The detectors, run for real: insightface with a pack without learned weights, and OpenCV's cascades."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from curation.errors import CurationError
from curation.face_detectors import CascadeDetector, InsightFaceDetector, choose_detector
from curation.face_packs import best_pack
from curation.faces import FaceDetector, clothing_similarity, measure_faces
from curation.facts.pixels import Pixels
from tests.curation.synthetic_pack import add_face, portrait, write_pack

RED, GREEN = (200, 40, 60), (30, 160, 60)


@pytest.fixture(autouse=True)
def packs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where packs are looked for; none is there."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LORATUI_FACE_PACKS", str(tmp_path / "packs"))
    return tmp_path / "packs"


@pytest.fixture
def insightface(packs: Path) -> FaceDetector:
    write_pack(packs / "buffalo_l", yaw=25)
    return choose_detector()


def embedding(content: bytes | None) -> np.ndarray:
    assert content is not None
    return np.frombuffer(content, "<f2").astype(float)


def test_without_a_pack_there_are_the_cascades() -> None:
    assert isinstance(choose_detector(), CascadeDetector)


def test_a_face_is_found_where_it_is_with_whose_it_is_and_how_it_is_turned(
    insightface: FaceDetector, capfd: pytest.CaptureFixture[str]
) -> None:
    picture = portrait(RED, at=(104, 296))
    add_face(picture, GREEN, at=(400, 104))
    faces = insightface.find(np.asarray(picture))
    red, green = sorted(faces, key=lambda face: face.left)

    assert red.left + red.width / 2 == pytest.approx(104 / 640, abs=0.01)
    assert green.top + green.height / 2 == pytest.approx(104 / 480, abs=0.02)
    assert red.yaw == pytest.approx(25, abs=0.5) and red.pitch == pytest.approx(0, abs=0.5)
    assert red.score > 0.9 and red.landmarks is not None and len(red.landmarks) == 68
    assert red.keypoints is not None and red.keypoints[0][0] < red.keypoints[1][0], "the left eye is on the left"
    assert np.linalg.norm(embedding(red.embedding)) == pytest.approx(1, abs=0.01)
    assert embedding(red.embedding) @ embedding(green.embedding) < 0.3
    (alone,) = insightface.find(np.asarray(portrait(RED, at=(304, 200))))
    assert embedding(red.embedding) @ embedding(alone.embedding) > 0.9
    assert capfd.readouterr().out == "", "stdout belongs to reports"


def test_a_photo_without_a_face_has_none(insightface: FaceDetector) -> None:
    assert insightface.find(np.zeros((480, 640, 3), np.uint8)) == ()


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 5000, 3), (5000, 1, 3), (2, 3, 3)])
def test_a_photo_of_an_absurd_shape_has_none(insightface: FaceDetector, shape: tuple[int, int, int]) -> None:
    assert insightface.find(np.full(shape, 200, np.uint8)) == ()
    assert CascadeDetector().find(np.full(shape, 200, np.uint8)) == ()


def test_several_threads_may_ask_at_once(insightface: FaceDetector) -> None:
    pictures = [np.asarray(portrait(RED, at=(104 + 80 * place, 200))) for place in range(6)]
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(insightface.find, pictures))
    assert [round(faces[0].left * 640) for faces in found] == [72 + 80 * place for place in range(6)]


def test_abilities_are_those_of_the_models(packs: Path, insightface: FaceDetector) -> None:
    assert insightface.abilities == {"profiles", "identity", "landmarks"}
    write_pack(packs / "antelopev2", identity=False)
    assert choose_detector().name == insightface.name, "buffalo_l goes first"
    (packs / "buffalo_l" / "det_stub.onnx").unlink()
    lesser = choose_detector()
    assert lesser.abilities == {"profiles"}
    (face,) = lesser.find(np.asarray(portrait(RED)))
    assert face.embedding is face.yaw is face.landmarks is None


def test_models_that_do_not_load_are_told_in_two_sentences(packs: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_pack(packs / "buffalo_l")
    (pack,) = [best_pack()]
    assert pack is not None
    model = packs / "buffalo_l" / "det_stub.onnx"
    model.write_bytes(model.read_bytes()[:-40] + bytes(40))
    with pytest.raises(CurationError, match="buffalo_l") as refused:
        InsightFaceDetector(pack).find(np.zeros((64, 64, 3), np.uint8))
    assert "models check" in refused.value.remedy
    assert capfd.readouterr().out == ""


def test_the_pixels_in_and_under_a_face_are_measured(insightface: FaceDetector) -> None:
    def measured(person: tuple[int, int, int], clothes: tuple[int, int, int]):
        picture = portrait(person)
        picture.paste(clothes, (220, 250, 420, 480))
        (face,) = measure_faces(Pixels(picture), insightface).faces
        return face

    one, same, other = (measured(RED, clothes) for clothes in ((20, 30, 200), (24, 30, 196), (220, 200, 20)))
    assert one.clothing and same.clothing and other.clothing
    assert clothing_similarity(one.clothing, same.clothing) > 0.9
    assert clothing_similarity(one.clothing, other.clothing) < 0.2
    dark = measured((20, 4, 6), (20, 30, 200))
    assert dark.brightness is not None and one.brightness is not None and dark.brightness < 45 < one.brightness


def test_a_blurred_face_is_less_sharp_than_the_rule_allows(sample) -> None:
    from PIL import ImageFilter

    portrait = sample("astronaut")
    sharp, blurred = (
        measure_faces(Pixels(image), CascadeDetector()).faces[0].sharpness
        for image in (portrait, portrait.filter(ImageFilter.GaussianBlur(1.5)))
    )
    assert sharp is not None and blurred is not None and blurred < 45 < 300 < sharp
