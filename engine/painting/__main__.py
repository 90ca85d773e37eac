"""`python -m engine.painting RUN_DIR`: requests on stdin, what comes of them on stdout, until stdin closes."""

import os
import signal
import sys
import traceback
from pathlib import Path

from curation import telemetry
from engine.painting.messages import TOLD, Told
from engine.rundir import RunDir


def main(run: RunDir) -> None:
    """Serve one viewer. What the libraries print goes to stderr, so that stdout holds messages alone."""
    telemetry.switch_off()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # by an exception: previews are removed
    stdout = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for library in ("TRANSFORMERS", "DIFFUSERS"):
        os.environ.setdefault(f"{library}_VERBOSITY", "error")  # what they say at import
    from engine.models.load import silence_libraries
    from engine.painting.process import Orders, serve

    silence_libraries()

    def say(told: Told) -> None:
        stdout.write(TOLD.dump_json(told) + b"\n")

    serve(run, Orders(sys.stdin), say)


if __name__ == "__main__":
    status = 0
    try:
        main(RunDir(Path(sys.argv[1])))
    except SystemExit:
        pass
    except Exception:  # noqa: BLE001 - told in the log that stderr is
        traceback.print_exc()
        status = 1
    sys.stderr.flush()
    os._exit(status)  # Python's own exit aborts where a thread is still waiting for a line of stdin
