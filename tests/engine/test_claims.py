"""The benchmark of the guide's claims: what a verdict needs, what a run is known by, and what survives a kill."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.claims import REHEARSAL, Benchmark, report, run
from benchmarks.claims_page import page, sentence, table
from benchmarks.claims_photos import findings, write_photo_set
from benchmarks.claims_plots import plot
from benchmarks.claims_questions import (
    BASE,
    CLASS_PROMPT,
    DEFAULT,
    INSTANCE_PROMPT,
    QUESTIONS,
    RECIPE,
    Claim,
    Condition,
    Expectation,
    PhotoSet,
    changed,
    laid_over,
    prior,
)
from benchmarks.claims_results import Job, Record, Results, digest
from benchmarks.claims_verdicts import MARGIN, Answer, Spread, answer, judge
from engine.config import compose
from engine.models.tiny import tiny_sdxl
from engine.plan import resolve

GRADES = {"concept": 0.5, "prompt": 0.5, "leak": 0.5, "variety": 0.5}


def record(key: str = "k", seed: int = 0, **grades: float) -> Record:
    return Record(key, seed, GRADES | grades, photos=6, seconds=10.0)


def seeds(*concepts: float | None) -> Mapping[int, Record]:
    """Records of one condition, None for a run that failed."""
    return {
        seed: Record("k", seed, problem="It failed.") if concept is None else record(seed=seed, concept=concept)
        for seed, concept in enumerate(concepts)
    }


def claim(expects: Expectation, *against: str) -> Claim:
    return Claim("This is so", "concept", "this", expects, against or ("that",))


def job(condition: Condition = DEFAULT, seed: int = 0, weights: str = "w") -> Job:
    return Job(condition, seed, "tiny", weights, {})


@pytest.mark.parametrize(
    ("expects", "interval", "expected"),
    [
        ("more", (0.01, 0.3), "holds"),
        ("more", (-0.1, 0.3), "undecided"),
        ("more", (-0.3, -0.01), "does not hold"),
        ("more", (-0.04, 0.04), "does not hold"),
        ("less", (-0.3, -0.01), "holds"),
        ("less", (0.01, 0.3), "does not hold"),
        ("less", (-0.3, 0.1), "undecided"),
        ("no less", (-0.04, 0.3), "holds"),
        ("no less", (-0.06, 0.3), "undecided"),
        ("no less", (-0.3, -0.01), "does not hold"),
        ("alike", (-0.04, 0.04), "holds"),
        ("alike", (-0.06, 0.04), "undecided"),
        ("alike", (0.01, 0.3), "does not hold"),
    ],
)
def test_what_an_interval_of_a_difference_says(
    expects: Expectation, interval: tuple[float, float], expected: Answer
) -> None:
    assert MARGIN == 0.05
    assert answer(expects, interval) == expected


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=2).map(sorted))
def test_more_and_less_never_hold_together_and_each_refutes_the_other(interval: list[float]) -> None:
    low, high = interval
    answers = {answer("more", (low, high)), answer("less", (low, high))}
    assert answers != {"holds"}
    assert "holds" not in answers or "does not hold" in answers


@given(st.floats(-1, 1), st.sampled_from(["more", "less", "no less", "alike"]))
def test_one_seed_decides_nothing(difference: float, expects: Expectation) -> None:
    rows = {"this": seeds(difference), "that": seeds(0.0)}
    assert judge(claim(expects), rows).answer == "undecided"


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8))
def test_the_interval_lies_around_the_mean_and_grows_with_the_spread(values: list[float]) -> None:
    spread = Spread.of(values)
    low, high = spread.interval
    assert low <= spread.mean <= high
    wider = Spread.of([spread.mean + 2 * (value - spread.mean) for value in values])
    assert wider.interval[1] - wider.interval[0] == pytest.approx(2 * (high - low), abs=1e-9)


def test_runs_are_compared_seed_by_seed() -> None:
    rows = {"this": seeds(0.3, 0.6, 0.9), "that": seeds(0.2, 0.5, 0.8)}
    verdict = judge(claim("more"), rows)
    assert verdict.difference and verdict.difference.mean == pytest.approx(0.1)
    assert verdict.answer == "holds"
    assert judge(claim("more"), rows | {"that": seeds(0.8, 0.2, 0.5)}).answer == "undecided"


def test_the_best_of_several_is_what_counts() -> None:
    rows = {"this": seeds(0.5, 0.5), "worse": seeds(0.1, 0.1), "better": seeds(0.7, 0.7)}
    verdict = judge(claim("no less", "worse", "better"), rows)
    assert (verdict.against, verdict.answer) == ("better", "does not hold")


def test_failed_runs_are_left_out_and_without_any_other_nothing_is_decided() -> None:
    rows = {"this": seeds(None, 0.5, 0.5), "that": seeds(0.9, 0.4, 0.4)}
    verdict = judge(claim("more"), rows)
    assert verdict.difference and verdict.difference.count == 2 and verdict.answer == "holds"
    assert judge(claim("more"), {"this": seeds(None), "that": seeds(0.4)}).difference is None


def test_a_run_is_known_by_what_it_depends_on() -> None:
    assert job().key == job(changed(lora={"rank": 32})).key  # which the recipe says anyway
    assert job().key == replace(job(), model="a copy elsewhere").key
    others = [
        job(changed(lora={"rank": 16})),
        job(replace(DEFAULT, one_caption=True)),
        job(replace(DEFAULT, photos=PhotoSet("poor", 6))),
        job(seed=1),
        job(weights="trained longer"),
        replace(job(), overrides=REHEARSAL),
        job(BASE),
    ]
    assert len({job().key, *(other.key for other in others)}) == 1 + len(others)


def test_the_digest_of_a_model_is_of_its_weights(tmp_path: Path) -> None:
    for name in ("one", "same"):
        (tmp_path / name / "unet").mkdir(parents=True)
        (tmp_path / name / "unet" / "weights.safetensors").write_bytes(b"weights")
    same = digest(str(tmp_path / "same"))
    assert digest(str(tmp_path / "one")) == same
    (tmp_path / "one" / "unet" / "weights.safetensors").write_bytes(b"others!")
    assert digest(str(tmp_path / "one")) != same


@given(st.integers(0, 200))
def test_a_torn_line_costs_its_own_record_alone(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    results = Results(tmp_path_factory.mktemp("work") / "results.jsonl")
    for key in "abc":
        results.add(record(key))
    content = results.file.read_bytes()
    results.file.write_bytes(content[: -1 - cut % (len(content) // 3 - 1)])
    results.add(record("d"))
    assert {"a", "b", "d"} <= results.read().keys()
    assert results.read()["d"] == record("d")


def test_a_failure_is_tried_again_and_forgotten_when_that_succeeds(tmp_path: Path) -> None:
    results = Results(tmp_path / "work" / "results.jsonl")
    assert results.read() == {}
    failure = Record("a", 0, problem="The disk is full.")
    results.add(failure)
    assert results.read() == {"a": failure}
    results.add(record("a"))
    results.add(failure)
    assert results.read() == {"a": record("a")}


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_every_condition_can_be_trained_and_every_claim_is_about_one(question) -> None:
    for condition in question.conditions.values():
        resolve(compose(flags=laid_over(RECIPE, condition.settings)).config)
    for each in question.claims:
        assert {each.this, *each.against} <= question.conditions.keys()


def test_each_condition_of_a_question_is_another_run() -> None:
    for question in QUESTIONS:
        keys = [job(condition).key for condition in question.conditions.values()]
        assert len(set(keys)) == len(keys), question.name


def test_prompts_are_in_the_words_of_the_examination() -> None:
    from engine.mini.exam import CLASS, NAMED

    assert f"a photo of {NAMED}" == INSTANCE_PROMPT
    assert f"a photo of {CLASS}" == CLASS_PROMPT


def test_a_table_tells_means_spreads_and_failures() -> None:
    rows = {"rank 4": seeds(0.4, 0.6), "rank 64": seeds(None, 0.7)}
    _, _, base, first, second = "\n".join(table(rows, seeds(0.1))).splitlines()
    assert "base model" in base and "0.10 ± 0.00" in base
    assert first.startswith("| rank 4 | 0.50 ± 0.14 |") and first.endswith("| 10 ± 0 | 2 |")
    assert second.startswith("| rank 64 | 0.70 ± 0.00 |") and second.endswith("| 1 (1 failed) |")


def test_a_table_of_several_photo_sets_tells_what_lint_names() -> None:
    mended = {0: replace(record(), photos=4), 1: replace(record(), photos=5)}
    faulty = {0: replace(record(), findings={"DUP002": 2}), 1: replace(record(), findings={"DUP002": 3, "IMG002": 1})}
    lines = "\n".join(table({"with faults": faulty, "mended": mended}, {})).splitlines()
    assert lines[-2].endswith("| 6 ± 0 | DUP002: 2.5, IMG002: 0.5 |")
    assert lines[-1].endswith("| 4 ± 1 | - |")


def test_a_sentence_tells_every_verdict() -> None:
    rows = {"this": seeds(0.5, 0.6), "that": seeds(0.1, 0.2)}
    verdicts = [judge(claim(expects), rows) for expects in ("more", "alike")]
    assert sentence(verdicts) == "**Claims that hold here: 1 of 2; that do not: 1; undecided: 0.**"


@pytest.mark.parametrize("done", [(), (0.4,), (0.4, 0.5, 0.6), (None, None)])
def test_the_page_tells_each_question_whatever_is_done(done: tuple[float | None, ...]) -> None:
    rows_of = {q.name: dict.fromkeys(q.conditions, seeds(*done)) for q in QUESTIONS}
    text = page(rows_of, seeds(*done), 105)
    headings = {
        re.sub(r"[^a-z0-9 -]", "", line[3:].lower()).replace(" ", "-")
        for line in text.split("\n")
        if line.startswith("## ")
    }
    links = re.findall(r"\(#([^)]+)\)", text)
    assert len(links) == len(QUESTIONS) and set(links) <= headings
    assert all(f"images/claims-{question.name}.svg" in text for question in QUESTIONS)
    assert "{" not in text and "nan" not in text


def test_a_plot_has_a_bar_for_each_row_and_a_dot_for_each_value() -> None:
    drawn = ElementTree.fromstring(plot(["one", "two"], {"<a> & b": [[0.2, 0.4], []], "c": [[1.0], [0.0, 0.5, 1.5]]}))
    texts = [element.text for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert {"<a> & b", "c", "one", "two", "-"} <= set(texts)
    assert len(list(drawn.iter("{http://www.w3.org/2000/svg}circle"))) == 6


def test_what_is_done_is_not_done_again_and_stands_on_the_page(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark = Benchmark(tmp_path / "work", str(tiny_model), 2, {})
    question = next(question for question in QUESTIONS if question.name == "captions")
    for key, (_, done) in benchmark.labelled_jobs([question]).items():
        benchmark.results.add(record(key, done.seed))
    run(benchmark, [question], processes=1)
    assert "6 runs, of which 6 are done" in capsys.readouterr().out
    report(benchmark, tmp_path / "docs")
    wanted = len(benchmark.labelled_jobs(QUESTIONS))
    assert f"6 of {wanted} runs" in (tmp_path / "docs" / "claims.md").read_text("utf-8")
    assert len(list((tmp_path / "docs" / "images").glob("claims-*.svg"))) == len(QUESTIONS)


@pytest.mark.slow
def test_the_linter_finds_the_planted_faults_and_mends_them(tmp_path: Path) -> None:
    faulty = findings(write_photo_set(tmp_path / "faulty", PhotoSet("faulty", 16), 0))
    assert {"DUP002", "IMG002", "IMG004", "IMG007"} <= faulty.keys()
    assert faulty["IMG002"] >= 2 and faulty["DUP002"] >= 4
    assert findings(write_photo_set(tmp_path / "mended", PhotoSet("mended", 16), 0)) == {}


@pytest.mark.slow
def test_a_run_is_trained_and_graded_and_leaves_nothing_behind(tmp_path: Path) -> None:
    from benchmarks.claims_runs import do

    condition = replace(prior("generated"), one_caption=True)
    first = Job(condition, 0, "tiny", digest(str(tiny_sdxl())), REHEARSAL)
    done = do(first, tmp_path)
    assert not done.problem
    assert done.grades.keys() >= GRADES.keys() and done.photos == 6 and done.seconds > 0
    assert [path.name for path in tmp_path.iterdir()] == [f"class-images-4-{first.weights}"]


def test_what_a_run_cannot_do_is_its_record(tmp_path: Path) -> None:
    from benchmarks.claims_runs import do

    missing = replace(job(BASE), model=str(tmp_path / "missing"))
    assert "missing" in do(missing, tmp_path).problem
