"""Usage errors quote what was typed, where a shell may have put the names of files in the place of *."""

from typing import Any

from typer.core import TyperGroup
from typer.exceptions import TyperException

from curation.text import visible


class Group(TyperGroup):
    """A group of commands whose usage errors show control characters instead of sending them to the terminal."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except TyperException as error:
            lines = getattr(error, "message", "").split("\n")
            if any(lines):
                setattr(error, "message", "\n".join(map(visible, lines)))  # noqa: B010 - typer does not type it
            raise
