"""How fast photos are linted, beside cleanvision 0.3.7 and imagededup 0.3.3 (PHash) run one after the other.

The same photos, the same checks, as many workers, in turns, each run in a process of its own and without the time of
its imports. Then what only curation has: a second lint of unchanged photos, memory, and the search for near duplicates.

Run: python benchmarks/lint.py [speed] [memory] [search]; all of them by default. The peers are installed, once, into an
environment of their own under ~/.cache/loratui-benchmarks; photos are made beside it.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).parent
CACHE = Path.home() / ".cache" / "loratui-benchmarks"
PEERS = ("cleanvision==0.3.7", "imagededup==0.3.3")
ROUNDS = 5
SIZES = ((2.4, 60), (12.0, 24))
"""Megapixels, and how many photos."""

WORKERS = (1, 2)
COUNTS = (200, 1_000, 10_000)
HASHES = (1_000, 10_000, 50_000)


def photos(megapixels: float, count: int) -> Path:
    """A folder of that many photos, made unless it is there."""
    from lint_photos import make_photos

    folder = CACHE / f"photos-{megapixels}-{count}"
    if not folder.exists():
        making = folder.with_suffix(".part")
        shutil.rmtree(making, ignore_errors=True)
        make_photos(making, megapixels, count)
        making.rename(folder)
    return folder


def peers_python() -> Path:
    """The Python of the peers' environment, installed unless it is there."""
    environment = CACHE / "peers"
    if not (environment / "installed").exists():
        subprocess.run(["uv", "venv", "--quiet", "--clear", "--python", "3.11", environment], check=True)
        python = environment / "bin" / "python"
        subprocess.run(["uv", "pip", "install", "--quiet", "--python", python, *PEERS], check=True)
        (environment / "installed").touch()
    return environment / "bin" / "python"


def run(command: Sequence[str | Path], workers: int) -> dict[str, Any]:
    """Run one measurement on so many processors, and read what it printed."""
    processors = sorted(os.sched_getaffinity(0))[:workers]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=partial(os.sched_setaffinity, 0, processors),
    )
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def lint_once(folder: Path, rules: str, workers: int, fresh: bool = True) -> dict[str, Any]:
    if fresh:
        shutil.rmtree(folder / ".loratui", ignore_errors=True)
    return run([sys.executable, HERE / "lint_once.py", folder, rules], workers)


def speed() -> None:
    """Images a second for the checks that both make, in turns, so that a busy machine slows both."""
    python = peers_python()
    for megapixels, count in SIZES:
        folder = photos(megapixels, count)
        size = sum(path.stat().st_size for path in folder.glob("*.jpg")) / count / 1e6
        for workers in WORKERS:
            ours, theirs = [], []
            for _ in range(ROUNDS):
                shutil.rmtree(folder / ".loratui", ignore_errors=True)
                peers = run([python, HERE / "lint_peers.py", folder, str(workers)], workers)
                theirs.append(peers["cleanvision"] + peers["imagededup"])
                ours.append(lint_once(folder, "shared", workers)["seconds"])
            ratios = [slow / fast for slow, fast in zip(theirs, ours, strict=True)]
            say(
                f"{megapixels:4} MP ({size:.1f} MB), workers {workers}: curation {count / median(ours):6.1f} images/s, "
                f"peers {count / median(theirs):5.2f}, {median(theirs) / median(ours):5.1f} times as fast "
                f"({min(ratios):.1f} to {max(ratios):.1f} in {ROUNDS} rounds)"
            )


def memory() -> None:
    """All rules for an object on small photos: the first lint, the second, and the most memory that each took."""
    for count in COUNTS:
        folder = photos(0.05, count)
        first = lint_once(folder, "all", 2)
        again = [lint_once(folder, "all", 2, fresh=False) for _ in range(3)]
        say(
            f"{count:6} small photos: first lint {first['seconds']:6.1f} s, {first['peak_mb']:4.0f} MB; "
            f"second lint {median(run['seconds'] for run in again):5.2f} s, "
            f"{median(run['peak_mb'] for run in again):4.0f} MB"
        )


def search() -> None:
    """Near duplicates among hashes of cuts of photographs, beside a comparison of every pair."""
    import numpy as np
    from lint_photos import hashed_cuts
    from PIL import Image

    from curation.facts.hashes import hashes_of
    from curation.near_index import HashColumns, Reach, near_pairs

    every = [hashes_of(Image.fromarray(cut)).upright for cut in hashed_cuts(max(HASHES))]
    for count in HASHES:
        columns = HashColumns.of(every[:count])
        start = time.perf_counter()
        found = near_pairs(columns, columns, Reach())
        indexed = time.perf_counter() - start
        start = time.perf_counter()
        for hashes, radius in ((columns.dhash, Reach.dhash), (columns.phash, Reach.phash)):
            for one in hashes:
                np.flatnonzero(np.bitwise_count(hashes ^ one) <= radius)
        every_pair = time.perf_counter() - start
        say(f"{count:6} hashes: {indexed:6.2f} s, every pair in turn: {every_pair:6.2f} s ({len(found)} found)")


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


def main(parts: Sequence[str]) -> None:
    sys.path.insert(0, str(HERE.parent))
    CACHE.mkdir(parents=True, exist_ok=True)
    names = ("numpy", "opencv-python-headless", "Pillow")
    say(f"{platform.platform()}, {len(os.sched_getaffinity(0))} processors, load {os.getloadavg()[0]:.1f}")
    say(f"Python {platform.python_version()}, {', '.join(f'{name} {version(name)}' for name in names)}; {PEERS}")
    say("Left out: imports of both; imagededup's neural method; faces; the checks that only one of the two makes.")
    for part in (speed, memory, search):
        if not parts or part.__name__ in parts:
            part()


if __name__ == "__main__":
    main(sys.argv[1:])
