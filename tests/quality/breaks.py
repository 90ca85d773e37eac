"""Breaks the method in one way after another, and says which quality tests see it.

`python -m tests.quality.breaks [--only NAME] [--seeds N] [--work FOLDER]`: each measurement takes three minutes of one
core.  In a folder they are kept, so that a second call tries changed thresholds at once, on the code as it was.
"""

import argparse
import os
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from io import StringIO
from multiprocessing import get_context
from pathlib import Path
from statistics import mean, stdev
from typing import Any
from unittest.mock import patch

import pytest
import torch
from diffusers import StableDiffusionXLPipeline

from curation.atomic import write_text
from engine.data.samples import Samples
from engine.mini import exam
from engine.text import prompts
from engine.training import step, trainer
from tests.quality import reports
from tests.quality.reports import GIVEN, Report, examine

HERE = Path(__file__).parent
HEADING = "## Measured\n"


def learning_rate_0() -> AbstractContextManager[Any]:
    set_rates = trainer.set_rates
    return patch.object(trainer, "set_rates", lambda optimizer, _factor: set_rates(optimizer, 0.0))


def lora_not_loaded() -> AbstractContextManager[Any]:
    """When the run's files are put into a pipeline to paint."""
    return patch.object(StableDiffusionXLPipeline, "load_lora_weights", lambda *_arguments, **_names: None)


def tokens_not_trained() -> AbstractContextManager[Any]:
    settings = {**exam.SETTINGS, "text_encoder": {"train_text_encoder_ti_frac": 0.0}}
    return patch.object(exam, "SETTINGS", settings)


def captions_shuffled() -> AbstractContextManager[Any]:
    write_photos = reports.write_photos

    def shuffling(folder: Path, scenes: Sequence[Any], captions: Sequence[str], **names: Any) -> None:
        write_photos(folder, scenes, random.Random(5).sample(captions, len(captions)), **names)

    return patch.object(reports, "write_photos", shuffling)


def latents_with_wrong_captions() -> AbstractContextManager[Any]:
    """A cache that is asked by the position in the run, while the photos come in another order each epoch."""
    latents = Samples.latents

    def by_position(samples: Samples, _index: int, crop: Any, position: int) -> torch.Tensor:
        return latents(samples, position % len(samples.examples), crop, position)

    return patch.object(Samples, "latents", by_position)


def pooled_at_wrong_token() -> AbstractContextManager[Any]:
    """At the highest id of a caption: at the last new token instead of the end. Painting pools at the end."""
    encode = prompts._encode

    def at_highest_id(tokenizer: Any, text_encoder: Any, texts: Sequence[str], clip_skip: int | None, chunks: int):
        hidden, pooled = encode(tokenizer, text_encoder, texts, clip_skip, chunks)
        if pooled is None:
            return hidden, None
        ids = torch.tensor([prompts._chunk_ids(tokenizer, text, chunks)[0] for text in texts], device=pooled.device)
        states = text_encoder(ids).last_hidden_state
        return hidden, text_encoder.text_projection(states[torch.arange(len(ids)), ids.argmax(dim=1)])

    return patch.object(prompts, "_encode", at_highest_id)


def snr_weights_inverted() -> AbstractContextManager[Any]:
    weights = step.min_snr_weights
    return patch.object(step, "min_snr_weights", lambda *arguments: 1 / weights(*arguments))


UNBROKEN = "nothing"
BREAKS: Mapping[str, Callable[[], AbstractContextManager[Any]]] = {
    UNBROKEN: nullcontext,
    "learning rate 0": learning_rate_0,
    "LoRA not loaded": lora_not_loaded,
    "tokens not trained": tokens_not_trained,
    "captions shuffled": captions_shuffled,
    "latents paired with the wrong captions": latents_with_wrong_captions,
    "pooled embedding at the wrong token in training": pooled_at_wrong_token,
    "SNR weights inverted": snr_weights_inverted,
}


