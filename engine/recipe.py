"""A run from its config to verified files: photos, model, class images, training, export, verification."""

import os

import torch

from engine.checkpoints import load_checkpoint, newest_checkpoint
from engine.class_images import class_examples, generate_class_images
from engine.config import TrainConfig
from engine.data.examples import read_examples
from engine.data.latents import Posteriors
from engine.data.samples import Samples, class_image_samples, photo_samples
from engine.errors import EngineError
from engine.events import Finished, Paused, Phase, Progress, Started, Stopped, Verified, Warned
from engine.export import export
from engine.models import Models, compute_dtype, default_device, load_models, silence_libraries
from engine.plan import Plan, plan, resolve
from engine.rundir import RunDir
from engine.trainer import Emit, Ending, Trainer, asked_to_end
from engine.verify import verify_export
from engine.weights import TrainedWeights, add_trainables, apply_weights


def follow(run: RunDir, emit: Emit) -> Finished | Stopped | Paused:
    """Work at `run` from its newest whole checkpoint, or its first step, to its end; returns the end's event.

    The caller holds the run's lock.  Raises EngineError and CurationError for what cannot go on.
    """
    silence_libraries()
    config = resolve(run.config())
    examples = read_examples(config)
    the_plan = plan(config, len(examples))
    folder, passed_over = newest_checkpoint(run)
    checkpoint = load_checkpoint(folder) if folder else None
    step = checkpoint.state.step if checkpoint else 0
    device = default_device()
    emit(_started(run, the_plan, step, device))
    for message in passed_over:
        emit(Warned(message=message))

    emit(Phase(phase="loading"))
    models = load_models(config.model, compute_dtype(config.run.mixed_precision, device), device)
    if ending := _make_class_images(run, config, models, emit):
        if ending == "stopped" and checkpoint:
            add_trainables(models, config)
            apply_weights(models, checkpoint.weights)
            export_and_verify(run, config, checkpoint.weights, models, emit)
        return Paused(step=step) if ending == "paused" else Stopped(step=step)
    posteriors = Posteriors(
        lambda: models.vae, "", models.vae.dtype, None, lambda message: emit(Warned(message=message))
    )
    photos = photo_samples(examples, config, posteriors)
    class_images = None
    if config.prior.with_prior_preservation:
        class_images = class_image_samples(class_examples(run, config), config, posteriors)
    for samples in filter(None, (photos, class_images)):
        _cache_latents(samples, photos, samples_between(config, step, the_plan.total_steps), emit)

    trainer = Trainer(run, config, the_plan, models, photos, class_images, emit, checkpoint)
    ending = trainer.train()
    if ending == "paused":
        return Paused(step=trainer.step)
    export_and_verify(run, config, trainer.weights(), models, emit)
    return Stopped(step=trainer.step) if ending == "stopped" else Finished(step=trainer.step)


def export_and_verify(run: RunDir, config: TrainConfig, weights: TrainedWeights, models: Models, emit: Emit) -> None:
    """Write the run's files and prove that they load. Raises EngineError when they do not; the files are kept."""
    emit(Phase(phase="exporting"))
    files = export(weights, run.output, run.name, config)
    emit(Phase(phase="verifying"))
    verification = verify_export(weights, files, models)
    emit(
        Verified(
            ok=verification.ok,
            files=[str(file.relative_to(run.path)) for file in files],
            tensors=verification.tensors,
            difference=verification.difference,
            message=verification.message,
        )
    )
    if not verification.ok:
        raise EngineError(
            f"The exported files do not hold what was trained: {verification.message}.",
            f"They are kept in {run.output}, and the checkpoint beside them is whole; resume to export again.",
        )


def _started(run: RunDir, the_plan: Plan, step: int, device: torch.device) -> Started:
    return Started(
        name=run.name,
        pid=os.getpid(),
        step=step,
        total_steps=the_plan.total_steps,
        pivot_step=the_plan.pivot_step,
        photos=the_plan.photos,
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU",
    )


def _make_class_images(run: RunDir, config: TrainConfig, models: Models, emit: Emit) -> Ending | None:
    """Generate the class images that are missing, unless the run is asked to end meanwhile: then returns how."""
    if not config.prior.with_prior_preservation:
        return None
    emit(Phase(phase="class_images"))
    for done, missing in generate_class_images(run, config, models):
        emit(Progress(phase="class_images", done=done, total=missing))
        if ending := asked_to_end(run):
            return ending
    return None


def samples_between(config: TrainConfig, step: int, last_step: int) -> range:
    """The positions of the samples that steps step + 1 to last_step train on."""
    samples_per_step = config.run.train_batch_size * config.run.gradient_accumulation_steps
    return range(step * samples_per_step, last_step * samples_per_step)


def _cache_latents(samples: Samples, photos: Samples, positions: range, emit: Emit) -> None:
    for done, total in samples.cache_latents(positions, photos.size):
        if done == 1:
            emit(Phase(phase="caching"))
        emit(Progress(phase="caching", done=done, total=total))
