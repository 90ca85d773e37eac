"""FAC and the SET rules on people: what a pack sees is judged, and what nothing sees is skipped and not passed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from curation import Finding, Kind, Report, open_dataset, place_crops
from curation.face_detectors import CascadeDetector
from curation.faces import Ability, Face, FaceDetector
from curation.lint import Selection, TrainingNeeds, lint

LoadSample = Callable[..., Image.Image]

PACK: frozenset[Ability] = frozenset({"profiles", "identity", "landmarks"})
ON_PEOPLE = Selection(select=("FAC", "SET004", "SET005", "SET006", "SET009"))
PORTRAIT = Face(0.4, 0.2, 0.2, 0.2, 0.9, yaw=0.0)


class Told:
    """A detector that was told the faces of each photo, which it knows by its size."""

    name = "told"

    def __init__(self, faces: Mapping[tuple[int, int], Sequence[Face]], abilities: frozenset[Ability] = PACK) -> None:
        self._faces, self.abilities = faces, abilities

    def find(self, rgb: np.ndarray) -> tuple[Face, ...]:
        return tuple(self._faces[rgb.shape[1], rgb.shape[0]])


def check(
    folder: Path,
    photos: Sequence[Sequence[Face]],
    abilities: frozenset[Ability] = PACK,
    needs: TrainingNeeds = TrainingNeeds(),  # noqa: B008 - a frozen value
    size: tuple[int, int] = (1000, 1000),
) -> Report:
    """Lint noise photos 0.png, 1.png, ... with these faces in them."""
    faces = {}
    for number, of_photo in enumerate(photos):
        place = (size[0] + number, size[1] + number)
        Image.effect_noise(place, 80).convert("RGB").save(folder / f"{number}.png", compress_level=1)
        faces[place] = of_photo
    return lint(open_dataset(folder), "person", needs, ON_PEOPLE, detector=Told(faces, abilities))


def of(report: Report, code: str) -> list[Finding]:
    return [finding for finding in report.findings if finding.code == code]


def named(report: Report, code: str) -> list[str]:
    return [name for finding in of(report, code) for name in finding.photos]


def skipped(report: Report) -> set[str]:
    return {one.code for one in report.skipped}


def embedded(face: Face, likeness: float, norm: float = 20.0) -> Face:
    """The face with an embedding that has this cosine to the first axis, which is the subject's."""
    vector = np.zeros(512)
    vector[0] = likeness
    vector[1 + round(100 * likeness)] = np.sqrt(1 - likeness**2)  # what sets them apart is not alike
    return replace(face, embedding=vector.astype("<f2").tobytes(), embedding_norm=norm)


def test_a_face_that_fills_a_third_of_the_frame_alone_is_fine(folder: Path) -> None:
    report = check(folder, [[replace(PORTRAIT, height=0.3)]])
    assert not [finding for finding in report.findings if finding.code.startswith("FAC")]


@pytest.mark.parametrize(("height", "words"), [(0.10, "may be taken for the subject"), (0.04, "is learned along")])
def test_fac001_tells_a_rival_face_from_a_bystander_and_where_they_are(folder: Path, height: float, words: str) -> None:
    other = Face(0.1, 0.1, height, height, 0.8)
    (finding,) = of(check(folder, [[PORTRAIT, other]]), "FAC001")
    assert words in finding.message and finding.value == 2
    assert [(region.label, region.left) for region in finding.regions] == [("subject", 0.4), ("other face", 0.1)]


def test_fac001_knows_the_subject_among_larger_faces(folder: Path) -> None:
    subject, stranger = embedded(PORTRAIT, 1.0), embedded(Face(0.0, 0.0, 0.4, 0.4, 0.9, yaw=0.0), 0.0)
    report = check(folder, [[subject]] * 3 + [[stranger, subject]])
    (finding,) = of(report, "FAC001")
    assert finding.photos == ("3.png",) and finding.regions[0].left == PORTRAIT.left
    assert of(report, "FAC004") == []


def test_faces_of_a_low_score_do_not_count(folder: Path) -> None:
    report = check(folder, [[replace(PORTRAIT, score=0.55)], [PORTRAIT, replace(PORTRAIT, left=0.0, score=0.55)]])
    assert named(report, "FAC002") == ["0.png"]
    assert of(report, "FAC001") == []


