"""The words for a concept: the class noun of the instance prompt, and the template that captions are made by."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation import CurationError
from curation.captions import Template
from loratui.photos.concept import (
    TEMPLATE_FILE,
    caption_template,
    caption_words,
    class_noun,
    keep_template,
    with_class_noun,
    with_trigger,
)
from loratui.recipe import INSTANCE_PROMPT, KIND, TRIGGER, Recipe

NOUNS = st.lists(st.sampled_from(["woman", "teddy", "bear", "cat", "old-timer"]), max_size=2).map(" ".join)


def recipe(prompt: str = "a photo of TOK", trigger: str = "") -> Recipe:
    made = Recipe.for_photos(Path("photos"))
    made.choose(KIND, "object")
    made.choose(INSTANCE_PROMPT, prompt)
    made.choose(TRIGGER, trigger)
    return made


@pytest.mark.parametrize(
    ("prompt", "noun"),
    [
        ("a photo of TOK", ""),
        ("a photo of TOK woman", "woman"),
        ("a photo of TOK teddy bear", "teddy bear"),
        ("TOK cat, indoors", "cat"),
        ("a TOK cat sleeping on a sofa", "cat"),
        ("TOK in the snow", ""),
        ("a photo of a dog", ""),
        ("TOKYO tower", ""),
        ("", ""),
    ],
)
def test_the_class_noun_is_what_the_prompt_says_right_after_the_trigger_word(prompt: str, noun: str) -> None:
    assert class_noun(prompt, "TOK") == noun


@pytest.mark.parametrize(
    ("prompt", "noun", "now"),
    [
        ("a photo of TOK", "woman", "a photo of TOK woman"),
        ("a photo of TOK woman", "teddy bear", "a photo of TOK teddy bear"),
        ("a photo of TOK woman", "", "a photo of TOK"),
        ("TOK cat, indoors", "dog", "TOK dog, indoors"),
        ("", "woman", "a photo of TOK woman"),
        ("a photo of a woman", "woman", "a photo of a TOK woman"),
    ],
)
def test_another_class_noun_takes_its_place_in_the_prompt(prompt: str, noun: str, now: str) -> None:
    assert with_class_noun(prompt, "TOK", noun) == now


@given(NOUNS, NOUNS)
def test_a_noun_that_was_put_in_is_read_back_and_the_rest_of_the_prompt_stays(first: str, second: str) -> None:
    prompt = with_class_noun("a photo of TOK, [red] in the snow", "TOK", first)
    assert class_noun(prompt, "TOK") == first
    assert with_class_noun(prompt, "TOK", second).replace(f" {second}" if second else "", "", 1) == (
        "a photo of TOK, [red] in the snow"
    )


def test_another_trigger_word_takes_the_place_of_the_one_before_as_a_whole_word() -> None:
    assert with_trigger("TOK, not TOKYO: TOK", "TOK", r"\1sks") == r"\1sks, not TOKYO: \1sks"


@pytest.mark.parametrize(
    ("prompt", "template", "caption"),
    [
        ("a photo of TOK", "a photo of {trigger}, {caption}", "a photo of TOK, asleep"),
        ("a photo of TOK cat", "a photo of {trigger} {class_noun}, {caption}", "a photo of TOK cat, asleep"),
        ("a {photo} of TOK", "a {{photo}} of {trigger}, {caption}", "a {photo} of TOK, asleep"),
        ("a cat", "{trigger}, {caption}", "TOK, asleep"),
    ],
)
def test_captions_are_made_in_the_words_of_the_instance_prompt(
    tmp_path: Path, prompt: str, template: str, caption: str
) -> None:
    made = recipe(prompt)
    assert caption_template(tmp_path, made) == template
    assert Template(template).apply("asleep", caption_words(made)) == caption


def test_a_template_is_kept_with_the_photos_until_it_is_emptied(tmp_path: Path) -> None:
    keep_template(tmp_path, "{trigger}: {caption}")
    assert caption_template(tmp_path, recipe()) == "{trigger}: {caption}"
    keep_template(tmp_path, " ")
    assert caption_template(tmp_path, recipe()) == "a photo of {trigger}, {caption}"


@pytest.mark.parametrize("text", ["{capton}", "{caption", "no place for it", "{caption!r}"])
def test_a_template_that_cannot_work_is_refused_and_not_kept(tmp_path: Path, text: str) -> None:
    with pytest.raises(CurationError):
        keep_template(tmp_path, text)
    assert not (tmp_path / TEMPLATE_FILE).exists()


@pytest.mark.parametrize("content", ["{", "[]", '{"template": 7}', "\x00"])
def test_a_damaged_file_is_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / ".loratui").mkdir()
    (tmp_path / TEMPLATE_FILE).write_text(content)
    assert caption_template(tmp_path, recipe()) == "a photo of {trigger}, {caption}"
