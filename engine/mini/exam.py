"""The examination of a run that learned the mascot: what it paints of prompts that no photo had, and its grades.

run = train(photos, Path("runs/mascot"), {"run": {"max_train_steps": 200}})
grades = grade(paint(run))
of_the_base_model = grade(paint_base(run.config().model))
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from diffusers import StableDiffusionXLPipeline
from PIL import Image

from engine.config import Tables, compose
from engine.events import EventWriter
from engine.mini import quality
from engine.mini.judge import TRAITS, likeness, load_judge
from engine.mini.mascot import TRIGGER, where
from engine.mini.world import (
    BACKGROUNDS,
    MASCOT,
    MONSTER,
    PLACES,
    RESOLUTION,
    STYLES,
    unseen_place,
)
from engine.models.load import compute_dtype, default_device
from engine.plan import resolve
from engine.recipe import follow
from engine.results.generate import load_base_pipeline, load_run_pipeline
from engine.rundir import RunDir, create_run
from engine.settings import ModelSection
from engine.text.abstractions import replace_abstractions, run_tokens

SETTINGS: Tables = {
    "data": {"resolution": RESOLUTION},
    "concept": {"kind": "character"},
    "model": {"pretrained_model_name_or_path": "mini"},
    "sample": {"num_validation_images": 0},
    "run": {"train_batch_size": 4, "max_train_steps": 200, "checkpointing_steps": 10_000},
}
"""What `train` starts from, over the preset of a character: Prodigy, pivotal tuning, min-SNR."""

BACKGROUNDS_ASKED = tuple(background for background in BACKGROUNDS if background != MASCOT.accent)
"""All but that of the colour of the mascot's ears, which would hide them."""
NAMED, CLASS = f"{TRIGGER} {MONSTER}", f"a {MONSTER}"
NUM_INFERENCE_STEPS, GUIDANCE_SCALE = 12, 4.0


@dataclass(frozen=True)
class Question:
    """What a prompt asks for besides its subject."""

    place: str
    background: str

    def prompt(self, subject: str) -> str:
        """In the words of the captions.  subject: NAMED or CLASS."""
        return f"{STYLES['photo']} {subject} {PLACES[self.place]} {where(self.background)}"


def _questions() -> tuple[Question, ...]:
    """Each background in two places, each place as often as others, none of them a pair that pre-training left out."""
    places, questions = list(PLACES), []
    for number, background in enumerate(BACKGROUNDS_ASKED):
        turns = [places[(2 * number + turn) % len(places)] for turn in range(len(places))]
        seen = [place for place in turns if not unseen_place(background, place)]
        questions += [Question(place, background) for place in seen[:2]]
    return tuple(questions)


QUESTIONS = _questions()


@dataclass(frozen=True)
class Answers:
    """Pictures of the questions, one for each and round after round.

    named: of the trigger word with its class noun.  plain: of the class noun alone, from the same noise.
    """

    named: Sequence[Image.Image]
    plain: Sequence[Image.Image]


@dataclass(frozen=True)
class Grades:
    """What the judge sees in `Answers`, each a mean from 0 to 1.

    concept: likeness of the named pictures to the mascot (concept fidelity).
    place, background: share of the named pictures with the place and the background asked for (prompt fidelity).
    monster: share of the plain pictures that show a monster at all.
    leak: likeness of the plain pictures to the mascot, which nobody asked for (class drift).
    variety: how often two plain pictures differ in a trait, over all traits and pairs (class drift): Simpson's index
    of diversity (Simpson, 1949, doi:10.1038/163688a0).
    """

    concept: float
    place: float
    background: float
    monster: float
    leak: float
    variety: float


def train(photos: Path, folder: Path, settings: Tables | None = None) -> RunDir:
    """A new run in `folder`, trained on `photos` in this process by the same recipe as any other, to verified files.

    settings: laid over SETTINGS, by section and key; events are in the run's folder.  Raises EngineError and
    CurationError for what cannot go on.
    """
    flags = {name: dict(values) for name, values in SETTINGS.items()}
    for name, values in (settings or {}).items():
        flags.setdefault(name, {}).update(values)
    flags["data"]["instance_data_dir"] = str(photos)
    run = create_run(folder.parent, folder.name, resolve(compose(flags=flags).config))
    with run.lock():
        follow(run, EventWriter(run.events_file).write)
    return run


def paint(run: RunDir, *, rounds: int = 2, seed: int = 0) -> Answers:
    """What the run's exported files paint.  rounds: pictures of each question."""
    device, tokens = default_device(), run_tokens(run.config())
    pipeline = load_run_pipeline(run, compute_dtype(None, device), device)
    named = _painted(pipeline, NAMED, rounds, seed, tokens)
    return Answers(named, _painted(pipeline, CLASS, rounds, seed, tokens))


def paint_base(model: ModelSection, *, rounds: int = 2, seed: int = 0) -> Answers:
    """What the base model paints, from the same noise; it knows no trigger word, so both are of the class noun."""
    device = default_device()
    pipeline = load_base_pipeline(model, compute_dtype(None, device), device)
    plain = _painted(pipeline, CLASS, rounds, seed, {})
    return Answers(plain, plain)


def _painted(
    pipeline: StableDiffusionXLPipeline, subject: str, rounds: int, seed: int, tokens: Mapping[str, tuple[str, ...]]
) -> list[Image.Image]:
    prompts = [replace_abstractions(question.prompt(subject), tokens) for question in QUESTIONS]
    return quality.paint(
        pipeline,
        prompts * rounds,
        num_inference_steps=NUM_INFERENCE_STEPS,
        guidance_scale=GUIDANCE_SCALE,
        seed=seed,
    )


def grade(answers: Answers) -> Grades:
    """Have the judge look at the pictures."""
    judge = load_judge()
    named, plain = judge.judge(answers.named), judge.judge(answers.plain)
    asked = list(zip(named, list(QUESTIONS) * (len(named) // len(QUESTIONS)), strict=True))
    traits = ("colour", *TRAITS)
    return Grades(
        concept=mean(likeness(judgement, MASCOT) for judgement in named),
        place=mean(judgement.most_likely("place") == question.place for judgement, question in asked),
        background=mean(judgement.most_likely("background") == question.background for judgement, question in asked),
        monster=mean(judgement.most_likely("shape") == MONSTER for judgement in plain),
        leak=mean(likeness(judgement, MASCOT) for judgement in plain),
        variety=mean(_diversity([judgement.most_likely(trait) for judgement in plain]) for trait in traits),
    )


def _diversity(answers: Sequence[str]) -> float:
    """The probability that two of the answers, drawn without replacement, differ."""
    count = len(answers)
    same = sum(times * (times - 1) for times in Counter(answers).values())
    return 1 - same / (count * (count - 1))
