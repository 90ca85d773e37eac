"""Proof that exported files load: reloaded from disk, and compared with what was trained."""

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel
from peft import LoraConfig
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn

from engine.config import TrainConfig
from engine.errors import EngineError
from engine.models.load import Models, default_device, load_models, load_unet
from engine.models.low_memory import plain_layers
from engine.results.export import KOHYA_PREFIXES, KOHYA_SUFFIXES, checkpoint_weights, file_names, kohya_tensors
from engine.results.files import exported_name
from engine.results.generate import UNLOADABLE, load_run_pipeline, out_of_memory_told, pipeline_of, render
from engine.rundir import RunDir
from engine.text.abstractions import replace_abstractions
from engine.training.lora import lora_key, lora_state
from engine.training.weights import (
    ADAPTER_METADATA,
    MODULES,
    TrainedWeights,
    add_trainables,
    apply_weights,
    lora_file_metadata,
    read_safetensors,
)

# In float32 the same weights give the same output up to the order of sums; a wrong alpha moves it by percents.
UNET_TOLERANCE = 1e-4
PICTURE_TOLERANCE = 1e-3  # of the range 0 to 1: a quarter of an 8-bit step
PICTURE_STEPS = 4
LARGEST_PICTURE = 512  # pixels a side: enough to tell, quick on a CPU


@dataclass(frozen=True)
class Verification:
    """Whether exported files are what was trained.

    files: paths of the files looked at.  tensors: how many they should hold.  difference: largest absolute difference
    of the outputs compared, None when it did not come to that.  message: the first problem, or what was proven.
    """

    ok: bool
    files: tuple[str, ...]
    tensors: int
    difference: float | None
    message: str


def verify_export(weights: TrainedWeights, files: Sequence[Path], models: Models) -> Verification:
    """Reload `files`, as `export` returned them, and compare them with the models that were just trained.

    Tensor by tensor and alpha by alpha; then each LoRA file is loaded into a fresh UNet, and one output of it compared
    with one of the trained UNet in memory.  Both run in float32 on the CPU, where no GPU's kernels blur the difference.
    """
    problems = list(_file_problems(weights, files))
    if problems:
        return _conclude(weights, files, problems, None, UNET_TOLERANCE)
    in_memory: Any = _float32_copy(models.unet)
    trained = _unet_output(in_memory)
    if models.source.quantize == "nf4":  # its layers get their 4 bits on the GPU alone, so the copy's stand for them
        fresh: Any = in_memory
        fresh.unload_lora()
    else:
        fresh = nn.Module.to(load_unet(models.source, models.unet.dtype), torch.float32)
    differences = []
    for file in files[:2]:
        try:
            _load_into_unet(fresh, file)
        except torch.OutOfMemoryError:
            raise
        except UNLOADABLE as error:
            return _conclude(weights, files, [f"{file.name} cannot be loaded: {error}"], None, UNET_TOLERANCE)
        problems += _adapter_problems(fresh, weights, "unet", file.name)
        differences.append((trained - _unet_output(fresh)).abs().max().item())
        fresh.unload_lora()
    return _conclude(weights, files, problems, float(np.max(differences)), UNET_TOLERANCE)


@out_of_memory_told()
def verify_run(run: RunDir) -> Verification:
    """Load a run's files into a fresh pipeline as users do, and compare a picture with one from the trained weights.

    The trained weights are those of the newest checkpoint.  Checked are every tensor and alpha in the files, that each
    of them arrived in the pipeline, and a small picture in float32, from the diffusers file and from the kohya file.
    Raises EngineError when there is no checkpoint to compare with, no base model, or no room on the GPU.
    """
    config, weights = run.config(), checkpoint_weights(run)
    files = [run.output / file for file in file_names(exported_name(run), bool(weights.tokens))]
    problems = list(_file_problems(weights, files))
    if problems:
        return _conclude(weights, files, problems, None, PICTURE_TOLERANCE)
    device = default_device()
    trained = _picture(_trained_pipeline(config, weights, device), config, weights)
    differences = []
    try:
        pipeline: Any = load_run_pipeline(run, torch.float32, device)
        problems += _embedding_problems(pipeline, weights, files[-1].name)
        for file in files[:2]:
            pipeline.unload_lora_weights()
            _load_into_pipeline(pipeline, file)
            for module in MODULES:
                problems += _adapter_problems(getattr(pipeline, module), weights, module, file.name)
            differences.append(np.abs(trained - _picture(pipeline, config, weights)).max())
    except torch.OutOfMemoryError:
        raise
    except (EngineError, *UNLOADABLE) as error:
        return _conclude(weights, files, [f"the files cannot be loaded: {error}"], None, PICTURE_TOLERANCE)
    return _conclude(weights, files, problems, float(np.max(differences)), PICTURE_TOLERANCE)


