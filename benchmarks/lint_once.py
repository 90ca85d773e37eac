"""One lint by curation in a process of its own.

Run: python lint_once.py FOLDER shared|all; prints the seconds and the peak of memory in MB, as JSON.
"""

import json
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from curation import open_dataset
from curation.lint import Selection, lint

SHARED = Selection(
    select=("FIL001", "FIL004", "IMG001", "IMG002", "IMG005", "IMG006", "IMG009", "DUP001", "DUP002"),
)
"""The checks that cleanvision and imagededup make: unreadable, grey, small, blurred, too dark or light, without
information, of an odd shape, exact and near duplicates."""


def main(folder: Path, rules: str) -> None:
    import cv2  # noqa: F401 - what is imported late counts for the peers neither
    import pillow_heif  # noqa: F401
    import pydantic.dataclasses  # noqa: F401
    import scipy.sparse.csgraph
    import scipy.spatial  # noqa: F401
    from PIL import Image

    Image.init()  # imports Pillow's formats

    start = time.perf_counter()
    lint(open_dataset(folder), "object", selection=SHARED if rules == "shared" else Selection())
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mb": peak}))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
