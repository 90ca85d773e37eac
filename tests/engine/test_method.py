"""The method, written out in float64 from the papers' formulas, against the engine's step: its loss and its gradients.

What is stated here uses nothing of the engine: merged weights instead of adapters, a whole table of embeddings instead
of rows, one forward pass for photos and one for the prior.  The networks themselves (UNet, text encoders, the UNet's
own embedding of time ids) are diffusers' and transformers', in float64.
"""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from engine.config import TrainConfig
from engine.data.samples import Batch
from engine.models.load import load_models
from engine.text.prompts import PromptEncoder
from engine.training.prior import predict_as_base, with_class_prompt
from engine.training.step import training_loss
from engine.training.weights import add_trainables

RANK, ALPHA = 4, 6.0
CAPTIONS = ("a photo of TOK dog", "TOK, snow, by the sea", "")
CLASS_PROMPT = "a photo of a dog"
LONG = "a very long view of the park with a small dog, " * 15 + "and TOK"  # three chunks, beside captions of one

CASES: dict[str, dict[str, Any]] = {
    "epsilon": {},
    "v-prediction": {"model": {"prediction_type": "v_prediction"}},
    "min-SNR": {"loss": {"snr_gamma": 5.0}},
    "min-SNR of v-prediction": {"loss": {"snr_gamma": 5.0}, "model": {"prediction_type": "v_prediction"}},
    "min-SNR at no signal": {"loss": {"snr_gamma": 5.0}, "model": {"rescale_betas_zero_snr": True}},
    "min-SNR of v-prediction at no signal": {
        "loss": {"snr_gamma": 5.0},
        "model": {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction"},
    },
    "class images": {"prior": {"with_prior_preservation": True, "prior_loss_weight": 0.7}},
    "class images beside min-SNR": {
        "prior": {"with_prior_preservation": True, "prior_loss_weight": 0.7},
        "loss": {"snr_gamma": 5.0},
    },
    "the base model's prediction": {
        "prior": {"with_prior_preservation": True, "prior_target": "base_model", "prior_loss_weight": 0.7}
    },
    "new tokens": {"text_encoder": {"train_text_encoder_ti": True}},
    "text-encoder LoRA": {"text_encoder": {"train_text_encoder": True}},
    "text-encoder LoRA beside the base model's prediction": {
        "text_encoder": {"train_text_encoder": True},
        "prior": {"with_prior_preservation": True, "prior_target": "base_model"},
    },
    "masks": {"loss": {"masked_loss": True, "unmasked_weight": 0.1}},
    "DoRA": {"lora": {"use_dora": True}},
    "clip_skip": {"text_encoder": {"clip_skip": 1}},
    "clip_skip of new tokens": {"text_encoder": {"train_text_encoder_ti": True, "clip_skip": 1}},
    "clip_skip of text-encoder LoRA": {"text_encoder": {"train_text_encoder": True, "clip_skip": 1}},
    "chunks": {"text_encoder": {"train_text_encoder_ti": True, "chunk_captions": True}},
    "all at once": {
        "model": {"prediction_type": "v_prediction"},
        "lora": {"use_dora": True},
        "loss": {"snr_gamma": 5.0, "masked_loss": True},
        "prior": {"with_prior_preservation": True},
        "text_encoder": {"train_text_encoder_ti": True, "clip_skip": 1},
    },
}


@pytest.mark.parametrize("sections", CASES.values(), ids=CASES.keys())
def test_the_engines_step_is_the_method(sections: Mapping[str, Any], tiny_model: Path) -> None:
    """Relative differences of the loss, and of each module's gradient as a vector, stay below 1e-5 in float32."""
    config, batch = config_of(sections, tiny_model), batch_of(sections)
    loss, weights, gradients = the_engines(config, batch)
    expected_loss, expected_gradients = the_papers(config, batch, weights, tiny_model)

    assert loss.item() == pytest.approx(expected_loss.item(), rel=1e-5)
    assert gradients.keys() == expected_gradients.keys()
    for part in sorted({name.partition(".")[0] for name in gradients}):
        names = [name for name in gradients if name.startswith(f"{part}.")]
        found = torch.cat([gradients[name].double().flatten() for name in names])
        expected = torch.cat([expected_gradients[name].flatten() for name in names])
        assert expected.norm() > 0
        assert (found - expected).norm() / expected.norm() < 1e-5, part


def config_of(sections: Mapping[str, Any], model: Path) -> TrainConfig:
    plain: dict[str, dict[str, Any]] = {
        "model": {"pretrained_model_name_or_path": str(model)},
        "lora": {"rank": RANK, "lora_alpha": ALPHA},
        "loss": {"snr_gamma": None},
        "prior": {"class_prompt": CLASS_PROMPT},
        "text_encoder": {"train_text_encoder_ti": False},
    }
    return TrainConfig.model_validate(
        {name: {**plain.get(name, {}), **sections.get(name, {})} for name in {*plain, *sections}}
    )


def batch_of(sections: Mapping[str, Any]) -> Batch:
    """Three photos at the first, a middle and the last timestep; two class images more where they are asked for."""
    chance = torch.Generator().manual_seed(3)
    prior, text_encoder = sections.get("prior", {}), sections.get("text_encoder", {})
    class_images = 2 if prior and prior.get("prior_target") != "base_model" else 0
    captions = (LONG, *CAPTIONS[1:]) if text_encoder.get("chunk_captions") else CAPTIONS
    masks = torch.rand(3, 1, 8, 8, generator=chance).round() if sections.get("loss", {}).get("masked_loss") else None
    return Batch(
        photos=("a", "b", "c", "d", "e")[: 3 + class_images],
        captions=captions + (CLASS_PROMPT,) * class_images,
        latents=torch.randn(3 + class_images, 4, 8, 8, generator=chance),
        noise=torch.randn(3 + class_images, 4, 8, 8, generator=chance),
        timesteps=torch.tensor([0, 400, 999, 10, 700])[: 3 + class_images],
        time_ids=torch.tensor([[1213.0, 977.0, 17.0, 5.0, 64.0, 64.0]] * (3 + class_images)),
        masks=masks,
        prior_samples=class_images,
    )


def the_engines(config: TrainConfig, batch: Batch) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
    """Loss, trained weights and their gradients, float32, by `part.parameter`."""
    models = load_models(config.model, torch.float32, torch.device("cpu"))
    tokens = add_trainables(models, config)
    trained = {
        f"{part}.{name}": parameter
        for part in ("unet", "text_encoder", "text_encoder_2")
        for name, parameter in getattr(models, part).named_parameters()
        if parameter.requires_grad
    }
    chance = torch.Generator().manual_seed(4)
    for name, parameter in trained.items():  # LoRA B starts at zero, where gradients of A vanish
        if ".lora_B." in name:
            parameter.data.normal_(0, 0.1, generator=chance)
        if ".lora_magnitude_vector." in name:
            parameter.data.mul_(1 + 0.1 * torch.randn(parameter.shape, generator=chance))
    prompts = PromptEncoder(models, tokens, config.text_encoder, None)
    base_prediction = None
    if config.prior.with_prior_preservation and config.prior.prior_target == "base_model":
        batch = with_class_prompt(batch, CLASS_PROMPT)
        base_prediction = predict_as_base(models, batch, *prompts.encode_as_base(CLASS_PROMPT))
    loss = training_loss(models, batch, *prompts.encode(batch.captions), config, base_prediction).total
    loss.backward()
    gradients = {
        name: torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        for name, parameter in trained.items()
    }
    return loss.detach(), {name: parameter.detach().clone() for name, parameter in trained.items()}, gradients


class Networks:
    """SDXL's networks in float64, as they are on disk."""

    def __init__(self, folder: Path) -> None:
        self.tokenizers = [CLIPTokenizer.from_pretrained(folder / name) for name in ("tokenizer", "tokenizer_2")]
        self.unet = UNet2DConditionModel.from_pretrained(folder / "unet").double()
        self.text_encoder: Any = CLIPTextModel.from_pretrained(folder / "text_encoder").double()
        self.text_encoder_2: Any = CLIPTextModelWithProjection.from_pretrained(folder / "text_encoder_2").double()
        for module in (self.unet, self.text_encoder, self.text_encoder_2):
            module.eval().requires_grad_(False)

    def read(self, prompts: list[str], clip_skip: int) -> tuple[Tensor, Tensor]:
        """Hidden states after the last layer but one (but 1 + clip_skip), and the output at the end mark, projected."""
        hidden, last, ends = [], torch.empty(0), []
        for tokenizer, encoder in zip(self.tokenizers, (self.text_encoder, self.text_encoder_2), strict=True):
            ids: Any = tokenizer(prompts, padding="max_length", max_length=77, truncation=True, return_tensors="pt")
            output = encoder(ids.input_ids, output_hidden_states=True)
            hidden.append(output.hidden_states[-2 - clip_skip])
            last = output.last_hidden_state
            ends = [row.index(tokenizer.eos_token_id) for row in ids.input_ids.tolist()]
        pooled = self.text_encoder_2.text_projection(last[range(len(ends)), ends])
        return torch.cat(hidden, dim=-1), pooled

    def read_long(self, prompt: str, clip_skip: int) -> tuple[Tensor, Tensor]:
        """A prompt of any length: so many words at a time as fit with start and end, one after the other."""
        parts, words = [""], prompt.split()
        for word in words:
            longer = f"{parts[-1]} {word}".strip()
            fits: Any = self.tokenizers[0](longer).input_ids
            parts[-1:] = [longer] if len(fits) <= 77 else [parts[-1], word]
        embeds, pooled = self.read(parts, clip_skip)
        return embeds.reshape(1, -1, embeds.shape[-1]), pooled[:1]

    def predict(self, noisy: Tensor, timesteps: Tensor, text: tuple[Tensor, Tensor], time_ids: Tensor) -> Tensor:
        conditions = {"text_embeds": text[1], "time_ids": time_ids}
        return self.unet(noisy, timesteps, text[0], added_cond_kwargs=conditions).sample


def the_papers(
    config: TrainConfig, batch: Batch, weights: Mapping[str, Tensor], folder: Path
) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss and gradients of the method in float64."""
    networks, leaves = Networks(folder), {name: tensor.double().requires_grad_() for name, tensor in weights.items()}
    base = copy.deepcopy(networks)
    for part in ("unet", "text_encoder", "text_encoder_2"):
        own = {name.removeprefix(f"{part}."): leaf for name, leaf in leaves.items() if name.startswith(f"{part}.")}
        merge_lora(getattr(networks, part), own)
    tables = {}
    for part, tokenizer in zip(("text_encoder", "text_encoder_2"), networks.tokenizers, strict=True):
        if rows := [name for name in leaves if name.startswith(f"{part}.") and name.endswith("rows")]:
            tokenizer.add_tokens(["<s0>", "<s1>"])
            tables[rows[0]] = whole_table(getattr(networks, part), leaves[rows[0]].detach())

    photos = len(batch.captions) - batch.prior_samples
    trigger = "<s0><s1>" if config.text_encoder.train_text_encoder_ti else "TOK"
    captions = [caption.replace("TOK", trigger) for caption in batch.captions]
    clip_skip = config.text_encoder.clip_skip or 0
    latents, noise, time_ids = batch.latents.double(), batch.noise.double(), batch.time_ids.double()

    # Diffusion (Ho et al., 2020, eq. 4), on SDXL's betas; zero terminal SNR (Lin et al., 2023, algorithm 1).
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    alpha_bars = torch.cumprod(1 - betas, dim=0)
    if config.model.rescale_betas_zero_snr:
        roots = alpha_bars.sqrt()
        alpha_bars = ((roots - roots[-1]) * roots[0] / (roots[0] - roots[-1])) ** 2
    alpha_bar = alpha_bars[batch.timesteps][:, None, None, None]
    noisy = alpha_bar.sqrt() * latents + (1 - alpha_bar).sqrt() * noise
    # What is predicted: the noise, or the velocity (Salimans & Ho, 2022, appendix D).
    velocity = alpha_bar.sqrt() * noise - (1 - alpha_bar).sqrt() * latents
    is_v = config.model.prediction_type == "v_prediction"
    target = velocity if is_v else noise

    def answer(own: Networks, of: slice, prompts: list[str]) -> Tensor:
        if config.text_encoder.chunk_captions:  # each alone: prompts of several lengths make no tensor
            texts = [own.read_long(prompt, clip_skip) for prompt in prompts]
            return torch.cat(
                [
                    own.predict(noisy[[i]], batch.timesteps[[i]], text, time_ids[[i]])
                    for i, text in zip(range(len(noisy))[of], texts, strict=True)
                ]
            )
        return own.predict(noisy[of], batch.timesteps[of], own.read(prompts, clip_skip), time_ids[of])

    own_photos = slice(0, photos)
    squares = (answer(networks, own_photos, captions[:photos]) - target[:photos]) ** 2
    if batch.masks is None:
        errors = squares.mean(dim=(1, 2, 3))
    else:
        weight = torch.where(batch.masks.bool(), 1.0, config.loss.unmasked_weight).double().expand_as(squares)
        errors = (squares * weight).sum(dim=(1, 2, 3)) / weight.sum(dim=(1, 2, 3))
    # Min-SNR (Hang et al., 2023, eq. 9): min(snr, gamma) / snr for the noise, over snr + 1 for the velocity.
    gamma = config.loss.snr_gamma
    if gamma is not None:
        for index, signal in enumerate(alpha_bar.flatten().tolist()[:photos]):
            snr = signal / (1 - signal)
            errors[index] *= min(snr, gamma) / (snr + 1) if is_v else (1.0 if snr <= gamma else gamma / snr)
    loss = errors.mean()
    # Prior preservation (Ruiz et al., 2022, eq. 2), or the base model's own prediction in place of its pictures.
    if config.prior.with_prior_preservation:
        if config.prior.prior_target == "base_model":
            prompts = [CLASS_PROMPT] * photos
            prior = answer(networks, own_photos, prompts) - answer(base, own_photos, prompts)
        else:
            of = slice(photos, len(noisy))
            prior = answer(networks, of, captions[photos:]) - target[photos:]
        loss = loss + config.prior.prior_loss_weight * (prior**2).mean()

    loss.backward()
    for name, table in tables.items():
        assert table.grad is not None
        leaves[name].grad = table.grad[-len(leaves[name]) :]
    gradients = {name: torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for name, leaf in leaves.items()}
    return loss.detach(), gradients


def merge_lora(module: nn.Module, leaves: Mapping[str, Tensor]) -> None:
    """W + alpha / r B A (Hu et al., 2021, eq. 3); with a magnitude m, DoRA's m V / ||V|| of that sum V by row.

    DoRA's gradient leaves the norm out (Liu et al., 2024, arXiv:2402.09353, section 4.3).
    """
    for name, down in leaves.items():
        path, matched, _ = name.partition(".lora_A.default.weight")
        if not matched:
            continue
        layer: Any = module.get_submodule(path)
        weight = layer.weight.detach() + ALPHA / RANK * leaves[f"{path}.lora_B.default.weight"] @ down
        magnitude = leaves.get(f"{path}.lora_magnitude_vector.default.weight")
        if magnitude is not None:
            weight = magnitude[:, None] * weight / weight.norm(dim=1, keepdim=True).detach()
        del layer.weight
        layer.weight = weight


def whole_table(text_encoder: Any, rows: Tensor) -> Tensor:
    """All embeddings as one parameter, the new tokens' at its end."""
    table = nn.Embedding.from_pretrained(
        torch.cat([text_encoder.get_input_embeddings().weight.detach(), rows]), freeze=False
    )
    text_encoder.set_input_embeddings(table)
    return table.weight
