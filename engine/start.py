"""From a config to a working run: check, make the folder, launch the worker."""

from pathlib import Path

from engine.config import TrainConfig
from engine.extras import require
from engine.launcher import launch
from engine.preflight import preflight
from engine.rundir import RunDir, create_run, free_name


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
