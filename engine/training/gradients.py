"""The gradients of an optimizer step: of all its micro-batches, of smaller ones where the GPU is full, and clipped."""

from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.optim import Optimizer

from engine.config import TrainConfig
from engine.events import Event, MicroBatchHalved
from engine.models.load import room_on_gpu
from engine.plan import Plan
from engine.training.losses import DiffusionLoss
from engine.training.optimizers import ParameterGroup
from engine.training.out_of_memory import gpu_is_full

Backward = Callable[[int, int], tuple[DiffusionLoss, tuple[str, ...]]]
"""Adds the gradients of the micro-batch at a position, of a size; returns its loss and its photos' names."""


class Gradients:
    """What the parameters in `groups` are told by a step, added up micro-batch by micro-batch."""

    def __init__(
        self, config: TrainConfig, plan: Plan, groups: Sequence[ParameterGroup], emit: Callable[[Event], None]
    ) -> None:
        self._config, self._plan, self._groups, self._emit = config, plan, groups, emit
        self._micro_batch = config.run.train_batch_size

    def accumulate(self, position: int, step: int, backward: Backward) -> tuple[list[DiffusionLoss], list[str]]:
        """Gradients of a step's samples, from `position` on; returns its losses and photos.

        Where the GPU is full the micro-batch is halved, for good: the samples and every draw stay the same, but for
        the masks of LoRA dropout.  Raises EngineError where that is not allowed, or of no use.
        """
        while True:
            try:
                return self._accumulate(position, backward)
            except torch.OutOfMemoryError as error:
                self.zero()
                if not self._config.run.oom_retry or self._micro_batch == 1:
                    raise gpu_is_full(self._config_as_it_runs(), room_on_gpu()) from error
            # Here, where the error no longer holds on to what it was given of the GPU.
            self._halve_micro_batch(step)

    def clip(self, optimizer: Optimizer, scaler: torch.amp.GradScaler) -> float:
        """Clip what trains, and nothing else, to max_grad_norm; returns the norm before."""
        for group in self._groups:
            group.check_views()
        scaler.unscale_(optimizer)
        tensors = [tensor for group in self._groups if group.trains for tensor in group.tensors]
        return nn.utils.clip_grad_norm_(tensors, self._config.optimizer.max_grad_norm).item()

    def zero(self) -> None:
        """Forget them, in place."""
        for group in self._groups:
            group.zero_grad()

    def _accumulate(self, position: int, backward: Backward) -> tuple[list[DiffusionLoss], list[str]]:
        losses: list[DiffusionLoss] = []
        names: list[str] = []
        for place in range(position, position + self._plan.samples_per_step, self._micro_batch):
            loss, photos = backward(place, self._micro_batch)
            losses.append(loss)
            names += photos
        return losses, names

    def _halve_micro_batch(self, step: int) -> None:
        """The largest size of at most half that divides the batch."""
        batch = self._config.run.train_batch_size
        self._micro_batch = max(size for size in range(1, self._micro_batch // 2 + 1) if batch % size == 0)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        micro_batches = self._config_as_it_runs().run.gradient_accumulation_steps
        self._emit(
            MicroBatchHalved(step=step, micro_batch=self._micro_batch, gradient_accumulation_steps=micro_batches)
        )

    def _config_as_it_runs(self) -> TrainConfig:
        """The config with the micro-batches that a full GPU has led to."""
        micro_batches = self._plan.samples_per_step // self._micro_batch
        halved = {"train_batch_size": self._micro_batch, "gradient_accumulation_steps": micro_batches}
        return self._config.model_copy(update={"run": self._config.run.model_copy(update=halved)})
