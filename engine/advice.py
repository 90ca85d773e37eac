"""What the guide to advanced SDXL DreamBooth training says of a setting, and what a preset says of its number."""

import re
from functools import cache
from importlib import resources

from engine.config import preset

# From the guide, https://huggingface.co/blog/sdxl_lora_advanced_script, by the section that is named first.
GUIDE = {
    "concept.instance_prompt": "Custom Captioning: one prompt for all photos can do; captions of their own do better "
    "where the concept is complex or new to the model.",
    "concept.token_abstraction": "Pivotal Tuning: the same word must stand in the instance prompt, the sample prompts "
    "and the captions; training puts the new tokens in its place.",
    "data.caption_column": "Custom Captioning: the captions' column of metadata.jsonl, 'prompt' in its example.",
    "data.dataset_name": "Custom Captioning: a dataset of the hub, or a folder with captions in metadata.jsonl.",
    "data.repeats": "Repeats: photos are repeated first and shuffled then; its best faces used 1.",
    "data.resolution": "Training Set Creation: high resolution and quality; blurry or small photos harm the tuning.",
    "lora.rank": "Face LoRA: faces at rank 64 look air-brushed, 32 did better.",
    "loss.snr_gamma": "Min-SNR Gamma: 5.0 is recommended where it is used; small sets may show little of it.",
    "optimizer.adam_beta1": "Adaptive Optimizers: 0.9 with Prodigy.",
    "optimizer.adam_beta2": "Adaptive Optimizers: 0.99 with Prodigy.",
    "optimizer.adam_weight_decay": "Adaptive Optimizers: 0.01 with Prodigy.",
    "optimizer.learning_rate": "Adaptive Optimizers: 1.0 with Prodigy. Independent rates: 1e-4 for the UNet, AdamW.",
    "optimizer.optimizer": "Adaptive Optimizers: Prodigy finds the rate itself, and suits DreamBooth LoRAs; AdamW asks "
    "for a search over rates.",
    "optimizer.prodigy_safeguard_warmup": "Adaptive Optimizers: on, for diffusion models and LoRAs.",
    "optimizer.prodigy_use_bias_correction": "Adaptive Optimizers: on, for diffusion models and LoRAs.",
    "prior.class_data_dir": "Face LoRA: real class images kept realism, generated ones cost likeness.",
    "prior.class_prompt": "Training Set Creation: class images that are missing are made from this prompt.",
    "prior.num_class_images": "Training Set Creation: the least number; what is missing is made from class_prompt.",
    "prior.with_prior_preservation": "Training Set Creation: keeps what the model knows of the class, so that it can "
    "still be put into new compositions.",
    "run.max_train_steps": "Face LoRA: 75, 100 and 120 times the photos were tried; 120 suits diverse photos.",
    "run.steps_per_photo": "Face LoRA: 75, 100 and 120 were tried; 120 suits diverse photos.",
    "text_encoder.adam_weight_decay_text_encoder": "Pivotal Tuning: may differ from the UNet's.",
    "text_encoder.num_new_tokens_per_abstraction": "Pivotal Tuning: 2 is the default; try others, it says.",
    "text_encoder.text_encoder_lr": "Independent learning rates: lower than the UNet's when the text encoders train, "
    "higher in pivotal tuning; with Prodigy all start from the same rate.",
    "text_encoder.train_text_encoder": "Independent learning rates: overfits faster than the UNet, so at a lower rate.",
    "text_encoder.train_text_encoder_ti": "Pivotal Tuning: new tokens have no old meaning that gets in the way, as a "
    "rare word like sks has.",
    "text_encoder.train_text_encoder_ti_frac": "Pivotal Tuning: 0.5, half of the run, as cog-sdxl has it.",
}


def guide_says(name: str) -> str:
    """The guide's advice on a setting, named section.key, after the section that it is from; empty without any."""
    return GUIDE.get(name, "")


@cache
def presets_that_set(name: str) -> dict[str, tuple[object, str]]:
    """By preset: the value that it gives a setting, named section.key, and where its number comes from."""
    section, _, key = name.partition(".")
    found = {}
    for kind in ("person", "object", "style", "character"):
        values = preset(kind).get(section, {})
        if key in values:
            found[kind] = (values[key], _source(kind, key))
    return found


def _source(kind: str, key: str) -> str:
    """The comment behind a key of a preset's file."""
    text = (resources.files("engine") / "presets" / f"{kind}.toml").read_text("utf-8")
    line = re.search(rf"^{re.escape(key)} *=.*?# *(.*)$", text, re.MULTILINE)
    return line[1].strip() if line else ""
