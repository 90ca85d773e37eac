"""CAP: do the captions say what training needs?"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from curation.checks.rule import Evidence, Rule
from curation.report import Finding
from curation.text import visible


@dataclass(frozen=True)
class MissingCaption(Rule):
    code = "CAP001"
    name = "missing-caption"
    severity = "warning"
    explanation = (
        "Photos without a caption are trained on the instance prompt alone. That is fine for a whole set, and only "
        "noted then; in a set of captioned photos it usually is a slip. The guide: custom captions say what is in the "
        "photo besides the subject, so that it is not learned as part of it."
    )

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        missing = [m.name for m in evidence.photos if not (m.photo.caption or "").strip()]
        if not missing:
            return
        column, columns = evidence.dataset.caption_column, evidence.dataset.metadata.columns
        if columns and column not in columns:
            hint = f"; {evidence.dataset.metadata.path.name} has the columns {', '.join(map(visible, columns))}"
        else:
            hint = ""
        all_missing = len(missing) == len(evidence.photos)
        yield self.finding(
            missing,
            (
                f"No photo has a caption (column {visible(column)}{hint}): all train on the instance prompt."
                if all_missing
                else f"{len(missing)} of {len(evidence.photos)} photos have no caption."
            ),
            "write captions (loratui caption set)",
            value=len(missing),
            threshold=0,
            severity="info" if all_missing else None,
        )


@dataclass(frozen=True)
class TriggerWordAbsent(Rule):
    code = "CAP002"
    name = "trigger-word-absent"
    severity = "warning"
    explanation = (
        "The caption lacks the trigger word (`token_abstraction`), so the photo teaches nothing about it: in pivotal "
        "tuning the new tokens take the place of that word. The guide calls it crucial that captions use it."
    )

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        triggers = evidence.needs.token_abstraction
        absent = [
            m.name
            for m in evidence.photos
            if triggers and (m.photo.caption or "").strip() and not _has_word(m.photo.caption or "", triggers)
        ]
        if absent:
            words = " or ".join(f'"{visible(trigger)}"' for trigger in triggers)
            yield self.finding(
                absent,
                f"The caption does not say {words}.",
                f"put {words} where the caption names the subject",
                value=len(absent),
                threshold=0,
            )


@dataclass(frozen=True)
class IdenticalCaptions(Rule):
    code = "CAP003"
    name = "identical-captions"
    severity = "info"
    explanation = (
        "Several photos have the same caption. The guide: using the same caption may lead to suboptimal results, "
        "depending on the concept; what differs between the photos goes unnamed and is learned as part of the subject."
    )

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        groups: dict[str, list[str]] = {}
        for measured in evidence.photos:
            if caption := (measured.photo.caption or "").strip():
                groups.setdefault(caption, []).append(measured.name)
        for caption, names in groups.items():
            if len(names) > 1:
                yield self.finding(
                    names,
                    f'{len(names)} photos have one caption: "{visible(caption)}".',
                    "say in each caption what else is in the photo",
                    value=len(names),
                    threshold=1,
                )


def _has_word(caption: str, words: tuple[str, ...]) -> bool:
    """Whether one of the words stands in the caption, not as a part of a longer one."""
    return any(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", caption) for word in words)
