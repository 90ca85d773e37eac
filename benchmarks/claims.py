"""The guide's claims put to the test in miniature: the mini model learns the mascot under each claim's conditions.

Run: python benchmarks/claims.py [--work DIR] [--only QUESTION ...] [--seeds N] [--processes N] [--report]
     python benchmarks/claims.py --rehearse

It writes docs/claims.md and its plots from all runs that are done.  They lie in DIR/results.jsonl, one line each, and
are not done again while nothing changes that they depend on; whatever ends this loses the runs in flight, no others.
"""

import argparse
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from pathlib import Path
from threading import Thread

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.claims_page import BASE_LABEL, GRADES, page
from benchmarks.claims_plots import plot
from benchmarks.claims_questions import BASE, QUESTIONS, Condition, Question, Settings
from benchmarks.claims_results import Job, Record, Results, digest
from benchmarks.claims_verdicts import Records, values_of
from curation.atomic import write_text
from curation.errors import StatedError

DOCS = Path(__file__).parents[1] / "docs"
REHEARSAL: Settings = {"run": {"max_train_steps": 2}, "prior": {"num_class_images": 4}}


class Benchmark:
    """The runs that are asked for, and those that are done."""

    def __init__(self, work: Path, model: str, seeds: int, overrides: Settings) -> None:
        self.work, self.seeds = work, range(seeds)
        self.results = Results(work / "results.jsonl")
        self._model, self._weights, self._overrides = model, digest(model), overrides

    def job(self, condition: Condition, seed: int) -> Job:
        """One run of a condition."""
        return Job(condition, seed, self._model, self._weights, self._overrides)

    def labelled_jobs(self, questions: Sequence[Question]) -> dict[str, tuple[str, Job]]:
        """By key, what answers the questions, with a name to show; all of a seed before the next seed."""
        jobs: dict[str, tuple[str, Job]] = {}
        for seed in self.seeds:
            for question in questions:
                for label, condition in {BASE_LABEL: BASE, **question.conditions}.items():
                    job = self.job(condition, seed)
                    jobs.setdefault(job.key, (f"{label}, seed {seed}", job))
        return jobs

    def rows(self, conditions: Mapping[str, Condition]) -> dict[str, Records]:
        """The records of each condition by label, and in it by seed."""
        known = self.results.read()
        keys = {
            label: {seed: self.job(condition, seed).key for seed in self.seeds}
            for label, condition in conditions.items()
        }
        return {
            label: {seed: known[key] for seed, key in of_seed.items() if key in known}
            for label, of_seed in keys.items()
        }


def run(benchmark: Benchmark, questions: Sequence[Question], processes: int) -> None:
    """Do what is not done yet, and what failed, in so many processes; each result is kept as it comes."""
    jobs = benchmark.labelled_jobs(questions)
    known = benchmark.results.read()
    missing = {key: job for key, (_, job) in jobs.items() if key not in known or known[key].problem}
    say(f"{len(jobs)} runs, of which {len(jobs) - len(missing)} are done; results: {benchmark.results.file}")
    started = time.monotonic()
    # Read by torch and transformers when a worker imports them.
    os.environ.update(OMP_NUM_THREADS="1", TRANSFORMERS_VERBOSITY="error")
    benchmark.work.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=prepare_worker) as pool:
        futures = {pool.submit(do, job, benchmark.work): job for job in missing.values()}
        try:
            for number, future in enumerate(as_completed(futures), 1):
                record = record_of(future, futures[future])
                benchmark.results.add(record)
                left = (time.monotonic() - started) / number * (len(missing) - number)
                say(f"[{number}/{len(missing)}] {jobs[record.key][0]}: {told(record)}; {left / 60:.0f} min left")
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in multiprocessing.active_children():
                worker.terminate()
            raise


def prepare_worker() -> None:
    """Leave Ctrl-C to the parent, and end when that is killed instead of waiting for work for ever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent:
            parent.join()
            os._exit(1)

    Thread(target=watch, daemon=True).start()


def do(job: Job, work: Path) -> Record:
    """In a worker."""
    from benchmarks.claims_runs import do  # 6 s: torch, diffusers, transformers

    return do(job, work)


def record_of(future: "Future[Record]", job: Job) -> Record:
    """What a worker returned; a failure that nobody expected is a record too, and the other runs go on."""
    error = future.exception()
    if error is None:
        return future.result()
    return Record(job.key, job.seed, problem=f"{type(error).__name__}: {error}")


def told(record: Record) -> str:
    """In a line of progress."""
    if record.problem:
        return f"failed: {record.problem}"
    grades = ", ".join(f"{title} {record.grades[measure]:.2f}" for measure, title in GRADES.items())
    return f"{grades}; {record.seconds:.0f} s of training"


def report(benchmark: Benchmark, docs: Path) -> None:
    """Write the page and the plots into `docs`, from what is done."""
    rows_of = {question.name: benchmark.rows(question.conditions) for question in QUESTIONS}
    base = benchmark.rows({BASE_LABEL: BASE})[BASE_LABEL]
    for question in QUESTIONS:
        rows = {
            label: [list(values_of(records, measure).values()) for measure in GRADES]
            for label, records in {BASE_LABEL: base, **rows_of[question.name]}.items()
        }
        write_text(docs / "images" / f"claims-{question.name}.svg", plot(list(GRADES.values()), rows))
    wanted = len(benchmark.labelled_jobs(QUESTIONS))
    write_text(docs / "claims.md", page(rows_of, base, wanted))
    say(f"Wrote {docs / 'claims.md'}.")


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [question.name for question in QUESTIONS]
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir(), "loratui-claims"), metavar="DIR")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="QUESTION", help=", ".join(names))
    parser.add_argument("--seeds", type=int, default=3, help="runs of each condition, also on the page")
    parser.add_argument("--processes", type=int, default=2, help="at a time, of one thread each")
    parser.add_argument("--model", default="mini", help="mini, or a diffusers folder")
    parser.add_argument("--report", action="store_true", help="train nothing; write the page from what is done")
    parser.add_argument(
        "--rehearse", action="store_true", help="two steps each, and a page in DIR/docs: whether all of it works"
    )
    options = parser.parse_args()
    if min(options.seeds, options.processes) < 1:
        parser.error("--seeds and --processes must be at least 1")
    return options


def main() -> None:
    options = parsed()
    work = (options.work / "rehearsal" if options.rehearse else options.work).resolve()
    questions = [question for question in QUESTIONS if question.name in options.only]
    try:
        benchmark = Benchmark(work, options.model, options.seeds, REHEARSAL if options.rehearse else {})
        if not options.report:
            run(benchmark, questions, options.processes)
        report(benchmark, work / "docs" if options.rehearse else DOCS)
    except StatedError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("Interrupted. What is done is kept; the same command goes on.")


if __name__ == "__main__":
    main()
