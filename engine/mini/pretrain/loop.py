"""A training loop that a kill cannot hurt: each step's draws follow from its number, and its state lies on the disk."""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from curation.atomic import writing

SAVE_SECONDS = 120
SAY_STEPS = 100
EMA_DECAY = 0.999
MAX_GRAD_NORM = 1.0

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class Schedule:
    """A warm-up, a plateau, and a straight way down to nothing.  steps: of all of it; cooldown: the last of them."""

    steps: int
    rate: float
    warmup: int
    cooldown: int

    def at(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        rising, falling = (step + 1) / self.warmup, (self.steps - step) / self.cooldown
        return self.rate * min(1.0, rising, falling)


def train(state: Path, model: M, loss_of: Callable[[M, int], Tensor], schedule: Schedule, seed: int) -> M:
    """Train with AdamW until the schedule's end; returns the moving average of the weights.

    loss_of: a step's loss, in which every draw comes from torch's own generator, seeded here for each step.  state: the
    file that is written every two minutes, and taken up again when it is there.
    """
    ema = copy.deepcopy(model).requires_grad_(False)
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    start = _load(state, model, ema, optimizer)
    losses, saved, began = 0.0, time.monotonic(), time.monotonic()
    for step in range(start, schedule.steps):
        for group in optimizer.param_groups:
            group["lr"] = schedule.at(step)
        torch.manual_seed(seed * 1_000_003 + step)
        loss = loss_of(model, step)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), MAX_GRAD_NORM)
        optimizer.step()
        optimizer.zero_grad()
        _follow(ema, model, min(EMA_DECAY, (1 + step) / (10 + step)))
        losses += loss.item()
        if (step + 1) % SAY_STEPS == 0:
            seconds = (time.monotonic() - began) / (step + 1 - start)
            averaged = losses / min(SAY_STEPS, step + 1 - start)
            print(f"{state.stem} {step + 1}/{schedule.steps} loss {averaged:.4f} {seconds:.2f} s/step", flush=True)  # noqa: T201
            losses = 0.0
        if time.monotonic() - saved > SAVE_SECONDS or step + 1 == schedule.steps:
            _save(state, model, ema, optimizer, step + 1)
            saved = time.monotonic()
    return ema


@torch.no_grad()
def _follow(ema: nn.Module, model: nn.Module, decay: float) -> None:
    torch._foreach_lerp_(list(ema.parameters()), list(model.parameters()), 1 - decay)


def _save(state: Path, model: nn.Module, ema: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
    contents = {
        "model": model.state_dict(),
        "ema": ema.state_dict(),
        "optimizer": optimizer.state_dict(),
        "step": step,
    }
    with writing(state) as file:
        torch.save(contents, file)


def _load(state: Path, model: nn.Module, ema: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Take up what was saved, if anything was; returns the step to go on from."""
    if not state.exists():
        return 0
    contents = torch.load(state, weights_only=True, map_location=next(model.parameters()).device)
    model.load_state_dict(contents["model"])
    ema.load_state_dict(contents["ema"])
    optimizer.load_state_dict(contents["optimizer"])
    return contents["step"]
