"""CAP: do the captions say what training needs?"""

from collections.abc import Iterator
from dataclasses import dataclass

from curation.checks.rule import Evidence, Rule
from curation.clip_tokens import LIMIT, token_count
from curation.errors import CurationError
from curation.fragments import common_fragments, phrases, runs
from curation.report import Finding, Skipped
from curation.text import counted, visible
from curation.triggers import trigger_pattern


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
        unreadable = {name for name, sidecar in evidence.dataset.sidecars.items() if sidecar.fault}
        missing = [m.name for m in evidence.photos if m.photo.caption is None and m.name not in unreadable]
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
                else f"{counted(len(missing), 'photo')} of {len(evidence.photos)} without a caption."
            ),
            "write captions (loratui caption set), or have a model write them (loratui caption auto)",
            value=len(missing),
            threshold=0,
            severity="info" if all_missing else None,
        )


@dataclass(frozen=True)
class EmptyCaption(Rule):
    code = "CAP004"
    name = "empty-caption"
    severity = "warning"
    explanation = (
        "The photo has a row or a caption file, and nothing stands in it. It is trained on the instance prompt alone "
        "here; kohya's scripts stop at an empty caption file. Custom captions, says the guide, name what is in the "
        "photo besides the subject, so that it is not learned as part of it."
    )

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        empty = [m.name for m in evidence.photos if m.photo.caption is not None and not m.photo.caption.strip()]
        if empty:
            yield self.finding(
                empty,
                f"{counted(len(empty), 'empty caption')} among {len(evidence.photos)}.",
                "write them (loratui caption set PHOTOS TEXT --empty), or have a model write them (caption auto)",
                value=len(empty),
                threshold=0,
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
        pattern = trigger_pattern(triggers)
        absent = [name for name, caption in _captions(evidence) if triggers and not pattern.search(caption)]
        if absent:
            words = " or ".join(f'"{visible(trigger)}"' for trigger in triggers)
            yield self.finding(
                absent,
                f"The caption does not say {words}.",
                f"put {words} where the caption names the subject (loratui caption trigger)",
                value=len(absent),
                threshold=0,
            )


@dataclass(frozen=True)
class TriggerWordDoubled(Rule):
    code = "CAP007"
    name = "trigger-word-doubled"
    severity = "warning"
    explanation = (
        "The caption says the trigger word more than once, as happens when it was put in front of captions that had "
        "it. Each one becomes all of the new tokens, so they take several places of the 75 and the concept is named "
        "as two subjects. The guide's captions name it once."
    )

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        for trigger in evidence.needs.token_abstraction:
            pattern = trigger_pattern(evidence.needs.token_abstraction)
            counts = {name: pattern.findall(caption).count(trigger) for name, caption in _captions(evidence)}
            doubled = [name for name, count in counts.items() if count > 1]
            if doubled:
                yield self.finding(
                    doubled,
                    f'The caption says "{visible(trigger)}" more than once.',
                    "leave one (loratui caption replace, or caption dedupe for tags)",
                    value=max(counts.values()),
                    threshold=1,
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
        for name, caption in _captions(evidence):
            groups.setdefault(caption.strip(), []).append(name)
        for caption, names in groups.items():
            if len(names) > 1:
                yield self.finding(
                    names,
                    f'{len(names)} photos have one caption: "{visible(caption)}".',
                    "say in each caption what else is in the photo",
                    value=len(names),
                    threshold=1,
                )


@dataclass(frozen=True)
class TooLong(Rule):
    """Counted exactly, see curation.clip_tokens: a trigger word counts as the new tokens that it becomes."""

    code = "CAP008"
    name = "too-long"
    severity = "warning"
    explanation = (
        "SDXL's text encoders read 75 tokens of a caption (`most`), and what comes after is cut off unseen. The guide "
        "wants captions that say what is in the photo besides the subject; what they do not get to say is learned as "
        "part of it, and a trigger word at the end is never trained."
    )
    most: int = LIMIT

    def check(self, evidence: Evidence) -> Iterator[Finding | Skipped]:
        needs = evidence.needs
        for name, caption in _captions(evidence):
            try:
                count = token_count(caption, needs.token_abstraction, needs.num_new_tokens, needs.tokenizer)
            except CurationError as error:
                yield self.skipped(error.problem)
                return
            if count > self.most:
                yield self.finding(
                    [name],
                    f"The caption takes {count} tokens, of which the last {count - self.most} are cut off.",
                    f"shorten it to {self.most} tokens, the most important first",
                    value=count,
                    threshold=self.most,
                )


@dataclass(frozen=True)
class CommonFragment(Rule):
    """Words besides the trigger word, what leads up to it ("a photo of TOK"), and the instance prompt."""

    code = "CAP009"
    name = "common-fragment"
    severity = "info"
    explanation = (
        "The same `words` words or more stand in `share` of the captions (PortOS' limit) or more, of at least "
        "`fewest_captions` different ones. Words that every photo has do not tell one photo from another, so "
        "what they name is learned together with the subject, and later shows only where they are said. The guide: "
        "captions name what differs besides the subject; say what is always there in the instance prompt, or not."
    )
    words: int = 3
    share: float = 0.8
    fewest_captions: int = 5

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        texts: dict[str, list[str]] = {}  # of one caption for many photos CAP003 tells
        for name, caption in _captions(evidence):
            texts.setdefault(caption.strip(), []).append(name)
        if len(texts) < self.fewest_captions:
            return
        needs = evidence.needs
        split = {text: phrases(text, needs.token_abstraction, needs.instance_prompt) for text in texts}
        for fragment in common_fragments(list(split.values()), self.words, self.share * len(texts)):
            holding = [text for text, caption in split.items() if fragment in runs(caption, len(fragment))]
            share = len(holding) / len(texts)
            yield self.finding(
                sorted(name for text in holding for name in texts[text]),
                f'"{visible(" ".join(fragment))}" stands in {share:.0%} of the captions.',
                "remove it, or vary it (loratui caption remove)",
                value=round(share, 3),
                threshold=self.share,
            )


@dataclass(frozen=True)
class ControlCharacters(Rule):
    code = "CAP010"
    name = "control-characters"
    severity = "warning"
    explanation = (
        "The caption holds characters that are not seen: controls, marks of direction, spaces without width. They come "
        "along when text is copied from web pages, and each becomes tokens that mean nothing. A word with one in it is "
        "another word to the tokenizer: TOK with a space without width in it is no trigger word."
    )

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        for name, caption in _captions(evidence):
            if caption.isprintable():  # most are, and looking at each character takes a hundred times as long
                continue
            hidden = sorted({c for c in caption if visible(c) != c and c not in "\t\r\n"})
            if hidden:
                yield self.finding(
                    [name],
                    f"The caption holds {', '.join(map(visible, hidden))}.",
                    "remove them (loratui caption replace PHOTOS --regex EXPRESSION '')",
                    value=len(hidden),
                    threshold=0,
                )


def _captions(evidence: Evidence) -> list[tuple[str, str]]:
    """The names and captions of the photos that have one."""
    named = [(measured.name, measured.photo.caption or "") for measured in evidence.photos]
    return [(name, caption) for name, caption in named if caption.strip()]
