"""`lint` judges a folder of photos and mends it in a copy; `explain` tells what a rule means."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from curation.report import verdict_line
from loratui.commands.mend import mend, repointing, say, show_diff

if TYPE_CHECKING:
    from rich.text import Text

    from curation import Dataset, Kind, Report
    from curation.lint import TrainingNeeds


def lint(
    photos: Annotated[Path, typer.Argument(help="The folder of photos.")],
    kind: Annotated[
        Literal["person", "object", "style", "character"] | None,
        typer.Option(help="What is learned; chooses rules. [default: the config's, else object]", show_default=False),
    ] = None,
    format: Annotated[Literal["text", "json"], typer.Option(help="How the report is written to stdout.")] = "text",
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
        Path | None, typer.Option(help="With --fix or --diff, the folder for the mended copy. [default: PHOTOS-fixed]")
    ] = None,
    update_config: Annotated[
        bool,
        typer.Option("--update-config", help="With --fix or --diff, point the lora.toml at the mended copy, unasked."),
    ] = False,
    config: Annotated[
        Path | None, typer.Option(help="A lora.toml: its kind, resolution, trigger word, caption column and [lint].")
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(metavar="CODE", help="A rule or a family to leave out; may be repeated.")
    ] = None,
    fail_on: Annotated[
        Literal["error", "warning", "info"], typer.Option(help="Exit with 1 at findings of this severity or worse.")
    ] = "error",
) -> None:
    """Check a folder of photos before a GPU is paid for: broken files, copies, blur, faces, backgrounds, captions.

    The report is of the folder as it is. With --fix the exit code is that of the mended copy, and no original changes.

    Examples: loratui lint photos --kind person; loratui lint photos --fix --unsafe-fixes
    """
    from curation import open_dataset, to_json

    if not (fix or diff) and (unsafe_fixes or output or update_config):
        raise typer.BadParameter("--unsafe-fixes, --output and --update-config change nothing without --fix or --diff.")
    settings = _settings(config)
    chosen, ignored = kind or settings.kind, [*settings.ignore, *(ignore or [])]
    dataset = open_dataset(photos, settings.caption_column)
    report = _lint(dataset, chosen, settings.needs, ignored)
    if not diff and format == "json":
        typer.echo(to_json(report))
    elif not diff:
        _print_text(report)
    if fix or diff:
        from curation.fixes import plan_fixes

        fixes = plan_fixes(dataset, report, unsafe_fixes, settings.needs)
        pointer = repointing(dataset, output, config, required=update_config)
        if diff:
            show_diff(dataset, fixes, output, pointer if update_config else None)
        elif (mended := mend(dataset, fixes, output, pointer, update_config)) is not dataset:
            report = _lint(mended, chosen, settings.needs, ignored)
            say(f"{mended.root}: {verdict_line(report)}")
    if report.reaches(fail_on):
        raise typer.Exit(1)


def explain(code: Annotated[str, typer.Argument(help="A rule's code, as in the report: DUP001.")]) -> None:
    """Tell what a rule finds, why it matters, and its thresholds."""
    from rich.text import Text

    from curation.checks import rule

    found = rule(code)
    mends = {
        "rewrite": "lint --fix",
        "crop": "lint --fix --unsafe-fixes, by a crop",
        "exclude": "lint --fix --unsafe-fixes",
        None: "not automatically",
    }
    head = f"{found.code} {found.name} ({found.severity}; kinds: {', '.join(sorted(found.kinds))})"
    params = [f"{name} = {value}" for name, value in found.params.items()]
    _print(Text("\n".join([head, "", found.explanation, "", *params, f"mended by: {mends[found.mend]}"])))


@dataclass(frozen=True)
class _Settings:
    kind: "Kind"
    needs: "TrainingNeeds"
    caption_column: str
    ignore: list[str]


def _settings(path: Path | None) -> _Settings:
    """What lint needs of a lora.toml; the defaults without one, and then no trigger word."""
    from curation.lint import TrainingNeeds

    if path is None:
        return _Settings("object", TrainingNeeds(), "prompt", [])
    from engine.config import load_config
    from engine.plan import training_needs

    config = load_config(path)
    needs = training_needs(config)
    return _Settings(config.concept.kind, needs, config.data.caption_column, config.lint.ignore)


def _lint(dataset: "Dataset", kind: "Kind", needs: "TrainingNeeds", ignore: list[str]) -> "Report":
    """Lint with a progress bar on stderr, when that is a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    from curation.lint import Selection, lint

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("measuring photos", total=len(dataset.trainable))
        return lint(
            dataset,
            kind,
            needs,
            Selection(ignore=tuple(ignore)),
            lambda done, total: progress.update(task, completed=done),
        )


def _print_text(report: "Report") -> None:
    from rich.text import Text

    from curation.report import to_text

    text = Text(to_text(report))
    for word, style in {"error": "bold red", "warning": "bold yellow", "info": "bold cyan"}.items():
        text.highlight_regex(rf"(?m)^{word} \w+", style)
    _print(text)


def _print(text: "Text") -> None:
    """Print to stdout: a terminal's lines break between words, anything else gets them whole."""
    from rich.console import Console

    console = Console(highlight=False)
    console.print(text, soft_wrap=not console.is_terminal)
