"""`doctor`: what this machine can do, and the line that mends what it cannot."""

from typing import Annotated

import typer

STYLES = {"ok": "green", "info": "cyan", "warning": "yellow", "error": "bold red"}


def doctor(
    json_output: Annotated[bool, typer.Option("--json", help="One JSON object: version, ok, checks.")] = False,
) -> None:
    """Look at Python, packages, GPU, disk, model hub and terminal; exit code 1 when something must be mended."""
    import json
    from dataclasses import asdict

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from curation.text import visible
    from loratui.doctor import examine

    checks = examine()
    ok = all(check.level != "error" for check in checks)
    if json_output:
        typer.echo(json.dumps({"version": 1, "ok": ok, "checks": [asdict(check) for check in checks]}, indent=2))
        raise typer.Exit(0 if ok else 1)
    table = Table.grid(padding=(0, 2, 0, 0))
    for check in checks:
        table.add_row(Text(check.level, STYLES[check.level]), check.name, Text(visible(check.detail)))
        if check.remedy:
            table.add_row("", "", Text(visible(check.remedy), "bold"))
    Console().print(table)
    raise typer.Exit(0 if ok else 1)
