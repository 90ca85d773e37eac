"""A change is either made whole or not at all, whoever dies when, and undo and redo put exact bytes back."""

import os
import resource
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from curation import CurationError, open_dataset
from curation.entries import SETTLE
from curation.journal import FILE, Change, history, record, recover, redo, undo
from curation.lint import lint

KILLED = 9
WRITING = {"append", "carry_out", "_write", "_write_one", "_remove_created", "writing", "write_bytes", "sync"}
"""The functions that write; between them a process has nothing to lose."""
NAMES = ("metadata.jsonl", "cat.txt", "more/dog.txt")
CONTENTS = st.none() | st.sampled_from([b"", b"a", b"\xef\xbb\xbfa\r\n"]) | st.binary(max_size=40)


def contents(root: Path) -> dict[str, bytes | None]:
    return {name: (root / name).read_bytes() if (root / name).exists() else None for name in NAMES}


def step(root: Path, after: dict[str, bytes | None]) -> list[Change]:
    now = contents(root)
    return [Change(root / name, now[name], content) for name, content in after.items()]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    (folder / "cat.txt").write_bytes(b"a cat\n")
    (folder / "more" / "dog.txt").write_bytes(b"a dog\r\n")
    return folder


def edit(root: Path) -> None:
    """One step that makes a file, changes one, and removes one."""
    record(root, "edit", step(root, {"metadata.jsonl": b"{}\n", "cat.txt": b"a TOK cat\n", "more/dog.txt": None}))


def test_a_step_is_undone_and_redone_to_the_byte(root: Path) -> None:
    before = contents(root)
    edit(root)
    after = contents(root)
    assert after == {"metadata.jsonl": b"{}\n", "cat.txt": b"a TOK cat\n", "more/dog.txt": None}

    assert undo(root).state == "undone"
    assert contents(root) == before
    assert redo(root).state == "done"
    assert contents(root) == after


def test_history_tells_what_was_done_undone_and_dropped(root: Path) -> None:
    for number in range(3):
        record(root, f"step {number}", step(root, {"cat.txt": str(number).encode()}))
    undo(root)
    undo(root)
    record(root, "another way", step(root, {"cat.txt": b"new"}))

    assert [(entry.number, entry.summary, entry.state) for entry in history(root)] == [
        (1, "step 0", "done"),
        (2, "step 1", "dropped"),
        (3, "step 2", "dropped"),
        (4, "another way", "done"),
    ]
    with pytest.raises(CurationError, match="nothing to redo"):
        redo(root)


def test_what_changes_nothing_is_no_step(root: Path) -> None:
    assert record(root, "same", step(root, contents(root))) is None
    assert history(root) == ()
    with pytest.raises(CurationError, match="nothing to undo"):
        undo(root)


@pytest.mark.parametrize("theirs", [None, b"a cat\nwith a [red] hat\x1b\n", b"a cat"])
def test_a_file_that_someone_else_changed_is_shown_and_never_overwritten(root: Path, theirs: bytes | None) -> None:
    changes = step(root, {"more/dog.txt": b"ours", "cat.txt": b"ours"})
    (root / "cat.txt").unlink() if theirs is None else (root / "cat.txt").write_bytes(theirs)
    before = contents(root)

    with pytest.raises(CurationError, match=r"cat\.txt was changed by another program") as refused:
        record(root, "edit", changes)

    shown = {None: "is gone", b"a cat": "line break"}.get(theirs, r'line 2 is now "with a [red] hat\x1b"')
    assert shown in refused.value.problem
    assert contents(root) == before
    assert history(root) == ()


@pytest.mark.parametrize("turn", [undo, redo])
def test_a_file_changed_since_is_neither_undone_nor_redone(root: Path, turn: Callable[[Path], Any]) -> None:
    edit(root)
    if turn is redo:
        undo(root)
    (root / "cat.txt").write_bytes(b"theirs")
    before = contents(root)
    with pytest.raises(CurationError, match=r"cat\.txt was changed by another program since"):
        turn(root)
    assert contents(root) == before


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(st.dictionaries(st.sampled_from(NAMES), CONTENTS, min_size=1), max_size=5), back=st.integers(0, 5)
)
def test_any_steps_can_be_walked_back_and_forth(
    tmp_path_factory: pytest.TempPathFactory, steps: list[dict[str, bytes | None]], back: int
) -> None:
    root = tmp_path_factory.mktemp("photos")
    (root / "more").mkdir()
    states = [contents(root)]
    for number, after in enumerate(steps):
        if record(root, str(number), step(root, after)):
            states.append(contents(root))
    for state in states[-2::-1][:back]:
        undo(root)
        assert contents(root) == state
    for state in states[max(0, len(states) - 1 - back) + 1 :]:
        redo(root)
        assert contents(root) == state
    assert len(history(root)) == len(states) - 1


