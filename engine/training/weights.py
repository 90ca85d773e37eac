"""What training changes: added to the models, taken out as one value, put back in place, written to files and read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from curation.atomic import writing
from engine.config import TrainConfig
from engine.errors import EngineError
from engine.models.load import Models
from engine.rundir import LORA_FILE
from engine.text.abstractions import run_tokens
from engine.text.tokens import insert_placeholders, placeholder_rows
from engine.training.lora import add_adapters, lora_metadata, lora_state
from engine.training.manifest import ADAPTER_METADATA, EMBEDDINGS_FILE

MODULES = ("unet", "text_encoder", "text_encoder_2")
DTYPES = {  # as safetensors calls them
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int8: "I8",
    torch.uint8: "U8",
}


@dataclass(frozen=True)
class TrainedWeights:
    """LoRA tensors by `lora_key` and new tokens' embeddings; all float32, on the CPU, sharing no memory with a model.

    text_encoder, text_encoder_2: empty unless they train.  clip_l, clip_g: rows of the two text encoders, shapes
    (n, width), None without new tokens.  tokens: the rows' names by trigger word.  adapter_metadata: what a LoraConfig
    needs to reload, by module: r, lora_alpha, lora_dropout, target_modules, use_dora.
    """

    unet: dict[str, Tensor]
    text_encoder: dict[str, Tensor]
    text_encoder_2: dict[str, Tensor]
    clip_l: Tensor | None
    clip_g: Tensor | None
    tokens: dict[str, tuple[str, ...]]
    adapter_metadata: dict[str, dict[str, object]]

    def lora(self) -> dict[str, Tensor]:
        """All LoRA tensors, keyed `module.lora_key`, as diffusers reads them."""
        return {f"{module}.{key}": tensor for module in MODULES for key, tensor in getattr(self, module).items()}

    def embeddings(self) -> dict[str, Tensor]:
        """The new tokens' rows under the names that other tools know; empty without new tokens."""
        return {key: rows for key, rows in (("clip_l", self.clip_l), ("clip_g", self.clip_g)) if rows is not None}


def add_trainables(models: Models, config: TrainConfig) -> dict[str, tuple[str, ...]]:
    """Put LoRA and new tokens into fresh models; returns the tokens by trigger word, none without pivotal tuning."""
    add_adapters(models, config.lora, config.text_encoder.train_text_encoder, config.run.seed)
    tokens = run_tokens(config)
    if tokens:
        insert_placeholders(models, tokens, config.run.seed, config.text_encoder.initializer_concept)
    return tokens


def trained_weights(models: Models, tokens: Mapping[str, tuple[str, ...]]) -> TrainedWeights:
    """A copy of all that training changes in `models`."""
    clip_l, clip_g = placeholder_rows(models.text_encoder), placeholder_rows(models.text_encoder_2)
    metadata = {module: lora_metadata(getattr(models, module)) for module in MODULES}
    return TrainedWeights(
        unet=_copies(models.unet),
        text_encoder=_copies(models.text_encoder),
        text_encoder_2=_copies(models.text_encoder_2),
        clip_l=None if clip_l is None else _copy(clip_l),
        clip_g=None if clip_g is None else _copy(clip_g),
        tokens=dict(tokens),
        adapter_metadata={module: values for module, values in metadata.items() if values},
    )


def apply_weights(models: Models, weights: TrainedWeights) -> None:
    """Copy `weights` into models that have the same adapters and placeholders.

    In place: an optimizer's flat view of the parameters stays valid.  Raises EngineError when they do not fit.
    """
    for module in MODULES:
        _fill(lora_state(getattr(models, module)), getattr(weights, module), module)
    rows = {"clip_l": placeholder_rows(models.text_encoder), "clip_g": placeholder_rows(models.text_encoder_2)}
    _fill({key: parameter for key, parameter in rows.items() if parameter is not None}, weights.embeddings(), "tokens")


def save_weights(weights: TrainedWeights, folder: Path) -> tuple[str, ...]:
    """Write `weights` to `folder`, each file whole; returns the files' names.

    `pipeline.load_lora_weights(folder)` reads the LoRA as it lies there.
    """
    save_lora(weights, folder / LORA_FILE)
    if not weights.tokens:
        return (LORA_FILE,)
    save_embeddings(weights, folder / EMBEDDINGS_FILE)
    return LORA_FILE, EMBEDDINGS_FILE


