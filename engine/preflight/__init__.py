"""Everything that can be checked before a model is loaded: what fails here costs seconds, not GPU hours.

Each check yields what it found: an error that keeps the run from starting, or a sentence that is good to know.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from curation.dataset import Dataset
from curation.errors import StatedError
from engine.config import TrainConfig
from engine.contradictions import against_the_plan, beyond_the_plan, contradictions, idle_settings, odd_rates
from engine.errors import ConfigError, refuse
from engine.machines import with_machines
from engine.memory import free_gpu_memory
from engine.plan import Plan, plan, resolve
from engine.preflight.captions import check_captions
from engine.preflight.class_images import ClassImages, check_class_images, count_class_images
from engine.preflight.frozen import frozen
from engine.preflight.machine import GpuMemory, ask_gpu_memory, check_gpu_memory, check_machine, models_to_fetch
from engine.preflight.origin import check_origin, with_origin_found
from engine.preflight.photos import check_photos, open_photos
from engine.preflight.space import Disk, check_space, disk_needed


@dataclass(frozen=True)
class Examination:
    """All that was found, as far as it could be told.

    config: resolved, or as it was given where it contradicts itself.  dataset, plan: None where the photos cannot be
    opened.  class_images: None where none are used.  disk: None without a plan.  gpu: None where it was not counted.
    to_fetch: names of models that are not on this disk.
    """

    config: TrainConfig
    problems: tuple[StatedError, ...]
    warnings: tuple[str, ...]
    dataset: Dataset | None = None
    plan: Plan | None = None
    class_images: ClassImages | None = None
    disk: Disk | None = None
    gpu: GpuMemory | None = None
    to_fetch: tuple[str, ...] = ()

    @property
    def is_ready(self) -> bool:
        """Whether nothing keeps the run from starting."""
        return not self.problems


@dataclass(frozen=True)
class Preflight:
    """A run that may start: its resolved config with absolute paths, its photos, its arithmetic, what to know first."""

    config: TrainConfig
    dataset: Dataset
    plan: Plan
    warnings: tuple[str, ...]


def preflight(config: TrainConfig, runs_dir: Path = Path("runs")) -> Preflight:
    """Examine `config`, and freeze it for the worker. Raises what keeps it from running, SeveralProblems for several.

    GPU memory is counted only where there is a GPU to compare it with.
    """
    found = examine(config, runs_dir, count_memory=free_gpu_memory() is not None)
    refuse(found.problems)
    assert found.dataset and found.plan, "without photos there is a problem"
    config = with_origin_found(frozen(found.config, found.dataset, found.plan), runs_dir)
    return Preflight(config, found.dataset, found.plan, found.warnings)


def examine(config: TrainConfig, runs_dir: Path = Path("runs"), count_memory: bool = True) -> Examination:
    """Check `config` against photos, disk and machine, without loading a model or importing torch.

    (torch is imported where there is an accelerate_config, by accelerate, which reads it.)
    Takes seconds: photos are decoded side by side, and GPU memory is counted by another process meanwhile.
    """
    said: list[StatedError | str] = []
    try:
        config = with_machines(config)
    except ConfigError as error:
        said.append(error)
    said += [*contradictions(config), *idle_settings(config)]
    with ThreadPoolExecutor(2) as pool:
        gpu = None
        if not any(isinstance(each, StatedError) for each in said):
            config = resolve(config)
            gpu = pool.submit(ask_gpu_memory, config) if count_memory else None
            said += [*odd_rates(config), *check_origin(config, runs_dir)]
        machine = pool.submit(list, check_machine(config, runs_dir))
        dataset, found = open_photos(config)
        said += found
        class_images = count_class_images(config)
        said += check_class_images(config)
        arithmetic = disk = None
        if dataset and dataset.trainable:
            arithmetic = plan(config, len(dataset.trainable))
            said += [*check_photos(config, dataset), *check_captions(config, dataset)]
            said += [*against_the_plan(config, arithmetic), *beyond_the_plan(config, arithmetic)]
        said += machine.result()
        memory = gpu.result() if gpu else None
    if arithmetic:
        disk = disk_needed(config, arithmetic, class_images, memory.estimate if memory else None, runs_dir)
        said += check_space(disk)
    said += check_gpu_memory(config, memory)
    to_fetch = models_to_fetch(config)
    return Examination(config, *_sorted(said), dataset, arithmetic, class_images, disk, memory, to_fetch)


def _sorted(said: Iterable[StatedError | str]) -> tuple[tuple[StatedError, ...], tuple[str, ...]]:
    """Problems and warnings, each once."""
    problems = {str(each): each for each in said if isinstance(each, StatedError)}
    return tuple(problems.values()), tuple(dict.fromkeys(each for each in said if isinstance(each, str)))
