"""Two thousand damaged files: each is judged, none ends the scan or fills the memory, and none is half decoded."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from curation.facts.measure import measure
from curation.facts.parts import Part
from tests.curation.damage import bomb, damaged_files, whole_files, write_damaged

PARTS: frozenset[Part] = frozenset({"tones", "hashes", "colours"})
"""Of the photo in grey, and of the photo in colour."""

FILES = 2000
MEMORY_MB = 1600
"""Above what the imports take: one picture of 169 million pixels on its way to a smaller one, and nothing beside it."""

SCAN = """
import json, resource, sys
from pathlib import Path
from curation import open_dataset
from curation.lint import TrainingNeeds, lint
import cv2, scipy.sparse.csgraph

def memory_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

before = memory_mb()
report = lint(open_dataset(Path(sys.argv[1])), needs=TrainingNeeds(64))
errors = {f.code: 0 for f in report.findings if f.severity == "error"}
for finding in report.findings:
    if finding.severity == "error":
        errors[finding.code] += len(finding.photos)
print(json.dumps({"photos": report.photos, "errors": errors, "grown_mb": memory_mb() - before}))
"""


@pytest.mark.parametrize("name", sorted(whole_files()))
def test_the_whole_files_are_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(whole_files()[name])
    assert measure(tmp_path / name, PARTS).file.unreadable is None


def test_each_of_some_damaged_files_is_read_or_says_why_not(tmp_path: Path) -> None:
    for name, content in damaged_files(150, seed=7):
        (tmp_path / name).write_bytes(content)
        facts = measure(tmp_path / name, PARTS)
        assert (facts.tones is None) == (facts.file.unreadable is not None), name


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(bomb(14_000))
    assert measure(tmp_path / "bomb.png", frozenset()).file.fault == "bomb"


@pytest.mark.slow
def test_two_thousand_damaged_files_are_scanned_to_the_end_in_bounded_memory(tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    folder.mkdir()
    write_damaged(folder, FILES)
    done = subprocess.run([sys.executable, "-c", SCAN, folder], capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout)
    assert told["photos"] == FILES
    assert told["errors"]["FIL001"] > FILES / 4
    assert told["errors"]["FIL009"] >= 1
    assert told["grown_mb"] < MEMORY_MB
