"""The training loop: DreamBooth LoRA with pivotal tuning, min-SNR and prior preservation, one step after another."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from curation.text import visible
from engine.chance import draw_seed
from engine.config import TrainConfig
from engine.data.samples import Samples
from engine.errors import EngineError
from engine.events import Event, Phase, Pivot, Progress, Sample, Skipped, Step, Warned
from engine.fingerprint import Fingerprint
from engine.models.load import Models
from engine.models.low_memory import offload
from engine.plan import Plan, trains_text
from engine.rundir import Ending, RunDir
from engine.text.prompts import PromptEncoder
from engine.text.tokens import keep_norm, placeholder_rows
from engine.training.batches import Batches, prior_from_base_model
from engine.training.checkpointing import Checkpointing
from engine.training.checkpoints import Checkpoint, TrainState
from engine.training.compiled import compile_blocks
from engine.training.gradients import Gradients, Seen
from engine.training.learning import STEPS_TO_MOVE, not_learning
from engine.training.lora import lora_parameters
from engine.training.losses import DiffusionLoss
from engine.training.manifest import newest_checkpoint
from engine.training.optimizers import (
    ParameterGroup,
    group_parameters,
    lr_schedule,
    make_optimizer,
    optimizer_state,
    restore_optimizer,
    set_rates,
)
from engine.training.prior import predict_as_base
from engine.training.processes import ALONE, Processes
from engine.training.sampling import write_samples
from engine.training.slowdown import watched
from engine.training.step import training_loss
from engine.training.weights import TrainedWeights, add_trainables, apply_weights, trained_weights

Emit = Callable[[Event], None]


@dataclass(frozen=True)
class Update:
    """An optimizer step. grad_norm: before clipping.  Nothing was changed where `flaw` says what was not finite."""

    seen: Seen
    grad_norm: float

    @property
    def flaw(self) -> str | None:
        if not math.isfinite(self.seen.loss):
            return "the loss"
        return None if math.isfinite(self.grad_norm) else "a gradient"


class Trainer:
    """One run's training, from its first step or a checkpoint's to the last.

    Adds the adapters and new tokens to `models`.  photos, class_images: where samples come from.
    emit: takes every event.  checkpoint: where to go on from.  clock: seconds, for checkpoints by the minute.
    start: another run's weights, to begin with instead of untrained ones; a checkpoint's go before it.
    fingerprint: of what is trained on, for the checkpoints.  processes: who shares the steps; the first one alone
    writes, and is asked for things.
    """

    def __init__(
        self,
        run: RunDir,
        config: TrainConfig,
        plan: Plan,
        models: Models,
        photos: Samples,
        class_images: Samples | None,
        emit: Emit,
        checkpoint: Checkpoint | None = None,
        clock: Callable[[], float] = time.monotonic,
        start: TrainedWeights | None = None,
        fingerprint: Fingerprint | None = None,
        processes: Processes = ALONE,
    ) -> None:
        emit = watched(emit, models.unet.device)
        self.run, self.config, self.plan, self.models = run, config, plan, models
        self.processes = processes
        self.fingerprint = None if fingerprint is None else fingerprint.to_json()
        self.emit, self.checkpointing = emit, Checkpointing(run, config.run, emit, clock)
        timesteps = models.noise_scheduler.config["num_train_timesteps"]
        self.batches = Batches(config, photos, class_images, timesteps)
        self.device, self.dtype = models.unet.device, models.unet.dtype
        self.step, self.pivoted, self.skipped_in_a_row = 0, False, 0
        self.phase = ""
        self.tokens = add_trainables(models, config)
        self.new_rows = [
            (rows, rows.std().item())  # as they start, also where a checkpoint's are put in their place below
            for encoder in (models.text_encoder, models.text_encoder_2)
            if (rows := placeholder_rows(encoder)) is not None
        ]
        cache = run.path.parent / ".cache" if processes.is_first else None
        self.prompts = PromptEncoder(models, self.tokens, config.text_encoder, cache)
        self.captions_are_cached = False
        self.base_class_prompt: tuple[Tensor, Tensor] | None = None
        if prior_from_base_model(config):
            with self._autocast():
                self.base_class_prompt = self.prompts.encode_as_base(config.prior.class_prompt or "")
        if weights := checkpoint.weights if checkpoint else start:
            apply_weights(models, weights)  # before flattening, which copies
        self.groups = _groups(models, config)
        processes.equalize([tensor.data for group in self.groups for tensor in group.tensors])
        self.gradients = Gradients(config, plan, self.groups, emit, processes)
        self.optimizer = make_optimizer(self.groups, config.optimizer, config.text_encoder)
        self.lr_factor = lr_schedule(config.optimizer, plan.total_steps)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.dtype == torch.float16)
        if config.run.gradient_checkpointing:
            models.unet.enable_gradient_checkpointing()
        if config.run.torch_compile:
            compile_blocks(models.unet)
        if checkpoint:
            self._restore(checkpoint)

    def train(self) -> Ending:
        """Step until all steps are done or the run is asked to end; the last step always has a checkpoint.

        Raises EngineError when too many steps in a row give no finite loss, or the GPU is full.
        """
        with self.checkpointing if self.processes.is_first else nullcontext():
            if self.processes.is_first and self._sample_is_missing():
                self._sample()
            while self.step < self.plan.total_steps:
                self.prepare()
                self.enter("training")
                self._train_step()
                self.checkpointing.tell()
                ending = self.processes.from_first(self.run.asked_to_end)
                is_last = self.step == self.plan.total_steps
                if self.processes.is_first and (self.checkpointing.due(self.step) or ending or is_last):
                    self.checkpointing.save(self.checkpoint, ending, is_last)
                if ending == "stopped_now":
                    return ending
                if self.processes.is_first and self._sample_is_due() and (ending != "stopped" or is_last):
                    self._sample()
                if ending and not is_last:
                    return ending
        return "finished"

    @property
    def text_trains(self) -> bool:
        """Whether new tokens or text encoders train at this step."""
        return trains_text(self.config) and not self.pivoted

    def prepare(self) -> None:
        """At the pivot, end the text side's training; where it rests, encode the captions a last time."""
        if self.text_trains and self.plan.pivot_step is not None and self.step >= self.plan.pivot_step:
            self._freeze_text()
            self.emit(Pivot(step=self.step))
        if not self.text_trains and not self.captions_are_cached:
            self._cache_captions()

    def enter(self, phase: str) -> None:
        """Say what begins, unless it goes on; where steps are taken, what trains is in training mode, for dropout."""
        if phase == self.phase:
            return
        self.phase = phase
        self.emit(Phase(phase=phase))
        if phase in ("training", "rehearsal"):
            self.models.unet.train()
            self.models.text_encoder.train(self.text_trains)
            self.models.text_encoder_2.train(self.text_trains)

    def update(self, position: int) -> Update:
        """One optimizer step on the samples from `position` on: gradients, clipping, update.

        Where loss or gradients are not finite, nothing is changed.  Raises EngineError when the GPU is full.
        """
        set_rates(self.optimizer, self.lr_factor(self.step))
        seen = self.gradients.accumulate(position, self.step, self._backward)
        update = Update(seen, self.gradients.clip(self.optimizer, self.scaler))
        if update.flaw is None:
            self.scaler.step(self.optimizer)
            self._keep_norm()
        self.scaler.update()
        self.gradients.zero()
        return update

    def weights(self) -> TrainedWeights:
        """A copy of what has been trained so far."""
        return trained_weights(self.models, self.tokens)

    def checkpoint(self) -> Checkpoint:
        """All that a resume needs, as it is now."""
        state = TrainState(
            step=self.step,
            pivoted=self.pivoted,
            num_threads=torch.get_num_threads(),
            scaler=self.scaler.state_dict(),
            fingerprint=self.fingerprint,
            num_processes=self.processes.count,
        )
        return Checkpoint(state, self.weights(), optimizer_state(self.optimizer))

    def peak_memory(self) -> int | None:
        """The most bytes that the run had on the GPU; None on a CPU."""
        return torch.cuda.max_memory_allocated(self.device) if self.device.type == "cuda" else None

    def _train_step(self) -> None:
        """One step of the run, told. Left out, and said, when it is not finite."""
        began = time.perf_counter()
        update = self.update(self.step * self.plan.samples_per_step)
        self.step += 1
        if update.flaw is None:
            self.skipped_in_a_row = 0
            self._emit_step(update, time.perf_counter() - began)
        else:
            self._skip(update.flaw, self.processes.gathered(update.seen.photos))
        should_have_moved = self.step == self.plan.warmup_steps + STEPS_TO_MOVE
        if should_have_moved and (problem := not_learning(self.models.unet, self.optimizer)):
            self.emit(Warned(message=f"Nothing is learned after {self.step} steps: {problem}"))

    def _backward(self, position: int, size: int) -> tuple[DiffusionLoss, tuple[str, ...]]:
        """Forward and backward of one micro-batch; gradients add up in the flat tensors."""
        batch = self.batches.batch(position, size).to(self.device)
        torch.manual_seed(draw_seed(self.config.run.seed, "dropout", position))  # LoRA dropout has no generator
        with self._autocast():
            prompt_embeds, pooled_prompt_embeds = self.prompts.encode(batch.captions)
            base_prediction = None
            if self.base_class_prompt:
                base_prediction = predict_as_base(self.models, batch, *self.base_class_prompt)
            loss = training_loss(self.models, batch, prompt_embeds, pooled_prompt_embeds, self.config, base_prediction)
        self.scaler.scale(loss.total * (size / self.plan.samples_per_step)).backward()
        return DiffusionLoss(loss.total.detach(), None if loss.prior is None else loss.prior.detach()), batch.photos

    def _keep_norm(self) -> None:
        """Keep the new tokens' embeddings near the vocabulary's norm, as long as they train."""
        if self.text_trains:
            for rows, std in self.new_rows:
                keep_norm(rows, std)

    def _freeze_text(self) -> None:
        for group in self.groups:
            if group.name == "text":
                group.freeze()
        self.pivoted = True

    def _cache_captions(self) -> None:
        """Encode every caption a last time, and let the text encoders leave the GPU.

        Where tags are shuffled the captions are too many to list: they are encoded as they come.
        """
        self.captions_are_cached = True
        captions = self.batches.captions()
        self.enter("caching")
        with self._autocast():
            for done in self.prompts.cache(captions or ()):
                self.emit(Progress(phase="caching", done=done, total=len(captions or ())))
        if captions:
            offload(self.models, "text_encoder", "text_encoder_2")

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype != torch.float32)

    def _emit_step(self, update: Update, seconds: float) -> None:
        unet = self.optimizer.param_groups[0]
        d = unet.get("d")
        self.emit(
            Step(
                step=self.step,
                epoch=self.batches.epoch((self.step - 1) * self.plan.samples_per_step),
                loss=update.seen.loss,
                prior_loss=update.seen.prior_loss,
                lr={
                    group.name: settings["lr"] if group.trains else 0.0
                    for group, settings in zip(self.groups, self.optimizer.param_groups, strict=True)
                },
                d=d,
                effective_lr=unet["lr"] * (1.0 if d is None else d),
                grad_norm=update.grad_norm,
                seconds=seconds,
                samples_per_second=self.plan.samples_per_step / seconds,
                memory=self.peak_memory(),
            )
        )

    def _skip(self, flaw: str, photos: Sequence[str]) -> None:
        self.emit(Skipped(step=self.step, reason=f"{flaw} was not a finite number", photos=list(photos)))
        self.skipped_in_a_row += 1
        if self.skipped_in_a_row < self.config.run.max_skipped_steps:
            return
        self.checkpointing.wait()
        newest, _ = newest_checkpoint(self.run)
        kept = f"The last good checkpoint is that of step {int(newest.name)}. " if newest else ""
        named = ", ".join(visible(name) for name in dict.fromkeys(photos))
        raise EngineError(
            f"{self.skipped_in_a_row} steps in a row gave no finite loss or gradients, the last one on {named}.",
            f"{kept}Start a new run with mixed_precision = 'bf16' or 'no', or with a lower learning_rate.",
        )

    def _restore(self, checkpoint: Checkpoint) -> None:
        state = checkpoint.state
        restore_optimizer(self.optimizer, *checkpoint.optimizer)
        if state.scaler:  # it was made in fp16
            self.scaler.load_state_dict(state.scaler)
        self.step = state.step
        if state.pivoted:
            self._freeze_text()
        if self.device.type == "cpu":
            self._compare("CPU threads", state.num_threads, torch.get_num_threads())
        self._compare("processes", state.num_processes, self.processes.count)

    def _compare(self, what: str, before: int, now: int) -> None:
        """Tell of what adds up in another order than it did."""
        if before != now:
            message = f"The checkpoint was made with another number of {what} ({before}, and {now} now)"
            self.emit(Warned(message=f"{message}: results may differ in the last digits."))

    def _sample_is_due(self) -> bool:
        asked = self.run.take_request("sample")
        sample = self.config.sample
        at_interval = sample.validation_steps is not None and self.step % sample.validation_steps == 0
        is_last = self.step == self.plan.total_steps
        return sample.num_validation_images > 0 and (asked or at_interval or is_last)

    def _sample_is_missing(self) -> bool:
        """Whether an earlier worker was killed between a step's checkpoint and its pictures."""
        return self.step > 0 and self._sample_is_due() and not any(self.run.samples.glob(f"{self.step:06d}-*"))

    def _sample(self) -> None:
        """Write sample pictures. A failure is a warning: the pictures are not worth a run."""
        self.enter("sampling")
        try:
            for path, prompt in write_samples(self.models, self.config, self.run.samples, self.step):
                self.emit(Sample(step=self.step, path=str(path.relative_to(self.run.path)), prompt=prompt))
                if self.run.is_requested("stop_now"):
                    return
        except Exception as error:  # noqa: BLE001 - whatever it is, training can go on
            self.emit(Warned(message=f"No sample pictures at step {self.step}: {type(error).__name__}: {error}"))


def _groups(models: Models, config: TrainConfig) -> list[ParameterGroup]:
    """What trains: the UNet's LoRA, and new tokens or the text encoders' LoRA."""
    groups = [group_parameters("unet", lora_parameters(models.unet), config.optimizer)]
    encoders = (models.text_encoder, models.text_encoder_2)
    text = [parameter for encoder in encoders for parameter in encoder.parameters() if parameter.requires_grad]
    if trains_text(config):
        groups.append(group_parameters("text", text, config.optimizer))
    return groups
