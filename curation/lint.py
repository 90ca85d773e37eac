"""Measure the photos, in parallel and at most once, and put the facts before every rule."""

import os
import warnings
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager

from curation.checks import RULES, rules_matching
from curation.checks.rule import Evidence, Measured, TrainingNeeds
from curation.dataset import Dataset, Photo
from curation.facts import Stamp, read_facts, write_facts
from curation.photo import PhotoFacts, measure
from curation.report import SEVERITIES, Finding, Kind, Report, Skipped

__all__ = ["TrainingNeeds", "lint"]

OnProgress = Callable[[int, int], None]


def lint(
    dataset: Dataset,
    kind: Kind = "object",
    needs: TrainingNeeds = TrainingNeeds(),  # noqa: B008 - a frozen value
    ignore: Collection[str] = (),
    on_progress: OnProgress | None = None,
) -> Report:
    """Judge the photos that training would use.

    ignore: codes, or prefixes of codes, of rules to leave out.  on_progress: told (done, total) photos measured.
    Raises CurationError for a code that no rule has. What was measured is stored even when it is interrupted.
    """
    ignored = frozenset(code for prefix in ignore for code in rules_matching(prefix))
    rules = [rule for code, rule in RULES.items() if kind in rule.kinds and code not in ignored]
    facts = _measure_all(dataset, faces=kind == "person", on_progress=on_progress or (lambda done, total: None))
    photos = tuple(Measured(photo, facts[photo.name]) for photo in dataset.trainable)
    evidence = Evidence(dataset, photos, kind, needs)
    results = [result for rule in rules for result in rule.check(evidence)]
    findings = [result for result in results if isinstance(result, Finding)]
    skipped = tuple(result for result in results if isinstance(result, Skipped))
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))  # stable: rules stay in their order
    return Report(str(dataset.root), len(dataset.photos), tuple(findings), skipped)


def _measure_all(dataset: Dataset, faces: bool, on_progress: OnProgress) -> dict[str, PhotoFacts]:
    known = _still_true(dataset, faces)
    missing = [photo for photo in dataset.trainable if photo.name not in known]
    total = len(dataset.trainable)
    on_progress(total - len(missing), total)
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        with _quiet_decoders():
            pending = {pool.submit(_measure_stamped, photo, faces): photo.name for photo in missing}
            for done, future in enumerate(as_completed(pending), start=total - len(missing) + 1):
                known[pending[future]] = future.result()
                on_progress(done, total)
    finally:
        pool.shutdown(cancel_futures=True)
        if missing:
            # A file that could not be opened may be opened next time, unchanged: its permissions are no part of it.
            write_facts(dataset.root, {name: stored for name, stored in known.items() if stored[1].sha256})
    return {name: facts for name, (_, facts) in known.items()}


def _still_true(dataset: Dataset, faces: bool) -> dict[str, tuple[Stamp, PhotoFacts]]:
    """Stored facts about photos that did not change since, with their faces if those are wanted."""
    stored = read_facts(dataset.root)
    return {
        photo.name: stored[photo.name]
        for photo in dataset.photos
        if photo.name in stored
        and stored[photo.name][0] == Stamp.of(photo.path)
        and not (faces and stored[photo.name][1].faces is None)
    }


def _measure_stamped(photo: Photo, faces: bool) -> tuple[Stamp, PhotoFacts]:
    stamp = Stamp.of(photo.path)  # before reading: a change meanwhile makes the facts look old, and they are
    return stamp, measure(photo.path, faces)


@contextmanager
def _quiet_decoders() -> Iterator[None]:
    """Keep Pillow's warnings off the terminal: what matters of them becomes a finding."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
