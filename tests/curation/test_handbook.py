"""The page of rules says what the rules say, and holds what was measured about them."""

from curation.checks import RULES
from curation.checks.handbook import DOCS, MEASURED_PLACE, measured_text, page


def test_docs_lint_rules_is_up_to_date() -> None:
    written = (DOCS / "lint-rules.md").read_text("utf-8")
    assert written == page(measured_text()), "run: python -m curation.checks.handbook"


def test_every_rule_has_a_row_with_its_thresholds_and_an_explanation() -> None:
    written = page("")
    for rule in RULES.values():
        (row,) = (line for line in written.splitlines() if line.startswith(f"| [{rule.code}]("))
        assert all(f"{name} {value}" in row for name, value in rule.params.items())
        assert f"(#{rule.code.lower()}-{rule.name})" in row and f"### {rule.code} {rule.name}\n" in written


def test_what_was_measured_stands_between_its_marks() -> None:
    assert f"{MEASURED_PLACE}\n## Measured\n\n| a table |\n<!-- The end" in page("## Measured\n\n| a table |\n")