def test_fac004_tells_another_person_from_an_unsure_one(folder: Path) -> None:
    likenesses = [1.0, 0.9, 0.8, 0.95, 0.4, 0.1]
    report = check(folder, [[embedded(PORTRAIT, likeness)] for likeness in likenesses])
    found = {finding.photos[0]: finding for finding in of(report, "FAC004")}
    assert set(found) == {"4.png", "5.png"}
    assert "unsure" in found["4.png"].message and found["4.png"].threshold == 0.45
    assert found["5.png"].value == pytest.approx(0.1, abs=0.01) and found["5.png"].threshold == 0.30
    assert {finding.severity for finding in found.values()} == {"info"}, "it is not measured yet"


@pytest.mark.parametrize(
    "face",
    [
        replace(PORTRAIT, yaw=50.0),
        replace(PORTRAIT, height=0.05),
        replace(PORTRAIT, yaw=None, keypoints=((0.45, 0.3), (0.5, 0.3), (0.52, 0.33), (0.45, 0.35), (0.5, 0.35))),
    ],
    ids=["turned", "small", "turned, by its nose"],
)
def test_fac004_compares_no_face_that_says_little_and_says_so(folder: Path, face: Face) -> None:
    report = check(folder, [[embedded(PORTRAIT, 1.0)]] * 3 + [[embedded(face, 0.0)]])
    assert of(report, "FAC004") == []
    assert ["in 1 of 4 photos" in one.reason for one in report.skipped if one.code == "FAC004"] == [True]


def test_fac004_names_nobody_where_nobody_is_in_most_photos(folder: Path) -> None:
    faces = [replace(PORTRAIT, embedding=np.eye(512)[axis].astype("<f2").tobytes()) for axis in range(4)]
    report = check(folder, [[face] for face in faces])
    assert of(report, "FAC004") == [] and "FAC004" in skipped(report)


def test_fac003_and_fac005_tell_a_far_face_from_one_without_pixels(folder: Path) -> None:
    far_but_large = check(folder, [[replace(PORTRAIT, height=0.04)]], size=(2000, 2000))
    assert named(far_but_large, "FAC003") == ["0.png"] and named(far_but_large, "FAC005") == []
    assert of(far_but_large, "FAC003")[0].severity == "warning"


def test_fac005_finds_a_face_without_pixels_that_is_not_far(folder: Path) -> None:
    report = check(folder, [[replace(PORTRAIT, height=0.3)]], size=(200, 200))
    assert named(report, "FAC005") == ["0.png"] and named(report, "FAC003") == []
    assert of(report, "FAC005")[0].value == 60


def test_fac008_needs_an_embedding_that_is_weak_for_no_visible_reason(folder: Path) -> None:
    usual, weak = embedded(PORTRAIT, 1.0, 22.0), embedded(PORTRAIT, 1.0, 12.0)
    report = check(folder, [[usual]] * 5 + [[weak], [replace(weak, yaw=60.0)]])
    assert named(report, "FAC008") == ["5.png"]


def test_fac008_compares_no_handful_of_faces(folder: Path) -> None:
    usual, weak = embedded(PORTRAIT, 1.0, 22.0), embedded(PORTRAIT, 1.0, 12.0)
    report = check(folder, [[usual]] * 3 + [[weak]])
    assert of(report, "FAC008") == [] and "FAC008" in skipped(report)


AT_THE_SIDE = replace(PORTRAIT, left=0.02, width=0.15, height=0.3)
IN_THE_MIDDLE = replace(PORTRAIT, left=0.42, width=0.15, height=0.3)
WIDE = (1800, 1000)


@pytest.mark.parametrize(
    ("face", "center_crop", "abilities", "severity"),
    [
        (AT_THE_SIDE, True, PACK, "error"),
        (AT_THE_SIDE, False, PACK, "warning"),
        (AT_THE_SIDE, True, frozenset(), "warning"),
        (AT_THE_SIDE, False, frozenset(), "info"),
        (IN_THE_MIDDLE, True, PACK, None),
        (IN_THE_MIDDLE, False, PACK, None),
    ],
)
def test_fac009_judges_what_the_training_crop_leaves_of_the_face(
    folder: Path, face: Face, center_crop: bool, abilities: frozenset[Ability], severity: str | None
) -> None:
    report = check(folder, [[face]], abilities, TrainingNeeds(center_crop=center_crop), WIDE)
    assert [finding.severity for finding in of(report, "FAC009")] == ([severity] if severity else [])
    square = check(folder, [[face]], abilities, TrainingNeeds(center_crop=center_crop), (1000, 1000))
    assert of(square, "FAC009") == [], "nothing is cut from a square"