class Given:
    """A pytest plugin that has the quality tests look at a report, and remembers which of them went red."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.red: list[str] = []

    def pytest_configure(self, config: pytest.Config) -> None:
        config.stash[GIVEN] = self.report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.red.append(report.nodeid.partition("::")[2])


def red_tests(report: Report) -> list[str]:
    """The quality tests that fail on this report."""
    given = Given(report)
    with redirect_stdout(StringIO()):
        pytest.main([str(HERE), "-n0", "-m", "slow", "-p", "no:cacheprovider"], plugins=[given])
    return given.red


def measured(name: str, seed: int, work: Path) -> Report:
    """The method under a break, or "nothing"; kept in `work`, where it is not measured again."""
    file = work / f"{name}-{seed}.json"
    if not file.exists():
        with tempfile.TemporaryDirectory() as folder, BREAKS[name]():
            examine(Path(folder), seed).write(file)
    return Report.read(file)


def measure_all(jobs: Sequence[tuple[str, int]], work: Path, processes: int) -> dict[tuple[str, int], Report]:
    """The reports of breaks and seeds, each from a process of its own."""
    work.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        futures = {job: pool.submit(measured, *job, work) for job in jobs}
        return {job: future.result() for job, future in futures.items()}


def table(columns: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """Markdown: a row for each figure."""
    yield "| | " + " | ".join(columns) + " |"
    yield "|---" * (len(columns) + 1) + "|"
    for figure in next(iter(columns.values())):
        yield f"| {figure} | " + " | ".join(f"{figures[figure]:.3f}" for figures in columns.values()) + " |"


def spread(reports: Sequence[Report]) -> dict[str, dict[str, float]]:
    """Mean, standard deviation, and the ends of every figure."""
    of_all = [report.figures() for report in reports]
    values = {figure: [figures[figure] for figures in of_all] for figure in of_all[0]}
    columns: dict[str, Callable[[list[float]], float]] = {"mean": mean, "std": stdev, "least": min, "most": max}
    return {
        column: {figure: measure(of_figure) for figure, of_figure in values.items()}
        for column, measure in columns.items()
    }


def main() -> None:
    """Breaks the method in one way after another, and says which quality tests see it."""
    parser = argparse.ArgumentParser(prog="python -m tests.quality.breaks", description=main.__doc__)
    parser.add_argument("--only", choices=BREAKS, action="append", help="this alone; may be given several times")
    parser.add_argument("--seeds", type=int, default=1, help="how often the unbroken method is measured")
    parser.add_argument("--work", type=Path, help="where measurements are kept, and not repeated")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--page", type=Path, help="also write the tables below this page's last heading")
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # as the tests have it
    names = arguments.only or list(BREAKS)
    jobs = [(name, seed) for name in names for seed in range(arguments.seeds if name == UNBROKEN else 1)]
    with tempfile.TemporaryDirectory() as forgotten:
        measurements = measure_all(jobs, arguments.work or Path(forgotten), arguments.processes)
    page = "\n".join(tables(measurements))
    if arguments.page:
        before, heading, _ = arguments.page.read_text("utf-8").partition(HEADING)
        write_text(arguments.page, f"{before}{heading}\n{page}\n")
    print(page)  # noqa: T201


def tables(measurements: Mapping[tuple[str, int], Report]) -> Iterator[str]:
    """Markdown: which tests each break turns red, its figures, and how far those of the unbroken method lie apart."""
    yield "| change | tests that go red |"
    yield "|---|---|"
    for (name, seed), report in measurements.items():
        red = "; ".join(test.removeprefix("test_").replace("_", " ") for test in red_tests(report))
        yield f"| {name}{f', seed {seed}' * bool(seed)} | {red or 'none'} |"
    yield ""
    yield from table({name: report.figures() for (name, seed), report in measurements.items() if seed == 0})
    unbroken = [report for (name, _), report in measurements.items() if name == UNBROKEN]
    if len(unbroken) > 1:
        yield f"\nThe unbroken method over {len(unbroken)} seeds:\n"
        yield from table(spread(unbroken))


if __name__ == "__main__":
    main()
