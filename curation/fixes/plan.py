"""What can be done about the findings of a report."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from curation.checks import RULES
from curation.checks.files import UNDECODABLE
from curation.dataset import Dataset, Photo
from curation.exclusions import exclusions_change
from curation.fixes.box import Box
from curation.fixes.crop import subject_crop
from curation.journal import Change
from curation.needs import TrainingNeeds
from curation.photo import load
from curation.report import Finding, Region, Report

PICTURE = "picture"
"""The label of the region inside a border."""

Action = Literal["rewrite", "crop", "exclude", "omit"]


@dataclass(frozen=True)
class Fix:
    """One thing to do about one photo.

    action: "rewrite" or "crop" it in the copy; "exclude" it from training, also in the original folder; "omit" it from
    the copy.  safe: whether the training set keeps all of every photo that it could have used.  box: what a crop keeps.
    picture: what lies inside a border, as the rule measured it.
    """

    code: str
    photo: str
    action: Action
    safe: bool
    description: str
    box: Box | None = None
    picture: Region | None = None


def plan_fixes(
    dataset: Dataset,
    report: Report,
    unsafe: bool = False,
    needs: TrainingNeeds = TrainingNeeds(),  # noqa: B008 - a frozen value
) -> tuple[Fix, ...]:
    """What can be done about the findings, sorted by photo; with `unsafe`, photos are cropped and left out too.

    needs: its resolution is the least that a crop leaves. About notes (`info`) nothing unsafe is done. Of copies and of
    photos at one place the first ones stay. Raises CurationError for a photo to crop that cannot be read any more.
    """
    crops = _crops(dataset, report, needs.resolution) if unsafe else ()
    leaving = _exclusions(report, {fix.photo for fix in crops}) if unsafe else _omissions(report)
    known = {photo.name for photo in dataset.trainable}
    rewrites = [
        Fix(finding.code, name, "rewrite", True, finding.message, picture=_picture(finding, name))
        for finding in report.findings
        if RULES[finding.code].mend == "rewrite"
        for name in finding.photos
    ]
    staying = [fix for fix in (*rewrites, *crops) if fix.photo not in leaving]
    fixes = [fix for fix in (*leaving.values(), *staying) if fix.photo in known]
    return tuple(sorted(fixes, key=lambda fix: (fix.photo, fix.code)))


def _picture(finding: Finding, photo: str) -> Region | None:
    return next((region for region in finding.regions if region.photo == photo and region.label == PICTURE), None)


def staying(dataset: Dataset, fixes: Sequence[Fix]) -> list[Photo]:
    """The photos that go into the copy."""
    leaving = {fix.photo for fix in fixes if fix.action in {"exclude", "omit"}}
    return [photo for photo in dataset.trainable if photo.name not in leaving]


def exclusions(dataset: Dataset, fixes: Sequence[Fix]) -> list[Change]:
    """The change to the list of photos that training leaves out; none when the fixes leave none out."""
    reasons = {fix.photo: f"{fix.code}: {fix.description}" for fix in fixes if fix.action == "exclude"}
    return [exclusions_change(dataset.root, reasons)] if reasons else []


def _crops(dataset: Dataset, report: Report, resolution: int) -> tuple[Fix, ...]:
    """For each photo that a crop mends, one fix for each finding, all with the same box."""
    findings: dict[str, list[Finding]] = {}
    for finding in report.findings:
        if RULES[finding.code].mend == "crop" and finding.severity != "info" and finding.regions:
            for name in finding.photos:
                findings.setdefault(name, []).append(finding)
    crops: list[Fix] = []
    for photo in dataset.trainable:
        if own := findings.get(photo.name):
            header = load(photo.path, least_side=1).header
            box = subject_crop(own, photo.name, (header.width, header.height), resolution)
            crops += [Fix(f.code, photo.name, "crop", False, f.message, box) for f in own if box]
    return tuple(crops)


def _exclusions(report: Report, cropped: Collection[str]) -> dict[str, Fix]:
    excluded: dict[str, Fix] = {}
    # Photos that are bad in themselves go first, so that of their copies a good one stays.
    for finding in sorted(report.findings, key=lambda finding: RULES[finding.code].keeps):
        rule = RULES[finding.code]
        if rule.mend not in {"exclude", "crop"} or finding.severity == "info":
            continue
        staying = [name for name in finding.photos if name not in excluded]
        for name in staying[rule.keeps :]:
            if rule.mend == "exclude" or name not in cropped:
                excluded[name] = Fix(rule.code, name, "exclude", False, finding.message)
    return excluded


def _omissions(report: Report) -> dict[str, Fix]:
    """A file that cannot be decoded cannot be copied without what it may hide."""
    return {
        name: Fix(finding.code, name, "omit", True, finding.message)
        for finding in report.findings
        if finding.code in UNDECODABLE
        for name in finding.photos
    }
