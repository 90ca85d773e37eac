"""What the photos show, in words: the class noun of the instance prompt, and the template that captions are made by."""

import json
import re
from pathlib import Path

from curation.atomic import write_text
from curation.captions import Context, InsertTrigger, Template
from curation.errors import CurationError
from curation.triggers import trigger_pattern
from engine.text.sample_prompts import NO_NOUNS
from loratui.recipe import Recipe

TEMPLATE_FILE = Path(".loratui", "caption-template.json")


def trigger_word(recipe: Recipe) -> str:
    """The first trigger word: the one that prompts and captions are made with."""
    return recipe.compose().config.concept.token_abstraction[0]


def instance_prompt(recipe: Recipe) -> str:
    """The caption of photos that have none; empty without one."""
    return recipe.compose().config.concept.instance_prompt or ""


def class_noun(prompt: str, trigger: str) -> str:
    """What a prompt calls the concept, right after its trigger word: "a photo of TOK teddy bear, indoors" gives
    "teddy bear". Empty where it says nothing."""
    start, end = _noun_span(prompt, trigger) or (0, 0)
    return prompt[start:end].strip()


def with_class_noun(prompt: str, trigger: str, noun: str) -> str:
    """The prompt with another class noun, or none; one without the trigger word gets both."""
    span = _noun_span(prompt, trigger)
    noun = " ".join(noun.split())
    if span is None:
        return (
            InsertTrigger().apply(prompt, Context(trigger, noun)) if prompt else f"a photo of {trigger} {noun}".strip()
        )
    return f"{prompt[: span[0]]}{f' {noun}' if noun else ''}{prompt[span[1] :]}"


def with_trigger(prompt: str, before: str, now: str) -> str:
    """The prompt with another trigger word, where it had the one before."""
    return trigger_pattern([before]).sub(lambda _: now, prompt)


def caption_words(recipe: Recipe) -> Context:
    """The words that a caption template may use."""
    trigger = trigger_word(recipe)
    return Context(trigger, class_noun(instance_prompt(recipe), trigger))


def caption_template(root: Path, recipe: Recipe) -> str:
    """The template that was kept for these photos, else one in the words of the instance prompt."""
    try:
        kept = json.loads((root / TEMPLATE_FILE).read_text("utf-8"))["template"]
    except (OSError, ValueError, KeyError, TypeError):
        kept = ""
    return kept if isinstance(kept, str) and kept else default_template(recipe)


def default_template(recipe: Recipe) -> str:
    """The instance prompt, and after it what a caption says besides: "a photo of {trigger} {class_noun}, {caption}"."""
    prompt, words = instance_prompt(recipe).replace("{", "{{").replace("}", "}}"), caption_words(recipe)
    if not trigger_pattern([words.trigger]).search(prompt):
        return "{trigger}, {caption}"
    fields = "{trigger} {class_noun}" if words.class_noun else "{trigger}"
    return f"{with_trigger(with_class_noun(prompt, words.trigger, ''), words.trigger, fields)}, {{caption}}"


def keep_template(root: Path, text: str) -> None:
    """Keep a template for these photos; an empty one goes back to the instance prompt's.

    Raises CurationError for one that is not valid, or that says nowhere what a caption is, and OSError.
    """
    if text.strip():
        form, words = Template(text), Context("TOK", "noun", "name")
        if form.apply("", words) == form.apply("a", words):
            raise CurationError(
                "The template does not say where the caption goes.",
                'Write {caption} there: "a photo of {trigger} {class_noun}, {caption}".',
            )
    write_text(root / TEMPLATE_FILE, json.dumps({"version": 1, "template": text.strip()}) + "\n")


def _noun_span(prompt: str, trigger: str) -> tuple[int, int] | None:
    """Where the class noun stands, with the space before it; an empty place where there is none.

    None where the trigger word does not stand in the prompt at all.  The noun ends at a comma, at a word that begins
    what it does or where it is, and at a participle, which does too ("TOK cat sleeping").
    """
    found = trigger_pattern([trigger]).search(prompt)
    if not found:
        return None
    end = found.end()
    for word in re.finditer(r"\s+([\w'-]+)", prompt[found.end() :]):
        is_next = found.end() + word.start() == end
        if not is_next or word[1].lower() in NO_NOUNS or (end > found.end() and word[1].endswith("ing")):
            break
        end = found.end() + word.end()
    return found.end(), end
