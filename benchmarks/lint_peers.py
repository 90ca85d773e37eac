"""One lint by cleanvision and then imagededup's PHash, in the environment that benchmarks/lint.py made for them.

Run: python lint_peers.py FOLDER WORKERS; prints the seconds that each took, as JSON.
"""

import contextlib
import io
import json
import logging
import sys
import time
import types


class NoNetwork:
    """Stands for imagededup's neural method, whose import downloads weights; it is not measured."""


def main(folder: str, workers: int) -> None:
    stand_in = types.ModuleType("imagededup.methods.cnn")
    stand_in.CNN = NoNetwork  # type: ignore[attr-defined]
    sys.modules["imagededup.methods.cnn"] = stand_in
    logging.disable(logging.WARNING)
    from cleanvision import Imagelab  # type: ignore[import-not-found]
    from imagededup.methods import PHash  # type: ignore[import-not-found]

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        start = time.perf_counter()
        Imagelab(data_path=folder).find_issues(n_jobs=workers, verbose=False)
        between = time.perf_counter()
        hasher = PHash(verbose=False)
        encodings = hasher.encode_images(image_dir=folder, num_enc_workers=workers if workers > 1 else 0)
        hasher.find_duplicates(encoding_map=encodings, num_dist_workers=workers if workers > 1 else 0)
        end = time.perf_counter()
    print(json.dumps({"cleanvision": between - start, "imagededup": end - between}))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
