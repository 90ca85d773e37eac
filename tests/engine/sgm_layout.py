"""SDXL's tensors under the names of the layout that Stability published: what people's single files hold."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
UNET = {
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
}
VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
OPENCLIP = {
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
    "text_model.final_layer_norm.weight": "ln_final.weight",
    "text_model.final_layer_norm.bias": "ln_final.bias",
}
OPENCLIP_LAYER = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}


def sgm_tensors(folder: Path) -> dict[str, Tensor]:
    """All tensors of the SDXL with two layers a block that lies in a diffusers folder, under their published names."""
    parts = {
        "model.diffusion_model.": _each(_unet, _read(folder / "unet")),
        "first_stage_model.": _vae(_read(folder / "vae")),
        "conditioner.embedders.0.transformer.": _text_encoder(_read(folder / "text_encoder")),
        "conditioner.embedders.1.model.": _text_encoder_2(_read(folder / "text_encoder_2")),
    }
    return {prefix + name: tensor for prefix, part in parts.items() for name, tensor in part.items()}


def save_single_file(tensors: Mapping[str, Tensor], path: Path, **metadata: str) -> Path:
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, metadata)
    return path


def _read(folder: Path) -> dict[str, Tensor]:
    return load_file(next(folder.glob("*.safetensors")))


def _each(rename: Callable[[str], str], tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {rename(name): tensor for name, tensor in tensors.items()}


def _unet(name: str) -> str:
    module, _, kind = name.rpartition(".")
    if module in UNET:
        return f"{UNET[module]}.{kind}"
    block, *rest = name.split(".")
    if block == "mid_block":
        layer, number, *inner = rest
        place = 1 if layer == "attentions" else 2 * int(number)
        return f"middle_block.{place}.{_inner(layer, inner)}"
    index, layer, number, *inner = rest
    place = 3 * int(index) + int(number)
    if block == "down_blocks":
        if layer == "downsamplers":
            return f"input_blocks.{3 * int(index) + 3}.0.op.{inner[-1]}"
        return f"input_blocks.{place + 1}.{0 if layer == 'resnets' else 1}.{_inner(layer, inner)}"
    if layer == "upsamplers":
        return f"output_blocks.{3 * int(index) + 2}.2.conv.{inner[-1]}"  # after a resnet and an attention
    return f"output_blocks.{place}.{0 if layer == 'resnets' else 1}.{_inner(layer, inner)}"


def _inner(layer: str, inner: list[str]) -> str:
    return ".".join([RESNET[inner[0]], *inner[1:]] if layer == "resnets" else inner)


def _vae(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    levels = 4
    result = {}
    for name, tensor in tensors.items():
        side, *rest = name.split(".")
        if side in ("quant_conv", "post_quant_conv"):
            result[name] = tensor
            continue
        if rest[0] == "mid_block" and rest[1] == "attentions":
            inner = ".".join(rest[3:-1])
            rest = ["mid", "attn_1", VAE_ATTENTION[inner], rest[-1]]
            tensor = (
                tensor[..., None, None] if inner != "group_norm" and tensor.ndim == 2 else tensor
            )  # 1x1 convolutions
        elif rest[0] == "mid_block":
            rest = ["mid", f"block_{int(rest[2]) + 1}", *rest[3:]]
        elif rest[0] in ("down_blocks", "up_blocks"):
            way = rest[0].removesuffix("_blocks")
            level = rest[1] if way == "down" else str(levels - 1 - int(rest[1]))
            inner = ["block", rest[3], *rest[4:]] if rest[2] == "resnets" else [f"{way}sample", *rest[4:]]
            rest = [way, level, *inner]
        rest = [{"conv_norm_out": "norm_out", "conv_shortcut": "nin_shortcut"}.get(part, part) for part in rest]
        result[".".join([side, *rest])] = tensor
    return result


def _text_encoder(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """As transformers named them before 5.6, with the position ids that it used to save."""
    named = {f"text_model.{name.removeprefix('text_model.')}": tensor for name, tensor in tensors.items()}
    return {**named, "text_model.embeddings.position_ids": torch.arange(77)[None]}


def _text_encoder_2(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """OpenCLIP's: queries, keys and values in one tensor, the projection transposed, and a scale that nobody needs."""
    result = {"logit_scale": torch.tensor(4.6), "text_projection": tensors["text_projection.weight"].T}
    for name, tensor in tensors.items():
        if name in OPENCLIP:
            result[OPENCLIP[name]] = tensor
        elif name.startswith("text_model.encoder.layers."):
            _, _, _, number, *inner = name.split(".")
            module, kind = ".".join(inner[:-1]), inner[-1]
            layer = f"transformer.resblocks.{number}"
            if module in OPENCLIP_LAYER:
                result[f"{layer}.{OPENCLIP_LAYER[module]}.{kind}"] = tensor
            elif module == "self_attn.q_proj":
                whole = [tensors[name.replace("q_proj", each)] for each in ("q_proj", "k_proj", "v_proj")]
                result[f"{layer}.attn.in_proj_{kind}"] = torch.cat(whole)
    return result
