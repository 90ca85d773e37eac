"""`explain` tells what a rule means, or lists all rules."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from curation.checks import Rule
    from curation.selection import Selection


def explain(
    code: Annotated[
        str | None, typer.Argument(help="A rule's code, as in the report: DUP001.", show_default="all")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="A lora.toml: thresholds and severities as it has them.")] = None,
) -> None:
    """Tell what a rule finds, why it matters, and its thresholds; without a code list all rules."""
    from rich.console import Console

    from curation.checks import RULES, rule
    from curation.selection import Selection
    from loratui.photos.explained import page

    selection = Selection()
    if config is not None:
        from engine.config import load_config

        selection = load_config(config).lint.selection()
    console = Console(highlight=False, markup=False)
    if code is None:
        for one in sorted(RULES.values(), key=lambda rule: rule.code):
            console.print(_line(one, selection), soft_wrap=True)
    else:
        console.print(page(selection.tuned(rule(code)), selection), soft_wrap=not console.is_terminal)


def _line(rule: "Rule", selection: "Selection") -> str:
    from loratui.photos.explained import kinds

    severity = selection.severity_of(rule.code, rule.severity)
    return f"{rule.code}  {severity:7}  {rule.name:24}  {kinds(rule)}"
