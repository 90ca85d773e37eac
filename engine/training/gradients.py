"""The gradients of an optimizer step: of all its micro-batches, of smaller ones where the GPU is full, and clipped."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
from engine.training.processes import Processes

Backward = Callable[[int, int], tuple[DiffusionLoss, tuple[str, ...]]]
"""Adds the gradients of the micro-batch at a position, of a size; returns its loss and its photos' names."""


@dataclass(frozen=True)
class Seen:
    """What the gradients of a step were taken of. prior_loss: None without class images.

    loss, prior_loss: means over all micro-batches of all processes.  photos: this process's, by name.
    """

    loss: float
    prior_loss: float | None
    photos: tuple[str, ...]


class Gradients:
    """What the parameters in `groups` are told by a step: added up over its micro-batches and over all processes."""

    def __init__(
        self,
        config: TrainConfig,
        plan: Plan,
        groups: Sequence[ParameterGroup],
        emit: Callable[[Event], None],
        processes: Processes,
    ) -> None:
        self._config, self._plan, self._groups, self._emit = config, plan, groups, emit
        self._processes = processes
        self._micro_batch = config.run.train_batch_size

    def accumulate(self, position: int, step: int, backward: Backward) -> Seen:
        """Gradients of a step's samples, from `position` on; each process takes its share of them.

        Where a GPU is full the micro-batch is halved, for good and on all: the samples and every draw stay the same,
        but for the masks of LoRA dropout.  Raises EngineError where that is not allowed, or of no use.
        """
        while True:
            losses, photos = [], []
            try:
                losses, photos = self._accumulate(position, backward)
            except torch.OutOfMemoryError as error:
                if not self._config.run.oom_retry or self._micro_batch == 1:
                    raise gpu_is_full(self._config_as_it_runs(), room_on_gpu()) from error
            # Here, where the error no longer holds on to what it was given of the GPU.
            if not self._processes.any(not losses):
                return self._over_all_processes(losses, photos)
            self.zero()
            self._halve_micro_batch(step)

    def _over_all_processes(self, losses: list[DiffusionLoss], photos: list[str]) -> Seen:
        """What trains is reduced, and nothing else."""
        tensors = [tensor for group in self._groups if group.trains for tensor in group.tensors]
        self._processes.add_up([tensor.grad for tensor in tensors if tensor.grad is not None])
        totals = [loss.total.item() for loss in losses]
        priors = [loss.prior.item() for loss in losses if loss.prior is not None]
        total, prior, count = self._processes.total([sum(totals), sum(priors), len(losses)])
        return Seen(total / count, prior / count if priors else None, tuple(photos))

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
        first, samples = self._processes.share(position, self._plan.samples_per_step)
        for place in range(first, first + samples, self._micro_batch):
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
        micro_batches = self._plan.samples_per_step // self._processes.count // self._micro_batch
        halved = {"train_batch_size": self._micro_batch, "gradient_accumulation_steps": micro_batches}
        return self._config.model_copy(update={"run": self._config.run.model_copy(update=halved)})
