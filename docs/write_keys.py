"""Write docs/keys.md from the bindings of the TUI's screens: python docs/write_keys.py"""

from collections.abc import Iterable
from pathlib import Path

from textual.dom import DOMNode

from loratui.app import LoratuiApp
from loratui.screens import MODES, screen_of
from loratui.screens.step import StepScreen
from loratui.user.keymap import KeyedAction, actions_of, everywhere, key_name, owners, title_of
from loratui.widgets.step_strip import STEPS

PAGE = Path(__file__).parent / "keys.md"

INTRODUCTION = """# Keys

<!-- Written by docs/write_keys.py from the bindings of the screens. -->

Keys are letters, so in a text field they type; `esc` leaves the field. `?` shows the keys of the screen one is on, and
`ctrl+p` searches all actions of all screens. The mouse acts too: a click on a row, a key of the last line, a button.

An action gets another key in `~/.config/loratui/config.toml`, by its id:

```toml
[keys]
"photos.open" = "ctrl+o"
"captions.save" = ["ctrl+s", "W"]
```

`loratui config keys` lists the ids with the keys as they are now, and says what of `[keys]` cannot be had: an unknown
id, a key that another action has on the same screen, or one that tmux, screen or the terminal keeps for itself.
"""


def page() -> str:
    """The text of docs/keys.md."""
    for_all = [*everywhere(LoratuiApp), StepScreen]
    screens = [screen_of(mode) for mode in MODES]
    rest = [kind for kind in owners() if kind not in for_all and kind not in screens]
    sections = [_section("Everywhere", for_all)]
    sections += [_section(_heading(kind), [kind]) for kind in screens]
    sections += [_section(title_of(kind), [kind]) for kind in rest]
    return "\n".join([INTRODUCTION, *filter(None, sections)])


def _heading(kind: type[StepScreen]) -> str:
    modes = list(STEPS)
    return f"{modes.index(kind.mode) + 1} {title_of(kind)}" if kind.mode in modes else title_of(kind)


def _section(title: str, kinds: Iterable[type[DOMNode]]) -> str:
    rows = [_row(action) for kind in kinds for action in actions_of(kind)]
    return (
        "\n".join([f"## {title}\n", "| Key | Id | | What it does |", "| --- | --- | --- | --- |", *rows, ""])
        if rows
        else ""
    )


def _row(action: KeyedAction) -> str:
    keys = " ".join(f"`{key_name(key)}`" for key in action.keys)
    meaning = action.meaning.replace("|", r"\|")
    return f"| {keys} | `{action.id}` | {action.title} | {meaning} |"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