def die_at(line: int, action: Callable[[], object]) -> bool:
    """Run `action` in a process that ends without a word at the n-th line that writes; False: it lived."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == KILLED
    left = line

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal left
        if frame.f_code.co_name not in WRITING or Path(frame.f_code.co_filename).parent.name != "curation":
            return None
        left -= event == "line"
        if left < 0:
            os._exit(KILLED)
        return trace

    threading.settrace(trace)
    sys.settrace(trace)
    try:
        action()
    finally:
        os._exit(0)


@pytest.mark.parametrize("action", [edit, undo, redo])
def test_a_process_killed_anywhere_leaves_all_files_before_or_all_after(
    tmp_path_factory: pytest.TempPathFactory, action: Callable[[Path], object]
) -> None:
    before: dict[str, bytes | None] = {}
    after: dict[str, bytes | None] = {}
    outcomes = set()
    for line in range(10_000):
        root = tmp_path_factory.mktemp("killed", numbered=True)
        (root / "more").mkdir()
        (root / "cat.txt").write_bytes(b"a cat\n")
        (root / "more" / "dog.txt").write_bytes(b"a dog\r\n")
        record(root, "earlier", step(root, {"cat.txt": b"an old cat\n"}))
        if action is not edit:
            edit(root)
        if action is redo:
            undo(root)
        before = contents(root)
        died = die_at(line, lambda root=root: action(root))
        recover(root)
        found = contents(root)
        if not died:
            after = found
            break
        outcomes.add(tuple(found.items()))
        # The next steps work as if nothing had happened.
        record(root, "later", step(root, {"cat.txt": b"later\n"}))
        undo(root)
        assert contents(root) == found
    assert outcomes == {tuple(before.items()), tuple(after.items())}


def test_a_step_is_taken_back_when_someone_changes_a_file_while_it_is_written(root: Path) -> None:
    before = contents(root)
    edit(root)
    (root / FILE).write_bytes((root / FILE).read_bytes().removesuffix(SETTLE))  # it died after two of three files
    (root / "cat.txt").write_bytes(b"theirs\n")
    with pytest.raises(CurationError, match=r"cat\.txt was changed by another program meanwhile"):
        recover(root)
    assert contents(root) == before | {"cat.txt": b"theirs\n"}
    assert [entry.state for entry in history(root)] == ["failed"]
    edit(root)
    undo(root)
    assert contents(root) == before | {"cat.txt": b"theirs\n"}


def test_a_journal_cut_off_anywhere_is_still_one(root: Path) -> None:
    edit(root)
    after, whole = contents(root), (root / FILE).read_bytes()
    for length in range(0, len(whole), 7):
        (root / FILE).write_bytes(whole[:length])
        recover(root)
        assert contents(root) == after
        record(root, "later", step(root, {"cat.txt": b"later\n"}))
        undo(root)
        assert contents(root) == after


def test_a_damaged_line_is_passed_over(root: Path) -> None:
    edit(root)
    with (root / FILE).open("ab") as file:
        file.write(b"\0\0{{\n" + b"[" * 100_000 + b'\n{"do": "record", "number": 1e999}\n[]\n')
    undo(root)
    assert (root / "cat.txt").read_bytes() == b"a cat\n"


def test_processes_that_write_at_once_take_turns(root: Path) -> None:
    code = """
import sys
from pathlib import Path
from curation.journal import Change, record
root, name = Path(sys.argv[1]), sys.argv[2]
for number in range(20):
    before = str(number - 1).encode() if number else None
    record(root, name, [Change(root / name, before, str(number).encode())])
