"""docs/events.md says what the code says."""

import runpy
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_what_its_writer_writes() -> None:
    page = runpy.run_path(str(DOCS / "write_events.py"))["page"]()
    assert (DOCS / "events.md").read_text("utf-8") == page, "run: python docs/write_events.py"
    assert "## step\n" in page and "| `prior_loss` | `number or null` |" in page
