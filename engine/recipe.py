"""A run from its config to verified files: photos, model, class images, rehearsal, training, export, verification."""

import os
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import torch

from engine.class_images import class_examples, count_by_origin, generate_class_images
from engine.config import TrainConfig
from engine.data.examples import Example, read_examples, uses_class_images
from engine.data.latents import Posteriors
from engine.data.samples import Samples, class_image_samples, photo_samples
from engine.errors import EngineError
from engine.events import ClassImages, Event, Finished, Paused, Phase, Progress, Started, Stopped, Verified, Warned
from engine.fingerprint import recorded_fingerprint, take_fingerprint
from engine.models.files import model_identity
from engine.models.load import (
    Models,
    compute_dtype,
    default_device,
    load_models,
    room_on_gpu,
    silence_libraries,
    vae_dtype,
)
from engine.models.low_memory import offload
from engine.plan import Plan, plan, resolve
from engine.results.export import export
from engine.results.verify import verify_export
from engine.rundir import Ending, RunDir
from engine.training.checkpoints import Checkpoint, load_checkpoint
from engine.training.manifest import fault, newest_checkpoint, set_aside
from engine.training.out_of_memory import gpu_is_full
from engine.training.processes import ALONE, Processes
from engine.training.rehearsal import rehearse
from engine.training.trackers import tracked
from engine.training.trainer import Emit, Trainer
from engine.training.weights import TrainedWeights, add_trainables, apply_weights, load_weights


def follow(run: RunDir, emit: Emit, processes: Processes = ALONE) -> Finished | Stopped | Paused:
    """Work at `run` from its newest whole checkpoint, or its first step, to its end; returns the end's event.

    processes: who shares the steps.  The first one does all else, and writes; `emit` is asked of it alone.
    The caller holds the run's lock.  Raises EngineError and CurationError for what cannot go on.
    """
    silence_libraries()
    config = resolve(run.config())
    try:
        with tracked(run, config, emit) if processes.is_first else nullcontext(_silent) as emit_and_track:
            return _follow(run, config, emit_and_track, processes)
    except torch.OutOfMemoryError as error:  # outside of the steps, which try smaller micro-batches first
        raise gpu_is_full(config, room_on_gpu()) from error


def _silent(_event: Event) -> None:
    """What the other processes see, the first one sees too."""


def _follow(run: RunDir, config: TrainConfig, emit: Emit, processes: Processes) -> Finished | Stopped | Paused:
    examples = read_examples(config)
    the_plan = plan(config, len(examples))
    folder, passed_over = _newest_checkpoint(run, processes)
    checkpoint = load_checkpoint(folder) if folder else None
    start = _start(config) if checkpoint is None else None
    step = checkpoint.state.step if checkpoint else 0
    device = default_device()
    emit(_started(run, the_plan, step, device, processes))
    for message in passed_over:
        emit(Warned(message=message))

    emit(Phase(phase="loading"))
    models = load_models(config.model, compute_dtype(config.run.mixed_precision, device), device)
    if ending := processes.from_first(partial(_make_class_images, run, config, models, emit)):
        return _end_before_training(ending, run, config, models, checkpoint, emit, processes)
    posteriors = _posteriors(run, config, models, emit)
    photos, class_images = _samples(run, config, examples, posteriors)
    positions = range(step * the_plan.samples_per_step, the_plan.total_steps * the_plan.samples_per_step)
    if ending := processes.from_first(partial(_cache_latents, run, photos, class_images, positions, emit)):
        return _end_before_training(ending, run, config, models, checkpoint, emit, processes)
    if config.data.cache_latents and processes.from_first(lambda: posteriors.are_kept):
        offload(models, "vae")

    if step < the_plan.total_steps and (ending := processes.from_first(run.asked_to_end)):  # while it loaded
        return _end_before_training(ending, run, config, models, checkpoint, emit, processes)

    fingerprint = None
    if processes.is_first:  # which writes the checkpoints
        fingerprint = take_fingerprint(config, examples, recorded_fingerprint(folder) if folder else None)
    trainer = Trainer(
        run,
        config,
        the_plan,
        models,
        photos,
        class_images,
        emit,
        checkpoint,
        start=start,
        fingerprint=fingerprint,
        processes=processes,
    )
    if step < the_plan.total_steps:
        emit(rehearse(trainer))
    return _end(trainer.train(), run, config, trainer, models, emit, processes)


