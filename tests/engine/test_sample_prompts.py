"""Sample pictures show the concept, whether or not one thought of prompts for them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.triggers import trigger_pattern
from engine.config import TrainConfig, compose
from engine.mini.world import PLACES, SCENERY, STYLES
from engine.text.sample_prompts import BY_KIND, base_prompt, sample_prompts


def config(kind: str = "object", instance_prompt: str | None = None, **tables: dict[str, object]) -> TrainConfig:
    return compose(flags={"concept": {"kind": kind, "instance_prompt": instance_prompt}, **tables}).config


def test_given_prompts_are_taken_as_they_are() -> None:
    sample: dict[str, object] = {"validation_prompt": "a TOK", "validation_prompts": ["TOK in Rome", "a TOK"]}
    assert sample_prompts(config(sample=sample)) == ("a TOK", "TOK in Rome")


def test_the_guides_own_prompts_follow_from_its_instance_prompts() -> None:
    assert "a TOK emoji dressed as Yoda" in sample_prompts(config("character", "a TOK emoji"))
    assert "a TOK webpage about an astronaut riding a horse" in sample_prompts(config("style", "a TOK webpage"))


def test_the_class_prompt_says_what_the_trigger_word_does_not() -> None:
    prompts = sample_prompts(config("person", "a photo of TOK", prior={"class_prompt": "a photo of a woman"}))
    assert prompts[0] == "a photo of TOK" and all("TOK woman" in prompt for prompt in prompts[1:])


def test_where_a_thing_is_does_not_say_what_it_is() -> None:
    assert not any("TOK in" in prompt for prompt in sample_prompts(config("object", "TOK in a bowl"))[1:])


def test_a_style_without_a_noun_is_asked_for_as_a_style() -> None:
    assert "an astronaut riding a horse, in the style of TOK" in sample_prompts(config("style", "in the style of TOK"))


def test_without_new_tokens_the_instance_prompt_alone_is_known_to_name_the_concept() -> None:
    settings = config("person", "a photo of sks man", text_encoder={"train_text_encoder_ti": False})
    assert sample_prompts(settings) == ("a photo of sks man",)


@pytest.mark.parametrize("kind", sorted(BY_KIND))
def test_the_mini_model_is_asked_for_what_its_world_holds(kind: str) -> None:
    model: dict[str, object] = {"pretrained_model_name_or_path": "mini"}
    prompts = sample_prompts(config(kind, "a photo of TOK monster", model=model))
    known = {word for words in (*STYLES.values(), *PLACES.values(), *SCENERY.values()) for word in words.split()}
    assert len(prompts) == 3
    assert {word for prompt in prompts for word in prompt.split()} <= known | {"TOK", "monster"}


@given(kind=st.sampled_from(sorted(BY_KIND)), word=st.from_regex(r"[A-Z]{2,6}", fullmatch=True), text=st.text())
def test_every_default_prompt_but_ones_own_names_the_trigger_word(kind: str, word: str, text: str) -> None:
    settings = compose(
        flags={"concept": {"kind": kind, "token_abstraction": [word], "instance_prompt": text or None}}
    ).config
    prompts = sample_prompts(settings)
    assert prompts and len(set(prompts)) == len(prompts)
    assert all(trigger_pattern([word]).search(prompt) for prompt in prompts if prompt != text)


@pytest.mark.parametrize("kind", sorted(BY_KIND))
def test_every_kind_has_prompts_besides_the_instance_prompt(kind: str) -> None:
    assert len(sample_prompts(config(kind, "a photo of TOK"))) > 1


@pytest.mark.parametrize(
    ("instance_prompt", "prompt", "asked"),
    [
        ("a photo of a TOK monster", "a cartoon of a TOK monster, at night", "a cartoon of a monster, at night"),
        ("a photo of a TOK monster", "a cartoon of a TOK at night", "a cartoon of a monster at night"),
        ("a photo of TOK", "a cartoon of TOK at night", "a cartoon of at night"),
        ("a photo of a TOK monster", "TOKYO at night, a monster", "TOKYO at night, a monster"),
    ],
    ids=["the noun is said", "the noun takes its place", "no noun is known", "another word"],
)
def test_the_base_model_is_asked_without_the_trigger_word(instance_prompt: str, prompt: str, asked: str) -> None:
    assert base_prompt(prompt, config(instance_prompt=instance_prompt)) == asked
