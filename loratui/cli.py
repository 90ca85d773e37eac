"""The command line: `loratui` opens the TUI, `loratui COMMAND` does one step without it."""

import io
import sys
import traceback
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from curation import telemetry
from curation.errors import StatedError
from curation.redaction import redacted
from engine.errors import each_problem
from loratui.commands import (
    caption,
    cleanup,
    compare,
    crop,
    demo,
    doctor,
    exclude,
    explain,
    history,
    lifecycle,
    lint,
    log,
    models,
    project,
    results,
    runs,
    suppress,
    train,
    watch,
)
from loratui.commands.options import RunsDir
from loratui.usage import Group

app = typer.Typer(
    name="loratui",
    cls=Group,
    help="From a folder of photos to an SDXL DreamBooth LoRA, in a terminal.\n\nWithout a command: the TUI.",
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 fine; 1 the work found problems; 2 wrong usage or settings; 130 interrupted.",
)

PHOTOS, TRAINING, RESULTS = "Photos", "Training", "Results"
app.command(rich_help_panel=PHOTOS)(lint.lint)
app.command(rich_help_panel=PHOTOS)(explain.explain)
app.command(rich_help_panel=PHOTOS)(suppress.suppress)
app.command(rich_help_panel=PHOTOS)(exclude.exclude)
app.command(rich_help_panel=PHOTOS)(exclude.include)
app.command(rich_help_panel=PHOTOS)(crop.crop)
app.add_typer(caption.app, name="caption", rich_help_panel=PHOTOS)
app.command(rich_help_panel=PHOTOS)(history.undo)
app.command(rich_help_panel=PHOTOS)(history.redo)
app.command(rich_help_panel=PHOTOS)(history.history)
app.add_typer(models.app, name="models", rich_help_panel=PHOTOS)
app.command(rich_help_panel=TRAINING)(project.init)
app.add_typer(project.config_app, name="config", rich_help_panel=TRAINING)
app.command(
    rich_help_panel=TRAINING,
    options_metavar="[LORA.TOML] [OPTIONS] [--KEY VALUE]...",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)(train.train)
app.command("runs", rich_help_panel=TRAINING)(runs.list_all)
app.command(rich_help_panel=TRAINING)(watch.attach)
app.command(rich_help_panel=TRAINING)(log.log)
app.command(rich_help_panel=TRAINING)(lifecycle.stop)
app.command(rich_help_panel=TRAINING)(lifecycle.pause)
app.command("continue", rich_help_panel=TRAINING)(lifecycle.continue_)
app.command(rich_help_panel=TRAINING)(lifecycle.resume)
app.command("rm", rich_help_panel=TRAINING)(cleanup.remove)
app.command("gc", rich_help_panel=TRAINING)(cleanup.collect_garbage)
app.command(rich_help_panel=RESULTS)(results.generate)
app.command(rich_help_panel=RESULTS)(results.export)
app.command(rich_help_panel=RESULTS)(results.files)
app.command(rich_help_panel=RESULTS)(compare.compare)
app.command(rich_help_panel=RESULTS)(results.verify)
app.command()(demo.demo)
app.command()(doctor.doctor)


@app.callback(invoke_without_command=True)
def open_tui(
    context: typer.Context,
    runs_dir: RunsDir = Path("runs"),
    photos: Annotated[Path | None, typer.Option(help="Open the TUI on this folder of photos.")] = None,
    run: Annotated[str | None, typer.Option(metavar="RUN", help="Open the TUI on this run.")] = None,
    mouse: Annotated[bool, typer.Option("--mouse/--no-mouse", help="Whether the mouse acts in the TUI.")] = True,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """From a folder of photos to an SDXL DreamBooth LoRA, in a terminal. Without a command: the TUI."""
    if context.invoked_subcommand is None:
        from loratui.terminal.probe import asking

        with asking() as probe:
            from curation.hub import photos_folder
            from loratui.session import run_app  # 500 ms, in which the terminal answers

            terminal = probe.answer()
        raise typer.Exit(run_app(photos and photos_folder(photos), runs_dir, run, mouse, terminal))


def main() -> None:
    """The entry point: expected failures are two sentences on stderr and exit code 2."""
    telemetry.switch_off()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that the terminal's encoding lacks is still shown
    try:
        app()
    except StatedError as error:
        _refuse(*((each.problem, each.remedy) for each in each_problem(error)))
    except OSError as error:  # a full disk, a read-only folder, a path that runs through a file
        where = f" ({error.filename})" if error.filename else ""
        _refuse(
            (
                f"The system refused: {error.strerror or error}{where}.",
                "Check that this place is there, may be written to, and has room.",
            )
        )


def _refuse(*refusals: tuple[str, str]) -> NoReturn:
    """Say what is wrong and what to do, each in turn, and exit; called while an exception is handled."""
    from rich.console import Console
    from rich.text import Text

    from curation.text import visible

    if "--debug" in sys.argv:
        sys.stderr.write(redacted(traceback.format_exc()))
    console = Console(stderr=True, soft_wrap=True)
    for problem, remedy in refusals:
        console.print(Text.assemble(("Error: ", "bold red"), visible(problem)))
        console.print(Text(visible(remedy)))
    sys.exit(2)
