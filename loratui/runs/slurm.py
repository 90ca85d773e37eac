"""A batch script for Slurm: it starts a run, or goes on with it, and stops it in time, with a checkpoint."""

import math
import shlex
import sys
from pathlib import Path

from engine.config import TrainConfig
from engine.machines import machines_of

# Before the job's end Slurm sends the signal: for the step, a checkpoint, an export and its check.
LEAVE_SECONDS = 120
# What a job takes besides the run's own hours: to load the model, and to leave.
MARGIN_MINUTES = 15
CPUS_PER_PROCESS = 4  # one that trains, and a few that read photos
DEFAULT_HOURS = 24.0

SCRIPT = """\
#!/bin/bash
#SBATCH --job-name={job_name}
#SBATCH --nodes={nodes}
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node={gpus}
#SBATCH --cpus-per-task={cpus}
#SBATCH --time={time}
#SBATCH --signal=B:TERM@{leave}
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log
# Lines that a cluster may want besides: --account, --partition, --mem.

cd {folder} || exit 2
run={run}
# A job that is started again goes on with its run; one that is told to end stops it, with a checkpoint and an export.
stop() {{ {program} stop "$run"; }}
trap stop TERM
{body}
job=$!
wait "$job"
code=$?
while kill -0 "$job" 2>/dev/null; do
    wait "$job"
    code=$?
done
exit "$code"
"""

ONE_MACHINE = """\
if [ -f "$run/config.toml" ]; then
    {program} resume "$run" --foreground &
else
    {program} {words} --foreground &
fi"""

MANY_MACHINES = """\
export RUN="$run" FIRST_MACHINE
FIRST_MACHINE=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
srun bash -c {on_each} &"""

ON_EACH = """\
config=$(mktemp --suffix=.yaml)
cat >"$config" <<END
compute_environment: LOCAL_MACHINE
distributed_type: MULTI_GPU
num_machines: $SLURM_NNODES
num_processes: {num_processes}
machine_rank: $SLURM_NODEID
main_process_ip: $FIRST_MACHINE
main_process_port: {port}
mixed_precision: {mixed_precision}
use_cpu: false
debug: false
END
if [ "$SLURM_NODEID" = 0 ] && [ -f "$RUN/config.toml" ]; then
    {program} resume "$RUN" --foreground --set "run.accelerate_config=$config"
else
    {program} {words} --foreground --accelerate_config "$config"
fi"""


def batch_script(config: TrainConfig, run: Path, words: list[str]) -> str:
    """The script that trains what the command line `words` asks for, in the run folder `run`.

    config: what they ask for, with its machines.  Raises ConfigError for an accelerate_config that cannot be used.
    """
    machines = machines_of(config.run)
    program = f"{shlex.quote(sys.executable)} -m loratui"
    named = {"program": program, "words": shlex.join(words)}
    if machines.num_machines == 1:
        body = ONE_MACHINE.format(**named)
    else:
        on_each = ON_EACH.format(
            num_processes=machines.num_processes,
            port=machines.main_process_port,
            mixed_precision=machines.mixed_precision or "'no'",
            **named,
        )
        body = MANY_MACHINES.format(on_each=shlex.quote(on_each))
    return SCRIPT.format(
        job_name=run.name,
        nodes=machines.num_machines,
        gpus=machines.processes_here,
        cpus=CPUS_PER_PROCESS * machines.processes_here,
        time=_time_limit(config.run.max_hours),
        leave=LEAVE_SECONDS,
        folder=shlex.quote(str(Path.cwd())),
        run=shlex.quote(str(run)),
        program=program,
        body=body,
    )


def _time_limit(hours: float | None) -> str:
    """As Slurm writes it, hours:minutes:seconds: the run's own limit, and time to leave."""
    minutes = math.ceil((hours or DEFAULT_HOURS) * 60) + MARGIN_MINUTES
    return f"{minutes // 60:02}:{minutes % 60:02}:00"
