"""docs/reliability.md from what the tests of faults found; runs none of them: `python -m tests.faults.page FILE`."""

import os
import platform
import re
import sys
import time
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path

from curation.atomic import write_text
from tests.faults.outcomes import FILE_VARIABLE, Outcome, read_outcomes

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
LIBRARIES = ("torch", "diffusers", "transformers", "peft")
TESTS_FOLDER = re.compile(r"/[^\s']*/pytest-of-[^/]+/pytest-\d+/(popen-\w+/)?[^/]+/")
HEAD = """\
# Reliability

What was done to runs, how often, and what came of it. Each row is told by a test in `tests/faults`, which makes the
fault and checks what the row says; nothing here was written by hand. All these tests run in `.ci/run`; this page is of
{date}: tries: {tries}, kinds of fault: {faults}, {failed}, on {machine} ({versions}).

```sh
{variable}=outcomes.jsonl pytest tests/faults -m "slow or not slow"
{variable}=outcomes.jsonl python benchmarks/kill.py  # more random kills
python -m tests.faults.page outcomes.jsonl
```

The run that is broken has everything on that draws by chance or writes files: buckets, flips, LoRA dropout, shuffled
and dropped captions, class images, accumulation, pivotal tuning, sample pictures, checkpoints of which two are kept.
*Equal to the byte* compares its last checkpoint's tensors and its exported files with those of a run that nothing
happened to, on the CPU. After each kill it is also checked that every checkpoint and exported file that can be seen is
whole, that none that was announced is gone, and that `loratui runs --json` says what is so.

A kill comes before one of the changes that a worker makes to the disk: each file's creation, its first write and the
second half of it, its rename, each line of events.jsonl and the half of it. Between two of these nothing changes that
outlives a process, so these are all the moments there are, short of a power cut.

| fault | tries | outcome | what the user is told |
|---|---|---|---|
"""


def page(outcomes: Iterable[Outcome]) -> str:
    """The page, whole; a fault that several tests make is one row for each outcome."""
    outcomes = list(outcomes)
    failed = sum(not outcome.held for outcome in outcomes)
    machine = (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPU cores, Python {platform.python_version()}"
    )
    head = HEAD.format(
        date=time.strftime("%Y-%m-%d"),
        tries=sum(outcome.tries for outcome in outcomes),
        faults=len({outcome.fault for outcome in outcomes}),
        failed="all held" if not failed else f"**tests that failed: {failed}**",
        machine=machine,
        versions=", ".join(f"{name} {version(name)}" for name in LIBRARIES),
        variable=FILE_VARIABLE,
    )
    return head + "".join(f"{row}\n" for row in _rows(outcomes))


def _rows(outcomes: Iterable[Outcome]) -> Iterator[str]:
    tries: dict[tuple[str, str, str], int] = {}
    for outcome in outcomes:
        words = outcome.outcome if outcome.held else f"**{outcome.outcome}**: `{outcome.test}`"
        key = (outcome.fault, words, outcome.told)
        tries[key] = tries.get(key, 0) + outcome.tries
    for (fault, words, told), number in tries.items():
        yield "| " + " | ".join(_cell(text) for text in (fault, str(number), words, told)) + " |"


def _cell(text: str) -> str:
    return " ".join(TESTS_FOLDER.sub("", text).split()).replace("|", "\\|")


def main() -> None:
    """Write the page from the file that is the only argument."""
    write_text(PAGE, page(read_outcomes(Path(sys.argv[1]))))


if __name__ == "__main__":
    main()