@pytest.mark.parametrize(("size", "cuts"), [(WIDE, False), ((4000, 1000), False), ((6000, 1000), True)])
def test_fac009_knows_that_buckets_keep_the_photos_shape_up_to_four_to_one(
    folder: Path, size: tuple[int, int], cuts: bool
) -> None:
    needs = TrainingNeeds(center_crop=True, aspect_ratio_buckets=True)
    assert bool(of(check(folder, [[AT_THE_SIDE]], needs=needs, size=size), "FAC009")) == cuts


def test_fac009_judges_the_crop_where_it_was_placed(folder: Path) -> None:
    (finding,) = of(check(folder, [[AT_THE_SIDE]], size=WIDE), "FAC009")
    place_crops(open_dataset(folder), {finding.photos[0]: (0.2, 0.5)})
    assert of(check(folder, [[AT_THE_SIDE]], size=WIDE), "FAC009") == []
    place_crops(open_dataset(folder), {finding.photos[0]: (0.8, 0.5)})
    (finding,) = of(check(folder, [[AT_THE_SIDE]], size=WIDE), "FAC009")
    assert finding.severity == "error"
    assert finding.message == "The crop that training takes where it was placed cuts into the face."


def test_fac009_counts_as_often_as_crops_of_training_do(folder: Path) -> None:
    (finding,) = of(check(folder, [[AT_THE_SIDE]], size=WIDE), "FAC009")
    random = np.random.default_rng(0)
    lefts = random.integers(0, WIDE[0] - WIDE[1] + 1, 20_000)
    spared = AT_THE_SIDE.left * WIDE[0] + 0.1 * AT_THE_SIDE.width * WIDE[0]
    assert finding.value == pytest.approx(float((lefts > spared).mean()), abs=0.02)


def test_fac009_goes_before_blur_in_a_report() -> None:
    from curation.checks import RULES

    assert list(RULES).index("FAC009") < min(list(RULES).index(code) for code in ("FAC006", "IMG002", "IMG004"))


def test_set004_groups_photos_by_the_colours_under_the_face(folder: Path, sample: LoadSample) -> None:
    faces = {}
    for number, colour in enumerate([(180, 20, 20)] * 4 + [(20, 120, 30), (20, 30, 160), (230, 230, 230)]):
        image = Image.effect_noise((600 + number, 600), 40).convert("RGB")
        image.paste(colour, (0, 240, 600 + number, 600))
        image.save(folder / f"{number}.png")
        faces[image.size] = [PORTRAIT]
    report = lint(open_dataset(folder), "person", selection=ON_PEOPLE, detector=Told(faces))
    assert [finding.photos for finding in of(report, "SET004")] == [("0.png", "1.png", "2.png", "3.png")]


@pytest.mark.parametrize(("yaws", "found"), [([0, 5, -5, 10, 2, 1], True), ([0, 30, -30, 45, -20, 10], False)])
def test_set005_finds_heads_that_are_all_turned_alike(folder: Path, yaws: list[float], found: bool) -> None:
    report = check(folder, [[replace(PORTRAIT, yaw=float(yaw))] for yaw in yaws])
    assert bool(of(report, "SET005")) == found


def expression(mouth: float, smile: float) -> Face:
    """A face whose mouth is open by `mouth` of its width, and as wide as `smile` of the eyes' distance."""
    points = np.full((68, 2), 0.5)
    points[[36, 39, 42, 45]] = [(0.44, 0.3), (0.48, 0.3), (0.52, 0.3), (0.56, 0.3)]
    points[[37, 38, 43, 44]] = [(0.45, 0.295), (0.47, 0.295), (0.53, 0.295), (0.55, 0.295)]
    points[[41, 40, 47, 46]] = [(0.45, 0.305), (0.47, 0.305), (0.53, 0.305), (0.55, 0.305)]
    half = 0.06 * smile
    points[[48, 54, 60, 64]] = [(0.5 - half, 0.4), (0.5 + half, 0.4), (0.5 - half, 0.4), (0.5 + half, 0.4)]
    points[[62, 66]] = [(0.5, 0.4 - mouth * half), (0.5, 0.4 + mouth * half)]
    return replace(PORTRAIT, landmarks=tuple((float(x), float(y)) for x, y in points))


def test_set006_finds_faces_that_all_look_the_same(folder: Path) -> None:
    alike = check(folder, [[expression(0.02 * number, 0.6)] for number in range(5)])
    assert len(of(alike, "SET006")) == 1 and len(of(alike, "SET006")[0].photos) == 5


