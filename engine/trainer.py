"""The training loop: DreamBooth LoRA with pivotal tuning, min-SNR and prior preservation, one step after another."""

import math
import time
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import nn

from curation.atomic import writing
from curation.text import visible
from engine.chance import draw_seed
from engine.checkpoints import Checkpoint, TrainState, save_checkpoint
from engine.config import TrainConfig
from engine.data.samples import Batch, Samples, with_class_images
from engine.errors import EngineError
from engine.events import Checkpoint as CheckpointEvent
from engine.events import Event, Phase, Pivot, Progress, Sample, Skipped, Step, Warned
from engine.generate import sample_images
from engine.lora import lora_parameters
from engine.losses import DiffusionLoss
from engine.models import Models
from engine.optimizers import (
    FlatGroup,
    flatten,
    lr_schedule,
    make_optimizer,
    optimizer_state,
    restore_optimizer,
    set_rates,
)
from engine.plan import Plan, trains_text
from engine.prompts import PromptEncoder, sample_prompt
from engine.rundir import RunDir
from engine.step import training_loss
from engine.tokens import replace_abstractions
from engine.weights import TrainedWeights, add_trainables, apply_weights, trained_weights

Emit = Callable[[Event], None]
Ending = Literal["finished", "stopped", "paused"]

MOST_SKIPPED_IN_A_ROW = 10


