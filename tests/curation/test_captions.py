"""Edits of captions are values: they can be previewed, chosen photos for, and applied."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation import CurationError, exclude, open_dataset, save_captions
from curation.captions import (
    CaptionChange,
    Context,
    DeduplicateTags,
    Edit,
    Filter,
    InsertTrigger,
    MoveTagFirst,
    Prefix,
    Remove,
    RemoveTag,
    Replace,
    Set,
    SortTags,
    Suffix,
    Template,
    diff,
    edited,
    preview,
    tags_of,
)

WOMAN = Context(trigger="TOK", class_noun="woman", lookalike="Ada Lovelace")
CAPTIONS = st.text() | st.lists(st.sampled_from(["a", "TOK", "woman", "B", " c ", "", "a woman"])).map(",".join)


@pytest.mark.parametrize(
    ("edit", "before", "after"),
    [
        (Set("new"), "old", "new"),
        (Replace("cat", "dog"), "a cat, (cat)", "a dog, (dog)"),
        (Replace(".", "!"), "a.b", "a!b"),
        (Replace(r"(\w+) cat", r"\1 dog", regex=True), "a red cat", "a red dog"),
        (Replace(r"(?P<colour>red) cat", r"\g<colour> dog", regex=True), "a red cat", "a red dog"),
        (Prefix("TOK, "), "a cat", "TOK, a cat"),
        (Suffix(", film"), "a cat", "a cat, film"),
        (Remove("red"), "a red cat", "a cat"),
        (Remove("red"), "red cat", "cat"),
        (Remove("red"), "a cat, red", "a cat,"),
        (Remove("red"), "a bored cat", "a bo cat"),
        (RemoveTag("red"), "cat, red,bored", "cat, bored"),
        (RemoveTag("blue"), "cat,red", "cat,red"),
        (MoveTagFirst("TOK"), "cat, TOK ,red", "TOK, cat, red"),
        (MoveTagFirst("TOK"), "TOK,cat", "TOK,cat"),
        (MoveTagFirst("blue"), "cat,red", "cat,red"),
        (SortTags(), "b, C,a", "a, b, C"),
        (SortTags(keep=1), "TOK, b, a", "TOK, a, b"),
        (SortTags(), "a,b", "a,b"),
        (DeduplicateTags(), "a, b,a,,b", "a, b"),
        (DeduplicateTags(), "a,b", "a,b"),
        (InsertTrigger(), "a photo of a woman, smiling", "a photo of a TOK woman, smiling"),
        (InsertTrigger(), "Woman and women", "TOK Woman and women"),
        (InsertTrigger(), "snowomanly", "TOK woman, snowomanly"),
        (InsertTrigger(), "", "TOK woman"),
        (InsertTrigger(), "TOK woman", "TOK woman"),
        (InsertTrigger(), "TOKYO", "TOK woman, TOKYO"),
        (Template("a photo of {trigger} {class_noun}, {caption}"), "smiling", "a photo of TOK woman, smiling"),
        (Template("a photo of {trigger} {class_noun}, {caption}"), "", "a photo of TOK woman"),
        (Template("{trigger} {lookalike}: {caption} {{x}}"), "{smile}", "TOK Ada Lovelace: {smile} {x}"),
    ],
)
def test_an_edit_makes_one_caption_of_another(edit: Edit, before: str, after: str) -> None:
    assert edit.apply(before, WOMAN) == after


def test_without_a_class_noun_the_trigger_word_stands_in_front() -> None:
    assert InsertTrigger().apply("a woman", Context(trigger="TOK")) == "TOK, a woman"
    assert InsertTrigger().apply("", Context(trigger="TOK")) == "TOK"


@given(CAPTIONS)
def test_deduplicating_is_done_after_once(caption: str) -> None:
    once = DeduplicateTags().apply(caption, Context())
    assert DeduplicateTags().apply(once, Context()) == once
    assert tags_of(once) == list(dict.fromkeys(tags_of(caption)))


@given(CAPTIONS, st.integers(0, 3))
def test_sorting_keeps_every_tag_and_is_done_after_once(caption: str, keep: int) -> None:
    once = SortTags(keep).apply(caption, Context())
    assert sorted(tags_of(once)) == sorted(tags_of(caption))
    assert tags_of(once)[:keep] == tags_of(caption)[:keep]
    assert SortTags(keep).apply(once, Context()) == once


@given(CAPTIONS, st.sampled_from([WOMAN, Context(trigger="<s0>"), Context(trigger="TOK dog", class_noun="a")]))
def test_the_trigger_word_is_never_doubled(caption: str, context: Context) -> None:
    once = InsertTrigger().apply(caption, context)
    assert context.trigger in once
    assert InsertTrigger().apply(once, context) == once


@given(CAPTIONS, st.sampled_from(["a", "TOK", "missing"]))
def test_moving_a_tag_first_loses_none(caption: str, tag: str) -> None:
    moved = tags_of(MoveTagFirst(tag).apply(caption, Context()))
    assert set(moved) == set(tags_of(caption))
    assert moved[:1] == [tag] or tag not in moved


@given(CAPTIONS, st.text(min_size=1, max_size=2))
def test_what_was_removed_or_replaced_is_gone_and_the_rest_stays(caption: str, text: str) -> None:
    assert Replace(text, "").apply(caption, Context()) == "".join(caption.split(text))
    removed = "".join(Remove(text).apply(caption, Context()).split())
    assert removed == "".join(Replace(text, "").apply(caption, Context()).split())


@given(st.text())
def test_a_caption_in_a_template_is_not_read_as_one(caption: str) -> None:
    assert Template("{caption}.").apply(caption, Context()) == caption + "."


@pytest.mark.parametrize(
    "text", ["{name}", "{}", "{0}", "{caption!r}", "{caption:>9}", "{caption.upper}", "{", "{trigger[0]}"]
)
def test_a_template_with_anything_but_its_fields_is_refused(text: str) -> None:
    with pytest.raises(CurationError, match="template"):
        Template(text)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Replace("(", "x", regex=True),
        lambda: Replace("a", r"\1", regex=True),
        lambda: Replace("a", r"\g<no>", regex=True),
        lambda: Replace("", "x"),
        lambda: Remove(""),
        lambda: Filter(matching="["),
        lambda: InsertTrigger().apply("a", Context()),
        lambda: Template("{lookalike} {caption}").apply("a", Context()),
    ],
)
def test_what_cannot_be_done_is_said_in_two_sentences(make) -> None:
    with pytest.raises(CurationError) as refused:
        make()
    assert refused.value.problem.endswith(".") and refused.value.remedy.endswith(".")


@pytest.fixture
def captioned(photos: Path) -> Path:
    (photos / "beach").mkdir()
    (photos / "rocket.png").rename(photos / "beach" / "a[1].png")
    dataset = save_captions(open_dataset(photos), {"cat.png": "a cat", "beach/a[1].png": "a rocket", "coffee.png": " "})
    exclude(dataset, {"cat.png": "not her"})
    return photos


@pytest.mark.parametrize(
    ("chosen", "names"),
    [
        (Filter(), ["astronaut.png", "beach/a[1].png", "cat.png", "coffee.png"]),
        (Filter(photos=("cat.png", "beach/*")), ["beach/a[1].png", "cat.png"]),
        (Filter(photos=("beach/a[1].png",)), ["beach/a[1].png"]),
        (Filter(empty=True), ["astronaut.png", "coffee.png"]),
        (Filter(matching="c.t|^$"), ["astronaut.png", "cat.png"]),
        (Filter(photos=("*t.png",), matching="a "), ["cat.png"]),
    ],
)
def test_a_filter_chooses_photos(captioned: Path, chosen: Filter, names: list[str]) -> None:
    assert [photo.name for photo in chosen.chosen(open_dataset(captioned))] == names


@pytest.mark.parametrize("pattern", ["dog.png", "*.jpg"])
def test_a_name_that_no_photo_has_is_refused(captioned: Path, pattern: str) -> None:
    with pytest.raises(CurationError, match="There is no photo"):
        Filter(photos=(pattern,)).chosen(open_dataset(captioned))


def test_a_preview_tells_what_would_change_and_writes_nothing(captioned: Path) -> None:
    before = (captioned / "metadata.jsonl").read_bytes()
    changes = preview(open_dataset(captioned), InsertTrigger(), Filter(photos=("*t.png",)), Context(trigger="TOK"))
    assert changes == (CaptionChange("astronaut.png", None, "TOK"), CaptionChange("cat.png", "a cat", "TOK, a cat"))
    assert (captioned / "metadata.jsonl").read_bytes() == before

    saved = save_captions(open_dataset(captioned), edited(changes))
    assert [photo.caption for photo in saved.photos] == ["TOK", "a rocket", "TOK, a cat", " "]


def test_what_an_edit_leaves_as_it_is_is_not_in_its_preview(captioned: Path) -> None:
    assert preview(open_dataset(captioned), Replace("dog", "wolf")) == ()
    assert [change.photo for change in preview(open_dataset(captioned), Set(""))] == [
        "beach/a[1].png",
        "cat.png",
        "coffee.png",
    ]


def test_the_diff_shows_each_caption_in_one_line_safely() -> None:
    changes = [CaptionChange("a\x1b.png", "[red]\n\u202e", "👩‍🚀"), CaptionChange("b.png", None, "new")]
    assert diff(changes).splitlines() == [
        r"--- a\x1b.png",
        r"+++ a\x1b.png",
        r"-[red]\n\u202e",
        "+👩‍🚀",
        "--- b.png",
        "+++ b.png",
        "+new",
    ]
