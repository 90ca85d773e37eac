"""`lint` judges a folder of photos, says so in the format that is asked for, and mends it in a copy."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import typer

from curation.formats import Format
from curation.report import Severity
from curation.text import visible
from loratui.commands.mend import mend, say, show_diff
from loratui.commands.options import Photos
from loratui.photos.repointing import repointing
from loratui.progress import progress_bar

if TYPE_CHECKING:
    from curation import Dataset, Kind, Report
    from curation.lint import Selection, TrainingNeeds


CODES = "CODE[,CODE]..."
INTERRUPTED = 130


def lint(
    photos: Photos,
    kind: Annotated[
        Literal["person", "object", "style", "character"] | None,
        typer.Option(help="What is learned; chooses rules.", show_default="the config's, else object"),
    ] = None,
    select: Annotated[
        list[str] | None, typer.Option(metavar=CODES, help="Apply only these rules, by code or prefix: IMG,DUP001.")
    ] = None,
    extend_select: Annotated[
        list[str] | None, typer.Option(metavar=CODES, help="Apply these too, also from a family that is ignored.")
    ] = None,
    ignore: Annotated[list[str] | None, typer.Option(metavar=CODES, help="Leave these rules out.")] = None,
    severity: Annotated[
        list[str] | None, typer.Option(metavar="CODE=LEVEL", help="Judge a rule or a family as error, warning or info.")
    ] = None,
    fail_on: Annotated[
        Severity | None,
        typer.Option(
            help="Exit with 1 at findings of this severity or worse.", show_default="the config's, else error"
        ),
    ] = None,
    format: Annotated[Format, typer.Option(help="How the report is written; html is one file with pictures.")] = "text",
    statistics: Annotated[
        bool, typer.Option("--statistics", help="Count the findings of each rule instead of listing them.")
    ] = False,
    output_file: Annotated[Path | None, typer.Option(help="Write the report to this file, not to stdout.")] = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="Write a mended copy to PHOTOS-fixed: upright, 8-bit sRGB, no EXIF.")
    ] = False,
    unsafe_fixes: Annotated[
        bool,
        typer.Option(
            "--unsafe-fixes", help="With --fix or --diff, also crop, and leave out broken, repeated and poor."
        ),
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Instead of the report, list every change that --fix would make; make none.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(help="With --fix or --diff, the folder for the mended copy.", show_default="PHOTOS-fixed"),
    ] = None,
    update_config: Annotated[
        bool,
        typer.Option("--update-config", help="With --fix or --diff, point the lora.toml at the mended copy, unasked."),
    ] = False,
    config: Annotated[
        Path | None,
        typer.Option(help="A lora.toml: its kind, resolution, trigger word, caption column and lint settings."),
    ] = None,
) -> None:
    """Check a folder of photos before a GPU is paid for: broken files, copies, blur, faces, backgrounds, captions.

    The report is of the folder as it is. With --fix the exit code is that of the mended copy, and no original changes.

    Examples: loratui lint photos --kind person; loratui lint photos --fix --unsafe-fixes
    """
    from curation import open_dataset

    if not (fix or diff) and (unsafe_fixes or output or update_config):
        raise typer.BadParameter("--unsafe-fixes, --output and --update-config change nothing without --fix or --diff.")
    if statistics and format not in ("text", "concise", "json"):
        raise typer.BadParameter(f"--statistics is for text, concise and json, not for {format}.")
    settings = _settings(config)
    chosen = kind or settings.kind
    selection = settings.selection.over(_codes(select), _codes(extend_select), _codes(ignore), _severities(severity))
    dataset = open_dataset(photos, settings.caption_column)
    report = _lint(dataset, chosen, settings.needs, selection)
    if not diff:
        _write(report, format, statistics, output_file)
    if fix or diff:
        from curation.fixes import plan_fixes
        from curation.formats.text import verdict_line

        fixes = plan_fixes(dataset, report, unsafe_fixes, settings.needs)
        pointer = repointing(dataset, output, config, required=update_config)
        if diff:
            show_diff(dataset, fixes, output, pointer if update_config else None)
        elif (mended := mend(dataset, fixes, output, pointer, update_config)) is not dataset:
            report = _lint(mended, chosen, settings.needs, selection)
            say(f"{mended.root}: {verdict_line(report)}")
    if report.reaches(fail_on or settings.fail_on):
        raise typer.Exit(1)


@dataclass(frozen=True)
class _Settings:
    kind: "Kind"
    needs: "TrainingNeeds"
    caption_column: str
    selection: "Selection"
    fail_on: Severity


def _settings(path: Path | None) -> _Settings:
    """What lint needs of a lora.toml; the defaults without one, and then no trigger word."""
    from curation.lint import Selection, TrainingNeeds

    if path is None:
        return _Settings("object", TrainingNeeds(), "prompt", Selection(), "error")
    from engine.config import load_config
    from engine.plan import training_needs

    config = load_config(path)
    kind, column = config.concept.kind, config.data.caption_column
    return _Settings(kind, training_needs(config), column, config.lint.selection(), config.lint.fail_on)


def _codes(values: list[str] | None) -> list[str]:
    """Codes that were given apart, or joined by commas."""
    return [code.strip() for value in values or [] for code in value.split(",") if code.strip()]


def _severities(values: list[str] | None) -> dict[str, Severity]:
    levels: dict[str, Severity] = {level: level for level in get_args(Severity)}
    chosen: dict[str, Severity] = {}
    for assignment in _codes(values):
        code, _, level = assignment.partition("=")
        if level not in levels:
            raise typer.BadParameter(f"--severity {visible(assignment)}: write CODE=error, CODE=warning or CODE=info.")
        chosen[code] = levels[level]
    return chosen


def _lint(dataset: "Dataset", kind: "Kind", needs: "TrainingNeeds", selection: "Selection") -> "Report":
    """Lint with a progress bar. Interrupted, it says what is kept, and exits."""
    from curation.lint import lint

    measured = (0, len(dataset.trainable))
    with progress_bar("measuring photos") as show:

        def on_progress(done: int, total: int) -> None:
            nonlocal measured
            measured = (done, total)
            show(done, total)

        try:
            return lint(dataset, kind, needs, selection, on_progress)
        except KeyboardInterrupt:
            pass  # said below, when the bar is gone
    done, total = measured
    say(f"Interrupted: {done} of {total} photos are measured, which is kept; the next lint measures the rest.")
    raise typer.Exit(INTERRUPTED)


def _write(report: "Report", format: Format, statistics: bool, output_file: Path | None) -> None:
    """Write the report to stdout, or whole to a file; into what else has that name, such as a pipe or a device."""
    from curation.atomic import write_text
    from curation.formats import render
    from curation.formats.text import statistics_text

    if statistics and format != "json":  # json has them anyway
        text = statistics_text(report)
    else:
        with progress_bar("making pictures") as on_progress:
            text = render(report, format, on_progress)
    if output_file is not None:
        if output_file.exists() and not output_file.is_file():
            output_file.write_text(f"{text}\n", "utf-8")  # a rename would put a file in the device's place
        else:
            write_text(output_file, f"{text}\n")
        say(f"Wrote {output_file}.")
    elif format == "text":
        _print_coloured(text)
    else:
        typer.echo(text)


def _print_coloured(report: str) -> None:
    """Print to stdout: a terminal's lines break between words, anything else gets them whole."""
    from rich.console import Console
    from rich.text import Text

    text = Text(report)
    for word, style in {"error": "bold red", "warning": "bold yellow", "info": "bold cyan"}.items():
        text.highlight_regex(rf"(?m)^{word} +\w+", style)
    console = Console(highlight=False)
    console.print(text, soft_wrap=not console.is_terminal)
