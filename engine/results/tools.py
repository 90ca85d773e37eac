"""The tools that load a LoRA: which file goes where, and how a prompt reads there; told without torch."""

from collections.abc import Mapping
from dataclasses import dataclass

from engine.config import TrainConfig
from engine.rundir import LORA_FILE
from engine.text.abstractions import replace_abstractions
from engine.text.sample_prompts import sample_prompts


@dataclass(frozen=True)
class Place:
    """Where a file goes. folder: within the tool's own; empty for a tool that takes any."""

    file: str
    folder: str


@dataclass(frozen=True)
class Tool:
    """places: of the LoRA, then of the new tokens where there are any.  prompt: in this tool's own words."""

    name: str
    places: tuple[Place, ...]
    prompt: str


def first_prompt(config: TrainConfig) -> str:
    """The run's first sample prompt, on one line."""
    return " ".join(sample_prompts(config)[0].split())


def tools(name: str, prompt: str, tokens: Mapping[str, tuple[str, ...]]) -> tuple[Tool, Tool, Tool]:
    """diffusers, ComfyUI, and the WebUIs.

    name: the run's.  prompt: with trigger words.  tokens: the new tokens by trigger word, empty without.
    """
    lora, embeddings = f"{name}.safetensors", f"{name}_emb.safetensors"

    def places(lora_folder: str, embeddings_folder: str, lora: str = lora) -> tuple[Place, ...]:
        of_tokens = (Place(embeddings, embeddings_folder),) if tokens else ()
        return Place(lora, lora_folder), *of_tokens

    def spelled(word: str) -> str:
        return replace_abstractions(prompt, {trigger: (word,) for trigger in tokens})

    return (
        Tool("diffusers", places("", "", LORA_FILE), replace_abstractions(prompt, tokens)),
        Tool("ComfyUI", places("models/loras", "models/embeddings"), spelled(f"embedding:{name}_emb")),
        Tool(
            "AUTOMATIC1111, SD.Next",
            places("models/Lora", "embeddings"),
            f"{spelled(f'{name}_emb')} <lora:{name}:1>",
        ),
    )
