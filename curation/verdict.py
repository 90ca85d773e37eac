"""What to do first: the few actions that better the photos most, each merged from many findings."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from curation.checks import RULES
from curation.report import Finding, Report

MOST_ACTIONS = 5
"""Nobody reads on after a handful."""

MOST_NOTES = 3
"""Where there is nothing worse than notes."""

LARGEST_SHARE = 0.5
"""Of the judged photos: were more of them at fault in several ways, leaving them out would leave no set."""

NAMED = 5
"""So many photos are named in a sentence; the rest are counted."""


@dataclass(frozen=True)
class Action:
    """Something to do, as a sentence.  codes: of the rules that ask for it.  photos: those that it is about."""

    text: str
    codes: tuple[str, ...]
    photos: tuple[str, ...]


def actions(report: Report) -> tuple[Action, ...]:
    """The most valuable actions, at most MOST_ACTIONS, the first one first; about notes only where nothing is worse.

    They come in the order of the findings: errors first, then as `curation.checks` orders the rules, by what spoils a
    training most. A photo with several faults is one action: leave it out, and its other findings are settled with it.
    """
    pressing = [finding for finding in report.findings if finding.severity != "info"]
    findings = pressing or list(report.findings)
    leaving = _at_fault_in_several_ways(findings, report.photos - report.excluded)
    found = [_leave_out(findings, leaving)] if leaving else []
    found += [action for group in _groups(findings) for action in _about(group, leaving)]
    codes = [finding.code for finding in findings]
    found.sort(key=lambda action: min(map(codes.index, action.codes)))
    return tuple(found[: MOST_ACTIONS if pressing else MOST_NOTES])


def _groups(findings: Sequence[Finding]) -> list[list[Finding]]:
    """By rule; what `--fix` mends is one group, whatever the rules."""
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        key = "rewrite" if RULES[finding.code].mend == "rewrite" else finding.code
        groups.setdefault(key, []).append(finding)
    return list(groups.values())


def _own_faults(finding: Finding) -> tuple[str, ...]:
    """The photos that the finding speaks against; none of a group, where each photo alone is fine."""
    rule = RULES[finding.code]
    return finding.photos if rule.mend in {"exclude", "crop"} and rule.keeps == 0 else ()


def _at_fault_in_several_ways(findings: Sequence[Finding], judged: int) -> frozenset[str]:
    codes: dict[str, set[str]] = {}
    for finding in findings:
        for name in _own_faults(finding):
            codes.setdefault(name, set()).add(finding.code)
    several = frozenset(name for name, of_photo in codes.items() if len(of_photo) > 1)
    return several if len(several) <= LARGEST_SHARE * judged else frozenset()


def _leave_out(findings: Sequence[Finding], leaving: Collection[str]) -> Action:
    about = [finding for finding in findings if any(name in leaving for name in _own_faults(finding))]
    photos = _distinct(name for finding in about for name in finding.photos if name in leaving)
    return Action(f"Replace {_named(photos)}, or leave {_them(photos)} out: {_rules(about)}.", _codes(about), photos)


def _about(findings: Sequence[Finding], leaving: Collection[str]) -> Iterator[Action]:
    """The actions on the findings of one rule, as far as they are not settled by leaving photos out."""
    rule = RULES[findings[0].code]
    if rule.mend == "rewrite":
        photos = _distinct(name for one in findings for name in one.photos if name not in leaving)
        if photos:
            what = f"Have {_named(photos)} mended in a copy, with lint --fix: {_rules(findings)}."
            yield Action(what, _codes(findings), photos)
    elif rule.keeps == 1 and rule.mend == "exclude":
        groups = [[name for name in one.photos if name not in leaving] for one in findings]
        photos = _distinct(name for group in groups for name in group[1:])
        if photos:
            kept = [group[0] for group in groups if len(group) > 1]
            yield Action(f"Leave out {_named(photos)} and keep {_named(kept)}: {rule.name}.", (rule.code,), photos)
    elif rule.keeps > 1:
        for group in ([name for name in one.photos if name not in leaving] for one in findings):
            if len(group) > rule.keeps:
                what = f"Replace {len(group) - rule.keeps} of these {len(group)} photos: {_named(group)} ({rule.name})."
                yield Action(what, (rule.code,), tuple(group))
    else:
        yield from _as_the_rule_says(findings, leaving)


def _as_the_rule_says(findings: Sequence[Finding], leaving: Collection[str]) -> Iterator[Action]:
    """One action for each way out that the findings name, in their own words."""
    by_fix: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.fix:
            by_fix.setdefault(finding.fix, []).append(finding)
    for fix, sharing in by_fix.items():
        photos = _distinct(name for finding in sharing for name in finding.photos if name not in leaving)
        set_wide = any(not finding.photos for finding in sharing)
        if photos or set_wide:
            about = f": {_named(photos)}" if photos else ""
            what = f"{fix[:1].upper()}{fix[1:]}{about} ({sharing[0].rule})."
            yield Action(what, _codes(sharing), photos)


def _named(photos: Sequence[str]) -> str:
    shown = list(photos) if len(photos) <= NAMED else [*photos[: NAMED - 1], f"{len(photos) - NAMED + 1} more"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _them(photos: Sequence[str]) -> str:
    return "it" if len(photos) == 1 else "them"


def _rules(findings: Sequence[Finding]) -> str:
    return ", ".join(_distinct(finding.rule for finding in findings))


def _codes(findings: Sequence[Finding]) -> tuple[str, ...]:
    return _distinct(finding.code for finding in findings)


def _distinct(names: Iterator[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
