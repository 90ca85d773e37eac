"""The plan of a recipe, in lines: what is wrong first, then steps, time, room and memory, then what is good to know."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from curation.errors import StatedError
from engine.config import TrainConfig
from engine.plan import plan, resolve
from loratui.runs.examined import Pace, machine_rows, plan_rows, time_row

if TYPE_CHECKING:
    from engine.preflight import Examination


@dataclass(frozen=True)
class Examined:
    """What was looked at in the background."""

    examination: Examination
    pace: Pace | None


def plan_text(config: TrainConfig, photos: int, found: Examined | None) -> str:
    """config: not resolved.  found: None before everything was looked at."""
    config = resolve(config)
    arithmetic = plan(config, photos)
    rows = [text for _, text in plan_rows(config, arithmetic)]
    if found is None:
        return "\n".join([*rows, "Looking at photos, model, disk and GPU memory ..."])
    problems = [told(found.examination.problems)] if found.examination.problems else []
    machine = [time_row(config, arithmetic, found.pace), *machine_rows(found.examination)]
    warnings = [f"! {warning}" for warning in found.examination.warnings]
    return "\n".join([*problems, *rows, *(f"{label}: {text}" for label, text in machine), *warnings])


def told(problems: Iterable[StatedError]) -> str:
    """Each with what to do about it."""
    return "\n".join(f"\N{BALLOT X} {each.problem} {each.remedy}" for each in problems)
