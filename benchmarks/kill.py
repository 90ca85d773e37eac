"""Runs killed at many random moments: what was lost, and whether they ended as if nothing had been.

Run: python benchmarks/kill.py [--tries N] [--work DIR]

It prints a table of where the kills came, and adds its row to the file that LORATUI_OUTCOMES names, if it does, for
`python -m tests.faults.page`.  Two hundred kills take half an hour on one core.
"""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

# torch reads it when imported: runs are equal to the bit at an equal number of threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

from engine.models.tiny import build_tiny_sdxl
from engine.rundir import RunDir
from tests.faults.checks import DIED
from tests.faults.outcomes import Outcome, append_outcomes
from tests.faults.random_kills import kill_at_random
from tests.faults.runs import create_in, write_photos
from tests.faults.workers import workers

PLACES = {
    "events.jsonl": "a line of events.jsonl",
    ".rehearsal": "the rehearsal's files",
    "/checkpoints": "a checkpoint",
    "/output": "the export",
    "/samples": "a sample picture",
    "/class_images": "a class image",
    ".cache": "the caches",
}


def place(point: str) -> str:
    """What the worker was writing when it was killed."""
    return next((name for part, name in PLACES.items() if part in point), "status, lock or folders")


def main() -> None:
    """Kill, resume, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=int, default=200, help="kills (default: 200)")
    parser.add_argument("--work", type=Path, help="folder for the runs (default: a temporary one)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        began = time.perf_counter()
        killed = kill(options.work or Path(temporary), options.tries)
        minutes = (time.perf_counter() - began) / 60
    rows = "".join(f"| {where} | {number} |\n" for where, number in killed.most_common())
    sys.stdout.write(f"| killed while writing | times |\n|---|---|\n{rows}")
    sys.stdout.write(f"\n{options.tries} kills in {minutes:.0f} minutes; every run then ended equal to the byte.\n")
    append_outcomes(
        [
            Outcome(
                "kill::random",
                "SIGKILL at random moments (benchmarks/kill.py)",
                options.tries,
                "resumed, most runs several times; final tensors and files are equal to the byte",
                DIED,
            )
        ]
    )


def kill(work: Path, tries: int) -> Counter[str]:
    """How often workers were killed at which place. Raises AssertionError when anything is not as it should be."""
    photos, model = write_photos(work / "photos"), work / "model"
    build_tiny_sdxl(model)

    def create(number: int | str) -> RunDir:
        return create_in(work / f"runs-{number}", "dog", photos, model)

    killed: Counter[str] = Counter()
    with workers() as forking:
        reference, record = create("reference"), work / "points"
        assert forking.work(reference, record=str(record)) == 0, reference.log_file.read_text()
        points = len(record.read_text("utf-8").splitlines())
        for number, point in enumerate(kill_at_random(forking, create, reference, points, tries, record), 1):
            killed[place(point)] += 1
            sys.stderr.write(f"\r{number} of {tries} kills ")
    return killed


if __name__ == "__main__":
    main()
