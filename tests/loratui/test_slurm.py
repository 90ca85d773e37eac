"""A batch script that `train --print-slurm` prints: whole, quoted, fit to be started again; and nothing is started."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from loratui.runs.slurm import batch_script
from tests.loratui.program import run_loratui

ODD_PROMPT = 'a photo of TOK, $(touch /tmp/never) `it\'s` "quoted" {braces}'


def printed(*arguments: str | Path, cwd: Path) -> str:
    done = run_loratui("train", *arguments, "--print-slurm", cwd=cwd)
    assert done.returncode == 0, done.stderr
    assert subprocess.run(["bash", "-n"], input=done.stdout, text=True, check=False).returncode == 0
    return done.stdout


def headers(script: str) -> dict[str, str]:
    lines = [line.removeprefix("#SBATCH --") for line in script.splitlines() if line.startswith("#SBATCH --")]
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def test_a_script_asks_for_the_gpus_and_the_hours_of_the_run_and_starts_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    script = printed(
        *("--instance_data_dir", "photos", "--instance_prompt", ODD_PROMPT, "--name", "dog"),
        *("--num-processes", "4", "--max_hours", "2.5"),
        cwd=folder,
    )
    asked = headers(script)
    assert (asked["job-name"], asked["nodes"], asked["gpus-per-node"]) == ("dog", "1", "4")
    assert (asked["time"], asked["signal"]) == ("02:45:00", "B:TERM@120")
    assert "requeue" in asked
    [line] = [line for line in script.splitlines() if " train " in line]
    command = shlex.split(line)
    assert command[:4] == [sys.executable, "-m", "loratui", "train"]
    assert command[command.index("--instance_prompt") + 1] == ODD_PROMPT
    assert "--print-slurm" not in command
    assert f"cd {shlex.quote(str(folder))}" in script
    assert list(folder.iterdir()) == []


def test_on_several_machines_each_writes_where_they_meet_and_the_others_join(tmp_path: Path) -> None:
    two_machines = {
        "compute_environment": "LOCAL_MACHINE",
        "distributed_type": "MULTI_GPU",
        "main_process_ip": "10.0.0.1",
        "main_process_port": 29501,
        "mixed_precision": "bf16",
        "num_machines": 2,
        "num_processes": 8,
    }
    (tmp_path / "two.yaml").write_text(yaml.safe_dump(two_machines))
    script = printed("--instance_prompt", ODD_PROMPT, "--name", "dog", "--accelerate_config", "two.yaml", cwd=tmp_path)
    assert (headers(script)["nodes"], headers(script)["gpus-per-node"]) == ("2", "4")
    on_each = shlex.split(script[script.index("srun ") :].partition(" &\njob=")[0])[-1]
    assert subprocess.run(["bash", "-n"], input=on_each, text=True, check=False).returncode == 0
    _, _, rest = on_each.partition("<<END\n")
    written = yaml.safe_load(rest.partition("\nEND\n")[0].replace("$SLURM_NNODES", "2").replace("$SLURM_NODEID", "1"))
    assert (written["num_machines"], written["machine_rank"], written["num_processes"]) == (2, 1, 8)
    assert (written["main_process_port"], written["mixed_precision"]) == (29501, "bf16")


@pytest.mark.parametrize("name", [(), ("--name", "two\nlines")])
def test_a_run_that_cannot_be_gone_on_with_is_refused(tmp_path: Path, name: tuple[str, ...]) -> None:
    done = run_loratui("train", "--instance_prompt", "TOK", *name, "--print-slurm", cwd=tmp_path)
    assert done.returncode == 2 and "--name" in done.stderr


def test_a_job_told_to_end_waits_for_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of the program: one that ends when a stop is asked for, after a while."""
    from engine.config import TrainConfig

    program = tmp_path / "program"
    program.write_text(
        '#!/bin/bash\ncase "$3" in\nstop) touch stopped ;;\n'
        "*) touch begun; until [ -e stopped ]; do sleep 0.05; done; sleep 0.5; echo saved; exit 7 ;;\nesac\n"
    )
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "job.sh").write_text(batch_script(TrainConfig(), Path("runs/dog"), ["train", "--name", "dog"]))
    job = subprocess.Popen(["bash", "job.sh"], stdout=subprocess.PIPE, text=True)
    while not (tmp_path / "begun").exists():
        assert job.poll() is None
    job.terminate()
    said, _ = job.communicate(timeout=60)
    assert (said, job.returncode) == ("saved\n", 7)
