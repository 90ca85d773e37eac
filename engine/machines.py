"""On which machines and GPUs the processes of a run stand, and where they meet: as `accelerate config` wrote it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.config import TrainConfig
from engine.errors import ConfigError
from engine.extras import require
from engine.paths import typed_path
from engine.settings import RunSection

MIXED_PRECISION = ("no", "fp16", "bf16")
PORT = 29500  # accelerate's own default


@dataclass(frozen=True)
class Machines:
    """What torchrun must be told. num_processes: on all machines together.

    machine_rank: this one's, from 0 on.  main_process_ip, main_process_port: where the first machine is reached; no
    address on a single one.  gpu_ids: the GPUs to use here, "" for none; None for all.
    mixed_precision: None where the file leaves it open.
    """

    num_processes: int
    num_machines: int = 1
    machine_rank: int = 0
    main_process_ip: str | None = None
    main_process_port: int = PORT
    gpu_ids: str | None = None
    mixed_precision: str | None = None

    @property
    def processes_here(self) -> int:
        """As many as on every other machine."""
        return self.num_processes // self.num_machines


def machines_of(run: RunSection) -> Machines:
    """Where a run's processes stand. Raises ConfigError for an accelerate_config that does not fit, or has gone."""
    if run.accelerate_config is None:
        return Machines(run.num_processes)
    machines = replace(read_accelerate_config(typed_path(run.accelerate_config)), num_processes=run.num_processes)
    if machines.num_processes % machines.num_machines:
        raise ConfigError(
            f"{machines.num_processes} processes cannot be shared by {machines.num_machines} machines.",
            "Take as many on each: num_processes counts those of all machines together.",
        )
    return machines


def with_machines(config: TrainConfig) -> TrainConfig:
    """The config with what its accelerate_config says: num_processes, and mixed_precision where it was not set.

    Raises ConfigError for a file that does not fit, or says otherwise than the config.  Imports torch (3 s), but only
    where there is a file.
    """
    run = config.run
    if run.accelerate_config is None:
        return config
    path = typed_path(run.accelerate_config).absolute()
    machines = read_accelerate_config(path)
    if run.num_processes not in (1, machines.num_processes):
        raise ConfigError(
            f"num_processes is {run.num_processes}, and {machines.num_processes} in {path}.",
            "Leave num_processes out: the file's counts those of all machines together.",
        )
    said = {
        "accelerate_config": str(path),
        "num_processes": machines.num_processes,
        "mixed_precision": run.mixed_precision or machines.mixed_precision,
    }
    updated = config.model_copy(update={"run": run.model_copy(update=said)})
    machines_of(updated.run)
    return updated


def read_accelerate_config(path: Path) -> Machines:
    """Read a file of `accelerate config`. Raises ConfigError for one that cannot be read, or asks for other ways."""
    require("train", "--accelerate_config")
    from accelerate.commands.config.config_args import load_config_from_file  # 3 s: torch

    try:
        config: Any = load_config_from_file(str(path))
    except Exception as error:  # of YAML, of JSON, of accelerate's own checks
        cause = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise ConfigError(
            f"{path} cannot be read as a config of accelerate: {cause}.",
            f"Write it with: accelerate config --config_file {path}",
        ) from error
    if asked := _other_ways(config):
        raise ConfigError(
            f"{path} asks for {asked}, which loratui does not use: a LoRA's base fits on each GPU.",
            f"Answer without it: accelerate config --config_file {path}",
        )
    if config.num_processes < 1 or (config.num_machines > 1 and not config.main_process_ip):
        missing = "num_processes" if config.num_processes < 1 else "main_process_ip"
        raise ConfigError(f"{path} does not say {missing}.", f"Write it again: accelerate config --config_file {path}")
    return Machines(
        num_processes=config.num_processes,
        num_machines=config.num_machines,
        machine_rank=config.machine_rank,
        main_process_ip=config.main_process_ip,
        main_process_port=config.main_process_port or PORT,
        gpu_ids="" if config.use_cpu else _gpu_ids(config.gpu_ids),
        mixed_precision=config.mixed_precision if config.mixed_precision in MIXED_PRECISION else None,
    )


def _other_ways(config: Any) -> str | None:
    """What a file asks for that is not one process for each GPU."""
    if config.compute_environment.value != "LOCAL_MACHINE":
        return "SageMaker"
    kind = config.distributed_type.value
    if kind not in ("NO", "MULTI_GPU", "MULTI_CPU"):
        return kind
    if config.mixed_precision not in (None, *MIXED_PRECISION):
        return f"mixed_precision {config.mixed_precision}"
    return None


def _gpu_ids(named: Any) -> str | None:
    return None if named in (None, "all") else str(named)
