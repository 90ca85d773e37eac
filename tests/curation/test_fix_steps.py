"""Fixing is one step: undone as one, made once, whole or not at all; and no original is ever touched."""

import os
import resource
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from curation import CurationError, Dataset, open_dataset
from curation.dataset import save_captions
from curation.fixes import Fix, apply_fixes, plan_fixes, preview
from curation.journal import Change, history, record, undo
from curation.lint import Selection, lint
from curation.suppressions import read_suppressions, suppress

KILLED = 9
LoadSample = Callable[..., Image.Image]


@pytest.fixture
def faulty(folder: Path, sample: LoadSample) -> Path:
    """Small photos of which one is turned, one has another name than its format, and one is there twice."""
    exif = Image.Exif()
    exif[0x0112] = 6
    sample("cat", 160).save(folder / "turned.jpg", exif=exif)
    sample("coffee", 160).save(folder / "wrong.png", "JPEG")
    shutil.copy(folder / "wrong.png", folder / "twice.jpg")
    (folder / "metadata.jsonl").write_text('{"file_name": "wrong.png", "prompt": "a cup"}\n')
    (folder / "turned.txt").write_text("a cat\n")
    return folder


def planned(dataset: Dataset) -> tuple[Fix, ...]:
    return plan_fixes(dataset, lint(dataset, selection=Selection(ignore=("IMG",))), unsafe=True)


def plan(dataset: Dataset) -> tuple[Fix, ...]:
    fixes = planned(dataset)
    assert {fix.action for fix in fixes} == {"rewrite", "exclude"}
    return fixes


