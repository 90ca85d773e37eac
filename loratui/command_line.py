"""The command line: `loratui` opens the TUI, `loratui COMMAND` does one step without it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from loratui.commands.options import RunsDir
from loratui.usage import Group

PHOTOS, TRAINING, RESULTS = "Photos", "Training", "Results"


@dataclass(frozen=True)
class Listed:
    """A command, or a group of some, and where it is: `module:name` below loratui.commands.  panel: of the help."""

    place: str
    panel: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def imported(self, name: str) -> Any:
        """The command as it is called by this name."""
        module, _, called = self.place.partition(":")
        found = getattr(import_module(f"loratui.commands.{module}"), called)
        shelf = typer.Typer(add_completion=False, callback=lambda: None)
        if isinstance(found, typer.Typer):
            shelf.add_typer(found, name=name, rich_help_panel=self.panel)
        else:
            shelf.command(name, rich_help_panel=self.panel, **self.options)(found)
        group: Any = typer.main.get_command(shelf)
        return group.commands[name]


LISTED = {
    "lint": Listed("lint:lint", PHOTOS),
    "explain": Listed("explain:explain", PHOTOS),
    "suppress": Listed("suppress:suppress", PHOTOS),
    "exclude": Listed("exclude:exclude", PHOTOS),
    "include": Listed("exclude:include", PHOTOS),
    "crop": Listed("crop:crop", PHOTOS),
    "undo": Listed("history:undo", PHOTOS),
    "redo": Listed("history:redo", PHOTOS),
    "history": Listed("history:history", PHOTOS),
    "init": Listed("project:init", TRAINING),
    "train": Listed(
        "train:train",
        TRAINING,
        {
            "options_metavar": "[LORA.TOML] [OPTIONS] [--KEY VALUE]...",
            "context_settings": {"allow_extra_args": True, "ignore_unknown_options": True},
        },
    ),
    "runs": Listed("runs:list_all", TRAINING),
    "attach": Listed("watch:attach", TRAINING),
    "log": Listed("log:log", TRAINING),
    "stop": Listed("lifecycle:stop", TRAINING),
    "pause": Listed("lifecycle:pause", TRAINING),
    "continue": Listed("lifecycle:continue_", TRAINING),
    "resume": Listed("lifecycle:resume", TRAINING),
    "rm": Listed("cleanup:remove", TRAINING),
    "gc": Listed("cleanup:collect_garbage", TRAINING),
    "generate": Listed("results:generate", RESULTS),
    "export": Listed("results:export", RESULTS),
    "files": Listed("results:files", RESULTS),
    "compare": Listed("compare:compare", RESULTS),
    "verify": Listed("results:verify", RESULTS),
    "demo": Listed("demo:demo"),
    "doctor": Listed("doctor:doctor"),
    "caption": Listed("caption:app", PHOTOS),
    "models": Listed("models:app", PHOTOS),
    "config": Listed("project:config_app", TRAINING),
}


class Imported(Mapping[str, Any]):
    """The commands by name, each imported when it is asked for: a start waits for none but its own."""

    def __getitem__(self, name: str) -> Any:
        return LISTED[name].imported(name)

    def __iter__(self) -> Iterator[str]:
        return iter(LISTED)

    def __len__(self) -> int:
        return len(LISTED)


class Commands(Group):
    """All commands of loratui."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands: Any = Imported()


app = typer.Typer(
    name="loratui",
    cls=Commands,
    help="From a folder of photos to an SDXL DreamBooth LoRA, in a terminal.\n\nWithout a command: the TUI.",
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 fine; 1 the work found problems; 2 wrong usage or settings; 130 interrupted.",
)


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
    if context.invoked_subcommand is not None:
        _refuse_options_of_the_tui(context, context.invoked_subcommand)
        return
    from loratui.opening import open_tui

    raise typer.Exit(open_tui(photos, runs_dir, run, mouse))


def _refuse_options_of_the_tui(context: typer.Context, command: str) -> None:
    """Raises BadParameter for one typed before a command: who wrote it there means the command to act on it."""
    for option in ("runs_dir", "photos", "run"):
        source = context.get_parameter_source(option)
        if source is not None and source.name == "COMMANDLINE":
            words = f"before a command it would say nothing to {command}. Write it after {command}, if that takes it."
            raise typer.BadParameter(words, param_hint=f"--{option.replace('_', '-')}")
