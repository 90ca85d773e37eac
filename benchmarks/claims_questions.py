"""The guide's claims as questions: what is trained to answer each, and what the claim expects of the grades."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Settings = Mapping[str, Mapping[str, Any]]
Measure = Literal["concept", "prompt", "leak", "variety", "seconds"]
Expectation = Literal["more", "less", "no less", "alike"]
Origin = Literal["drawn", "generated"]


@dataclass(frozen=True)
class PhotoSet:
    """kind: "faulty" are good ones of which half have faults, "mended" what lint makes of those."""

    kind: Literal["good", "poor", "faulty", "mended"]
    count: int


INSTANCE_PROMPT, CLASS_PROMPT = "a photo of TOK monster", "a photo of a monster"
PHOTOS = 6
"""The guide, "Face LoRA": fewer photos that are well chosen; its example has six."""
FEW_GOOD = PhotoSet("good", PHOTOS)
RECIPE: Settings = {
    "lora": {"rank": 32},
    "text_encoder": {"train_text_encoder_ti_frac": 0.5, "num_new_tokens_per_abstraction": 2},
    "optimizer": {"optimizer": "prodigy", "learning_rate": 1.0},
    "loss": {"snr_gamma": 5.0},
    "data": {"repeats": 1},
    "run": {"train_batch_size": 1, "max_train_steps": 100 * PHOTOS},
}
"""The guide's own numbers; each condition changes one thing of it."""


@dataclass(frozen=True)
class Condition:
    """What one run is given besides its seed.

    photos: None to examine the base model, untrained.  one_caption: every photo has the instance prompt for its
    caption.  class_images: where those of prior preservation come from.  settings: laid over RECIPE.
    """

    photos: PhotoSet | None = FEW_GOOD
    one_caption: bool = False
    class_images: Origin | None = None
    settings: Settings = field(default_factory=dict)


@dataclass(frozen=True)
class Claim:
    """A sentence that can be wrong: that the grades of one condition are so, compared with those of another.

    against: of several, the one with the best mean counts; to stand against the best of many is harder.
    """

    says: str
    measure: Measure
    this: str
    expects: Expectation
    against: tuple[str, ...]


@dataclass(frozen=True)
class Question:
    """One section of the page.  source: what the guide says.  conditions: by the label of their row."""

    name: str
    title: str
    source: str
    conditions: Mapping[str, Condition]
    claims: tuple[Claim, ...]
    note: str = ""


def laid_over(*layers: Settings) -> dict[str, dict[str, Any]]:
    """The settings of all layers, later ones winning key by key."""
    merged: dict[str, dict[str, Any]] = {}
    for layer in layers:
        for section, values in layer.items():
            merged.setdefault(section, {}).update(values)
    return merged


def changed(**settings: Mapping[str, Any]) -> Condition:
    """The recipe with some settings changed, by section."""
    return Condition(settings=settings)


def adamw(rate: float) -> Condition:
    """AdamW, the new tokens at three times the UNet's rate, as the guide has them (1e-4 and 3e-4)."""
    return changed(optimizer={"optimizer": "adamw", "learning_rate": rate}, text_encoder={"text_encoder_lr": 3 * rate})


def steps(per_photo: int, **settings: Mapping[str, Any]) -> Condition:
    """So many steps for each photo, with a batch of one."""
    return changed(run={"max_train_steps": per_photo * PHOTOS}, **settings)


def prior(class_images: Origin | None) -> Condition:
    """Prior preservation: with class images, or without any by the base model's own predictions."""
    target = "class_images" if class_images else "base_model"
    settings = {"with_prior_preservation": True, "prior_target": target, "class_prompt": CLASS_PROMPT}
    return Condition(class_images=class_images, settings={"prior": settings})


DEFAULT = Condition()
BASE = Condition(photos=None)
ADAMW_RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
ADAMW = {f"AdamW at {rate:g}": adamw(rate) for rate in ADAMW_RATES}