def _conclude(
    weights: TrainedWeights, files: Sequence[Path], problems: list[str], difference: float | None, tolerance: float
) -> Verification:
    tensors = len(kohya_tensors(weights)) + len(weights.lora()) + len(weights.embeddings())
    if difference is not None and not difference <= tolerance:  # a NaN is no match either
        problems = [*problems, f"the output differs by {difference:.2g}, more than {tolerance:g}"]
    if problems:
        more = f" (and {len(problems) - 1} more problems)" if len(problems) > 1 else ""
        message = f"{problems[0]}{more}"
    else:
        outputs = f"outputs differ by {difference:.2g} (allowed: {tolerance:g})"
        message = f"{tensors} tensors in {len(files)} files are equal; {outputs}"
    return Verification(not problems, tuple(map(str, files)), tensors, difference, message)


def _file_problems(weights: TrainedWeights, files: Sequence[Path]) -> Iterator[str]:
    """What differs between the tensors in `files` and the trained ones."""
    expected = (weights.lora(), kohya_tensors(weights), weights.embeddings())
    for file, tensors in zip(files, expected, strict=False):
        try:
            found, metadata = read_safetensors(file)
        except EngineError as error:
            yield error.problem.rstrip(".")
            continue
        yield from _tensor_problems(tensors, found, file.name)
        if file == files[0] and metadata.get(ADAPTER_METADATA) != lora_file_metadata(weights):
            yield f"{file.name} says another alpha, rank or kind of LoRA than was trained"


def _tensor_problems(expected: Mapping[str, Tensor], found: Mapping[str, Tensor], where: str) -> Iterator[str]:
    if missing := sorted(expected.keys() - found.keys()):
        yield f"{where} lacks {len(missing)} tensors, the first is {missing[0]}"
    if surplus := sorted(found.keys() - expected.keys()):
        yield f"{where} holds {len(surplus)} tensors that were not trained, the first is {surplus[0]}"
    for key in sorted(expected.keys() & found.keys()):
        if not torch.equal(expected[key], found[key].detach().cpu()):
            yield f"{where}: {key} is not what was trained"


def _adapter_problems(module: nn.Module, weights: TrainedWeights, name: str, where: str) -> Iterator[str]:
    """What did not arrive in `module`, which has loaded a file: tensors, or the scale alpha / rank."""
    yield from _tensor_problems(getattr(weights, name), lora_state(module), f"{where}, loaded into {name},")
    metadata: Any = weights.adapter_metadata.get(name)
    if not metadata:
        return
    scale = metadata["lora_alpha"] / metadata["r"]
    scales = {value for layer in module.modules() if isinstance(layer, LoraLayer) for value in layer.scaling.values()}
    if not all(math.isclose(found, scale, rel_tol=1e-6) for found in scales):  # kohya's alpha is a float32
        yield f"{where}, loaded into {name}, has the scale {sorted(scales)} instead of {scale:g}"


def _embedding_problems(pipeline: Any, weights: TrainedWeights, where: str) -> Iterator[str]:
    """New tokens whose embedding is not the trained row in a pipeline that has loaded them."""
    names = [name for group in weights.tokens.values() for name in group]
    for rows, tokenizer, text_encoder in (
        (weights.clip_l, pipeline.tokenizer, pipeline.text_encoder),
        (weights.clip_g, pipeline.tokenizer_2, pipeline.text_encoder_2),
    ):
        ids = tokenizer.convert_tokens_to_ids(names)
        if rows is not None and not torch.equal(text_encoder.get_input_embeddings().weight[ids].cpu(), rows):
            yield f"{where}: an embedding of {', '.join(names)} is not what was trained"


