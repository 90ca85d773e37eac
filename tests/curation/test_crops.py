"""A crop that a person placed is kept, checked and undone, and goes into the mended copy."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from curation import CurationError, open_dataset, place_crops
from curation.crops import FILE, Focus, read_crops
from curation.fixes import Fix, apply_fixes
from curation.fixes.box import Box
from curation.journal import history, redo, undo

SHARES = st.floats(0, 1)


def placed(root: Path) -> dict[str, Focus]:
    return {photo.name: photo.focus for photo in open_dataset(root).photos if photo.focus}


def test_a_photo_has_no_focus_until_one_is_given_and_none_after_it_is_taken_back(photos: Path) -> None:
    assert placed(photos) == {}
    dataset = place_crops(open_dataset(photos), {"cat.png": (0.4, 0.3), "rocket.png": (0.0, 1.0)})
    assert placed(photos) == {"cat.png": (0.4, 0.3), "rocket.png": (0.0, 1.0)}
    place_crops(dataset, {"cat.png": None})
    assert placed(photos) == {"rocket.png": (0.0, 1.0)}


def test_each_step_can_be_undone_and_redone(photos: Path) -> None:
    place_crops(open_dataset(photos), {"cat.png": (0.4, 0.3)})
    place_crops(open_dataset(photos), {"cat.png": (0.6, 0.6)})
    undo(photos)
    assert placed(photos) == {"cat.png": (0.4, 0.3)}
    undo(photos)
    assert not (photos / FILE).exists()
    redo(photos)
    assert placed(photos) == {"cat.png": (0.4, 0.3)}
    assert [entry.summary for entry in history(photos)] == ["Place the crop of cat.png"] * 2


def test_placing_a_crop_where_it_is_writes_nothing(photos: Path) -> None:
    place_crops(open_dataset(photos), {"cat.png": (0.4, 0.3)})
    place_crops(open_dataset(photos), {"cat.png": (0.4, 0.3), "rocket.png": None})
    assert len(history(photos)) == 1


@given(st.dictionaries(st.sampled_from(["cat.png", "rocket.png"]), st.tuples(SHARES, SHARES)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
def test_what_was_placed_is_read_to_the_last_digit(photos: Path, focuses: dict[str, Focus]) -> None:
    place_crops(open_dataset(photos), {"cat.png": None, "rocket.png": None, **focuses})
    assert read_crops(photos) == focuses


@pytest.mark.parametrize("focus", [(-0.01, 0.5), (0.5, 1.01), (float("nan"), 0.5), (float("inf"), 0.5)])
def test_a_focus_outside_of_the_photo_is_refused(photos: Path, focus: Focus) -> None:
    with pytest.raises(CurationError, match="lies outside of the photo"):
        place_crops(open_dataset(photos), {"cat.png": focus})
    assert not (photos / FILE).exists()


def test_a_photo_that_is_not_there_is_refused(photos: Path) -> None:
    with pytest.raises(CurationError, match="There is no photo"):
        place_crops(open_dataset(photos), {"dog.png": (0.5, 0.5)})


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"crops": []}', '{"crops": {"cat.png": [0.5]}}', '{"crops": {"cat.png": [0.5, true]}}',
                '{"crops": {"cat.png": [0.5, 7]}}', '{"crops": {"cat.png": "ab"}}', "[" * 100_000]
)  # fmt: skip
def test_a_damaged_list_is_told_and_not_passed_over(photos: Path, content: str) -> None:
    (photos / ".loratui").mkdir()
    (photos / FILE).write_text(content)
    with pytest.raises(CurationError, match="list of crops cannot be read"):
        open_dataset(photos)


def test_the_mended_copy_crops_where_the_original_does(photos: Path) -> None:
    dataset = place_crops(open_dataset(photos), {"cat.png": (0.4, 0.3)})
    mended = apply_fixes(dataset, ())
    assert placed(mended.copy.root) == {"cat.png": (0.4, 0.3)}
    assert not apply_fixes(dataset, ()).written, "the same copy lies there already"


def test_in_a_copy_that_keeps_a_part_of_the_photo_the_focus_is_at_the_same_pixel_or_gone(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("inside.png", "outside.png"):
        Image.radial_gradient("L").convert("RGB").resize((400, 200)).save(folder / name)
    dataset = place_crops(open_dataset(folder), {"inside.png": (0.5, 0.25), "outside.png": (0.1, 0.25)})
    kept = Box(100, 0, 300, 200)
    cut = [Fix("FAC001", name, "crop", False, "", kept) for name in ("inside.png", "outside.png")]
    assert placed(apply_fixes(dataset, cut).copy.root) == {"inside.png": (0.5, 0.25)}
    again = place_crops(dataset, {"inside.png": (0.75, 0.25)})
    assert placed(apply_fixes(again, cut, tmp_path / "other").copy.root) == {"inside.png": (1.0, 0.25)}
