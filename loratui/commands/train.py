"""`train`: a run of its own from a lora.toml, from flags, or from both."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from loratui.commands.options import Detach, Foreground, RunsDir, Settings
from loratui.commands.talk import say
from loratui.commands.watch import watch

if TYPE_CHECKING:
    from engine.config import TrainConfig


def train(
    context: typer.Context,
    name: Annotated[str | None, typer.Option(help="The run's name; made from the photos' folder without it.")] = None,
    detach: Detach = False,
    foreground: Foreground = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything and print the plan; start nothing. 2: it would not run.")
    ] = False,
    json_output: Annotated[
        bool, typer.Option("--json", help="With --dry-run: one JSON object, with all problems and the plan.")
    ] = False,
    print_slurm: Annotated[
        bool, typer.Option("--print-slurm", help="Print a batch script for Slurm that trains this; start nothing.")
    ] = False,
    runs_dir: RunsDir = Path("runs"),
    settings: Settings = None,
) -> None:
    """Train a LoRA from a lora.toml, from flags, or from both.

    Every key of lora.toml is also a flag, with '_' or '-': --rank 16, --max_train_steps=1000, --train_text_encoder_ti.
    So the guide's own command lines can be pasted. `loratui config show` lists the keys.

    In a terminal the run is shown live; Ctrl-C asks whether to detach or to stop it, and a dropped line leaves it
    going: come back with `loratui attach`. With no terminal, the command owns the run and returns its exit code.

    --dry-run tells in seconds what would make the run fail, and what it would take; no model is loaded.

    --init-from RUN, or RUN:STEP, starts from the weights of another run's checkpoint; all else is new.

    With --num_processes N the steps are shared by as many GPUs. For several machines, `accelerate config` writes a file
    on each, and the same command with --accelerate_config FILE and --name NAME is given on each: the first one makes
    the run, in a folder that all share, and the others join it.
    """
    from engine.extras import require
    from engine.start import start_run

    if json_output and not dry_run:
        raise typer.BadParameter("--json goes with --dry-run.")
    if not dry_run and not print_slurm:  # which need no training stack
        require("train", "loratui train")
    config = _asked_for(list(context.args), settings or [])
    if print_slurm:
        typer.echo(_batch_script(config, name, runs_dir, sys.argv[1:]), nl=False)
        return
    if dry_run:
        _dry_run(config, name, runs_dir, json_output)
        return
    if file := _of_another_machine(config):
        _join(name, runs_dir, file)
    run, warnings = start_run(config, runs_dir, name)
    for warning in warnings:
        say(f"Warning: {warning}")
    watch(run, detach, foreground)


def _of_another_machine(config: TrainConfig) -> Path | None:
    """The file of accelerate's that says this machine is not the first one, if it does."""
    from engine.machines import read_accelerate_config
    from engine.paths import typed_path

    if config.run.accelerate_config is None:
        return None
    file = typed_path(config.run.accelerate_config)
    return file if read_accelerate_config(file).machine_rank else None


def _join(name: str | None, runs_dir: Path, accelerate_config: Path) -> NoReturn:
    """Work at the run of the first machine, to its end. A signal to end stops the run; a closed terminal is nothing."""
    from engine.rundir import RunDir
    from engine.supervisor import await_worker, join
    from engine.worker import heeding_signals

    if name is None:
        raise typer.BadParameter("Name the run of the first machine with --name.")
    run = RunDir(runs_dir / name)
    say(f"Waiting for the first machine to work at the run {run.address}.")
    await_worker(run)
    say("Joined it.")
    with heeding_signals(run):
        raise typer.Exit(join(run, accelerate_config))


def _batch_script(config: TrainConfig, name: str | None, runs_dir: Path, words: list[str]) -> str:
    """For the command line `words`, of which it is asked."""
    from engine.machines import with_machines
    from engine.rundir import NAME
    from loratui.runs.slurm import batch_script

    if name is None or not NAME.fullmatch(name):
        raise typer.BadParameter("--print-slurm needs a --name: a job that is started again goes on with its run.")
    return batch_script(with_machines(config), runs_dir / name, [word for word in words if word != "--print-slurm"])


def _asked_for(words: list[str], settings: list[str]) -> TrainConfig:
    """The config of a command line: a lora.toml, if its first word is one, and flags."""
    from engine.config import compose
    from loratui.flags import parse_flags, parse_settings

    file = Path(words.pop(0)) if words and not words[0].startswith("-") else None
    flags = parse_flags(words)
    for section, values in parse_settings(settings).tables.items():
        flags.tables.setdefault(section, {}).update(values)
    for note in flags.notes:
        say(f"Note: {note}")
    return compose(file, flags.tables).config


def _dry_run(config: TrainConfig, name: str | None, runs_dir: Path, json_output: bool) -> None:
    """Print what a run would be. Raises all that keeps it from starting; as JSON they are part of the object."""
    import dataclasses
    import json

    from curation.text import visible
    from engine.errors import refuse
    from engine.preflight import examine
    from engine.rundir import name_problem
    from loratui.runs.examined import as_json, rows
    from loratui.runs.overview import measured_pace

    found = examine(config, runs_dir)
    pace = measured_pace(found.config, runs_dir)
    if name is not None and (problem := name_problem(runs_dir, name)):
        found = dataclasses.replace(found, problems=(*found.problems, problem))
    if json_output:
        typer.echo(json.dumps(as_json(found, pace), indent=2))
        raise typer.Exit(0 if found.is_ready else 2)
    for label, text in rows(found, pace):
        typer.echo(f"{label:<15}{visible(text)}")
    for warning in found.warnings:
        say(f"Warning: {warning}")
    refuse(found.problems)
    say("Nothing keeps this run from starting.")
