"""What `accelerate config` wrote is read by accelerate, and taken as far as it fits."""

from pathlib import Path

import pytest
import yaml

from engine.config import TrainConfig, compose
from engine.errors import ConfigError
from engine.machines import Machines, machines_of, read_accelerate_config, with_machines
from engine.preflight import examine
from engine.preflight.machine import gpus_to_see

# As `accelerate config` writes it for two machines of four GPUs each.
TWO_MACHINES = {
    "compute_environment": "LOCAL_MACHINE",
    "debug": False,
    "distributed_type": "MULTI_GPU",
    "downcast_bf16": "no",
    "enable_cpu_affinity": False,
    "gpu_ids": "all",
    "machine_rank": 1,
    "main_process_ip": "10.0.0.1",
    "main_process_port": 29501,
    "main_training_function": "main",
    "mixed_precision": "bf16",
    "num_machines": 2,
    "num_processes": 8,
    "rdzv_backend": "static",
    "same_network": True,
    "tpu_env": [],
    "tpu_use_cluster": False,
    "tpu_use_sudo": False,
    "use_cpu": False,
}


def written(path: Path, **changes: object) -> Path:
    path.write_text(yaml.safe_dump({**TWO_MACHINES, **changes}))
    return path


def config(file: Path, **run: object) -> TrainConfig:
    return compose(flags={"run": {"accelerate_config": str(file), **run}}).config


def test_processes_machines_and_their_meeting_place_are_taken(tmp_path: Path) -> None:
    machines = read_accelerate_config(written(tmp_path / "two.yaml"))
    assert machines == Machines(8, 2, 1, "10.0.0.1", 29501, None, "bf16")
    assert machines.processes_here == 4
    assert machines_of(TrainConfig().run) == Machines(1)


@pytest.mark.parametrize(
    ("changes", "gpu_ids"), [({"gpu_ids": "0,2"}, "0,2"), ({"use_cpu": True}, ""), ({"gpu_ids": None}, None)]
)
def test_the_gpus_to_use_are_taken(tmp_path: Path, changes: dict[str, object], gpu_ids: str | None) -> None:
    assert read_accelerate_config(written(tmp_path / "two.yaml", **changes)).gpu_ids == gpu_ids


@pytest.mark.parametrize(("ours", "taken"), [(None, "bf16"), ("no", "no")])
def test_a_run_takes_the_processes_and_what_it_leaves_open(tmp_path: Path, ours: str | None, taken: str) -> None:
    run = with_machines(config(written(tmp_path / "two.yaml"), mixed_precision=ours)).run
    assert (run.num_processes, run.mixed_precision) == (8, taken)
    assert machines_of(run).num_machines == 2


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"distributed_type": "DEEPSPEED", "deepspeed_config": {"zero_stage": 2}}, "asks for DEEPSPEED"),
        ({"distributed_type": "FSDP", "fsdp_config": {"fsdp_version": 2}}, "asks for FSDP"),
        ({"distributed_type": "XLA"}, "asks for XLA"),
        ({"mixed_precision": "fp8"}, "asks for mixed_precision fp8"),
        ({"main_process_ip": None}, "does not say main_process_ip"),
        ({"num_processes": -1}, "does not say num_processes"),
        ({"gpus_that_i_have": 3}, "cannot be read"),
        ({"num_processes": 7}, "7 processes cannot be shared by 2 machines"),
    ],
)
def test_what_does_not_fit_is_refused_in_two_sentences(
    tmp_path: Path, changes: dict[str, object], problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        with_machines(config(written(tmp_path / "two.yaml", **changes)))
    assert caught.value.problem.endswith(".") and caught.value.remedy


@pytest.mark.parametrize("content", ["", "{", "- 1", "\x00", "compute_environment: [1]"])
def test_a_damaged_file_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "two.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError, match="cannot be read as a config of accelerate"):
        read_accelerate_config(file)


def test_another_number_of_processes_than_the_files_is_refused_before_a_run(tmp_path: Path, photos: Path) -> None:
    missing = examine(config(tmp_path / "none.yaml"), tmp_path / "runs", count_memory=False)
    assert any("does not exist" in problem.problem for problem in missing.problems)
    differs = examine(config(written(tmp_path / "two.yaml"), num_processes=3), tmp_path / "runs", count_memory=False)
    assert any("num_processes is 3, and 8 in" in problem.problem for problem in differs.problems)


def test_more_processes_than_gpus_are_refused_and_on_a_cpu_they_are_warned_of(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    three = compose(flags={"run": {"num_processes": 3}}).config
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert gpus_to_see() == 2
    found = examine(three, tmp_path / "runs", count_memory=False)
    assert "num_processes = 3 takes as many GPUs, and this machine shows 2." in [
        each.problem for each in found.problems
    ]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    found = examine(three, tmp_path / "runs", count_memory=False)
    assert any("share the CPU's cores" in warning for warning in found.warnings)
