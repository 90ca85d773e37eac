"""On how many machines a run's processes stand, and where they meet."""

from dataclasses import dataclass

from engine.config import TrainConfig


@dataclass(frozen=True)
class Machines:
    """What torchrun must be told. num_processes: on all machines together.

    machine_rank: this one's, from 0 on.  main_process_ip, main_process_port: where the first machine is reached; None
    on a single one.
    """

    num_processes: int
    num_machines: int = 1
    machine_rank: int = 0
    main_process_ip: str | None = None
    main_process_port: int | None = None

    @property
    def processes_here(self) -> int:
        return self.num_processes // self.num_machines


def machines_of(config: TrainConfig) -> Machines:
    """The machines of a run."""
    return Machines(config.run.num_processes)
