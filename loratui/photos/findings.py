"""The findings of a report as rows of a list: by rule or by photo, filtered, under keys that outlive a new check."""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from curation.report import SEVERITIES, Finding, Report, Skipped
from curation.text import counted

if TYPE_CHECKING:
    from curation.checks import Rule

Entry = Finding | Skipped
Grouping = Literal["rule", "photo"]
WHOLE_SET = "the whole set"
NOT_CHECKED = "not checked"
ORDER = {word: number for number, word in enumerate((*SEVERITIES, NOT_CHECKED))}


@dataclass(frozen=True)
class Row:
    """A line of the list: one entry, or the head of a group that has several.

    entries: the keys of what it is about.  severity: the worst of them, in a word.  title: what the line is about.
    words: the rest of it.  photo: the one under which it stands.  is_group: whether its entries have lines of their
    own, unless it is folded.
    """

    entries: tuple[str, ...]
    severity: str
    title: str
    words: str
    photo: str | None = None
    is_group: bool = False
    is_member: bool = False


def keyed(report: Report) -> dict[str, Entry]:
    """What a report says, worst first, what was not checked last; a finding has the same key in the next report."""
    entries: dict[str, Entry] = {}
    for entry in (*report.findings, *report.skipped):
        key = f"{entry.code} {_digest(entry)}"
        while key in entries:  # a rule that has two things to say of a photo
            key += "+"
        entries[key] = entry
    return entries


def _digest(entry: Entry) -> str:
    """Stands for its photos, which may be thousands."""
    if isinstance(entry, Skipped):
        return NOT_CHECKED
    return hashlib.blake2b("\0".join(entry.photos).encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()


def matching(entries: Mapping[str, Entry], words: str) -> dict[str, Entry]:
    """The entries in whose rule, code, severity, photos or message all of these words occur, in any case."""
    wanted = words.lower().split()
    if not wanted:
        return dict(entries)
    return {key: entry for key, entry in entries.items() if all(word in _text(entry) for word in wanted)}


def rows(entries: Mapping[str, Entry], by: Grouping, folded: Collection[str] = ()) -> dict[str, Row]:
    """The lines of the list by their keys, from the top.

    By rule they come as in the report; by photo those at worst fault first, and a finding stands under each of its
    photos.  A group of one is a single line.  folded: the keys of groups whose entries are not shown.
    """
    groups: dict[str, list[str]] = {}
    for key, entry in entries.items():
        for name in _groups_of(entry, by):
            groups.setdefault(name, []).append(key)
    names = groups if by == "rule" else sorted(groups, key=lambda name: _rank(entries, groups[name], name))
    lines: dict[str, Row] = {}
    for name in names:
        keys = groups[name]
        findings = [entry for key in keys if isinstance(entry := entries[key], Finding)]
        if len(findings) < 2:
            lines |= {f"{name}\n{key}": _single(name, key, entries[key], by) for key in keys}
            continue
        lines[name] = _head(name, keys, findings, by)
        if name not in folded:
            lines |= {f"{name}\n{key}": _member(name, key, one, by) for key, one in zip(keys, findings, strict=True)}
    return lines


def severity_word(entry: Entry) -> str:
    """How bad it is, or that it is not known."""
    return entry.severity if isinstance(entry, Finding) else NOT_CHECKED


def rule_of(entry: Entry) -> "Rule":
    """The rule that speaks."""
    from curation.checks import rule  # 200 ms, and no screen but this one needs it

    return rule(entry.code)


def rule_name(entry: Entry) -> str:
    """The rule in a word."""
    return entry.rule if isinstance(entry, Finding) else rule_of(entry).name


def photos_of(findings: Iterable[Finding]) -> tuple[str, ...]:
    """The different photos that they name."""
    return tuple(dict.fromkeys(name for finding in findings for name in finding.photos))


def staying(finding: Finding) -> tuple[str, ...]:
    """The photos of a group that stay when the others are left out; none where each photo is at fault itself."""
    return finding.photos[: rule_of(finding).keeps]


def leaving(findings: Iterable[Finding], photo: str | None) -> dict[str, str]:
    """What to leave out, each photo with its reason; of copies and of one place the first stay.

    photo: the only one that it is about, if there is one.  Class images are no photos of the set.
    """
    reasons: dict[str, str] = {}
    for finding in findings:
        if not is_about_class_images(finding):
            for name in finding.photos[rule_of(finding).keeps :] if photo is None else (photo,):
                reasons.setdefault(name, f"{finding.code} {finding.rule}")
    return reasons


def is_about_class_images(finding: Finding) -> bool:
    """Whether its photos lie in the folder of class images."""
    return finding.code.startswith("REG")


def merged(report: Report, findings: Sequence[Finding]) -> Report:
    """A report that is not complete, with more findings, each once, sorted as a complete one."""
    from curation.checks import RULES

    rules = {code: number for number, code in enumerate(RULES)}
    both = sorted(dict.fromkeys((*report.findings, *findings)), key=lambda one: (ORDER[one.severity], rules[one.code]))
    return Report(report.dataset, report.photos, tuple(both), report.skipped, report.excluded)


def _groups_of(entry: Entry, by: Grouping) -> Iterator[str]:
    if isinstance(entry, Skipped):
        yield f"{entry.code} {NOT_CHECKED}"
    elif by == "rule":
        yield entry.code
    else:
        yield from entry.photos or (WHOLE_SET,)


def _rank(entries: Mapping[str, Entry], keys: Sequence[str], name: str) -> tuple[int, str]:
    return min(ORDER[severity_word(entries[key])] for key in keys), name


def _head(name: str, keys: Sequence[str], findings: Sequence[Finding], by: Grouping) -> Row:
    severity = min((finding.severity for finding in findings), key=ORDER.__getitem__)
    if by == "photo":
        photo = name if findings[0].photos else None
        return Row(tuple(keys), severity, name, ", ".join(dict.fromkeys(one.rule for one in findings)), photo, True)
    counts = f"{counted(len(findings), 'finding')}, {counted(len(photos_of(findings)), 'photo')}"
    return Row(tuple(keys), severity, f"{name} {findings[0].rule}", counts, is_group=True)


def _single(name: str, key: str, entry: Entry, by: Grouping) -> Row:
    if isinstance(entry, Skipped):
        return Row((key,), NOT_CHECKED, f"{entry.code} {rule_name(entry)}", entry.reason)
    if by == "photo":
        photo = name if entry.photos else None
        return Row((key,), entry.severity, name, f"{entry.code} {entry.rule}: {entry.message}", photo)
    return Row((key,), entry.severity, f"{entry.code} {entry.rule}", f"{_photos(entry)}: {entry.message}")


def _member(name: str, key: str, finding: Finding, by: Grouping) -> Row:
    if by == "photo":
        photo = name if finding.photos else None
        return Row((key,), finding.severity, f"{finding.code} {finding.rule}", finding.message, photo, is_member=True)
    return Row((key,), finding.severity, _photos(finding), finding.message, is_member=True)


def _photos(finding: Finding) -> str:
    more = f" +{len(finding.photos) - 1}" if len(finding.photos) > 1 else ""
    return f"{finding.photos[0]}{more}" if finding.photos else WHOLE_SET


def _text(entry: Entry) -> str:
    photos = entry.photos if isinstance(entry, Finding) else ()
    message = entry.message if isinstance(entry, Finding) else entry.reason
    return " ".join((severity_word(entry), entry.code, rule_name(entry), *(photos or (WHOLE_SET,)), message)).lower()
