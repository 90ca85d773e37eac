"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer


def _photos_folder(named: str) -> Path:
    from curation.hub import photos_folder  # with Pillow and numpy

    if not named:  # a shell's unset variable; as a path it would be the folder one stands in
        raise typer.BadParameter("name the folder of photos.")
    return photos_folder(named)


Photos = Annotated[
    Path,
    typer.Argument(
        parser=_photos_folder, metavar="PHOTOS", help="The folder of photos, or a dataset of the hub: user/name."
    ),
]
CaptionColumn = Annotated[
    str,
    typer.Option("--caption-column", "--caption_column", metavar="NAME", help="Column that holds the captions."),
]

RunsDir = Annotated[Path, typer.Option("--runs-dir", envvar="LORATUI_RUNS", help="Folder that holds the runs.")]


def _names_of_runs(context: typer.Context, incomplete: str) -> list[str]:
    """For the shell, which completes a name at the press of a key."""
    from engine.rundir import list_runs

    names = (run.name for run in list_runs(Path(context.params.get("runs_dir") or "runs")))
    return [name for name in names if name.startswith(incomplete)]


RunName = Annotated[
    str,
    typer.Argument(metavar="RUN", help="A run's name, or the path of its folder.", autocompletion=_names_of_runs),
]
RunNames = Annotated[
    list[str],
    typer.Argument(metavar="RUN...", help="Runs' names, or paths of their folders.", autocompletion=_names_of_runs),
]
Detach = Annotated[bool, typer.Option("--detach", help="Return at once; the run goes on. Prints the run's name.")]
Foreground = Annotated[
    bool, typer.Option("--foreground", help="Own the run: SIGTERM and SIGINT stop it, with a checkpoint.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Override one setting of lora.toml; may be repeated."),
]
