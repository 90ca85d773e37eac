"""Measure the photos, in parallel and at most once, and put the facts before every rule."""

import math
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from curation.checks.candidates import alignable_files, whole_files
from curation.checks.rule import Evidence, Measured, Rule
from curation.copies import CopyFacts, measure_copies
from curation.dataset import Dataset, Photo, photo_files
from curation.face_detectors import choose_detector
from curation.faces import FaceDetector
from curation.facts.measure import measure
from curation.facts.parts import Part, PhotoFacts
from curation.facts.store import FactsWriter, Stamp, read_facts
from curation.foreign_formats import foreign_files
from curation.needs import TrainingNeeds
from curation.parallel import in_parallel
from curation.report import SEVERITIES, Finding, Kind, Report, Skipped, Suppression
from curation.selection import Selection
from curation.suppressions import apply, read_suppressions

__all__ = ["Selection", "TrainingNeeds", "lint"]

OnProgress = Callable[[int, int], None]
OnFindings = Callable[[Sequence[Finding]], None]

TELL_SECONDS = 1.0
"""Between two batches of early findings: a reader follows no faster, and judging takes time from measuring."""


def lint(
    dataset: Dataset,
    kind: Kind = "object",
    needs: TrainingNeeds = TrainingNeeds(),  # noqa: B008 - a frozen value
    selection: Selection = Selection(),  # noqa: B008 - a frozen value
    on_progress: OnProgress = lambda done, total: None,
    detector: FaceDetector | None = None,
    on_findings: OnFindings | None = None,
) -> Report:
    """Judge the photos that training would use, and set apart what a person suppressed.

    on_progress: told (done, total) photos measured; the total grows when photos have to be compared in pairs as well.
    detector: what looks for faces; the best one at hand when None.  on_findings: told, while photos are measured, what
    is found on those measured since the last time, by the rules that judge each photo alone; the report has it again.
    What was measured is stored even when either of them raises. Raises CurationError for suppressions that are not
    valid.
    """
    rules = selection.rules(kind)
    parts = _parts(rules, kind)
    if detector is None and "faces" in parts:
        detector = choose_detector()
    codes = frozenset(rule.code for rule in rules)
    evidence = Evidence(dataset, (), kind, needs, codes, (), detector, foreign_files(dataset.root))
    judge = _Judge(rules, selection, read_suppressions(dataset.root))
    early = None if on_findings is None else _Early(judge.of_single_photos(), evidence, on_findings)

    class_images = _class_images(needs.class_data_dir)
    class_rules = [rule for rule in rules if rule.code.startswith("REG")]
    total = len(dataset.trainable) + len(class_images if class_rules else ())
    photos = _measured(dataset.root, dataset.trainable, parts, detector, lambda d: on_progress(d, total), early)
    of_class: tuple[Measured, ...] = ()
    if class_rules and needs.class_data_dir is not None:
        count = len(photos)
        of_class = _measured(
            needs.class_data_dir,
            class_images,
            _parts(class_rules, kind),
            detector,
            lambda d: on_progress(count + d, total),
        )
    evidence = replace(evidence, photos=photos, class_images=of_class)
    copies = _copies(evidence, rules, lambda done, more: on_progress(total + done, total + more))
    return judge.report(evidence.with_copies(copies))


@dataclass(frozen=True)
class _Judge:
    """The rules to apply, how severely, and what a person said is fine."""

    rules: Sequence[Rule]
    selection: Selection
    suppressions: Sequence[Suppression]

    def of_single_photos(self) -> "_Judge":
        """The same for the rules alone that need to know of no other photo."""
        return replace(self, rules=[rule for rule in self.rules if rule.judges_alone])

    def report(self, evidence: Evidence) -> Report:
        dataset = evidence.dataset
        results = [result for rule in self.rules for result in rule.check(evidence)]
        findings = [self.selection.judged(result) for result in results if isinstance(result, Finding)]
        skipped = tuple(result for result in results if isinstance(result, Skipped))
        findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))  # stable: rules stay in their order
        excluded = len(dataset.photos) - len(dataset.trainable)
        report = Report(str(dataset.root), len(dataset.photos), tuple(findings), skipped, excluded)
        hashes = {measured.name: measured.facts.file.sha256 for measured in evidence.photos}
        return apply(report, dataset, self.suppressions, hashes, evidence.codes)