def test_set006_is_content_with_different_expressions(folder: Path) -> None:
    faces = [expression(*each) for each in ((0.0, 0.5), (0.5, 0.6), (0.0, 0.9), (0.3, 0.7), (0.1, 0.6))]
    report = check(folder, [[face] for face in faces])
    assert of(report, "SET006") == [] and "SET006" not in skipped(report)


def test_set009_misses_close_ups_and_full_bodies(folder: Path) -> None:
    report = check(folder, [[replace(PORTRAIT, height=height)] for height in (0.2, 0.22, 0.18, 0.25, 0.15)])
    assert {(finding.value, finding.threshold) for finding in of(report, "SET009")} == {(0.0, 0.1), (1.0, 0.7)}


def test_set009_is_content_with_a_mix(folder: Path) -> None:
    report = check(folder, [[replace(PORTRAIT, height=height)] for height in (0.4, 0.5, 0.2, 0.15, 0.08)])
    assert of(report, "SET009") == [] and "SET009" not in skipped(report)


def test_without_a_pack_whatever_needs_one_is_skipped_and_why_is_said(folder: Path) -> None:
    report = check(folder, [[replace(PORTRAIT, score=4.0)]] * 5, abilities=frozenset())
    everything = {f"FAC00{digit}" for digit in range(1, 10)} | {"SET004", "SET005", "SET006", "SET009"}
    assert skipped(report) == everything
    assert all("loratui models add faces" in one.reason for one in report.skipped)
    assert not any(finding.severity == "error" for finding in report.findings)


def test_a_pack_without_recognition_or_landmarks_skips_what_they_tell(folder: Path) -> None:
    report = check(folder, [[PORTRAIT]] * 5, abilities=frozenset({"profiles"}))
    assert skipped(report) >= {"FAC004", "FAC008", "SET005", "SET006"}
    assert not skipped(report) & {"FAC001", "FAC002", "FAC003", "FAC005", "FAC009", "SET009"}


# On a real face, which the cascades find.


@pytest.fixture
def cascade(folder: Path) -> Callable[..., Report]:
    def run(resolution: int = 512, kind: Kind = "person", center_crop: bool = False) -> Report:
        needs = TrainingNeeds(resolution=resolution, center_crop=center_crop)
        detector: FaceDetector = CascadeDetector()
        return lint(open_dataset(folder), kind, needs, ON_PEOPLE, detector=detector)

    return run


def test_real_faces_are_counted_and_measured(folder: Path, sample: LoadSample, cascade: Callable[..., Report]) -> None:
    face = sample("astronaut")
    face.save(folder / "near.png")
    far = sample("rocket", 1280)
    far.paste(face.resize((200, 200)), (700, 300))
    far.save(folder / "far.png")
    two = sample("coffee", 1280)
    two.paste(face, (40, 200))
    two.paste(face.resize((400, 400)), (760, 300))
    two.save(folder / "two.png")
    sample("cat").save(folder / "none.png")

    report = cascade(resolution=768)

    assert named(report, "FAC001") == ["two.png"] and len(of(report, "FAC001")[0].regions) == 2
    assert named(report, "FAC002") == ["none.png"]
    assert named(report, "FAC003") == named(report, "FAC005") == ["far.png"]
    assert of(report, "FAC003")[0].severity == "warning"
    assert {finding.severity for finding in of(report, "FAC001") + of(report, "FAC002")} == {"info"}


def test_a_real_face_that_is_blurred_or_dark_is_found(
    folder: Path, sample: LoadSample, cascade: Callable[..., Report]
) -> None:
    face = sample("astronaut")
    face.save(folder / "good.png")
    blurred = face.copy()
    blurred.paste(face.crop((150, 40, 300, 190)).filter(ImageFilter.GaussianBlur(2)), (150, 40))
    blurred.save(folder / "blurred.png")
    face.point(lambda value: value * 0.25).save(folder / "dark.png")
    report = cascade()
    assert named(report, "FAC006") == ["blurred.png"], "of a dark face nobody can tell"
    assert named(report, "FAC007") == ["dark.png"]


def test_a_real_face_that_the_training_crop_cuts_is_found(
    folder: Path, sample: LoadSample, cascade: Callable[..., Report]
) -> None:
    for name, left in (("side.png", -60), ("middle.png", 260)):
        scene = Image.new("RGB", (1024, 512), (90, 110, 130))
        scene.paste(sample("astronaut"), (left, 0))
        scene.save(folder / name)
    assert named(cascade(center_crop=True), "FAC009") == ["side.png"]
    assert "side.png" in named(cascade(), "FAC009")
