"""The README.md beside a LoRA's files: what to write in a prompt, and how to load them, tool by tool."""

import json
from collections.abc import Mapping
from string import Template

from curation.text import visible
from engine.config import TrainConfig
from engine.model_files import resolve_model
from engine.prompts import sample_prompt
from engine.tokens import replace_abstractions

CARD = Template("""\
---
tags: [text-to-image, diffusers, lora, "template:sd-lora", stable-diffusion-xl]
base_model: $base_model_text
instance_prompt: $prompt_text
---

# $name

A LoRA for SDXL.

## diffusers

```python
import torch
from diffusers import StableDiffusionXLPipeline

pipe = StableDiffusionXLPipeline.from_pretrained($base_model_text, torch_dtype=torch.float16).to("cuda")
${load_tokens}pipe.load_lora_weights(".", weight_name="pytorch_lora_weights.safetensors")
image = pipe($prompt_text).images[0]
```

## ComfyUI

Put `$name.safetensors` into `models/loras` and load it with a LoraLoader node.$comfyui_tokens Prompt:

    $comfyui_prompt

## AUTOMATIC1111, SD.Next

Put `$name.safetensors` into `models/Lora`.$webui_tokens Prompt:

    $webui_prompt <lora:$name:1>
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
COMFYUI_TOKENS = Template(" Put `${name}_emb.safetensors` into `models/embeddings`.")
WEBUI_TOKENS = Template(" Put `${name}_emb.safetensors` into `embeddings`.")


def model_card(name: str, config: TrainConfig, tokens: Mapping[str, tuple[str, ...]]) -> str:
    """The card of the LoRA `name`; `tokens`: its new tokens by trigger word, empty without."""
    prompt = " ".join(sample_prompt(config).split())
    fields = {
        "name": name,
        # A JSON string is also a YAML and a Python string, so that no prompt can break out of it.
        "base_model_text": json.dumps(str(resolve_model(config.model.pretrained_model_name_or_path))),
        "prompt_text": json.dumps(replace_abstractions(prompt, tokens)),
        "comfyui_prompt": replace_abstractions(visible(prompt), {word: (f"embedding:{name}_emb",) for word in tokens}),
        "webui_prompt": replace_abstractions(visible(prompt), {word: (f"{name}_emb",) for word in tokens}),
        "tokens": json.dumps([token for group in tokens.values() for token in group]),
    }
    return CARD.substitute(
        fields,
        load_tokens=LOAD_TOKENS.substitute(fields) if tokens else "",
        comfyui_tokens=COMFYUI_TOKENS.substitute(fields) if tokens else "",
        webui_tokens=WEBUI_TOKENS.substitute(fields) if tokens else "",
    )