class _Early:
    """Tells what is found on single photos while others are still measured.  evidence: without photos."""

    def __init__(self, judge: _Judge, evidence: Evidence, tell: OnFindings) -> None:
        self._judge, self._evidence, self._tell = judge, evidence, tell
        self._waiting: list[Measured] = []
        self._told = -math.inf

    def take(self, photos: Iterable[Measured]) -> None:
        """These are measured. They are judged together with others: a batch costs little more than one photo."""
        self._waiting += photos
        now = time.monotonic()
        if self._waiting and now - self._told >= TELL_SECONDS:
            findings = self._judge.report(replace(self._evidence, photos=tuple(self._waiting))).findings
            self._waiting, self._told = [], now
            if findings:
                self._tell(findings)


def _parts(rules: Sequence[Rule], kind: Kind) -> frozenset[Part]:
    return frozenset(part for rule in rules for part in rule.parts_for(kind))


def _copies(evidence: Evidence, rules: Sequence[Rule], on_progress: OnProgress) -> CopyFacts:
    """What the rules judge by that only pairs of photos tell."""
    wanted = frozenset(part for rule in rules for part in rule.copies)
    files = whole_files(evidence) if "pixels" in wanted else []
    pairs, left_out = alignable_files(evidence) if "alignments" in wanted else ([], 0)
    with _quiet_decoders():
        return measure_copies(evidence.dataset.root, files, pairs, left_out, on_progress) if wanted else CopyFacts()


def _class_images(folder: Path | None) -> tuple[Photo, ...]:
    if folder is None or not folder.is_dir():
        return ()
    return tuple(Photo(path.relative_to(folder).as_posix(), path, None, None) for path in photo_files(folder))


def _measured(
    root: Path,
    photos: Sequence[Photo],
    parts: frozenset[Part],
    detector: FaceDetector | None,
    on_progress: Callable[[int], None],
    early: _Early | None = None,
) -> tuple[Measured, ...]:
    """The photos with their facts: stored ones where a photo is unchanged, else measured now, and stored."""
    facts = _still_true(root, photos, detector)
    lacking = [photo for photo in photos if photo.name not in facts or facts[photo.name].lacks(parts)]
    on_progress(len(photos) - len(lacking))
    if early is not None:
        unmeasured = {photo.name for photo in lacking}
        early.take(Measured(photo, facts[photo.name]) for photo in photos if photo.name not in unmeasured)

    def work(photo: Photo) -> tuple[Photo, Stamp, PhotoFacts]:
        stamp = Stamp.of(photo.path)  # before reading: a change meanwhile makes the facts look old, and they are
        return photo, stamp, measure(photo.path, parts, facts.get(photo.name), detector)

    with FactsWriter(root) as store, _quiet_decoders():
        for number, (photo, stamp, measured) in enumerate(in_parallel(work, lacking), len(photos) - len(lacking) + 1):
            facts[photo.name] = measured
            # A file that could not be opened may be opened next time, unchanged: permissions are no part of it.
            if measured.file.fault != "unopened":
                store.write(photo.name, stamp, measured)
            on_progress(number)
            if early is not None:
                early.take([Measured(photo, measured)])
    return tuple(Measured(photo, facts[photo.name]) for photo in photos)


def _still_true(root: Path, photos: Sequence[Photo], detector: FaceDetector | None) -> dict[str, PhotoFacts]:
    """Stored facts about photos that did not change since; their faces only if the same detector found them."""
    stored = read_facts(root)
    return {
        photo.name: stored[photo.name].facts.as_seen_by(detector.name if detector else None)
        for photo in photos
        if photo.name in stored and stored[photo.name].stamp == Stamp.of(photo.path)
    }


@contextmanager
def _quiet_decoders() -> Iterator[None]:
    """Keep Pillow's warnings off the terminal: what matters of them becomes a finding."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
