"""How long a checkpoint holds the training loop up: written beside it, and waited for.

Run: python -m benchmarks.checkpoint [--megabytes N] [--checkpoints N] [--folder DIR]

The tensors are random, of the shapes of an optimizer's and a LoRA's, and lie on the CPU: from a GPU their copy takes as
long as the bus does.  The loop multiplies matrices; how much slower it is while a checkpoint is written is told too.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import torch

from engine.config import RunSection, TrainConfig
from engine.events import Event
from engine.rundir import create_run
from engine.training.checkpointing import Checkpointing
from engine.training.checkpoints import Checkpoint, TrainState
from engine.training.weights import TrainedWeights

LAYERS = 700


class Loop:
    """Steps that multiply matrices, and checkpoints of as many megabytes as are asked for."""

    def __init__(self, megabytes: int) -> None:
        # Prodigy keeps four numbers for each one that is learned.
        each = megabytes * 10**6 // (5 * 4)
        self.lora = {f"layer_{number}.to_q.lora_A.weight": torch.randn(each // LAYERS, 1) for number in range(LAYERS)}
        self.state = {f"unet.0.{key}": torch.randn(each) for key in ("exp_avg", "exp_avg_sq", "s", "p0")}
        self.matrix = torch.randn(512, 512)
        self.number = 0

    def step(self) -> float:
        """Seconds of a step."""
        began = time.perf_counter()
        for _ in range(4):
            torch.mm(self.matrix, self.matrix)
        self.number += 1
        return time.perf_counter() - began

    def checkpoint(self) -> Checkpoint:
        weights = TrainedWeights(
            unet={key: tensor.clone() for key, tensor in self.lora.items()},
            text_encoder={},
            text_encoder_2={},
            clip_l=None,
            clip_g=None,
            tokens={},
            adapter_metadata={"unet": {"r": 1, "lora_alpha": 1.0}},
        )
        state = {key: tensor.clone() for key, tensor in self.state.items()}
        return Checkpoint(TrainState(self.number, False, 1, {}), weights, (state, {"groups": [], "state": {}}))


def measured(loop: Loop, folder: Path, waits: bool, checkpoints: int) -> tuple[list[float], list[float]]:
    """Seconds for which each checkpoint held the loop, and of the steps while one was written."""
    run = create_run(folder, "waits" if waits else "beside", TrainConfig())
    told: list[Event] = []
    held, steps = [], []
    with Checkpointing(run, RunSection(checkpoints_total_limit=2), told.append) as checkpointing:
        for _ in range(checkpoints):
            loop.step()
            began, before = time.perf_counter(), len(told)
            checkpointing.save(loop.checkpoint, "paused" if waits else None, is_last=False)
            held.append(time.perf_counter() - began)
            while len(told) == before:
                steps.append(loop.step())
                checkpointing.tell()
    return held, steps


def table(megabytes: int, checkpoints: int, folder: Path) -> Iterator[str]:
    loop = Loop(megabytes)
    undisturbed = median(loop.step() for _ in range(50))
    yield f"load averages {', '.join(f'{value:.1f}' for value in os.getloadavg())}, {os.cpu_count()} CPUs"
    yield f"| {megabytes} MB | held the loop, median | most | a step meanwhile |\n|---|---:|---:|---:|"
    for name, waits in (("waited for", True), ("written beside", False)):
        held, steps = measured(loop, folder, waits, checkpoints)
        slower = f"{median(steps) / undisturbed:.2f} times as long" if steps else ""
        yield f"| {name} | {median(held):.2f} s | {max(held):.2f} s | {slower} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=700, help="of a checkpoint's tensors")
    parser.add_argument("--checkpoints", type=int, default=5, help="of each kind")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="on the disk to be measured")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        for line in table(arguments.megabytes, arguments.checkpoints, Path(folder)):
            print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
