"""A rule in words: what it finds, why it matters, its thresholds; the command and the screen share it."""

from curation.checks.rule import ALL_KINDS, Rule
from curation.selection import Selection

MENDS = {
    "rewrite": "lint --fix",
    "crop": "lint --fix --unsafe-fixes, by a crop",
    "exclude": "lint --fix --unsafe-fixes",
    None: "not automatically",
}


def page(rule: Rule, selection: Selection) -> str:
    """All about a rule.  rule: as the selection tunes it."""
    severity = selection.severity_of(rule.code, rule.severity)
    head = f"{rule.code} {rule.name} ({severity}; kinds: {kinds(rule)})"
    params = [f"{name} = {value}" for name, value in rule.params.items()]
    return "\n".join([head, "", rule.explanation, "", *params, f"mended by: {MENDS[rule.mend]}"])


def kinds(rule: Rule) -> str:
    """The kinds of subject that it is for."""
    return "all" if rule.kinds == ALL_KINDS else ", ".join(sorted(rule.kinds))
