"""What a person decided not to hear of again: rules on photos, known by their content, with a reason.

They lie in ROOT/.loratui/suppressions.json. A photo may be renamed; once its content changes it is judged anew.
"""

import hashlib
import json
import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path

from curation import journal
from curation.checks import rule
from curation.dataset import Dataset
from curation.errors import CurationError
from curation.journal import Change
from curation.regular import read_regular
from curation.report import Finding, Report, Suppressed, Suppression
from curation.text import visible

FILE = Path(".loratui", "suppressions.json")


def read_suppressions(root: Path) -> tuple[Suppression, ...]:
    """The suppressions of a photo folder, oldest first. Raises CurationError for a file that is not valid."""
    return _read(root)[1]


def dump(suppressions: Sequence[Suppression]) -> bytes:
    """The content of the file."""
    entries = [asdict(one) for one in suppressions]
    return (json.dumps({"version": 1, "suppressions": entries}, indent=1) + "\n").encode("ascii")


def suppress(dataset: Dataset, code: str, names: Collection[str], reason: str) -> Suppression:
    """Suppress what the rule finds on these photos: on each of them, on all, or on some of them together.

    Without names it is for findings about the whole set.  It can be undone through the journal.  Raises CurationError
    for an unknown rule, an empty reason, a file that is not there, and a folder that cannot be written.
    """
    if not reason.strip():
        raise CurationError("A suppression needs a reason.", "Say in a few words why the finding is fine.")
    hashes = {name: _known_sha256(dataset.root, name) for name in names}
    new = Suppression(rule(code).code, hashes, reason.strip(), date.today().isoformat())
    _write(dataset.root, f"Suppress {_described(new)}", lambda old: (*(one for one in old if not _same(one, new)), new))
    return new


def remove(dataset: Dataset, code: str, names: Collection[str] = ()) -> tuple[Suppression, ...]:
    """Take back the rule's suppressions: those that speak of one of these photos, all of the rule without names.

    Returns them.  Raises CurationError where there is none.
    """
    gone: tuple[Suppression, ...] = ()
    removed = rule(code).code

    def rest(old: tuple[Suppression, ...]) -> tuple[Suppression, ...]:
        nonlocal gone
        gone = tuple(one for one in old if one.code == removed and (not names or not set(names).isdisjoint(one.photos)))
        return tuple(one for one in old if one not in gone)

    _write(dataset.root, f"Remove suppressions of {removed}", rest)
    if not gone:
        raise CurationError(
            f"Nothing that {removed} finds there is suppressed.",
            f"See what is: loratui suppress {shlex.quote(str(dataset.root))} --list",
        )
    return gone


def apply(
    report: Report,
    dataset: Dataset,
    suppressions: Sequence[Suppression],
    hashes: Mapping[str, str],
    judged: Collection[str],
) -> Report:
    """The report without the findings that are suppressed, which it lists apart.

    hashes: SHA-256 of the judged photos, by name.  judged: codes of the rules that were applied.  A suppression is
    unused when its rule had its say and found nothing of it; one of a photo that is left out now waits for it.
    """
    findings, suppressed, used = [], [], set()
    for finding in report.findings:
        matching = [one for one in suppressions if _covers(one, finding, dataset.root, hashes)]
        if matching:
            used.update(map(id, matching))
            suppressed.append(Suppressed(finding, matching[-1].reason))
        else:
            findings.append(finding)
    heard = set(judged) - {skipped.code for skipped in report.skipped}
    excluded = {photo.name for photo in dataset.photos if photo.excluded is not None}
    unused = [
        one for one in suppressions if id(one) not in used and one.code in heard and not excluded & set(one.photos)
    ]
    return replace(report, findings=tuple(findings), suppressed=tuple(suppressed), unused_suppressions=tuple(unused))


def _covers(one: Suppression, finding: Finding, root: Path, hashes: Mapping[str, str]) -> bool:
    """Whether the finding is about photos of the suppression alone; about the whole set, if that names none."""
    if one.code != finding.code or bool(one.photos) != bool(finding.photos):
        return False
    found = (hashes.get(name) or _sha256(root / name) for name in finding.photos)  # not all are photos: orphans
    return set(found) <= set(one.photos.values())


def _same(one: Suppression, other: Suppression) -> bool:
    return one.code == other.code and set(one.photos.values()) == set(other.photos.values())


def _described(one: Suppression) -> str:
    names = list(one.photos)
    return f"{one.code} on {'the whole set' if not names else names[0] if len(names) == 1 else f'{len(names)} photos'}"


def _known_sha256(root: Path, name: str) -> str:
    """Of a photo, or of another file that findings name, such as a caption file without a photo."""
    inside = ".." not in Path(name).parts and not Path(name).is_absolute()
    found = _sha256(root / name) if inside else None
    if found is None:
        raise CurationError(
            f'There is no file "{visible(name)}" in {visible(str(root))} that can be read.',
            "Name photos by their path inside the folder, as the report does.",
        )
    return found


def _sha256(path: Path) -> str | None:
    try:
        return hashlib.sha256(read_regular(path)).hexdigest()
    except (OSError, ValueError):  # ValueError: a name with a zero byte
        return None


def _read(root: Path) -> tuple[bytes | None, tuple[Suppression, ...]]:
    path = root / FILE
    try:
        content = read_regular(path)
        return content, tuple(map(_parsed, json.loads(content)["suppressions"]))
    except (FileNotFoundError, NotADirectoryError):
        return None, ()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CurationError(
            f"The list of suppressions cannot be read: {visible(str(path))} ({visible(str(error))}).",
            "Mend it, or delete it to hear of every finding again.",
        ) from error


def _parsed(entry: Mapping[str, object]) -> Suppression:
    photos = entry["photos"]
    if not isinstance(photos, dict) or not all(isinstance(one, str) for one in photos.values()):
        raise TypeError("photos is no table of hashes by name")
    return Suppression(str(entry["code"]), photos, str(entry["reason"]), str(entry["date"]))


def _write(root: Path, summary: str, edit: Callable[[tuple[Suppression, ...]], tuple[Suppression, ...]]) -> None:
    before, old = _read(root)
    new = edit(old)
    if new != old:
        journal.record(root, summary, [Change(root / FILE, before, dump(new))])
