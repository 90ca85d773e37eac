"""Which rules are applied, and how severely: the choices that a person makes about the linter."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from curation.checks import RULES, Rule, rule, rules_matching
from curation.errors import CurationError
from curation.report import Finding, Kind, Severity
from curation.text import visible


@dataclass(frozen=True)
class Selection:
    """Codes, or prefixes of codes, in any case; where two disagree the longer one wins, and of equals `ignore`.

    select: rules to apply, all when empty.  extend_select: more of them.  ignore: rules to leave out.
    severity: by code or prefix, for all findings of a rule.  params: thresholds by rule code and name.

    Raises CurationError for a code that no rule has, and for a threshold that a rule does not have.
    """

    select: tuple[str, ...] = ()
    extend_select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    severity: Mapping[str, Severity] = field(default_factory=lambda: MappingProxyType({}))
    params: Mapping[str, Mapping[str, float | int]] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        for prefix in (*self.select, *self.extend_select, *self.ignore, *self.severity):
            rules_matching(prefix)
        for code, values in self.params.items():
            _tuned(rule(code), values)

    def over(
        self,
        select: Sequence[str] = (),
        extend_select: Sequence[str] = (),
        ignore: Sequence[str] = (),
        severity: Mapping[str, Severity] = MappingProxyType({}),
    ) -> "Selection":
        """This selection with what was asked for on top of it, such as a command line over a lora.toml.

        A new `select` starts over: what was chosen and left out before no longer counts.
        """
        base = replace(self, select=tuple(select), extend_select=(), ignore=()) if select else self
        again = {prefix.upper() for prefix in extend_select}
        return replace(
            base,
            extend_select=(*base.extend_select, *extend_select),
            ignore=(*(prefix for prefix in base.ignore if prefix.upper() not in again), *ignore),
            severity={**base.severity, **severity},
        )

    def rules(self, kind: Kind) -> tuple[Rule, ...]:
        """The rules to apply to this kind of subject, with their thresholds, in the order of a report."""
        return tuple(self.tuned(one) for one in RULES.values() if kind in one.kinds and self._chooses(one.code))

    def tuned(self, one: Rule) -> Rule:
        """The rule with the thresholds that were chosen for it."""
        for code, values in self.params.items():
            if code.upper() == one.code:
                return _tuned(one, values)
        return one

    def severity_of(self, code: str, severity: Severity) -> Severity:
        """The severity that was chosen for a rule, else the given one."""
        prefixes = [prefix for prefix in self.severity if code in rules_matching(prefix)]
        return self.severity[max(prefixes, key=len)] if prefixes else severity

    def judged(self, finding: Finding) -> Finding:
        """The finding with the severity that was chosen for its rule."""
        return replace(finding, severity=self.severity_of(finding.code, finding.severity))

    def _chooses(self, code: str) -> bool:
        wanted = max(_reach(code, self.select or ("",)), _reach(code, self.extend_select))
        return wanted > _reach(code, self.ignore)


def _reach(code: str, prefixes: Sequence[str]) -> int:
    """The length of the longest prefix of the code, -1 without one."""
    return max((len(prefix) for prefix in prefixes if code.startswith(prefix.upper())), default=-1)


def _tuned(one: Rule, values: Mapping[str, float | int]) -> Rule:
    for name, value in values.items():
        if name not in one.params:
            nearest = difflib.get_close_matches(name, one.params, n=1, cutoff=0.5)
            known = f"It has {', '.join(one.params)}." if one.params else "It has none."
            raise CurationError(
                f'The rule {one.code} has no threshold "{visible(name)}".',
                f"Did you mean {nearest[0]}?" if nearest else known,
            )
        if isinstance(one.params[name], int) and not isinstance(value, int):
            raise CurationError(
                f"The threshold {name} of {one.code} is a whole number, not {value}.",
                f"Its default is {one.params[name]}.",
            )
    return replace(one, **values)  # type: ignore[type-var] - every rule is a dataclass
