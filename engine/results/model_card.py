"""The README.md beside a LoRA's files: what to write in a prompt, and how to load them, tool by tool."""

import json
from collections.abc import Mapping
from pathlib import Path
from string import Template

from curation.text import visible
from engine.config import TrainConfig
from engine.defaults import BLORA_BLOCKS
from engine.models.files import is_checkpoint, resolve_model
from engine.results.tools import Place, first_prompt, tools

CARD = Template("""\
---
tags: [text-to-image, diffusers, lora, "template:sd-lora", stable-diffusion-xl]
base_model: $base_model_text
instance_prompt: $prompt_text
---

# $name

$description

## diffusers

```python
import torch
from diffusers import StableDiffusionXLPipeline

pipe = StableDiffusionXLPipeline.$load($base_model_text, torch_dtype=torch.float16).to("cuda")
${load_tokens}pipe.load_lora_weights(".", weight_name="pytorch_lora_weights.safetensors")
image = pipe($prompt_text$clip_skip_argument).images[0]
```

## ComfyUI

Put `$name.safetensors` into `$comfyui_folder` and load it with a LoraLoader node.$comfyui_tokens Prompt:

    $comfyui_prompt

## AUTOMATIC1111, SD.Next

Put `$name.safetensors` into `$webui_folder`.$webui_tokens Prompt:

    $webui_prompt
""")

# The embeddings come first: pooling at the prompt's end must be set before a prompt with new tokens is encoded.
LOAD_TOKENS = Template("""
from safetensors.torch import load_file

pipe.text_encoder_2.text_model.eos_token_id = pipe.tokenizer_2.eos_token_id  # pool at the prompt's end
rows = load_file("${name}_emb.safetensors")
tokens = $tokens
pipe.load_textual_inversion(rows["clip_l"], token=tokens, text_encoder=pipe.text_encoder, tokenizer=pipe.tokenizer)
pipe.load_textual_inversion(rows["clip_g"], token=tokens, text_encoder=pipe.text_encoder_2, tokenizer=pipe.tokenizer_2)

""")
TOKENS_FILE = Template(" Put `$file` into `$folder`.")

# ComfyUI's weight_decompose and diffusers' reading of kohya's files, as of ComfyUI 0.3.77 and diffusers 0.42.
DORA = """

DoRA also learned how strong each output is. diffusers and ComfyUI apply that; ComfyUI measures it against the base
model's weights alone, so that its pictures differ a little. AUTOMATIC1111 1.8 and SD.Next leave it out."""

# ComfyUI counts SDXL's own last layer but one as -2. AUTOMATIC1111 1.8 has a switch for the first encoder alone.
CLIP_SKIP = Template("""

It was trained with clip_skip = $clip_skip. ComfyUI takes that as a CLIPSetLastLayer node with $layer, between the
LoraLoader node and the prompts; AUTOMATIC1111 can follow in the first text encoder alone.""")


def model_card(name: str, config: TrainConfig, tokens: Mapping[str, tuple[str, ...]]) -> str:
    """The card of the LoRA `name`; `tokens`: its new tokens by trigger word, empty without."""
    prompt = first_prompt(config)
    diffusers, comfyui, webui = tools(name, prompt, tokens)
    base = resolve_model(config.model.pretrained_model_name_or_path)
    clip_skip = config.text_encoder.clip_skip
    fields = {
        "name": name,
        "description": _description(config),
        # A JSON string is also a YAML and a Python string, so that no prompt can break out of it.
        "base_model_text": json.dumps(str(base)),
        "load": "from_single_file" if isinstance(base, Path) and is_checkpoint(base) else "from_pretrained",
        "prompt_text": json.dumps(diffusers.prompt),
        "comfyui_prompt": visible(comfyui.prompt),
        "comfyui_folder": comfyui.places[0].folder,
        "webui_prompt": visible(webui.prompt),
        "webui_folder": webui.places[0].folder,
        "clip_skip_argument": "" if clip_skip is None else f", clip_skip={clip_skip}",
        "tokens": json.dumps([token for group in tokens.values() for token in group]),
    }
    return CARD.substitute(
        fields,
        load_tokens=LOAD_TOKENS.substitute(fields) if tokens else "",
        comfyui_tokens="".join(map(_tokens_file, comfyui.places[1:])),
        webui_tokens="".join(map(_tokens_file, webui.places[1:])),
    )


def _tokens_file(place: Place) -> str:
    return TOKENS_FILE.substitute(file=place.file, folder=place.folder)


def _description(config: TrainConfig) -> str:
    """What was trained: rank, alpha and layers, and what other tools must know of it."""
    lora = config.lora
    blocks = BLORA_BLOCKS if lora.use_blora else tuple(lora.lora_unet_blocks or ())
    layers = "attention" if lora.lora_layers == "attention" else "attention and feed-forward"
    where = f"the {layers} layers of {visible(', '.join(blocks)) if blocks else 'all blocks'} of the UNet"
    if config.text_encoder.train_text_encoder:
        where += ", and on the attention of both text encoders"
    alpha = lora.rank if lora.lora_alpha is None else lora.lora_alpha
    kind = "LoRA with DoRA" if lora.use_dora else "LoRA"
    clip_skip = config.text_encoder.clip_skip
    skipped = "" if clip_skip is None else CLIP_SKIP.substitute(clip_skip=clip_skip, layer=-2 - clip_skip)
    dora = DORA if lora.use_dora else ""
    origin = f" Training began with the weights of {visible(_origin(lora.init_from))}." if lora.init_from else ""
    return f"A {kind} for SDXL of rank {lora.rank} and alpha {alpha:g}, on {where}.{origin}{dora}{skipped}"


def _origin(init_from: str) -> str:
    """The run whose checkpoint it is, by its name alone: a path is nobody's business."""
    folder = Path(init_from)
    return folder.parents[1].name if folder.parent.name == "checkpoints" else "another LoRA"
