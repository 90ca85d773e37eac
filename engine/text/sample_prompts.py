"""The prompts of sample pictures: the given ones, else prompts that suit the kind, after the guide's own."""

import re

from curation.triggers import trigger_pattern
from engine.config import TrainConfig
from engine.models.names import MINI
from engine.settings import Kind

# What is drawn besides the instance prompt.  The guide: a webpage "about an astronaut riding a horse" and "about the
# movie Mean Girls", an emoji "dressed as Yoda", a backpack "worn by people"; for faces, close-ups and full-body
# pictures with "backgrounds and compositions that were not seen in the training set".
BY_KIND: dict[Kind, tuple[str, ...]] = {
    "person": (
        "a close-up portrait photo of {subject}, outdoors",
        "a full-body photo of {subject} walking on a beach at sunset",
    ),
    "object": ("a photo of {subject} on the beach", "a photo of a person with {subject}"),
    "style": ("{a_subject} about an astronaut riding a horse", "{a_subject} about the movie Mean Girls"),
    "character": ("{a_subject} dressed as Yoda", "{a_subject} riding a bicycle"),
}
PLAIN_STYLE = ("an astronaut riding a horse, in the style of {subject}", "a city street, in the style of {subject}")
OF_THE_MINI_MODEL = ("a photo of {subject} in the snow", "a cartoon of {subject} on the right at night")
"""In the words of its world: it knows neither Yoda nor a sunset."""

# Words after a trigger word that begin what it does or where it is, and do not say what it is.
NO_NOUNS = {
    "a",
    "an",
    "and",
    "are",
    "as",
    "at",
    "by",
    "for",
    "from",
    "has",
    "in",
    "is",
    "of",
    "on",
    "that",
    "the",
    "with",
}


def sample_prompts(config: TrainConfig) -> tuple[str, ...]:
    """The prompts to draw, at least one: validation_prompt and validation_prompts, else prompts that suit the kind.

    Those begin with the instance prompt, name the trigger word, and say what it is as the instance prompt or the
    class prompt does: "a TOK emoji" gives "a TOK emoji dressed as Yoda".  Without new tokens nothing else than the
    instance prompt is known to name the concept.
    """
    given = (config.sample.validation_prompt, *config.sample.validation_prompts)
    if prompts := tuple(dict.fromkeys(prompt for prompt in given if prompt)):
        return prompts
    trigger = config.concept.token_abstraction[0]
    instance_prompt = config.concept.instance_prompt
    if not config.text_encoder.train_text_encoder_ti and instance_prompt:
        return (instance_prompt,)
    noun = class_noun(config)
    subject = f"{trigger} {noun}" if noun else trigger
    patterns = BY_KIND[config.concept.kind] if noun or config.concept.kind != "style" else PLAIN_STYLE
    if config.model.pretrained_model_name_or_path == MINI:
        patterns = OF_THE_MINI_MODEL
    drawn = [pattern.format(subject=subject, a_subject=f"a {subject}") for pattern in patterns]
    return tuple(dict.fromkeys([instance_prompt or f"a photo of {subject}", *drawn]))


def class_noun(config: TrainConfig) -> str:
    """What the concept is, in a word: the one after the trigger word, else the class prompt's last; or empty."""
    trigger = re.escape(config.concept.token_abstraction[0])
    after = re.search(rf"(?<!\w){trigger} (\w[\w'-]*)", config.concept.instance_prompt or "")
    if after and after[1].lower() not in NO_NOUNS:
        return after[1]
    words = re.findall(r"\w[\w'-]*", config.prior.class_prompt or "")
    return words[-1] if words else ""


def base_prompt(prompt: str, config: TrainConfig) -> str:
    """The prompt in words that the base model knows: without the trigger word, which means nothing to it.

    Where the prompt does not say what the concept is, the class noun stands in the trigger word's place.
    """
    noun = class_noun(config)
    is_said = re.search(rf"(?<!\w){re.escape(noun)}(?!\w)", prompt) is not None
    words = trigger_pattern(config.concept.token_abstraction).sub(lambda _: "" if is_said else noun, prompt)
    return " ".join(words.split())
