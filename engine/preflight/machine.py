"""The machine of a run: its model within reach, its packages installed, its output writable, its GPU large enough."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

from curation.errors import StatedError
from curation.text import visible
from engine.box import box_problems
from engine.config import TrainConfig
from engine.errors import ConfigError, EngineError
from engine.memory import MemoryEstimate, estimate, free_gpu_memory
from engine.models.files import find_model, model_problem
from engine.models.hub import is_hub_id
from engine.models.names import BUILT_IN, full_name
from engine.paths import is_there
from engine.sizes import gigabytes
from engine.training.out_of_memory import MOST_OPTIONS, options
from engine.training.trackers import tracker_problem


@dataclass(frozen=True)
class GpuMemory:
    """What a run takes, and what there is, in bytes.

    estimate: None where it could not be counted, and then `unknown` says why.  free, total: None without a GPU.
    """

    estimate: MemoryEstimate | None
    unknown: str | None
    free: int | None
    total: int | None


def check_machine(config: TrainConfig, runs_dir: Path) -> Iterator[StatedError | str]:
    """All but the GPU's memory. The hub is asked only for a model that is not on this disk."""
    if problem := model_problem(config.model):
        yield problem
    if problem := tracker_problem(config):
        yield problem
    needs_bitsandbytes = [
        name
        for name, is_on in (
            ("use_8bit_adam", config.optimizer.use_8bit_adam),
            ("quantize = nf4", config.model.quantize == "nf4"),
        )
        if is_on
    ]
    if needs_bitsandbytes and not find_spec("bitsandbytes"):
        yield EngineError(
            f"The package bitsandbytes is not installed, and it is needed for {' and '.join(needs_bitsandbytes)}.",
            "Run: pip install bitsandbytes",
        )
    yield from _check_processes(config.run.num_processes, config.run.accelerate_config is not None)
    if config.output.push_to_hub:
        yield "push_to_hub: the files stay in output/; upload them with `hf upload` when the run has finished."
    yield from _check_writable(runs_dir)
    yield from box_problems(config)
    if config.run.on_finish:
        yield f"When the run has finished, failed or stopped, this is run: {visible(config.run.on_finish)}"


def _check_processes(num_processes: int, on_many_machines: bool) -> Iterator[StatedError | str]:
    """Each process takes a GPU for itself. Other machines' GPUs cannot be counted from here."""
    if num_processes == 1 or on_many_machines:
        return
    gpus = gpus_to_see()
    if gpus == 0:
        yield (
            f"num_processes = {num_processes}, and no NVIDIA GPU is seen: the processes share the CPU's cores, and are "
            "hardly faster than one."
        )
    elif num_processes > gpus:
        yield ConfigError(
            f"num_processes = {num_processes} takes as many GPUs, and this machine shows {gpus}.",
            f"Set num_processes = {gpus}; gradient_accumulation_steps makes up for the rest.",
        )


def gpus_to_see() -> int:
    """How many NVIDIA GPUs a run on this machine would see."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([gpu for gpu in visible.split(",") if gpu.strip() not in ("", "-1")])
    try:
        done = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return 0
    return sum(line.startswith("GPU ") for line in done.stdout.splitlines())


def models_to_fetch(config: TrainConfig) -> tuple[str, ...]:
    """The base model and the replacement VAE, as far as they are on the hub and not on this disk."""
    model = config.model
    wanted = [(model.pretrained_model_name_or_path, model.revision, model.variant)]
    if model.pretrained_vae_model_name_or_path:
        wanted.append((model.pretrained_vae_model_name_or_path, None, None))
    return tuple(
        name
        for name, revision, variant in wanted
        if name not in BUILT_IN and is_hub_id(full_name(name)) and find_model(name, revision, variant) is None
    )


def ask_gpu_memory(config: TrainConfig) -> GpuMemory:
    """Count what a resolved config takes, and ask what is free. Takes seconds the first time."""
    free, total = free_gpu_memory() or (None, None)
    try:
        return GpuMemory(estimate(config), None, free, total)
    except EngineError as error:
        return GpuMemory(None, str(error), free, total)


def check_gpu_memory(config: TrainConfig, gpu: GpuMemory | None) -> Iterator[str]:
    """A warning, as the count was never compared with a GPU, with what makes the run smaller when it seems too large.

    config: resolved.
    """
    if gpu is None or gpu.estimate is None or gpu.free is None or gpu.estimate.total <= gpu.free:
        return
    smaller = "; ".join(str(option) for option in islice(options(config), MOST_OPTIONS))
    yield (
        f"While {gpu.estimate.hungriest} the run takes about {gigabytes(gpu.estimate.total)} of GPU memory, and "
        f"{gigabytes(gpu.free)} are free. It gets smaller with: {smaller}."
    )


def _check_writable(runs_dir: Path) -> Iterator[EngineError]:
    place = nearest_existing(runs_dir)
    if not place.is_dir():
        yield EngineError(f"Runs cannot be kept in {runs_dir}: {place} is a file.", "Name a folder with --runs-dir.")
    elif not os.access(place, os.W_OK | os.X_OK):
        yield EngineError(f"Nothing can be written to {place}.", "Name a folder that is yours with --runs-dir.")


def nearest_existing(path: Path) -> Path:
    """The path, or the innermost of its parents that is there."""
    absolute = path.absolute()
    return next(place for place in (absolute, *absolute.parents) if is_there(place))
