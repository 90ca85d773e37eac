"""docs/claims.md, whole: what was asked, the tables, what the claims came to, and how all of it was done."""

import os
import platform
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from statistics import mean

from benchmarks.claims_questions import PHOTOS, QUESTIONS, Measure, Question
from benchmarks.claims_results import Record
from benchmarks.claims_verdicts import CONFIDENCE, MARGIN, Answer, Records, Spread, Verdict, judge, values_of

Rows = Mapping[str, Records]
GRADES: Mapping[Measure, str] = {
    "concept": "resemblance",
    "prompt": "prompts obeyed",
    "leak": "leak",
    "variety": "variety",
}
ANSWERS: Sequence[Answer] = ("holds", "does not hold", "undecided")
BASE_LABEL = "base model, untrained"

HEAD = """\
# The guide's claims, in miniature

Written by `python benchmarks/claims.py`: {done} of {wanted} runs, {hours:.1f} hours of CPU for their training
({machine}; {versions}).

The advanced SDXL guide says how to train a LoRA of a subject. Here its claims are put to the test with the mini model:
SDXL's architecture, with 11 million weights in its UNet, which paints a small world at 64 pixels and has never seen one
individual of it, the mascot. Each run learns the mascot from a few photos; then it paints it in other places, and a
classifier that was trained on drawings grades the pictures.

**It is a toy.** A claim that holds here may fail on SDXL and the other way round: the world has few words and flat
colours, a photo is 64 pixels wide for the model, and the classifier sees only what it was taught. What stands below
shows that these settings do something, which way, and how much chance there is in one run.
"""

METHOD = """\
## How it was done

- **The recipe** is the guide's: pivotal tuning with two new tokens to half of the steps, Prodigy at 1.0, min-SNR with
  gamma 5, rank 32, one repeat, {photos} photos with captions of their own, batches of one, 100 steps for each photo.
  Each condition changes what its name says. Captions name place and background, and the mascot by its trigger word.
- **Each condition** is trained with {seeds} seeds. A seed decides the photos that are drawn, every draw of the training
  and the noise of the pictures that are graded, so that conditions are compared seed by seed.
- **Grades**, all from 0 to 1, are means over 56 pictures of "a photo of TOK monster ..." and 56 of "a photo of a
  monster ..." with 14 backgrounds and 5 places, 12 steps, guidance 4. *Resemblance*: how probable the classifier finds
  the mascot's traits and colours in the first ones. *Prompts obeyed*: the share of these with the place, and with the
  background, that was asked for, together. *Leak*: the resemblance of the second ones, where nobody asked for the
  mascot. *Variety*: how often two of the second ones differ in a trait. Less leak and more variety is less drift.
- **A verdict** looks at the differences between runs of the same seed: their mean, and the {confidence:.0%} interval of
  that mean (Student's t). *More* and *less* hold when the interval leaves out zero; *no less* holds when no loss
  of more than {margin} is left in it; *alike* when no difference of more than {margin} is. A claim is refuted when the
  interval lies on the wrong side of zero, or proves a difference claimed to be smaller than {margin}. Else it is
  undecided: with few seeds that is the honest answer to a small difference.
- **Tables** give mean ± standard deviation over the seeds. Seconds are of CPU, for the whole run until its files are
  verified. Findings: how many photos each lint rule names as a warning or an error.

## Limits

- {claims} comparisons at {confidence:.0%}: some of those that hold, or do not, will be chance.
- Against the best of several conditions, the best is the luckiest as well.
- One subject, one class, one base model. Realism, skin and an air-brushed look do not exist here.
- Photos are drawings with a little grain, and the linter was made for photographs: plain backgrounds make it find near
  copies where there are none, which it then leaves out.
- Left out: other optimizers' settings, batches of more than one, text encoders trained without a LoRA, styles, faces,
  and whatever needs eyes.
"""


def page(rows_of: Mapping[str, Rows], base: Records, wanted: int) -> str:
    """The whole page.  rows_of: each question's rows, by its name.  wanted: runs that a full page has."""
    verdicts = {
        question.name: [judge(claim, rows_of[question.name]) for claim in question.claims] for question in QUESTIONS
    }
    records = {record.key: record for rows in rows_of.values() for row in rows.values() for record in row.values()}
    records |= {record.key: record for record in base.values()}
    lines = [
        HEAD.format(
            done=sum(not record.problem for record in records.values()),
            wanted=wanted,
            hours=sum(record.seconds for record in records.values()) / 3600,
            machine=f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
            versions=", ".join(f"{name} {version(name)}" for name in ("torch", "diffusers", "peft", "prodigyopt")),
        ),
        *_summary(verdicts),
    ]
    for question in QUESTIONS:
        lines += _section(question, rows_of[question.name], base, verdicts[question.name])
    seeds = max((len(row) for rows in rows_of.values() for row in rows.values()), default=0)
    claims = sum(len(question.claims) for question in QUESTIONS)
    lines.append(METHOD.format(photos=PHOTOS, seeds=seeds, confidence=CONFIDENCE, margin=MARGIN, claims=claims))
    return "\n".join(lines)


