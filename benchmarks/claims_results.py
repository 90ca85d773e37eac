"""What came of the runs, one JSON line each, under a key that changes with all that a run depends on."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from benchmarks.claims_questions import RECIPE, Condition, Settings, laid_over
from engine.errors import EngineError
from engine.mini.model import MINI
from engine.models.files import find_model

VERSION = 1
"""Of what is trained and of how it is graded: raise it, and every run is done anew."""
JUDGE = MINI.with_name("judge.safetensors")


@dataclass(frozen=True)
class Record:
    """One run.  grades: by measure; none where it failed, and then problem says why.  seconds: of CPU, to train.

    photos: that it trained on.  findings: how many of them each lint rule names as a warning or an error.
    """

    key: str
    seed: int
    grades: Mapping[str, float] = field(default_factory=dict)
    photos: int = 0
    findings: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    problem: str = ""


@dataclass(frozen=True)
class Job:
    """A run to be done.  weights: their `digest`.  overrides: settings laid over the condition's."""

    condition: Condition
    seed: int
    model: str
    weights: str
    overrides: Settings

    @property
    def key(self) -> str:
        """The same for the same run, whatever its model is called."""
        settings = laid_over(RECIPE, self.condition.settings, self.overrides)
        described = [asdict(replace(self.condition, settings=settings)), self.seed, self.weights, VERSION]
        return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:16]


class Results:
    """The file of records: a line is written whole or, when the machine dies, left out at the next reading."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def read(self) -> dict[str, Record]:
        """The last record of each key that did not fail, and failed ones where there is no other."""
        records: dict[str, Record] = {}
        for line in self.file.read_bytes().splitlines() if self.file.exists() else []:
            record = _parsed(line)
            if record and not (record.problem and record.key in records):
                records[record.key] = record
        return records

    def add(self, record: Record) -> None:
        """Append it, behind whatever a torn line left."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("ab") as file:
            torn = file.tell() > 0 and not self.file.read_bytes().endswith(b"\n")
            file.write(b"\n" * torn + json.dumps(asdict(record)).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())


def _parsed(line: bytes) -> Record | None:
    try:
        return Record(**json.loads(line))
    except (ValueError, TypeError):
        return None


def digest(model: str) -> str:
    """Changes with the weights of the model, wherever they lie, and of the judge.

    Raises EngineError when the model is not on this disk.
    """
    folder = find_model(model)
    if folder is None or not folder.is_dir():
        raise EngineError(f"There is no model {model} here.", "Give a diffusers folder with --model.")
    weights = {file.relative_to(folder).as_posix(): file for file in sorted(folder.rglob("*.safetensors"))}
    digest = hashlib.sha256()
    for name, file in (weights | {"judge": JUDGE}).items():
        digest.update(name.encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]
