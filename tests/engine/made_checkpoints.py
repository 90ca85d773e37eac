"""Checkpoints made of random tensors, for tests of how they are kept."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from engine.training.checkpoints import Checkpoint, TrainState
from engine.training.weights import TrainedWeights


def checkpoint_at(step: int) -> Checkpoint:
    torch.manual_seed(step)
    weights = TrainedWeights(
        unet={"block.to_q.lora_A.weight": torch.randn(4, 8)},
        text_encoder={},
        text_encoder_2={},
        clip_l=torch.randn(2, 8),
        clip_g=torch.randn(2, 12),
        tokens={"TOK": ("<s0>", "<s1>")},
        adapter_metadata={"unet": {"r": 4, "lora_alpha": 4.0}},
    )
    tensors = {"unet.exp_avg": torch.randn(32), "unet.p0": torch.tensor(0.0)}
    scalars = {"groups": [{"name": "unet", "d": 1.2345678901234567e-6, "growth_rate": float("inf")}], "state": {}}
    fingerprint = {"version": 1, "settings": {"run.seed": 0}, "model": None, "photos": {}, "class_images": {}}
    state = TrainState(step, step > 2, 1, {"scale": 65536.0}, fingerprint, num_processes=2)
    return Checkpoint(state, weights, (tensors, scalars))


def flip_a_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


@contextmanager
def no_file_over(size: int) -> Iterator[None]:
    """Let every write fail, as on a full disk, that makes a file larger than `size` bytes."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limit[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
