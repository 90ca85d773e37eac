"""The page of rules says what the rules say."""

from pathlib import Path

from curation.checks.handbook import page


def test_docs_lint_rules_is_up_to_date() -> None:
    written = Path(__file__).parents[2] / "docs" / "lint-rules.md"
    assert written.read_text("utf-8") == page(), "run: python -m curation.checks.handbook > docs/lint-rules.md"