"""
    writers = [subprocess.Popen([sys.executable, "-c", code, str(root), f"{n}.txt"], cwd=Path.cwd()) for n in range(3)]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    entries = history(root)
    assert sorted(entry.number for entry in entries) == list(range(1, 61))
    while any(entry.state == "done" for entry in history(root)):
        undo(root)
    assert not [path for path in root.iterdir() if path.name in {"0.txt", "1.txt", "2.txt"}]


def test_a_disk_that_refuses_in_the_middle_leaves_everything_as_it_was(root: Path) -> None:
    large = b"x" * 200_000
    (root / "metadata.jsonl").write_bytes(large)
    before, limits = contents(root), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))  # in bytes: what a full disk does, only sooner
    try:
        with pytest.raises(CurationError, match=r"metadata\.jsonl cannot be written"):
            record(root, "edit", step(root, {"cat.txt": b"ours", "metadata.jsonl": large + b"y"}))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert contents(root) == before
    assert [entry.state for entry in history(root)] == ["failed"]
    edit(root)
    undo(root)
    assert contents(root) == before


@pytest.mark.parametrize("name", ["x" * 300, "cat.txt/below.txt"])
def test_a_file_that_can_never_be_is_refused_before_anything_is_written(root: Path, name: str) -> None:
    before = contents(root)
    with pytest.raises(CurationError):
        record(root, "edit", [*step(root, {"cat.txt": b"ours"}), Change(root / name, None, b"x")])
    assert contents(root) == before


def made(root: Path) -> Path:
    folder = root.with_name("photos-fixed")
    (folder / "more").mkdir(parents=True)
    (folder / "cat.png").write_bytes(b"pixels")
    (folder / "more" / "dog.png").write_bytes(b"pixels")
    return folder


def test_a_folder_that_a_step_made_goes_when_it_is_undone(root: Path) -> None:
    folder = made(root)
    record(root, "fix", step(root, {"cat.txt": b"new"}), created=folder)
    assert undo(root).created == folder
    assert not [path for path in root.parent.iterdir() if path != root]
    assert (root / "cat.txt").read_bytes() == b"a cat\n"
    with pytest.raises(CurationError, match="photos-fixed was removed"):
        redo(root)


def test_a_folder_that_was_only_judged_since_goes_when_it_is_undone(root: Path) -> None:
    folder = root.with_name("photos-fixed")
    folder.mkdir()
    for name in ("cat.png", "the-same-cat.jpg"):
        Image.linear_gradient("L").save(folder / name)
    record(root, "fix", [], created=folder)
    lint(open_dataset(folder))
    assert {path.name for path in (folder / ".loratui").iterdir()} == {"facts.jsonl", "copies.jsonl"}
    undo(root)
    assert not folder.exists()


@pytest.mark.parametrize("change", ["changed", "added", "link", "removed"])
def test_a_folder_in_which_anything_changed_stays(root: Path, change: str) -> None:
    folder = made(root)
    record(root, "fix", [], created=folder)
    if change == "changed":
        (folder / "cat.png").write_bytes(b"better pixels")
    elif change == "added":
        (folder / "cat.txt").write_bytes(b"a caption")
    elif change == "link":
        (folder / "cat.txt").symlink_to(root / "cat.txt")
    else:
        (folder / "cat.png").unlink()
    with pytest.raises(CurationError, match="photos-fixed was changed since"):
        undo(root)
    assert folder.is_dir()


def test_an_undo_killed_while_it_removes_a_folder_is_completed(tmp_path_factory: pytest.TempPathFactory) -> None:
    for line in range(10_000):
        root = tmp_path_factory.mktemp("killed") / "photos"
        (root / "more").mkdir(parents=True)
        record(root, "fix", step(root, {"cat.txt": b"new"}), created=made(root))
        died = die_at(line, lambda root=root: undo(root))
        recover(root)
        gone = not (root / "cat.txt").exists()
        assert [path.name for path in root.parent.iterdir()].count("photos-fixed") == (not gone)
        assert len(list(root.parent.iterdir())) == 2 - gone
        if not died:
            assert gone
            break


@pytest.mark.parametrize("path", ["../outside.txt", "{parent}/outside.txt", "link.txt", "linked/outside.txt"])
def test_a_journal_that_came_with_the_photos_writes_nowhere_else(root: Path, path: str) -> None:
    (root / "link.txt").symlink_to(root.parent / "outside.txt")
    (root / "linked").symlink_to(root.parent)
    edit(root)
    settled = (root / FILE).read_bytes()
    theirs = settled.replace(b'"metadata.jsonl"', f'"{path.format(parent=root.parent)}"'.encode())
    (root / FILE).write_bytes(theirs.removesuffix(b'{"do": "settle"}\n'))
    with pytest.raises(CurationError, match=r"outside the folder|a link to a file that is not there"):
        recover(root)
    assert not (root.parent / "outside.txt").exists()


def test_settings_beside_the_photos_can_be_part_of_a_step(root: Path) -> None:
    settings_file = root.with_name("lora.toml")
    settings_file.write_bytes(b"old\n")
    record(root, "fix", [Change(settings_file, b"old\n", b"new\n")])
    assert settings_file.read_bytes() == b"new\n"
    undo(root)
    assert settings_file.read_bytes() == b"old\n"


def test_a_linked_file_stays_a_link(root: Path) -> None:
    shared = root.with_name("shared.jsonl")
    shared.write_bytes(b"old\n")
    (root / "metadata.jsonl").symlink_to(shared)
    record(root, "edit", step(root, {"metadata.jsonl": b"new\n"}))
    assert (root / "metadata.jsonl").is_symlink()
    assert shared.read_bytes() == b"new\n"


def test_a_folder_that_moved_keeps_its_history(root: Path) -> None:
    edit(root)
    moved = root.rename(root.with_name("moved"))
    undo(moved)
    assert (moved / "cat.txt").read_bytes() == b"a cat\n"


def test_an_entry_is_small_whatever_the_size_of_its_file(root: Path) -> None:
    lines = b"".join(b'{"file_name": "%d.png", "prompt": "a photo of TOK"}\n' % number for number in range(50_000))
    record(root, "make", step(root, {"metadata.jsonl": lines}))
    size = (root / FILE).stat().st_size
    record(
        root,
        "edit",
        step(root, {"metadata.jsonl": lines.replace(b'"777.png", "prompt": "a photo', b'"777.png", "prompt": "art')}),
    )
    assert (root / FILE).stat().st_size - size < 1000


def test_what_is_in_the_journals_place_is_refused_in_two_sentences(root: Path) -> None:
    in_the_way = root / ".loratui"
    in_the_way.write_text("")
    with pytest.raises(CurationError, match="journal"):
        edit(root)
    in_the_way.unlink()
    in_the_way.mkdir()
    os.mkfifo(root / FILE)
    with pytest.raises(CurationError, match="journal"):
        edit(root)