def originals(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Bytes and times of all that a person put there."""
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".loratui" not in path.parts
    }


def contents(folder: Path) -> dict[str, bytes]:
    return {name: content for name, (content, _) in originals(folder).items()}


def beside(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.parent.iterdir() if path != folder)


def test_copy_exclusions_and_a_setting_are_one_step_and_undone_as_one(faulty: Path) -> None:
    config = faulty.parent / "lora.toml"
    config.write_text('instance_data_dir = "set"\n')
    before = originals(faulty)
    dataset = open_dataset(faulty)
    change = Change(config, config.read_bytes(), b'instance_data_dir = "set-fixed"\n')

    mended = apply_fixes(dataset, plan(dataset), changes=[change])

    assert (mended.written, mended.recorded) == (True, True)
    assert config.read_text() == 'instance_data_dir = "set-fixed"\n'
    (entry,) = history(faulty)
    assert entry.summary == "Write set-fixed: 2 mended, 1 left out"
    lint(mended.copy)  # leaves its facts in the copy

    undo(faulty)

    assert beside(faulty) == ["lora.toml"]
    assert config.read_text() == 'instance_data_dir = "set"\n'
    assert [photo.excluded for photo in open_dataset(faulty).photos] == [None] * 3
    assert originals(faulty) == before


def test_a_copy_in_which_a_caption_was_edited_is_not_undone(faulty: Path) -> None:
    dataset = open_dataset(faulty)
    copy = apply_fixes(dataset, plan(dataset)).copy
    save_captions(copy, {copy.photos[0].name: "a better caption"})
    with pytest.raises(CurationError, match="set-fixed was changed since"):
        undo(faulty)
    assert copy.root.is_dir()


def test_the_same_fixes_again_find_their_copy_up_to_date(faulty: Path) -> None:
    dataset = open_dataset(faulty)
    first = apply_fixes(dataset, plan(dataset))
    lint(first.copy)
    before = originals(first.copy.root)

    dataset = open_dataset(faulty)
    again = apply_fixes(dataset, planned(dataset))

    assert not again.written
    assert originals(first.copy.root) == before
    assert len(history(faulty)) == 1


def test_a_copy_with_captions_of_its_own_is_never_overwritten(faulty: Path) -> None:
    dataset = open_dataset(faulty)
    fixes = plan(dataset)
    copy = apply_fixes(dataset, fixes).copy
    (copy.root / "turned.txt").write_text("my caption")
    with pytest.raises(CurationError, match=r"turned\.txt would change. It may hold captions that you wrote"):
        apply_fixes(dataset, fixes)
    assert (copy.root / "turned.txt").read_text() == "my caption"


def test_an_outdated_copy_is_told_from_one_that_somebody_edited(faulty: Path) -> None:
    dataset = open_dataset(faulty)
    fixes = plan(dataset)
    apply_fixes(dataset, fixes)
    (faulty / "turned.txt").write_text("a better caption")
    with pytest.raises(CurationError, match="It is as it was made"):
        apply_fixes(open_dataset(faulty), fixes)


def test_any_other_folder_or_file_there_is_refused(faulty: Path) -> None:
    dataset = open_dataset(faulty)
    other = faulty.parent / "other"
    other.mkdir()
    (other / "holiday.jpg").write_bytes(b"theirs")
    with pytest.raises(CurationError, match="exists already and is another copy"):
        apply_fixes(dataset, plan(dataset), other)
    with pytest.raises(CurationError, match="is a file"):
        apply_fixes(dataset, plan(dataset), other / "holiday.jpg")
    assert contents(other) == {"holiday.jpg": b"theirs"}
    assert history(faulty) == ()


def test_what_would_be_done_is_told_without_doing_it(faulty: Path) -> None:
    dataset = open_dataset(faulty)
    fixes = plan(dataset)
    before, state = originals(faulty), beside(faulty)
    config = faulty.parent / "lora.toml"
    change = Change(config, b'a = 1\ninstance_data_dir = "set"\n', b'a = 1\ninstance_data_dir = "set-fixed"\n')

    text = preview(dataset, fixes, faulty.parent / "set-fixed", [change])

    for line in (
        f"{faulty}/turned.jpg -> {faulty}-fixed/turned.jpg",
        "  FIL003 exif-rotation: It is stored turned (EXIF orientation 6).",
        "+ JPEG, 120 x 160, RGB, sRGB",
        f"{faulty}/wrong.png -> {faulty}-fixed/wrong.jpg",
        f"{faulty}/twice.jpg: left out of training" if "twice.jpg" in str(fixes) else "",
        '-{"file_name": "wrong.png", "prompt": "a cup"}',
        '+{"file_name": "wrong.jpg", "prompt": "a cup"}',
        '-instance_data_dir = "set"',
        '+instance_data_dir = "set-fixed"',
    ):
        assert line in text.splitlines() or not line, text
    assert "DUP001" in text
    assert (originals(faulty), beside(faulty), history(faulty)) == (before, state, ())


def test_what_a_person_suppressed_stays_suppressed_in_the_copy(faulty: Path) -> None:
    dataset = open_dataset(faulty)
    suppress(dataset, "CAP002", ["wrong.png", "turned.jpg", "twice.jpg"], "it is a cup")
    suppress(dataset, "IMG001", ["twice.jpg", "wrong.png"], "no larger one exists")
    suppress(dataset, "SET002", [], "there are no more")
    fixes = plan(dataset)
    copy = apply_fixes(dataset, fixes).copy

    kept = {one.code: one for one in read_suppressions(copy.root)}

    names = [photo.name for photo in copy.photos]
    assert list(kept) == ["CAP002", "IMG001", "SET002"]
    assert sorted(kept["CAP002"].photos) == sorted(names)
    assert kept["SET002"].photos == {}
    assert [one.reason for one in kept.values()] == ["it is a cup", "no larger one exists", "there are no more"]
    report = lint(copy)
    assert {"IMG001", "SET002"} <= {suppressed.finding.code for suppressed in report.suppressed}
    assert not apply_fixes(dataset, fixes).written, "with the same suppressions it is up to date"
    suppress(dataset, "IMG002", ["turned.jpg"], "it is soft")
    with pytest.raises(CurationError, match=r"suppressions\.json would change"):
        apply_fixes(dataset, fixes)


def die_at(operation: int, folder: Path, action: Callable[[], object]) -> bool:
    """Run `action` in a process that is killed at its n-th operation on files below `folder`; False: it lived."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == KILLED
    left = operation

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in {
            "open",
            "os.rename",
            "os.remove",
            "os.mkdir",
            "os.rmdir",
            "os.truncate",
            "os.chmod",
            "fcntl.flock",
        }:
            about_it = event == "fcntl.flock" or str(folder) in str(arguments[0])
            left -= about_it
            if left < 0:
                os._exit(KILLED)

    try:
        sys.addaudithook(count)
        action()
    finally:
        os._exit(0)


def test_a_process_killed_anywhere_leaves_the_originals_and_a_whole_copy_or_none(faulty: Path, tmp_path: Path) -> None:
    dataset = open_dataset(faulty)
    fixes = plan(dataset)
    before = originals(faulty)
    whole = contents(apply_fixes(dataset, fixes).copy.root)
    undo(faulty)
    left_out = {fix.photo for fix in fixes if fix.action == "exclude"}
    outcomes = set()
    operation = 0
    for operation in range(10_000):
        died = die_at(operation, tmp_path, lambda: apply_fixes(dataset, fixes))
        assert originals(faulty) == before
        fixed = faulty.parent / "set-fixed"
        there = fixed.exists()
        if there:
            assert contents(fixed) == whole
        # The next run completes what the killed one began, and leaves nothing else behind.
        again = open_dataset(faulty)
        excluded = {photo.name for photo in again.photos if photo.excluded}
        assert excluded in (set(), left_out)
        assert there or not excluded, "left out before the copy was there"
        outcomes.add((there, bool(excluded)))
        if not died:
            break
        apply_fixes(again, [fix for fix in fixes if fix.photo not in excluded])
        assert contents(fixed) == whole
        assert beside(faulty) == ["set-fixed"]
        undo(faulty)
        assert beside(faulty) == []
        shutil.rmtree(faulty / ".loratui")
    assert outcomes == {(False, False), (True, False), (True, True)}
    assert operation > 50


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """No file grows beyond so many bytes: what a full disk does, only sooner."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize(("size", "words"), [(2000, "cannot be written: File too large"), (0, "cannot be")])
def test_on_a_full_disk_nothing_is_left_and_nothing_left_out(faulty: Path, size: int, words: str) -> None:
    dataset = open_dataset(faulty)
    fixes = plan(dataset)
    before = originals(faulty)
    with full_disk(size), pytest.raises(CurationError, match=words):
        apply_fixes(dataset, fixes)
    assert (originals(faulty), beside(faulty)) == (before, [])
    assert [photo.excluded for photo in open_dataset(faulty).photos] == [None] * 3
    assert apply_fixes(dataset, fixes).written


def test_a_copy_that_cannot_be_recorded_is_taken_back(faulty: Path) -> None:
    dataset = open_dataset(faulty)
    fixes = plan(dataset)
    record(faulty, "large", [Change(faulty / "notes", None, os.urandom(300_000))])  # a journal of 400 KB
    with full_disk(300_000), pytest.raises(CurationError, match=r"journal.*cannot be used"):
        apply_fixes(dataset, fixes)
    assert beside(faulty) == []
    assert [photo.excluded for photo in open_dataset(faulty).photos] == [None] * 3


def test_a_folder_that_cannot_be_written_is_copied_but_nothing_is_left_out_there(
    faulty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = open_dataset(faulty)
    fixes = plan(dataset)
    # Nothing is read-only to root, so the answer of the system is all that a test can have.
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).startswith(str(faulty)))
    with pytest.raises(CurationError, match="what is left out cannot be recorded there"):
        apply_fixes(dataset, fixes)
    assert beside(faulty) == []
    mended = apply_fixes(dataset, [fix for fix in fixes if fix.safe])
    assert (mended.written, mended.recorded) == (True, False)


def test_two_processes_do_not_write_one_copy(faulty: Path) -> None:
    dataset = open_dataset(faulty)
    fixes = plan(dataset)

    def second(done: int, total: int) -> None:
        with pytest.raises(CurationError, match="Another program is writing"):
            apply_fixes(dataset, fixes)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        apply_fixes(dataset, fixes, on_progress=second)
    assert beside(faulty) == []
