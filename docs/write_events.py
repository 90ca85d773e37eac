"""Write docs/events.md from the docstrings and fields of engine.events: python docs/write_events.py"""

import dataclasses
import inspect
import re
from pathlib import Path

from engine.events import TYPES, VERSION, Event

PAGE = Path(__file__).parent / "events.md"
JSON_NAMES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "None": "null"}
JSON_NAMES |= {"dict": "object", "list": "array"}

INTRODUCTION = f"""# Events of a run

<!-- Written by docs/write_events.py from engine/events.py. -->

A worker appends one JSON object a line to `runs/NAME/events.jsonl`. Every object has `v` (the version of this format,
now {VERSION}), `time` (seconds since the epoch) and `type`, and the fields of its type. Lines are only ever added. The
last line may be half-written: wait for its newline. Ignore types and fields that you do not know.

A run that is resumed goes on in the same file with another `started`. Its end is `paused`, `stopped`, `failed` or
`finished`; when the worker is gone without one of them, the run died. Ask `loratui runs --json` for the true state.
"""


def page() -> str:
    """The text of docs/events.md."""
    return "\n".join([INTRODUCTION, *map(_section, TYPES.values())])


def _section(event: type[Event]) -> str:
    own = [field for field in dataclasses.fields(event) if field.name != "time"]
    rows = [f"| `{field.name}` | `{_name(field.type)}` |" for field in own]
    heading = f"## {event.type}\n\n{inspect.getdoc(event)}\n"
    return "\n".join([heading, "| field | type |", "| --- | --- |", *rows, ""]) if rows else heading


def _name(annotation: object) -> str:
    python_name = annotation.__name__ if type(annotation) is type else str(annotation)
    return re.sub(r"\w+", lambda word: JSON_NAMES.get(word[0], word[0]), python_name).replace("|", "or")


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
