"""The best checkpoint is taken away, and painted with, while its run goes on."""

import os
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner

from engine.errors import EngineError
from engine.rundir import RunDir
from loratui.commands import results
from tests.loratui.program import run_loratui, wait_until, write_tiny_config

app = Typer()
for command in (results.generate, results.export):
    app.command()(command)


def run_here(*arguments: object) -> list[str]:
    """The lines of a command's stdout, run in this process."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0
    return result.stdout.splitlines()


@pytest.mark.slow
def test_checkpoints_of_a_run_that_goes_on(sample_photos: Path, tmp_path: Path) -> None:
    config = write_tiny_config(tmp_path / "lora.toml", sample_photos, steps=100_000)
    keeping = ("--checkpointing_steps=1", "--checkpoints_total_limit=2", "--checkpoints_keep_every=4")
    runs, run = tmp_path / "runs", RunDir(tmp_path / "runs" / "her")
    try:
        started = run_loratui("train", config, *keeping, "--detach", "--name", "her", "--runs-dir", runs)
        assert started.returncode == 0, started.stderr
        wait_until(lambda: (run.checkpoints / "000008").is_dir(), "the checkpoint of step 8")

        exported = run_here("export", run.path, "--checkpoint", 4)
        assert {Path(file).parent for file in exported} == {run.path / "output-000004"}
        named = run_here("export", run.path, "--checkpoint", 4, "--output", tmp_path / "best")
        for one, other in zip(exported, named, strict=True):
            assert Path(one).read_bytes() == Path(other).read_bytes()
        [newest] = {Path(file).parent for file in run_here("export", run.path)}
        assert newest.name.startswith("output-") and newest.name != "output-000004"
        [sheet] = run_here("generate", run.path, "--checkpoint", 4, "--num-images", 1, "--steps", 1)
        assert Path(sheet) == run.samples / "contact-sheet-000004.png" and Path(sheet).is_file()
        for command in ("export", "generate"):
            with pytest.raises(EngineError, match=r"no checkpoint of step 2.*are at steps: 4, 8"):
                run_here(command, run.path, "--checkpoint", 2)

        assert run.is_alive() and not list(run.output.iterdir())
        assert run_loratui("stop", "her", "--now", "--runs-dir", runs).returncode == 0
        assert run.status().state == "stopped"
    finally:
        if run.is_alive():
            os.killpg(run.status().pid or 0, 9)