class Trainer:
    """One run's training, from its first step or a checkpoint's to the last.

    Adds the adapters and new tokens to `models`.  photos, class_images: where samples come from.
    emit: takes every event.  checkpoint: where to go on from.
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
    ) -> None:
        self.run, self.config, self.plan, self.models = run, config, plan, models
        self.photos, self.class_images, self.emit = photos, class_images, emit
        self.device, self.dtype = models.unet.device, models.unet.dtype
        self.step, self.pivoted, self.skipped_in_a_row = 0, False, 0
        self.tokens = add_trainables(models, config)
        self.prompts = PromptEncoder(models, self.tokens, config.text_encoder, run.path.parent / ".cache")
        if checkpoint:
            apply_weights(models, checkpoint.weights)  # before flattening, which copies
        self.groups = _flat_groups(models, config)
        self.optimizer = make_optimizer(self.groups, config.optimizer, config.text_encoder)
        self.lr_factor = lr_schedule(config.optimizer, plan.total_steps)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.dtype == torch.float16)
        if checkpoint:
            self._restore(checkpoint)

    def train(self) -> Ending:
        """Step until all steps are done or the run is asked to end; the last step always has a checkpoint.

        Raises EngineError when too many steps in a row give no finite loss.
        """
        if self.config.run.gradient_checkpointing:
            self.models.unet.enable_gradient_checkpointing()
        if not trains_text(self.config) or self.pivoted:
            self._encode_captions()
        self._start_phase("training")
        while self.step < self.plan.total_steps:
            if not self.pivoted and self.plan.pivot_step is not None and self.step >= self.plan.pivot_step:
                self._pivot()
            self._train_step()
            ending = asked_to_end(self.run)
            is_last = self.step == self.plan.total_steps
            if self._checkpoint_is_due() or ending or is_last:
                self._save_checkpoint(must=ending is not None or is_last)
            if self._sample_is_due() and (ending != "stopped" or is_last):
                self._sample()
            if ending and not is_last:
                return ending
        return "finished"

    def weights(self) -> TrainedWeights:
        """A copy of what has been trained so far."""
        return trained_weights(self.models, self.tokens)

    def _train_step(self) -> None:
        """One optimizer step: micro-batches, clipping, update. Left out, and said, when it is not finite."""
        began = time.perf_counter()
        run = self.config.run
        set_rates(self.optimizer, self.lr_factor(self.step))
        losses: list[DiffusionLoss] = []
        names: list[str] = []
        for micro_batch in range(run.gradient_accumulation_steps):
            position = (self.step * run.gradient_accumulation_steps + micro_batch) * run.train_batch_size
            batch = self._batch(position)
            names += batch.photos
            losses.append(self._backward(batch, position))
        grad_norm = self._clip_gradients()
        loss = sum(loss.total.item() for loss in losses) / len(losses)
        is_finite = math.isfinite(loss) and math.isfinite(grad_norm)
        if is_finite:
            self.scaler.step(self.optimizer)
        self.scaler.update()
        for group in self.groups:
            group.zero_grad()
        self.step += 1
        if is_finite:
            self.skipped_in_a_row = 0
            self._emit_step(loss, losses, grad_norm, time.perf_counter() - began)
        else:
            self._skip("the loss" if not math.isfinite(loss) else "a gradient", names)

    def _batch(self, position: int) -> Batch:
        """The micro-batch whose first sample stands at `position`, on the device, with class images if asked for."""
        size = self.config.run.train_batch_size
        timesteps = self.models.noise_scheduler.config["num_train_timesteps"]
        offset = self.config.loss.noise_offset
        batch = self.photos.batch(position, size, timesteps, offset)
        if self.class_images:
            shape = self.photos.size(position)
            batch = with_class_images(batch, self.class_images.batch(position, size, timesteps, offset, shape))
        return batch.to(self.device)

    def _backward(self, batch: Batch, position: int) -> DiffusionLoss:
        """Forward and backward of one micro-batch; gradients add up in the flat tensors."""
        torch.manual_seed(draw_seed(self.config.run.seed, "dropout", position))  # LoRA dropout has no generator
        with self._autocast():
            prompt_embeds, pooled_prompt_embeds = self.prompts.encode(batch.captions)
            loss = training_loss(self.models, batch, prompt_embeds, pooled_prompt_embeds, self.config)
        self.scaler.scale(loss.total / self.config.run.gradient_accumulation_steps).backward()
        return DiffusionLoss(loss.total.detach(), None if loss.prior is None else loss.prior.detach())

    def _clip_gradients(self) -> float:
        """Clip what trains, and nothing else, to max_grad_norm; returns the norm before."""
        for group in self.groups:
            group.check_views()
        self.scaler.unscale_(self.optimizer)
        flats = [group.flat for group in self.groups if group.trains]
        return nn.utils.clip_grad_norm_(flats, self.config.optimizer.max_grad_norm).item()

    def _pivot(self) -> None:
        """End the text side's training; from here on captions are encoded once and the text encoders rest."""
        self._freeze_text()
        self.emit(Pivot(step=self.step))
        self._encode_captions()
        self._start_phase("training")

    def _freeze_text(self) -> None:
        for group in self.groups:
            if group.name == "text":
                group.freeze()
        self.pivoted = True

    def _encode_captions(self) -> None:
        self._start_phase("caching")
        sources = [self.photos, *([self.class_images] if self.class_images else [])]
        captions = sorted({example.caption for source in sources for example in source.examples})
        with self._autocast():
            for done in self.prompts.cache(captions):
                self.emit(Progress(phase="caching", done=done, total=len(captions)))

    def _start_phase(self, phase: str) -> None:
        self.emit(Phase(phase=phase))
        if phase == "training":  # for LoRA dropout; sampling and caching leave the modules in eval mode
            self.models.unet.train()
            text_trains = trains_text(self.config) and not self.pivoted
            self.models.text_encoder.train(text_trains)
            self.models.text_encoder_2.train(text_trains)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype != torch.float32)

    def _emit_step(self, loss: float, losses: Sequence[DiffusionLoss], grad_norm: float, seconds: float) -> None:
        run, unet = self.config.run, self.optimizer.param_groups[0]
        samples = run.train_batch_size * run.gradient_accumulation_steps
        priors = [loss.prior.item() for loss in losses if loss.prior is not None]
        d = unet.get("d")
        self.emit(
            Step(
                step=self.step,
                epoch=(self.step - 1) * samples // self.photos.length + 1,
                loss=loss,
                prior_loss=sum(priors) / len(priors) if priors else None,
                lr={
                    group.name: settings["lr"] if group.trains else 0.0
                    for group, settings in zip(self.groups, self.optimizer.param_groups, strict=True)
                },
                d=d,
                effective_lr=unet["lr"] * (1.0 if d is None else d),
                grad_norm=grad_norm,
                seconds=seconds,
                samples_per_second=samples / seconds,
                memory=torch.cuda.max_memory_allocated(self.device) if self.device.type == "cuda" else None,
            )
        )

    def _skip(self, what: str, names: Sequence[str]) -> None:
        self.emit(Skipped(step=self.step, reason=f"{what} was not a finite number", photos=list(names)))
        self.skipped_in_a_row += 1
        if self.skipped_in_a_row >= MOST_SKIPPED_IN_A_ROW:
            photos = ", ".join(visible(name) for name in dict.fromkeys(names))
            raise EngineError(
                f"{self.skipped_in_a_row} steps in a row gave no finite loss or gradients, the last one on {photos}.",
                "Start a new run with mixed_precision = 'bf16' or 'no', or with a lower learning_rate.",
            )

    def _checkpoint_is_due(self) -> bool:
        asked = self.run.take_request("checkpoint")
        return asked or self.step % self.config.run.checkpointing_steps == 0

    def _save_checkpoint(self, must: bool) -> None:
        """must: a failure ends the run; else it is a warning, and the next checkpoint may fare better."""
        scaler = self.scaler.state_dict()
        state = TrainState(self.step, self.pivoted, torch.get_num_threads(), scaler)
        try:
            folder = save_checkpoint(self.run, Checkpoint(state, self.weights(), optimizer_state(self.optimizer)))
        except OSError as error:
            message = f"The checkpoint of step {self.step} could not be written: {error.strerror}."
            if must:
                raise EngineError(message, "Make room on the disk, then resume the run.") from error
            self.emit(Warned(message=f"{message} Make room on the disk; training goes on."))
        else:
            self.emit(CheckpointEvent(step=self.step, path=str(folder.relative_to(self.run.path))))

    def _restore(self, checkpoint: Checkpoint) -> None:
        state = checkpoint.state
        restore_optimizer(self.optimizer, *checkpoint.optimizer)
        if state.scaler:  # it was made in fp16
            self.scaler.load_state_dict(state.scaler)
        self.step = state.step
        if state.pivoted:
            self._freeze_text()
        if self.device.type == "cpu" and state.num_threads != torch.get_num_threads():
            self.emit(
                Warned(
                    message=f"The checkpoint was made with {state.num_threads} CPU threads and the run goes on with "
                    f"{torch.get_num_threads()}: results may differ in the last digits."
                )
            )

    def _sample_is_due(self) -> bool:
        asked = self.run.take_request("sample")
        sample = self.config.sample
        at_interval = sample.validation_steps is not None and self.step % sample.validation_steps == 0
        is_last = self.step == self.plan.total_steps
        return sample.num_validation_images > 0 and (asked or at_interval or is_last)

    def _sample(self) -> None:
        """Write sample pictures. A failure is a warning: the pictures are not worth a run."""
        self._start_phase("sampling")
        try:
            self._write_samples()
        except Exception as error:  # noqa: BLE001 - whatever it is, training can go on
            self.emit(Warned(message=f"No sample pictures at step {self.step}: {type(error).__name__}: {error}"))
        if self.step < self.plan.total_steps:
            self._start_phase("training")

    def _write_samples(self) -> None:
        config = self.config
        prompt = sample_prompt(config)
        images = sample_images(
            self.models,
            [replace_abstractions(prompt, self.tokens)] * config.sample.num_validation_images,
            num_inference_steps=config.sample.num_inference_steps,
            guidance_scale=config.sample.guidance_scale,
            seed=config.run.seed,
            size=config.data.resolution,
        )
        for number, image in enumerate(images):
            path = self.run.samples / f"{self.step:06d}-{number}.png"
            with writing(path) as temporary:
                image.save(temporary, format="PNG")
            self.emit(Sample(step=self.step, path=str(path.relative_to(self.run.path)), prompt=prompt))


def asked_to_end(run: RunDir) -> Ending | None:
    """How the run was asked to end since the last look, if it was."""
    if run.take_request("stop"):
        return "stopped"
    return "paused" if run.take_request("pause") else None


def _flat_groups(models: Models, config: TrainConfig) -> list[FlatGroup]:
    """What trains: the UNet's LoRA, and new tokens or the text encoders' LoRA."""
    groups = [flatten("unet", lora_parameters(models.unet))]
    encoders = (models.text_encoder, models.text_encoder_2)
    text = [parameter for encoder in encoders for parameter in encoder.parameters() if parameter.requires_grad]
    if trains_text(config):
        groups.append(flatten("text", text))
    return groups