def _load_into_unet(unet: UNet2DConditionModel, file: Path) -> None:
    """By the code with which `load_lora_weights` reads any LoRA file but kohya's DoRA."""
    if tensors := _kohya_dora(file):
        _load_kohya_dora(unet, tensors, KOHYA_PREFIXES["unet"])
        return
    read: Any = StableDiffusionXLPipeline.lora_state_dict(
        str(file.parent), weight_name=file.name, unet_config=unet.config, return_lora_metadata=True
    )
    state_dict, network_alphas, metadata = read
    StableDiffusionXLPipeline.load_lora_into_unet(
        state_dict, network_alphas=network_alphas, unet=unet, metadata=metadata
    )


def _load_into_pipeline(pipeline: Any, file: Path) -> None:
    if tensors := _kohya_dora(file):
        for module, prefix in KOHYA_PREFIXES.items():
            _load_kohya_dora(getattr(pipeline, module), tensors, prefix)
    else:
        pipeline.load_lora_weights(str(file.parent), weight_name=file.name)


def _kohya_dora(file: Path) -> dict[str, Tensor]:
    """The tensors of a kohya file with DoRA, of which diffusers drops the magnitudes; none of another file."""
    tensors, _ = read_safetensors(file)
    return tensors if any(key.endswith(".dora_scale") for key in tensors) else {}


def _load_kohya_dora(module: Any, tensors: Mapping[str, Tensor], prefix: str) -> None:
    """Find each layer as ComfyUI does: by the name that the model's own layer has in kohya's spelling."""
    layers = {name: f"{prefix}_{lora_key(name).replace('.', '_')}" for name, _ in module.named_modules()}
    found = {name: layer for name, layer in layers.items() if f"{layer}.dora_scale" in tensors}
    if not found:
        return
    alpha: Any = tensors[f"{next(iter(found.values()))}.alpha"].item()
    rank = len(tensors[f"{next(iter(found.values()))}.lora_down.weight"])
    module.add_adapter(LoraConfig(r=rank, lora_alpha=alpha, target_modules=list(found), use_dora=True))
    for key, parameter in lora_state(module).items():
        layer, _, suffix = key.rpartition(".lora_")
        tensor = tensors[f"{prefix}_{layer.replace('.', '_')}.{KOHYA_SUFFIXES[suffix]}"]
        parameter.data.copy_(tensor.reshape(parameter.shape))


def _float32_copy(unet: UNet2DConditionModel) -> UNet2DConditionModel:
    """On the CPU; its tensors are given to deepcopy as already copied, so that the GPU never holds two UNets."""
    memo: dict[int, Tensor] = {
        id(p): nn.Parameter(p.detach().to("cpu", torch.float32), requires_grad=False) for p in unet.parameters()
    }
    memo |= {id(buffer): buffer.to("cpu", torch.float32, copy=True) for buffer in unet.buffers()}  # of float8 layers
    return copy.deepcopy(unet, memo | plain_layers(unet))


@torch.no_grad()
def _unet_output(unet: UNet2DConditionModel) -> Tensor:
    """The UNet's answer to a fixed, random question. float32, shape (1, 4, 16, 16)."""
    config: Any = unet.eval().config
    generator = torch.Generator().manual_seed(0)
    pooled_width = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
    return unet(
        torch.randn(1, config.in_channels, 16, 16, generator=generator),
        torch.tensor([500]),
        encoder_hidden_states=torch.randn(1, 77, config.cross_attention_dim, generator=generator),
        added_cond_kwargs={
            "text_embeds": torch.randn(1, pooled_width, generator=generator),
            "time_ids": torch.tensor([[128.0, 128.0, 0.0, 0.0, 128.0, 128.0]]),
        },
    ).sample


def _trained_pipeline(config: TrainConfig, weights: TrainedWeights, device: torch.device) -> StableDiffusionXLPipeline:
    """The trained models as training has them in memory, with no exported file involved."""
    models = load_models(config.model, torch.float32, device)
    add_trainables(models, config)
    apply_weights(models, weights)
    for module in (models.unet, models.text_encoder, models.text_encoder_2):
        module.eval()
    return pipeline_of(models)


def _picture(pipeline: StableDiffusionXLPipeline, config: TrainConfig, weights: TrainedWeights) -> np.ndarray:
    """Of every trigger word, so that all new tokens have a part in it."""
    prompt = f"a photo of {' '.join(config.concept.token_abstraction)}"
    return render(
        pipeline,
        [replace_abstractions(prompt, weights.tokens)],
        num_inference_steps=PICTURE_STEPS,
        guidance_scale=config.sample.guidance_scale,
        seed=config.run.seed,
        size=min(config.data.resolution, LARGEST_PICTURE),
    )
