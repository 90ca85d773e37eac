"""Everything that can be checked before a model is loaded: what fails here costs seconds, not GPU hours."""

import shlex
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from curation.dataset import Dataset, open_dataset, photo_files
from curation.errors import CurationError
from curation.hub import photos_folder
from curation.photo import load_rgb
from curation.triggers import trigger_pattern
from engine.config import TrainConfig
from engine.errors import ConfigError, EngineError
from engine.model_files import model_problem
from engine.paths import typed_path
from engine.plan import Plan, plan, resolve


@dataclass(frozen=True)
class Preflight:
    """A run that may start: its resolved config with absolute paths, its photos, its arithmetic, what to know first."""

    config: TrainConfig
    dataset: Dataset
    plan: Plan
    warnings: tuple[str, ...]


def preflight(config: TrainConfig) -> Preflight:
    """Check `config` against the disk. Raises EngineError or CurationError for what would make the run fail."""
    photos_dir = _photos_dir(config)
    config = resolve(config)
    _check_class_images(config)
    dataset = open_dataset(photos_dir, config.data.caption_column)
    if not dataset.trainable:
        raise EngineError(
            f"All {len(dataset.photos)} photos in {dataset.root} are excluded.",
            f"Take some back with: loratui include {shlex.quote(str(dataset.root))} NAME",
        )
    _check_decodes(
        [photo.path for photo in dataset.trainable],
        f"Leave it out with: loratui exclude {shlex.quote(str(dataset.root))} NAME --reason unreadable",
    )
    warnings = [*_check_caption_column(config, dataset), *_check_captions(config, dataset)]
    if problem := model_problem(config.model):
        raise problem
    arithmetic = plan(config, len(dataset.trainable))
    return Preflight(
        config=_frozen(config, photos_dir, arithmetic),
        dataset=dataset,
        plan=arithmetic,
        warnings=(*warnings, *_unsupported(config)),
    )


def _photos_dir(config: TrainConfig) -> Path:
    data = config.data
    if data.instance_data_dir and data.dataset_name and data.instance_data_dir != data.dataset_name:
        raise ConfigError("instance_data_dir and dataset_name are both set.", "Keep one; both name the photos' folder.")
    if data.dataset_name:
        return photos_folder(data.dataset_name).absolute()
    if not data.instance_data_dir:
        raise ConfigError("No photos are named.", "Set instance_data_dir, or pass --instance_data_dir FOLDER.")
    return typed_path(data.instance_data_dir).absolute()


def _check_class_images(config: TrainConfig) -> None:
    prior = config.prior
    if not prior.with_prior_preservation or not prior.class_data_dir:
        return
    folder = typed_path(prior.class_data_dir)
    if folder.is_file():
        raise ConfigError(f"class_data_dir {folder} is a file.", "Name a folder; it may be empty or new.")
    if folder.is_dir():
        _check_decodes(photo_files(folder), f"Replace it in {folder}, or remove it.")


def _check_decodes(paths: Sequence[Path], remedy: str) -> None:
    """Decode every picture whole: a header check passes half files."""
    with ThreadPoolExecutor() as pool:
        broken = [problem for problem in pool.map(_unreadable, paths) if problem]
    if broken:
        more = f" ({len(broken)} pictures are like that.)" if len(broken) > 1 else ""
        raise EngineError(f"{broken[0].problem}{more}", remedy)


def _unreadable(path: Path) -> CurationError | None:
    try:
        load_rgb(path)
    except CurationError as error:
        return error
    return None


def _check_caption_column(config: TrainConfig, dataset: Dataset) -> Iterator[str]:
    """A dataset's captions may stand in a column of any name: warn, or refuse, when it is not the one that is read."""
    column, columns = config.data.caption_column, [name for name in dataset.metadata.columns if name != "file_name"]
    if not config.data.dataset_name or not columns or column in columns:
        return
    problem = f"The dataset {config.data.dataset_name} has no column {column}; it has {', '.join(columns)}."
    if not config.concept.instance_prompt:
        raise ConfigError(problem, "Set caption_column, or an instance_prompt for all photos.")
    yield f"{problem} Set caption_column to train on its captions."


def _check_captions(config: TrainConfig, dataset: Dataset) -> Iterator[str]:
    """Warnings on captions and prompts; raises where pivotal tuning could not learn a single word."""
    instance_prompt = config.concept.instance_prompt
    without = [photo.name for photo in dataset.trainable if not photo.caption]
    if without and not instance_prompt:
        raise ConfigError(
            f"{len(without)} of {len(dataset.trainable)} photos have no caption, and there is no instance_prompt.",
            "Set one, e.g. instance_prompt = 'a photo of TOK', or write captions with: loratui caption set",
        )
    if not config.text_encoder.train_text_encoder_ti:
        return
    words = config.concept.token_abstraction
    trigger = trigger_pattern(words)
    named = ", ".join(words)
    captions = {photo.name: photo.caption or instance_prompt or "" for photo in dataset.trainable}
    missing = [name for name, caption in captions.items() if not trigger.search(caption)]
    if len(missing) == len(dataset.trainable):
        raise ConfigError(
            f"No caption contains the trigger word {named}, so its new tokens would never train.",
            f"Put it into instance_prompt or the captions, e.g. 'a photo of {words[0]}', or set token_abstraction.",
        )
    if missing:
        some = ", ".join(missing[:3])
        yield f"{len(missing)} of {len(dataset.trainable)} captions lack the trigger word {named}, e.g. of {some}."
    found = {word for caption in captions.values() for word in trigger.findall(caption)}
    if idle := [word for word in words if word not in found]:
        yield f"No caption contains the trigger word {', '.join(idle)}, so its new tokens will not train."
    prompt = config.sample.validation_prompt
    if prompt and not trigger.search(prompt):
        yield f"The validation_prompt lacks the trigger word {named}, so its pictures will not show what was learned."


def _unsupported(config: TrainConfig) -> Iterator[str]:
    """Flags of the guide's command lines that this engine takes but does not act on."""
    if config.run.report_to:
        yield f"report_to = {config.run.report_to}: the run writes events.jsonl only; watch it with `loratui attach`."
    if config.output.push_to_hub:
        yield "push_to_hub: the files stay in output/; upload them with `hf upload` when the run has finished."


def _frozen(config: TrainConfig, photos_dir: Path, arithmetic: Plan) -> TrainConfig:
    """The worker may run elsewhere, and later: nothing may hang on the current folder or on today's photos."""

    def absolute(name: str | None) -> str | None:
        return str(typed_path(name).absolute()) if name else name

    def local(name: str | None) -> str | None:
        return absolute(name) if name and name != "tiny" and typed_path(name).is_dir() else name

    model = config.model
    return config.model_copy(
        update={
            "run": config.run.model_copy(update={"max_train_steps": arithmetic.total_steps}),
            "data": config.data.model_copy(update={"instance_data_dir": str(photos_dir), "dataset_name": None}),
            "prior": config.prior.model_copy(update={"class_data_dir": absolute(config.prior.class_data_dir)}),
            "model": model.model_copy(
                update={
                    "pretrained_model_name_or_path": local(model.pretrained_model_name_or_path),
                    "pretrained_vae_model_name_or_path": local(model.pretrained_vae_model_name_or_path),
                }
            ),
        }
    )
