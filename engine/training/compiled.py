"""torch.compile on the transformer block that the UNet repeats: seconds instead of the minutes of a whole UNet."""

import torch
from diffusers import UNet2DConditionModel

FORMS = 64
"""How often the block may be compiled; torch's own limit is 8, beyond which it runs uncompiled without a word.
It is compiled anew for each width, before and after the pivot, for sample pictures, for the base model's own
predictions, and once more for each of these when buckets make sizes change."""


def compile_blocks(unet: UNet2DConditionModel, backend: str = "inductor") -> None:
    """Have each transformer block compiled when it first runs, in place: every parameter keeps its name."""
    torch._dynamo.config.recompile_limit = FORMS
    unet.compile_repeated_blocks(backend=backend)
