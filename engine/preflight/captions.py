"""The texts of a run: captions and prompts are there, name the trigger word, and fit into CLIP's tokens."""

from collections.abc import Iterator, Mapping

from curation.dataset import Dataset
from curation.errors import CurationError, StatedError
from curation.text import visible
from curation.triggers import trigger_pattern
from engine.config import TrainConfig
from engine.errors import ConfigError
from engine.models.files import tokenizer_file
from engine.plan import trigger_words
from engine.preflight.photos import some
from engine.text.chunks import MOST_CHUNKS, CutCaption, cut_captions
from engine.text.sample_prompts import sample_prompts


def check_captions(config: TrainConfig, dataset: Dataset) -> Iterator[StatedError | str]:
    """Every photo has a caption, captions and prompts name the trigger words, and none is too long."""
    instance_prompt = config.concept.instance_prompt
    yield from _check_column(config, dataset)
    without = [photo.name for photo in dataset.trainable if not photo.caption]
    if without and not instance_prompt:
        yield ConfigError(
            f"{len(without)} of {len(dataset.trainable)} photos have no caption, and there is no instance_prompt.",
            "Set one, e.g. instance_prompt = 'a photo of TOK', or write captions with: loratui caption set",
        )
    captions = {photo.name: photo.caption or instance_prompt or "" for photo in dataset.trainable}
    if words := trigger_words(config):
        yield from _check_trigger_words(captions, words)
        yield from _check_prompts(config, words)
    yield from _check_length(config, captions)


def _check_column(config: TrainConfig, dataset: Dataset) -> Iterator[StatedError | str]:
    """A dataset's captions may stand in a column of any name: warn, or refuse, when it is not the one that is read."""
    column, columns = config.data.caption_column, [name for name in dataset.metadata.columns if name != "file_name"]
    if not config.data.dataset_name or not columns or column in columns:
        return
    problem = f"The dataset {config.data.dataset_name} has no column {column}; it has {', '.join(columns)}."
    if config.concept.instance_prompt:
        yield f"{problem} Set caption_column to train on its captions."
    else:
        yield ConfigError(problem, "Set caption_column, or an instance_prompt for all photos.")


def _check_trigger_words(captions: Mapping[str, str], words: tuple[str, ...]) -> Iterator[StatedError | str]:
    trigger, named = trigger_pattern(words), ", ".join(words)
    written = {name: caption for name, caption in captions.items() if caption}
    missing = [name for name, caption in written.items() if not trigger.search(caption)]
    if written and len(missing) == len(written):
        yield ConfigError(
            f"No caption contains the trigger word {named}, so its new tokens would never train.",
            f"Put it into instance_prompt or the captions, e.g. 'a photo of {words[0]}', or set token_abstraction.",
        )
        return
    if missing:
        yield f"{len(missing)} of {len(captions)} captions lack the trigger word {named}: {some(missing)}."
    found = {word for caption in captions.values() for word in trigger.findall(caption)}
    if idle := [word for word in words if word not in found]:
        yield f"No caption contains the trigger word {', '.join(idle)}, so its new tokens will not train."


def _check_prompts(config: TrainConfig, words: tuple[str, ...]) -> Iterator[str]:
    """Sample prompts show what was learned; the class prompt must not name it."""
    trigger, named = trigger_pattern(words), ", ".join(words)
    sample = config.sample
    given = {"validation_prompt": sample.validation_prompt or ""}
    given |= {f"validation_prompts '{prompt}'": prompt for prompt in sample.validation_prompts}
    for name, prompt in given.items():
        if prompt and sample.num_validation_images and not trigger.search(prompt):
            yield f"The {visible(name)} lacks the trigger word {named}, so its pictures will not show what was learned."
    prior = config.prior
    if prior.with_prior_preservation and trigger.search(prior.class_prompt or ""):
        yield f"The class_prompt names the trigger word {named}: class pictures are of others, so leave it out there."


def _check_length(config: TrainConfig, captions: Mapping[str, str]) -> Iterator[StatedError | str]:
    prompts = {f"the prompt '{prompt}'": prompt for prompt in sample_prompts(config)}
    if config.prior.with_prior_preservation and config.prior.class_prompt:
        prompts["class_prompt"] = config.prior.class_prompt
    try:
        tokenizer = tokenizer_file(config.model)
        cut = cut_captions(captions, config, tokenizer)
        cut_prompts = cut_captions(prompts, config, tokenizer)
    except CurationError as error:
        yield error
        return
    if cut:
        verb = "caption is" if len(cut) == 1 else "captions are"
        yield f"{len(cut)} {verb} longer than what is read, and cut: {_counts(cut)}. {_what_to_do(config)}"
    if cut_prompts:
        yield f"Longer than what is read, and cut: {_counts(cut_prompts)}. {_what_to_do(config)}"


def _counts(cut: list[CutCaption]) -> str:
    return some([f"{each.name} ({each.tokens} tokens, {each.read} read)" for each in cut])


def _what_to_do(config: TrainConfig) -> str:
    if config.text_encoder.chunk_captions:
        return f"Even chunk_captions reads {MOST_CHUNKS} chunks of 75 at most: shorten them."
    return f"Shorten them, or set chunk_captions to read them in up to {MOST_CHUNKS} chunks of 75."