def _summary(verdicts: Mapping[str, Sequence[Verdict]]) -> Iterator[str]:
    yield "## In short\n"
    yield "| question | holds here | does not hold here | undecided |\n|---|---|---|---|"
    for question in QUESTIONS:
        cells = [_claims(verdicts[question.name], answer) for answer in ANSWERS]
        yield f"| [{question.title}](#{anchor(question.title)}) | {' | '.join(cells)} |"
    yield ""


def anchor(title: str) -> str:
    """As Markdown viewers make it from a heading."""
    kept = "".join(character for character in title.lower() if character.isalnum() or character in " -")
    return kept.replace(" ", "-")


def _claims(verdicts: Sequence[Verdict], answer: Answer) -> str:
    return "<br>".join(verdict.claim.says for verdict in verdicts if verdict.answer == answer) or "-"


def _section(question: Question, rows: Rows, base: Records, verdicts: Sequence[Verdict]) -> Iterator[str]:
    yield f"## {question.title}\n\n> {question.source}\n"
    yield f"![{question.title}](images/claims-{question.name}.svg)\n"
    yield from table(rows, base)
    yield "\n| claim | measure | difference | interval | |\n|---|---|---:|---:|---|"
    yield from map(_verdict_line, verdicts)
    yield f"\n{sentence(verdicts)}"
    if question.note:
        yield f"\n{question.note}"
    yield ""


def table(rows: Rows, base: Records) -> Iterator[str]:
    """A line of Markdown for each condition."""
    counts = {record.photos for row in rows.values() for record in row.values() if not record.problem}
    with_findings = len(counts) > 1
    more = ["photos", "findings"] if with_findings else []
    titles = ["", *GRADES.values(), "seconds", "runs", *more]
    yield f"| {' | '.join(titles)} |\n|---|{'---:|' * (len(titles) - 1)}"
    for label, records in {BASE_LABEL: base, **rows}.items():
        done = [record for record in records.values() if not record.problem]
        failed = len(records) - len(done)
        cells = [label, *(cell(list(values_of(records, measure).values())) for measure in GRADES)]
        cells.append(cell([record.seconds for record in done if record.seconds], 0))
        cells.append(f"{len(done)}" + f" ({failed} failed)" * bool(failed))
        if with_findings:
            cells.append(cell([record.photos for record in done if record.photos], 0))
            cells.append(_findings(done))
        yield f"| {' | '.join(cells)} |"


def _findings(records: Sequence[Record]) -> str:
    """How many photos each rule names, in the mean."""
    codes = sorted({code for record in records for code in record.findings})
    means = (mean(record.findings.get(code, 0) for record in records) for code in codes)
    return ", ".join(f"{code}: {count:.1f}" for code, count in zip(codes, means, strict=True)) or "-"


def cell(values: Sequence[float], digits: int = 2) -> str:
    """Mean ± standard deviation."""
    if not values:
        return "-"
    spread = Spread.of(values)
    return f"{spread.mean:.{digits}f} ± {spread.deviation:.{digits}f}"


def _verdict_line(verdict: Verdict) -> str:
    claim, difference = verdict.claim, verdict.difference
    measure = GRADES.get(claim.measure, claim.measure)
    numbers = "- | -"
    if difference:
        low, high = difference.interval
        numbers = f"{difference.mean:+.2f} | {low:+.2f} to {high:+.2f}" if difference.count > 1 else "- | one seed"
    best = f" (best: {verdict.against})" if len(claim.against) > 1 and difference else ""
    return f"| {claim.says}{best} | {measure} | {numbers} | **{verdict.answer}** |"


def sentence(verdicts: Sequence[Verdict]) -> str:
    """How a question's claims came out."""
    counts = Counter(verdict.answer for verdict in verdicts)
    holds, refuted, undecided = (counts[answer] for answer in ANSWERS)
    return f"**Claims that hold here: {holds} of {len(verdicts)}; that do not: {refuted}; undecided: {undecided}.**"
