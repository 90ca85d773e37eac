"""The keys of all actions: those the program gives them, those a user gives them, and what is wrong with the latter."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from textual.app import App
from textual.binding import Binding
from textual.dom import DOMNode
from textual.keys import format_key
from textual.screen import ModalScreen

from curation.errors import StatedError

# What never reaches the program, or comes as another key.
TAKEN = {
    "ctrl+a": "screen takes it",
    "ctrl+b": "tmux takes it",
    "ctrl+h": "terminals send it for backspace",
    "ctrl+i": "terminals send it for tab",
    "ctrl+j": "terminals send it for enter",
    "ctrl+m": "terminals send it for enter",
    "ctrl+enter": "terminals do not tell it from enter",
    "ctrl+z": "the shell takes it",
    "ctrl+s": "terminals stop on it",
}
NAMES = {"escape": "esc", "pagedown": "pgdn", "pageup": "pgup", "delete": "del"}


@dataclass(frozen=True)
class KeyedAction:
    """One action of a screen, a widget or the whole app, with its keys.

    id: what preferences call it; empty for one that cannot be rebound.  owner: the class that declares it.
    """

    id: str
    keys: tuple[str, ...]
    action: str
    title: str
    meaning: str
    owner: type[DOMNode]


def actions_of(kind: type[DOMNode], keymap: Mapping[str, str] | None = None) -> list[KeyedAction]:
    """The actions that a class itself declares, with the keys that `keymap` gives them, else their own."""
    found: dict[tuple[str, str], KeyedAction] = {}
    inherited = [binding for base in kind.__mro__[1:] for binding in vars(base).get("BINDINGS", [])]
    for binding in vars(kind).get("BINDINGS", []):
        if not isinstance(binding, Binding) or binding in inherited:
            continue
        typed = (keymap or {}).get(binding.id or "", binding.key)
        keys = tuple(key.strip() for key in typed.split(","))
        place = (binding.id or "", binding.action)
        if place in found and not (keymap and binding.id in keymap):
            keys = (*found[place].keys, *keys)
        found[place] = KeyedAction(
            binding.id or "", keys, binding.action, binding.description, binding.tooltip or "", kind
        )
    return list(found.values())


def owners() -> list[type[DOMNode]]:
    """Every class that declares keys: those of all screens, the screens as they stand on the road, then the rest."""
    import importlib
    import pkgutil

    from loratui import screens, widgets
    from loratui.app import LoratuiApp
    from loratui.screens.step import StepScreen

    names = [
        found.name
        for package in (screens, widgets)
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
    ]
    rest = [
        kind
        for name in names
        for kind in vars(importlib.import_module(name)).values()
        if isinstance(kind, type) and issubclass(kind, DOMNode) and kind.__module__ == name
    ]
    kinds = dict.fromkeys(
        [*everywhere(LoratuiApp), StepScreen, *map(screens.screen_of, screens.MODES), *sorted(rest, key=title_of)]
    )
    return [kind for kind in kinds if "BINDINGS" in vars(kind)]


def everywhere(app: type[App]) -> list[type[DOMNode]]:
    """The classes whose keys the app has on every screen."""
    return [kind for kind in app.__mro__ if kind.__module__.startswith("loratui")]


def checked_keymap(wanted: Mapping[str, str | list[str]]) -> tuple[dict[str, str], list[StatedError]]:
    """What Textual's `set_keymap` takes, and what of `wanted` cannot be had; that is left out, so the default stays."""
    actions = {action.id: action for kind in owners() for action in actions_of(kind) if action.id}
    keymap: dict[str, str] = {}
    problems: list[StatedError] = []
    for id, typed in wanted.items():
        keys = [key.strip() for key in (typed.split(",") if isinstance(typed, str) else typed)]
        if problem := _problem(id, keys, actions):
            problems.append(problem)
        else:
            keymap[id] = ",".join(keys)
    while clash := next(_clashes(actions.values(), keymap), None):
        key, mine, other = clash
        del keymap[mine]
        told = f"[keys] {mine}: the key {key} is also that of {other}."
        problems.append(StatedError(told, "Give one of them another key."))
    return _with_sharers(keymap, actions.values()), problems


def key_name(key: str) -> str:
    """A key as its users know it: `?` for question_mark, `ctrl+p` as it is."""
    *modifiers, last = key.split("+")
    character = format_key(last)
    name = character if len(character) == 1 and character.isascii() else NAMES.get(last, last)
    return "+".join([*modifiers, name])


def title_of(owner: type[DOMNode]) -> str:
    """What a class's keys are for, in words: `RowList` is "Row list", `CaptionsScreen` "Captions"."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", owner.__name__.removesuffix("Screen"))
    return words[:1] + words[1:].lower()


def _problem(id: str, keys: list[str], actions: Mapping[str, KeyedAction]) -> StatedError | None:
    if id not in actions:
        from engine.config import nearest  # 100 ms, with pydantic

        return StatedError(
            f"[keys] {id} is no action{nearest(id, list(actions))}.", "See them all with: loratui config keys"
        )
    if not keys or not all(keys):
        return StatedError(f"[keys] {id} has no key.", 'Write one, such as "ctrl+g", or take the line out.')
    for key in keys:
        if key in TAKEN:
            return StatedError(f"[keys] {id}: {key} cannot be had, for {TAKEN[key]}.", "Choose another key.")
    return None


def _with_sharers(keymap: Mapping[str, str], actions: Collection[KeyedAction]) -> dict[str, str]:
    """Those that share a key with an action that gets another keep it: unless told, Textual takes it from them all."""
    kept = dict(keymap)
    moved = [action for action in actions if action.id in keymap]
    while moved:
        mine = moved.pop()
        for other in actions:
            if other.id not in kept and _meet(mine.owner, other.owner) and _names(mine.keys) & _names(other.keys):
                kept[other.id] = ",".join(other.keys)
                moved.append(other)
    return kept


def _clashes(actions: Collection[KeyedAction], keymap: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """A key that the user gave to an action, that action, and another that has it already on the same screen."""
    for mine in actions:
        if mine.id not in keymap:
            continue
        keys = _names(keymap[mine.id].split(","))
        for other in actions:
            if other is not mine and _meet(mine.owner, other.owner):
                others = keymap[other.id].split(",") if other.id in keymap else other.keys
                yield from ((key, mine.id, other.id) for key in keys & _names(others))


def _names(keys: Iterable[str]) -> set[str]:
    """The same key is typed in several ways: `?` and question_mark."""
    return {key_name(key) for key in keys}


def _meet(one: type[DOMNode], other: type[DOMNode]) -> bool:
    """Whether keys of both act at the same time: those of a dialog only among themselves."""
    if one is other:
        return True
    everywhere = any(issubclass(kind, App) or kind.__name__ == "StepScreen" for kind in (one, other))
    return everywhere and not any(issubclass(kind, ModalScreen) for kind in (one, other))
