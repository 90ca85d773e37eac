"""From a config to a working run: check, make the folder, launch the worker; and the same for one that goes on."""

from dataclasses import dataclass
from pathlib import Path

from engine.box import box_problems
from engine.config import Tables, TrainConfig, save_config, with_settings
from engine.data.examples import read_examples
from engine.differences import Difference, differences
from engine.errors import EngineError, refuse
from engine.extras import require
from engine.fingerprint import recorded_fingerprint, take_fingerprint
from engine.launcher import launch, must_be_launchable
from engine.machines import with_machines
from engine.paths import typed_path
from engine.plan import plan, resolve, with_processes
from engine.preflight import preflight
from engine.preflight.frozen import frozen
from engine.preflight.photos import open_photos
from engine.rundir import RunDir, create_run, free_name
from engine.training.manifest import newest_checkpoint, set_aside_damaged


def start_run(config: TrainConfig, runs_dir: Path, name: str | None = None) -> tuple[RunDir, tuple[str, ...]]:
    """Start a new run named `name`, or after output_dir or the photos' folder; returns it and the warnings.

    Raises MissingExtra without the training packages, and EngineError or CurationError for what preflight finds.
    """
    require("train", "loratui train")
    checked = preflight(config, runs_dir)
    output_dir = checked.config.output.output_dir
    stem = Path(output_dir).name if output_dir else checked.dataset.root.name
    run = create_run(runs_dir, name or free_name(runs_dir, stem), checked.config)
    launch(run)
    return run, checked.warnings


@dataclass(frozen=True)
class Resumption:
    """How a run would go on.

    config: what it would be from then on.  checkpoint: the newest whole one, None to begin anew.  passed_over: a
    sentence for each newer one.  differences: what has changed since it; None where it does not say what it was
    trained on.
    """

    config: TrainConfig
    checkpoint: Path | None
    passed_over: tuple[str, ...]
    differences: tuple[Difference, ...] | None


def prepare_resumption(run: RunDir, settings: Tables) -> Resumption:
    """Compare a run's newest whole checkpoint with its config.toml, changed by `settings`, and its photos as they are.

    Nothing is written or loaded.  Raises EngineError and CurationError for what cannot go on at all.
    """
    must_be_launchable(run)
    config = _frozen_anew(run, resolve(_with_changes(run.config(), settings)))
    known = {str(problem) for problem in box_problems(run.config())}  # a disk that is away: the worker warns of it
    refuse(tuple(problem for problem in box_problems(config) if str(problem) not in known))
    folder, passed_over = newest_checkpoint(run)
    if folder and config.run.max_train_steps and config.run.max_train_steps < int(folder.name):
        raise EngineError(
            f"The run {run.name} is at step {int(folder.name)} already, and max_train_steps is "
            f"{config.run.max_train_steps}.",
            f"Set more steps, or take what there is: loratui export {run.address}",
        )
    before = recorded_fingerprint(folder) if folder else None
    changes = None
    if before:
        changes = tuple(differences(before, take_fingerprint(config, read_examples(config), before)))
    return Resumption(config, folder, tuple(passed_over), changes)


def _with_changes(config: TrainConfig, settings: Tables) -> TrainConfig:
    """On another number of processes a step keeps its photos, unless its micro-batches are set too."""
    changed = with_settings(config, settings)
    if "accelerate_config" in settings.get("run", {}):  # which says anew how many they are
        changed = with_machines(with_settings(config, {**settings, "run": {"num_processes": 1, **settings["run"]}}))
    if "gradient_accumulation_steps" in settings.get("run", {}):
        return changed
    shared = with_processes(config, changed.run.num_processes).run.gradient_accumulation_steps
    return with_settings(changed, {"run": {"gradient_accumulation_steps": shared}})


def resume_run(run: RunDir, resumption: Resumption) -> None:
    """Launch the worker of a run that goes on, with its config as `resumption` has it."""
    must_be_launchable(run)
    if resumption.config != run.config():
        save_config(resumption.config, run.config_file)
    if resumption.checkpoint is None:
        set_aside_damaged(run)
    launch(run)


def _frozen_anew(run: RunDir, config: TrainConfig) -> TrainConfig:
    """As for a new run, for paths that were changed since. Raises EngineError for photos that are not there."""
    folder = config.data.instance_data_dir
    if folder and not config.data.dataset_name and not typed_path(folder).is_dir():
        raise EngineError(
            f"The run's photos are not there any more: there is no folder {folder}.",
            f"Put it back, or name its new place: loratui resume {run.address} --set data.instance_data_dir=FOLDER",
        )
    dataset, problems = open_photos(config)
    for problem in problems:
        if isinstance(problem, Exception):
            raise problem
    assert dataset, "without photos there is a problem"
    return frozen(config, dataset, plan(config, len(dataset.trainable)))
