"""The edits of many captions that a screen offers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation import CurationError
from loratui.captions.batch_edits import OPERATIONS, changed_span

NAMED = {operation.name: operation for operation in OPERATIONS}


def edited(name: str, caption: str, *texts: str) -> str:
    edit, words = NAMED[name].edit(texts)
    return edit.apply(caption, words)


@pytest.mark.parametrize(
    ("name", "texts", "after"),
    [
        ("Replace text", ("red", "blue"), "a woman, blue coat, blue coat, night"),
        ("Replace by expression", (r"(\w+) coat", r"coat of \1"), "a woman, coat of red, coat of red, night"),
        ("Put in front", ("TOK, ",), "TOK, a woman, red coat, red coat, night"),
        ("Put at the end", ("!",), "a woman, red coat, red coat, night!"),
        ("Remove text", (", night",), "a woman, red coat, red coat"),
        ("Remove a tag", ("red coat",), "a woman, night"),
        ("Move a tag first", ("night",), "night, a woman, red coat, red coat"),
        ("Sort tags", ("1",), "a woman, night, red coat, red coat"),
        ("Each tag once", (), "a woman, red coat, night"),
        ("Say the trigger word", ("TOK", "woman"), "a TOK woman, red coat, red coat, night"),
        (
            "Write by a template",
            ("{trigger} {lookalike}: {caption}", "TOK", "", "Ada"),
            "TOK Ada: a woman, red coat, red coat, night",
        ),
        ("Set", ("a TOK",), "a TOK"),
    ],
)
def test_each_operation_does_what_its_command_does(name: str, texts: tuple[str, ...], after: str) -> None:
    assert edited(name, "a woman, red coat, red coat, night", *texts) == after


@pytest.mark.parametrize("name", [operation.name for operation in OPERATIONS if operation.fields])
def test_texts_that_are_not_typed_yet_are_refused_or_change_nothing(name: str) -> None:
    try:
        assert edited(name, "a, b", *[""] * len(NAMED[name].fields)) in {"a, b", ""}
    except CurationError as error:
        assert error.problem and error.remedy


@pytest.mark.parametrize("keep", ["x", "-1"])
def test_a_number_of_tags_is_a_number(keep: str) -> None:
    with pytest.raises(CurationError, match="no number"):
        edited("Sort tags", "b, a", keep)


@settings(deadline=None)  # the machine may be busy
@given(st.text("ab ", max_size=12), st.text("ab ", max_size=12))
def test_what_differs_is_all_that_differs(before: str, after: str) -> None:
    (start, end), (same_start, end_after) = changed_span(before, after)
    assert start == same_start
    assert before[:start] == after[:start] and before[end:] == after[end_after:]
    assert before[:start] + after[start:end_after] + before[end:] == after
