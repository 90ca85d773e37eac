"""The entry point: without a word `loratui` opens the TUI, with words it is the command line."""

import io
import os
import sys
import traceback
from typing import NoReturn

from curation import telemetry
from curation.errors import StatedError
from curation.redaction import redacted
from engine.errors import each_problem

COMPLETION = "_LORATUI_COMPLETE"
"""Set by the shell that asks how a word goes on."""


def main() -> None:
    """The entry point: expected failures are two sentences on stderr and exit code 2."""
    telemetry.switch_off()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that the terminal's encoding lacks is still shown
    try:
        if len(sys.argv) > 1 or COMPLETION in os.environ:
            from loratui.command_line import app

            app()
        else:
            from loratui.opening import open_tui

            sys.exit(open_tui())
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
