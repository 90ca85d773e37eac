"""The rules as a page of documentation. Written anew with: python -m curation.checks.handbook > docs/lint-rules.md"""

import sys
import textwrap

from curation.checks import RULES
from curation.checks.rule import ALL_KINDS, Rule

INTRODUCTION = """\
# Lint rules

What `loratui lint` looks for, why it matters, and what it does about it. `loratui explain CODE` prints the same.

An **error** blocks (exit code 1 by default), a **warning** asks for attention, **info** is worth knowing. Verdicts:
`ready`, `attention`, `blocked`. A check that could not be made is listed as *not checked*: it has not passed.

`--fix` writes a mended copy, and no original ever changes. With `--unsafe-fixes` photos are left out too, by an entry
in `PHOTOS/.loratui/exclusions.json`, which training honours. Of a group of copies, or of photos at one place, the
first ones stay. Leave rules out with `--ignore CODE` (or a family, `--ignore CAP`), or in lora.toml:

```toml
[lint]
ignore = ["SET002", "CAP"]
```
"""

FIXES = {
    "rewrite": "`--fix`",
    "crop": "`--fix --unsafe-fixes` (crop)",
    "exclude": "`--fix --unsafe-fixes`",
    None: "by hand",
}


def page() -> str:
    """docs/lint-rules.md: one table of all rules, then a paragraph on each."""
    rules = sorted(RULES.values(), key=lambda rule: rule.code)
    rows = [_row(rule) for rule in rules]
    table = ["| code | name | severity | kinds | thresholds | fixed by |", "|---|---|---|---|---|---|", *rows]
    paragraphs = [f"## {rule.code} {rule.name}\n\n{textwrap.fill(rule.explanation, 120)}" for rule in rules]
    return "\n".join([INTRODUCTION, *table, "", "\n\n".join(paragraphs), ""])


def _row(rule: Rule) -> str:
    kinds = "all" if rule.kinds == ALL_KINDS else ", ".join(sorted(rule.kinds))
    thresholds = ", ".join(f"{name} {value}" for name, value in rule.params.items()) or "-"
    cells = (f"[{rule.code}](#{rule.code.lower()}-{rule.name})", rule.name, rule.severity, kinds, thresholds)
    return f"| {' | '.join(cells)} | {FIXES[rule.mend]} |"


if __name__ == "__main__":
    sys.stdout.write(page())