QUESTIONS = (
    Question(
        "pivotal-tuning",
        "Pivotal tuning, text-encoder training, or the LoRA alone",
        "Pivotal tuning gives results “competitive or better than full text encoder training”, and with the new tokens "
        "a LoRA has “the best of both worlds”.",
        {
            "pivotal tuning": DEFAULT,
            "text-encoder LoRA": changed(text_encoder={"train_text_encoder": True, "train_text_encoder_ti": False}),
            "UNet LoRA alone": changed(text_encoder={"train_text_encoder_ti": False}),
        },
        (
            Claim(
                "With pivotal tuning the resemblance is no less than with text-encoder training",
                *("concept", "pivotal tuning", "no less", ("text-encoder LoRA",)),
            ),
            Claim(
                "With pivotal tuning prompts are obeyed no less than with text-encoder training",
                *("prompt", "pivotal tuning", "no less", ("text-encoder LoRA",)),
            ),
            Claim(
                "Pivotal tuning takes less time than text-encoder training",
                *("seconds", "pivotal tuning", "less", ("text-encoder LoRA",)),
            ),
            Claim(
                "With pivotal tuning the resemblance is greater than with the LoRA alone",
                *("concept", "pivotal tuning", "more", ("UNet LoRA alone",)),
            ),
        ),
        "The text encoders train by a LoRA here, not all of their weights. Without new tokens the trigger word is "
        "spelled in letters, which the mini model has never seen in captions.",
    ),
    Question(
        "prodigy",
        "Prodigy at 1.0 against AdamW over a range of rates",
        "Prodigy, at a rate of 1.0 that needs no search, “can be especially beneficial for Dreambooth LoRA training”.",
        {"Prodigy at 1.0": DEFAULT, **ADAMW},
        (
            Claim(
                "With Prodigy at 1.0 the resemblance is greater than with AdamW at the guide's rate",
                *("concept", "Prodigy at 1.0", "more", ("AdamW at 0.0001",)),
            ),
            Claim(
                "With Prodigy at 1.0 the resemblance is no less than with AdamW at the best of these rates",
                *("concept", "Prodigy at 1.0", "no less", tuple(ADAMW)),
            ),
            Claim(
                "With Prodigy at 1.0 prompts are obeyed no less than with AdamW at the best of these rates",
                *("prompt", "Prodigy at 1.0", "no less", tuple(ADAMW)),
            ),
        ),
        "New tokens train at three times the UNet's rate with AdamW, as in the guide. The best rate is told after the "
        "fact, which favours AdamW; a rate that is best for resemblance need not be the one that is best for prompts.",
    ),
    Question(
        "min-snr",
        "Min-SNR weighting on and off",
        "Min-SNR speeds up convergence; “for small datasets, the effects … might not appear to be pronounced”.",
        {
            "gamma 5": DEFAULT,
            "gamma 1": changed(loss={"snr_gamma": 1.0}),
            "off": changed(loss={"snr_gamma": None}),
            "gamma 5, half the steps": steps(50),
            "off, half the steps": steps(50, loss={"snr_gamma": None}),
        },
        (
            Claim(
                "On few photos the weighting hardly changes the resemblance", "concept", "gamma 5", "alike", ("off",)
            ),
            Claim(
                "It speeds up convergence: after half of the steps the resemblance is greater",
                *("concept", "gamma 5, half the steps", "more", ("off, half the steps",)),
            ),
        ),
    ),
    Question(
        "pivot",
        "Where to pivot",
        "Halfway is the default, “and our experiments validate this as well. We encourage experimentation here.”",
        {
            f"pivot at {share:.0%}": changed(text_encoder={"train_text_encoder_ti_frac": share})
            for share in (0.25, 0.5, 0.75, 1.0)
        },
        (
            Claim(
                "With a pivot halfway the resemblance is no less than with any other",
                *("concept", "pivot at 50%", "no less", ("pivot at 25%", "pivot at 75%", "pivot at 100%")),
            ),
            Claim(
                "With a pivot halfway prompts are obeyed no less than with any other",
                *("prompt", "pivot at 50%", "no less", ("pivot at 25%", "pivot at 75%", "pivot at 100%")),
            ),
        ),
    ),
    Question(
        "tokens",
        "How many new tokens",
        "“The default is set to 2, we encourage you to experiment with this.”",
        {
            f"{count} token{'s' * (count > 1)}": changed(text_encoder={"num_new_tokens_per_abstraction": count})
            for count in (1, 2, 4)
        },
        (
            Claim(
                "With two tokens the resemblance is no less than with one or four",
                "concept",
                "2 tokens",
                "no less",
                ("1 token", "4 tokens"),
            ),
            Claim(
                "With two tokens prompts are obeyed no less than with one or four",
                "prompt",
                "2 tokens",
                "no less",
                ("1 token", "4 tokens"),
            ),
        ),
    ),
    Question(
        "rank",
        "Rank 4 to 64",
        "Pictures of rank 64 “tend to have a more air-brushed appearance”; “hence … we use a default rank of 32”.",
        {f"rank {rank}": changed(lora={"rank": rank}) for rank in (4, 16, 32, 64)},
        (
            Claim(
                "At rank 32 the resemblance is no less than at rank 64", "concept", "rank 32", "no less", ("rank 64",)
            ),
            Claim(
                "At rank 32 the resemblance is no less than at any other rank",
                *("concept", "rank 32", "no less", ("rank 4", "rank 16", "rank 64")),
            ),
            Claim("At rank 4 other monsters differ more than at rank 64", "variety", "rank 4", "more", ("rank 64",)),
        ),
        "An air-brushed look cannot be seen in flat drawings. The mini's attention is 128 and 192 wide, so rank 64 is "
        "near to training all of it. That a small rank forgets less is folklore, not the guide's word.",
    ),
    Question(
        "steps",
        "75, 100 or 120 steps for each photo",
        "“… good results are achieved with a 120x multiplier (if the dataset is diverse enough to not overfit).”",
        {f"{count} steps for each photo": steps(count) for count in (50, 75, 100, 120, 200)},
        (
            Claim(
                "After 120 the resemblance is greater than after 75",
                *("concept", "120 steps for each photo", "more", ("75 steps for each photo",)),
            ),
            Claim(
                "After 120 the resemblance is no less than after 100",
                *("concept", "120 steps for each photo", "no less", ("100 steps for each photo",)),
            ),
            Claim(
                "After 120 prompts are obeyed no less than after 75",
                *("prompt", "120 steps for each photo", "no less", ("75 steps for each photo",)),
            ),
        ),
        "50 and 200 are not the guide's: they show the way there, and what comes after.",
    ),
    Question(
        "repeats",
        "Repeats",
        "“This differs from epochs in that first the images are repeated, and only then shuffled.”",
        {f"{count} repeat{'s' * (count > 1)}": changed(data={"repeats": count}) for count in (1, 2, 4)},
        (
            Claim(
                "At the same number of steps two repeats are as good as one",
                *("concept", "2 repeats", "alike", ("1 repeat",)),
            ),
            Claim(
                "At the same number of steps four repeats are as good as one",
                *("concept", "4 repeats", "alike", ("1 repeat",)),
            ),
        ),
        "The number of steps is given, so repeats change the order of the photos and nothing else. More steps by more "
        "repeats are the question before.",
    ),
    Question(
        "prior",
        "Class images: real, generated, or the base model's own predictions",
        "Generated class images “reduce both resemblance to the subject and realism”; with real ones there is “less "
        "language drift … while at the same time maintaining realism and overall quality”.",
        {
            "no prior preservation": DEFAULT,
            "real class images": prior("drawn"),
            "generated class images": prior("generated"),
            "base model's predictions": prior(None),
        },
        (
            Claim(
                "Generated class images reduce the resemblance",
                *("concept", "generated class images", "less", ("no prior preservation",)),
            ),
            Claim(
                "Real class images do not reduce the resemblance",
                *("concept", "real class images", "no less", ("no prior preservation",)),
            ),
            Claim(
                "With real class images other monsters look less like the mascot",
                *("leak", "real class images", "less", ("no prior preservation",)),
            ),
            Claim(
                "With real class images other monsters differ more",
                *("variety", "real class images", "more", ("no prior preservation",)),
            ),
            Claim(
                "With real class images the resemblance is greater than with generated ones",
                *("concept", "real class images", "more", ("generated class images",)),
            ),
            Claim(
                "With the base model's predictions other monsters look less like the mascot",
                *("leak", "base model's predictions", "less", ("no prior preservation",)),
            ),
            Claim(
                "The base model's predictions do not reduce the resemblance",
                *("concept", "base model's predictions", "no less", ("no prior preservation",)),
            ),
        ),
        "“Real” class images are drawings of the world's own code, which pre-training was made of. The base model's "
        "predictions are not in the guide.",
    ),
    Question(
        "captions",
        "Custom captions or one instance prompt",
        "“… using the same caption may lead to suboptimal results, depending on the complexity of the learned "
        "concept.”",
        {"custom captions": DEFAULT, "one instance prompt": Condition(one_caption=True)},
        (
            Claim(
                "With custom captions prompts are obeyed more",
                *("prompt", "custom captions", "more", ("one instance prompt",)),
            ),
            Claim(
                "With custom captions the resemblance is no less",
                *("concept", "custom captions", "no less", ("one instance prompt",)),
            ),
        ),
        "The captions name the place and the background, which the instance prompt does not.",
    ),
    Question(
        "few-good",
        "Few good photos or many poor ones",
        "“… less images with a better curation works better than more images if the images are of mid-to-low quality.”",
        {
            "6 good photos": DEFAULT,
            "24 poor photos": Condition(PhotoSet("poor", 24)),
            "24 good photos": Condition(PhotoSet("good", 24)),
        },
        (
            Claim(
                "With few good photos the resemblance is greater",
                "concept",
                "6 good photos",
                "more",
                ("24 poor photos",),
            ),
            Claim(
                "With few good photos prompts are obeyed no less",
                "prompt",
                "6 good photos",
                "no less",
                ("24 poor photos",),
            ),
        ),
        "All have the same number of steps. The poor ones show the mascot small, and are out of focus, shaken or dark, "
        "or all at one place in one room, a quarter each.",
    ),
    Question(
        "linter",
        "Does the linter's advice pay?",
        "“Garbage in - garbage out”: the guide's advice on the choice of photos is what the lint rules look for.",
        {
            "with faults": Condition(PhotoSet("faulty", 16)),
            "as the linter mends them": Condition(PhotoSet("mended", 16)),
            "without faults": Condition(PhotoSet("good", 16)),
        },
        (
            Claim(
                "With mended photos the resemblance is greater than with faults",
                *("concept", "as the linter mends them", "more", ("with faults",)),
            ),
            Claim(
                "With mended photos prompts are obeyed no less",
                *("prompt", "as the linter mends them", "no less", ("with faults",)),
            ),
            Claim(
                "With mended photos the resemblance is no less than if there had been no faults",
                *("concept", "as the linter mends them", "no less", ("without faults",)),
            ),
        ),
        "Half of 16 photos have faults: three are copies of one, two out of focus, one is shaken, one dark, one has a "
        "wide border. Mended is what `loratui lint --fix --unsafe-fixes` writes: copies and poor ones left out, the "
        "border cut off. All have the same number of steps.",
    ),
)
