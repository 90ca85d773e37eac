"""Python processes that cannot reach a network: each attempt is written down and refused, children's too."""

import os
from pathlib import Path

GUARD = """
import os, sys

def refuse(event, arguments):
    if event == "socket.getaddrinfo" or (event in ("socket.connect", "socket.sendto") and _is_internet(arguments)):
        with open({log!r}, "a") as log:
            log.write(f"{{event}} {{arguments[-1]!r}} by {{sys.argv}}\\n")
        raise OSError(101, "Network is unreachable")

def _is_internet(arguments):
    return isinstance(arguments[1], tuple)  # else the path of a socket on this machine

sys.addaudithook(refuse)
"""


def sealed(folder: Path) -> tuple[dict[str, str], Path]:
    """An environment for such processes, and the file that holds what they tried: it is not there if they did not.

    folder: for the guard, and for a home and caches that are empty.
    """
    log = folder / "tried"
    (folder / "guard").mkdir(parents=True)
    (folder / "guard" / "sitecustomize.py").write_text(GUARD.format(log=str(log)))
    home = {"HOME": str(folder), "HF_HOME": str(folder / "hf"), "XDG_CACHE_HOME": str(folder / "cache")}
    # Nothing that would keep a library from trying: the programs themselves must not.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "XDG_", "DO_NOT"))}
    root = Path(__file__).parents[2]
    return {**kept, **home, "PYTHONPATH": f"{folder / 'guard'}:{root}", "HF_ENDPOINT": "http://192.0.2.1:9"}, log
