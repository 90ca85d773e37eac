"""The run whose weights a new one starts from: found, whole, and of the new one's shape; told without torch."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from curation.errors import StatedError
from curation.text import visible
from engine.config import TrainConfig
from engine.errors import ConfigError, EngineError
from engine.fingerprint import recorded_fingerprint
from engine.models.checkpoint_header import read_header
from engine.models.contents import model_contents
from engine.paths import is_there, typed_path
from engine.plan import trigger_words
from engine.rundir import LORA_FILE, find_run
from engine.training.manifest import ADAPTER_METADATA, EMBEDDINGS_FILE, MANIFEST, fault, find_checkpoint


def find_origin(named: str, runs_dir: Path) -> Path:
    """The folder, absolute, of the checkpoint that `named` stands for: a run, RUN:STEP, or a checkpoint's folder.

    A run is named as everywhere, by its name or its folder, and stands for its newest whole checkpoint.
    Raises EngineError when there is none, or it is damaged.
    """
    path = typed_path(named)
    if is_there(path / MANIFEST):
        if problem := fault(path):
            raise EngineError(f"The checkpoint {visible(named)} cannot be used: {problem}.", "Name another one.")
        return path.absolute()
    run, colon, step = named.rpartition(":")
    if colon and step.isdigit():
        return find_checkpoint(find_run(runs_dir, str(typed_path(run))), int(step))
    return find_checkpoint(find_run(runs_dir, str(path)))


def with_origin_found(config: TrainConfig, runs_dir: Path) -> TrainConfig:
    """The config with its init_from as the folder of a checkpoint, which a worker finds wherever it runs."""
    if config.lora.init_from is None:
        return config
    folder = str(find_origin(config.lora.init_from, runs_dir))
    return config.model_copy(update={"lora": config.lora.model_copy(update={"init_from": folder})})


def check_origin(config: TrainConfig, runs_dir: Path) -> Iterator[StatedError | str]:
    """The weights to start from are there and fit.  config: resolved."""
    if config.lora.init_from is None:
        return
    try:
        folder = find_origin(config.lora.init_from, runs_dir)
        wanted = _shape_wanted(config)
        trained = _shape_of(folder, _blocks(config))
    except EngineError as error:
        yield error
        return
    misfits = [name for name, value in wanted.items() if trained[name] != value]
    if misfits:
        theirs = ", ".join(f"{name} = {visible(str(trained[name]))}" for name in misfits)
        ours = ", ".join(visible(str(wanted[name])) for name in misfits)
        yield ConfigError(
            f"The weights of {visible(config.lora.init_from)} do not fit: they have {theirs}, and this run has {ours}.",
            "Give this run what they have, or leave out init_from.",
        )
    before = recorded_fingerprint(folder)
    now = model_contents(config.model)
    if before and before.model and now and before.model != now:
        yield f"The weights of {visible(config.lora.init_from)} were trained on another base model than this run's."


def _shape_wanted(config: TrainConfig) -> dict[str, object]:
    """What tells whether weights fit, by the settings that decide it."""
    lora, text_encoder = config.lora, config.text_encoder
    return {
        "rank": lora.rank,
        "lora_alpha": float(lora.rank if lora.lora_alpha is None else lora.lora_alpha),
        "use_dora": lora.use_dora,
        "lora_layers": lora.lora_layers,
        "lora_unet_blocks": ", ".join(_blocks(config)) or "all",
        "train_text_encoder": text_encoder.train_text_encoder,
        "number of new tokens": len(set(trigger_words(config))) * text_encoder.num_new_tokens_per_abstraction,
    }


def _blocks(config: TrainConfig) -> list[str]:
    return sorted({block.removeprefix("unet.") for block in config.lora.lora_unet_blocks or ()})


def _shape_of(folder: Path, blocks: Sequence[str]) -> dict[str, object]:
    """The same of a checkpoint, from its files' headers. Raises EngineError for files that are not ours.

    blocks: the wanted ones; a trained block inside one of them goes by its name.
    """
    lora = read_header(folder / LORA_FILE)
    try:
        adapter: Mapping[str, Any] = json.loads(lora.metadata[ADAPTER_METADATA])
        rank, alpha, dora = adapter["unet.r"], float(adapter["unet.lora_alpha"]), adapter["unet.use_dora"]
        restricted = isinstance(adapter["unet.target_modules"], str)
    except (KeyError, ValueError, TypeError) as error:
        raise EngineError(f"{folder} was not written by loratui.", "Name another run or checkpoint.") from error
    unet = [name.removeprefix("unet.") for name in lora.shapes if name.startswith("unet.")]
    trained = {name.partition(".transformer_blocks.")[0] for name in unet} if restricted else set()
    named = {next((block for block in blocks if f"{name}.".startswith(f"{block}.")), name) for name in trained}
    tokens = 0
    if is_there(folder / EMBEDDINGS_FILE):
        rows = next(iter(read_header(folder / EMBEDDINGS_FILE).shapes.values()), ())
        tokens = rows[0] if rows else 0
    return {
        "rank": rank,
        "lora_alpha": alpha,
        "use_dora": dora,
        "lora_layers": "attention_and_feed_forward" if any(".ff.net." in name for name in unet) else "attention",
        "lora_unet_blocks": ", ".join(sorted(named)) or "all",
        "train_text_encoder": any(name.startswith("text_encoder.") for name in lora.shapes),
        "number of new tokens": tokens,
    }