def save_lora(weights: TrainedWeights, path: Path) -> None:
    """Write the LoRA as diffusers reads it."""
    write_safetensors(path, weights.lora(), {"format": "pt", ADAPTER_METADATA: lora_file_metadata(weights)})


def save_embeddings(weights: TrainedWeights, path: Path) -> None:
    """Write the new tokens' rows as ComfyUI and the WebUIs read them, and the tokens' names by trigger word."""
    write_safetensors(path, weights.embeddings(), {"format": "pt", "tokens": json.dumps(weights.tokens)})


def lora_file_metadata(weights: TrainedWeights) -> str:
    """JSON from which diffusers reloads rank, alpha and DoRA; without it, it takes alpha for the rank."""
    flat = {
        f"{module}.{key}": value for module, values in weights.adapter_metadata.items() for key, value in values.items()
    }
    return json.dumps(flat, indent=2, sort_keys=True)


def load_weights(folder: Path) -> TrainedWeights:
    """Read what `save_weights` wrote. Raises EngineError when it is missing or damaged."""
    tensors, metadata = read_safetensors(folder / LORA_FILE)
    rows: dict[str, Tensor] = {}
    tokens: dict[str, tuple[str, ...]] = {}
    modules: dict[str, dict[str, Tensor]] = {module: {} for module in MODULES}
    adapter_metadata: dict[str, dict[str, object]] = {}
    try:
        for name, tensor in tensors.items():
            module, _, key = name.partition(".")
            modules[module][key] = tensor
        for name, value in json.loads(metadata[ADAPTER_METADATA]).items():
            module, _, key = name.partition(".")
            adapter_metadata.setdefault(module, {})[key] = value
        if (folder / EMBEDDINGS_FILE).exists():
            rows, metadata = read_safetensors(folder / EMBEDDINGS_FILE)
            tokens = {word: tuple(names) for word, names in json.loads(metadata["tokens"]).items()}
    except (KeyError, ValueError) as error:
        raise EngineError(f"{folder} was not written by loratui.", "Choose another checkpoint.") from error
    return TrainedWeights(
        **modules,
        clip_l=rows.get("clip_l"),
        clip_g=rows.get("clip_g"),
        tokens=tokens,
        adapter_metadata=adapter_metadata,
    )


def write_safetensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file of CPU tensors, whole, the same bytes each time.

    One tensor after another, as the format has it (https://github.com/huggingface/safetensors#format): the library
    would put metadata in random order, hold the whole file in memory, and hold up every other thread meanwhile.
    """
    aligned = sorted(tensors.items(), key=lambda item: (-item[1].element_size(), item[0]))
    header: dict[str, object] = {"__metadata__": dict(sorted(metadata.items()))}
    end = 0
    for name, tensor in aligned:
        begin, end = end, end + tensor.nbytes
        header[name] = {"dtype": DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 8)
    with writing(path) as temporary, temporary.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, tensor in aligned:
            file.write(tensor.detach().reshape(-1).view(torch.uint8).numpy().data)


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and metadata of a safetensors file. Raises EngineError when it is missing or damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except FileNotFoundError:
        raise EngineError(f"There is no file {path}.", "Write it again with: loratui export RUN") from None
    except (SafetensorError, OSError) as error:
        raise EngineError(f"{path} cannot be read: {error}.", "Write it again with: loratui export RUN") from error


def _fill(parameters: Mapping[str, nn.Parameter], tensors: Mapping[str, Tensor], what: str) -> None:
    shapes = {key: tuple(parameter.shape) for key, parameter in parameters.items()}
    if shapes != {key: tuple(tensor.shape) for key, tensor in tensors.items()}:
        raise EngineError(
            f"The saved weights do not fit the model's {what}.",
            "Keep rank and tokens as they were, or start a new run.",
        )
    with torch.no_grad():
        for key, parameter in parameters.items():
            parameter.copy_(tensors[key])


def _copies(module: nn.Module) -> dict[str, Tensor]:
    return {key: _copy(parameter) for key, parameter in lora_state(module).items()}


def _copy(parameter: nn.Parameter) -> Tensor:
    return parameter.detach().to("cpu", torch.float32, copy=True).contiguous()
