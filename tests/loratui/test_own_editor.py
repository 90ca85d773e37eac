"""The text file that the user's own editor is given: what is not touched stays, and what is comes back."""

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation import CurationError
from loratui.captions.own_editor import as_text, edit_captions, edited_captions, editor_command

NAMES = st.text(min_size=1, max_size=12).filter(lambda name: name == name.strip() and "\\" not in name)
CAPTIONS = st.dictionaries(NAMES, st.text(max_size=40) | st.sampled_from(["== a.png", "=== x", "\n\n", "# no comment"]))


@settings(deadline=None)  # the machine may be busy
@given(CAPTIONS.filter(len))
def test_a_file_that_was_not_touched_changes_nothing(captions: dict[str, str]) -> None:
    assert edited_captions(captions, as_text(captions)) == {}


@settings(deadline=None)  # the machine may be busy
@given(CAPTIONS.filter(len), st.data())
def test_what_is_written_below_a_name_becomes_its_caption(captions: dict[str, str], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(captions)))
    others = {other: caption for other, caption in captions.items() if other != name}
    text = as_text(others | {name: captions[name] + "~~"})  # what an editor would leave behind
    assert edited_captions(captions, text).get(name) == captions[name].encode("utf-8", "replace").decode() + "~~"


def test_a_photo_that_is_left_out_of_the_file_keeps_its_caption() -> None:
    assert edited_captions({"a.png": "one", "b.png": "two"}, "== b.png\nthree\n") == {"b.png": "three"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [("== a.png\nx\n== a.png\ny\n", "stands twice"), ("== c.png\nx\n", "none of the photos that were marked")],
)
def test_a_file_that_cannot_be_told_apart_is_refused(text: str, problem: str) -> None:
    with pytest.raises(CurationError, match=problem):
        edited_captions({"a.png": "one", "b.png": "two"}, text)


@pytest.mark.parametrize("wanted", ["/nowhere/edit", "'", ""])
def test_an_editor_that_is_none_is_refused(wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISUAL", wanted)
    monkeypatch.setenv("EDITOR", wanted)
    with pytest.raises(CurationError):
        editor_command()


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """$EDITOR is a Python script, which each test writes; its last argument is the file."""
    script = tmp_path / "my editor.py"
    monkeypatch.setenv("VISUAL", f"'{sys.executable}' '{script}'")
    return script


def test_an_editor_with_arguments_is_run_on_the_captions(editor: Path) -> None:
    editor.write_text("import sys; f = open(sys.argv[-1], 'r+'); t = f.read(); f.seek(0); f.write(t.upper())")
    assert edit_captions(editor_command(), {"a.png": "one\ntwo"}) == {"a.png": "ONE\nTWO"}


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("import sys; open(sys.argv[-1], 'a').write('mine'); sys.exit(1)", "ended with the status 1"),
        (r"import sys; open(sys.argv[-1], 'wb').write(b'mine\xff')", "cannot be read"),
    ],
)
def test_what_an_editor_wrote_is_kept_where_it_cannot_be_taken_over(editor: Path, script: str, problem: str) -> None:
    editor.write_text(script)
    with pytest.raises(CurationError, match=problem) as refused:
        edit_captions(editor_command(), {"a.png": "one"})
    assert b"mine" in Path(refused.value.remedy.split()[-1].rstrip(".")).read_bytes()