def _end(
    ending: Ending, run: RunDir, config: TrainConfig, trainer: Trainer, models: Models, emit: Emit, processes: Processes
) -> Finished | Stopped | Paused:
    """What a run leaves: an export, unless it is only paused or was told not to make one."""
    if ending == "paused":
        return Paused(step=trainer.step)
    if ending == "stopped_now" or processes.from_first(partial(run.take_request, "stop_now")):  # during last pictures
        return Stopped(step=trainer.step)
    # The others wait: for one that ends badly as it leaves, torchrun would end the first one too.
    processes.from_first(lambda: export_and_verify(run, config, trainer.weights(), models, emit))
    return Stopped(step=trainer.step) if ending == "stopped" else Finished(step=trainer.step)


def _newest_checkpoint(run: RunDir, processes: Processes) -> tuple[Path | None, list[str]]:
    """To go on from, and a sentence for each newer one that is damaged. Raises EngineError where all are."""
    folder, passed_over = processes.from_first(lambda: newest_checkpoint(run))
    if passed_over and folder is None:
        raise EngineError(
            f"None of the checkpoints of {run.name} is whole: it would begin again at step 0. {passed_over[0]}",
            f"Put one back from a copy, or agree to begin again: loratui resume {run.address} --force",
        )
    if folder is None and set_aside(run):
        passed_over = ["No checkpoint was whole, and it was agreed to begin again at step 0; they are kept, renamed."]
    return folder, passed_over


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


def _start(config: TrainConfig) -> TrainedWeights | None:
    """Another run's weights to begin with, where they are asked for. Raises EngineError when they are gone."""
    if config.lora.init_from is None:
        return None
    folder = Path(config.lora.init_from)
    if problem := fault(folder):
        raise EngineError(
            f"The weights to start from, in {folder}, cannot be used: {problem}.",
            "Start a new run with others: --init-from RUN, or RUN:STEP.",
        )
    return load_weights(folder)


def _started(run: RunDir, the_plan: Plan, step: int, device: torch.device, processes: Processes) -> Started:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    return Started(
        name=run.name,
        pid=os.getpid(),
        step=step,
        total_steps=the_plan.total_steps,
        pivot_step=the_plan.pivot_step,
        photos=the_plan.photos,
        device=name if processes.count == 1 else f"{processes.count} x {name}",
    )


def _make_class_images(run: RunDir, config: TrainConfig, models: Models, emit: Emit) -> Ending | None:
    """Generate the class images that are missing, unless the run is asked to end meanwhile: then returns how."""
    if not uses_class_images(config.prior):
        return None
    emit(Phase(phase="class_images"))
    for done, missing in generate_class_images(run, config, models):
        emit(Progress(phase="class_images", done=done, total=missing))
        if ending := run.asked_to_end():
            return ending
    emit(ClassImages(**count_by_origin(run, class_examples(run, config))))
    return None


def _end_before_training(
    ending: Ending,
    run: RunDir,
    config: TrainConfig,
    models: Models,
    checkpoint: Checkpoint | None,
    emit: Emit,
    processes: Processes,
) -> Stopped | Paused:
    """A stop exports what an earlier worker had trained, if it had, unless it is to be at once."""
    step = checkpoint.state.step if checkpoint else 0
    if ending == "paused":
        return Paused(step=step)
    if checkpoint and ending == "stopped":
        processes.from_first(partial(_export_earlier, run, config, models, checkpoint, emit))
    return Stopped(step=step)


def _export_earlier(run: RunDir, config: TrainConfig, models: Models, checkpoint: Checkpoint, emit: Emit) -> None:
    """What an earlier worker had trained."""
    add_trainables(models, config)
    apply_weights(models, checkpoint.weights)
    export_and_verify(run, config, checkpoint.weights, models, emit)


def _posteriors(run: RunDir, config: TrainConfig, models: Models, emit: Emit) -> Posteriors:
    """Of the model's VAE, kept beside the runs."""
    return Posteriors(
        lambda: models.vae,
        model_identity(config.model),
        vae_dtype(config.model, models.unet.dtype),
        run.path.parent / ".cache" / "latents",
        lambda message: emit(Warned(message=message)),
    )


def _samples(
    run: RunDir, config: TrainConfig, examples: Sequence[Example], posteriors: Posteriors
) -> tuple[Samples, Samples | None]:
    """Photos and class images."""
    photos = photo_samples(examples, config, posteriors)
    if not uses_class_images(config.prior):
        return photos, None
    return photos, class_image_samples(class_examples(run, config), config, posteriors)


def _cache_latents(
    run: RunDir, photos: Samples, class_images: Samples | None, positions: range, emit: Emit
) -> Ending | None:
    """Cache what `positions` will ask for, unless the run is asked to end meanwhile: then returns how."""
    for samples in filter(None, (photos, class_images)):
        for done, total in samples.cache_latents(positions, photos.size):
            if done == 1:
                emit(Phase(phase="caching"))
            emit(Progress(phase="caching", done=done, total=total))
            if ending := run.asked_to_end():
                return ending
    return None
