"""The rules as a page of documentation. Written anew with: python -m curation.checks.handbook

How well the rules do is measured apart, by benchmarks/planted_faults.py, and put into the page as it stands.
"""

import re
import textwrap
from pathlib import Path

from curation.checks import RULES
from curation.checks.rule import ALL_KINDS, Rule

INTRODUCTION = """\
# Lint rules

What `loratui lint` looks for, why it matters, and what it does about it. `loratui explain CODE` prints the same.

An **error** blocks (exit code 1 by default), a **warning** asks for attention, **info** is worth knowing. Verdicts:
`ready`, `attention`, `blocked`. A check that could not be made is listed as *not checked*: it has not passed.

`--fix` writes a mended copy, and no original ever changes. With `--unsafe-fixes` photos are cropped and left out too,
by an entry in `PHOTOS/.loratui/exclusions.json`, which training honours. Of a group of copies, or of photos at one
place, the first ones stay. `--diff` lists all changes and makes none; `loratui undo PHOTOS` takes them back.

## Choosing rules

Rules are named by code or by prefix: `IMG002`, `IMG`. Where two disagree, the longer one wins, and of equals `ignore`.
In lora.toml, and on the command line over it (a `--select` starts over):

```toml
[lint]
select = ["IMG", "DUP", "CAP"]   # --select IMG,DUP,CAP: only these; all when empty
extend_select = ["SET001"]       # --extend-select SET001: these too
ignore = ["CAP001"]              # --ignore CAP001
fail_on = "warning"              # --fail-on warning: exit code 1 from this severity on; error by default

[lint.severity]
IMG = "info"                     # --severity IMG=info

[lint.params.IMG002]             # thresholds, by rule; nothing is measured again
blurred_below = 40
```

A finding that is fine on these photos, though the rule is not wrong in general, is suppressed with a reason:
`loratui suppress PHOTOS IMG002 --photo fog.jpg --reason "the fog is the point"`. It goes by the photo's content: a
renamed photo keeps it, a changed one is judged anew. A group is suppressed with all its photos (`--photo` for each),
and stays so when it gets smaller; a finding on the whole set without `--photo`. Suppressions lie in
`PHOTOS/.loratui/suppressions.json`. Those that match nothing any more are reported.

## The rules

"""

FIXES = {
    "rewrite": "`--fix`",
    "crop": "`--fix --unsafe-fixes` (crop)",
    "exclude": "`--fix --unsafe-fixes`",
    None: "by hand",
}


DOCS = Path(__file__).parents[2] / "docs"
MEASURED = DOCS / "lint-rules-measured.md"
"""Absent until it is measured."""

MEASURED_PLACE = "<!-- From here to the next comment: docs/lint-rules-measured.md, by benchmarks/planted_faults.py -->"


def page(measured: str) -> str:
    """docs/lint-rules.md: one table of all rules, what was measured about them, then a paragraph on each."""
    rules = sorted(RULES.values(), key=lambda rule: rule.code)
    rows = [_row(rule) for rule in rules]
    table = ["| code | name | severity | kinds | thresholds | fixed by |", "|---|---|---|---|---|---|", *rows]
    paragraphs = [f"### {rule.code} {rule.name}\n\n{textwrap.fill(rule.explanation, 120)}" for rule in rules]
    place = [MEASURED_PLACE, measured.strip(), "<!-- The end of what was measured -->"]
    return "\n".join([INTRODUCTION, *table, "", *place, "", "## Each rule", "", "\n\n".join(paragraphs), ""])


def measured_text() -> str:
    """What was measured, its headings one level lower; empty where it was not."""
    return re.sub(r"(?m)^(#+ )", r"#\1", MEASURED.read_text("utf-8")) if MEASURED.exists() else ""


def _row(rule: Rule) -> str:
    kinds = "all" if rule.kinds == ALL_KINDS else ", ".join(sorted(rule.kinds))
    thresholds = ", ".join(f"{name} {value}" for name, value in rule.params.items()) or "-"
    cells = (f"[{rule.code}](#{rule.code.lower()}-{rule.name})", rule.name, rule.severity, kinds, thresholds)
    return f"| {' | '.join(cells)} | {FIXES[rule.mend]} |"


if __name__ == "__main__":
    (DOCS / "lint-rules.md").write_text(page(measured_text()), "utf-8")
