"""`loratui crop` places the training crop of photos, lists what is placed, and takes it back."""

from pathlib import Path

import pytest

from tests.loratui.program import run_loratui


def test_a_crop_is_placed_listed_cleared_and_undone(photos: Path) -> None:
    done = run_loratui("crop", photos, "cat.png", "rocket.png", "--at", "0.4,0.25")
    assert done.returncode == 0 and "Training crops 2 photos around 0.4,0.25." in done.stderr
    assert run_loratui("crop", photos).stdout.splitlines() == ["cat.png: 0.4,0.25", "rocket.png: 0.4,0.25"]
    assert run_loratui("crop", photos, "cat.png", "--clear").returncode == 0
    assert run_loratui("crop", photos).stdout.splitlines() == ["rocket.png: 0.4,0.25"]
    assert run_loratui("undo", photos).returncode == 0
    assert len(run_loratui("crop", photos).stdout.splitlines()) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["cat.png"], "say where"),
        (["cat.png", "--at", "0.4,0.3", "--clear"], "say where"),
        (["cat.png", "--at", "left"], "two numbers between 0 and 1"),
        (["cat.png", "--at", "1.5,0.3"], "outside of the photo"),
        (["dog.png", "--at", "0.5,0.3"], 'no photo "dog.png"'),
        (["--at", "0.5,0.3"], "name the photos"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_to_do(photos: Path, words: list[str], said: str) -> None:
    done = run_loratui("crop", photos, *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert not (photos / ".loratui" / "crops.json").exists()
