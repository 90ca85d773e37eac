"""Opens the TUI: while it is imported, the terminal is asked how it draws pictures."""

import gc
import os
from pathlib import Path

from loratui.terminal.probe import asking


def open_tui(
    photos: Path | None = None, runs_dir: Path | None = None, run: str | None = None, mouse: bool = True
) -> int:
    """Run the TUI and return its exit code; see `session.run_app`.

    photos: a folder, or a dataset of the hub.  runs_dir: LORATUI_RUNS or runs, where none is given.
    """
    if photos:
        from curation.hub import photos_folder

        photos = photos_folder(photos)
    gc.disable()  # till the first paint: what is made by then stays, and looking through it again and again takes 10 ms
    with asking() as probe:
        from loratui.session import run_app  # 150 ms, in which the terminal answers

        terminal = probe.answer()
    return run_app(photos, runs_dir or Path(os.environ.get("LORATUI_RUNS") or "runs"), run, mouse, terminal)
