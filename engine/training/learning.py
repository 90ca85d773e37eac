"""Whether a run learns at all: what stands still where it should have moved long ago."""

from torch import nn
from torch.optim import Optimizer

from engine.training.lora import lora_state

STEPS_TO_MOVE = 100
"""Optimizer steps after the warm-up in which a run that learns has moved: LoRA B, which starts at zero, does so with
the first one, and Prodigy's d grew 60-fold within 80 steps on a tiny UNet (after 12 it was still at its start)."""


def not_learning(unet: nn.Module, optimizer: Optimizer) -> str | None:
    """What shows that nothing is learned, in a sentence; None when something is.

    Looked at: LoRA B, which starts at zero, and Prodigy's d, which starts at d0 and has to grow.
    """
    if not any(parameter.any() for key, parameter in lora_state(unet).items() if ".lora_B" in key):
        return "every LoRA B is still zero: no gradient reaches the UNet. Look at masks and loss weights."
    group = optimizer.param_groups[0]
    if "d" in group and group["d"] <= group["d0"]:
        return (
            f"Prodigy's estimate is still at its start, {group['d0']:g}. "
            "Set prodigy_d_coef = 2.0, or take optimizer = 'adamw'."
        )
    return None
