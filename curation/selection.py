"""Which rules are applied, and how severely: the choices that a person makes about the linter."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from curation.checks import RULES, Rule, rule, rules_matching
from curation.errors import CurationError
from curation.report import Finding, Kind, Severity
from curation.text import visible


@dataclass(frozen=True)
class Selection:
    """Codes, or prefixes of codes, in any case.

    select: rules to apply, all when empty.  extend_select: more of them, also ones that are ignored by a prefix.
    ignore: rules to leave out.  severity: by code or prefix, for all findings of a rule.
    params: thresholds by rule code and name.
    """

    select: tuple[str, ...] = ()
    extend_select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    severity: Mapping[str, Severity] = field(default_factory=lambda: MappingProxyType({}))
    params: Mapping[str, Mapping[str, float | int]] = field(default_factory=lambda: MappingProxyType({}))

    def rules(self, kind: Kind) -> tuple[Rule, ...]:
        """The rules to apply to this kind of subject, with their thresholds, in the order of a report.

        Raises CurationError for a code that no rule has, and for a threshold that a rule does not have.
        """
        chosen = _codes(self.select) if self.select else frozenset(RULES)
        chosen = chosen - _codes(self.ignore) | _codes(self.extend_select)
        tuned = {rule(code).code: _tuned(rule(code), values) for code, values in self.params.items()}
        return tuple(tuned.get(code, one) for code, one in RULES.items() if code in chosen and kind in one.kinds)

    def judged(self, finding: Finding) -> Finding:
        """The finding with the severity that was chosen for its rule; the longest prefix wins."""
        prefixes = [prefix for prefix in self.severity if finding.code in rules_matching(prefix)]
        return replace(finding, severity=self.severity[max(prefixes, key=len)]) if prefixes else finding


def _codes(prefixes: tuple[str, ...]) -> frozenset[str]:
    return frozenset(code for prefix in prefixes for code in rules_matching(prefix))


def _tuned(one: Rule, values: Mapping[str, float | int]) -> Rule:
    unknown = next((name for name in values if name not in one.params), None)
    if unknown is not None:
        raise CurationError(
            f'The rule {one.code} has no threshold "{visible(unknown)}".',
            f"It has {', '.join(one.params)}." if one.params else "It has none.",
        )
    return replace(one, **values)  # type: ignore[type-var] - every rule is a dataclass
