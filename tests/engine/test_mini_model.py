"""The mini model as it ships: small, laid out as SDXL is, loaded like any other, and at home in its own world."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors import safe_open

from curation.dataset import open_dataset
from engine.config import compose
from engine.data.buckets import Size, bucket_sizes
from engine.memory import question
from engine.mini.architecture import REDUCTION
from engine.mini.drawing import draw
from engine.mini.model import MINI
from engine.mini.world import RESOLUTION, caption, random_scene, seen_scene
from engine.models import files
from engine.models.files import find_model, model_identity, model_problem
from engine.models.load import load_models, silence_libraries
from engine.plan import plan, resolve, training_needs
from engine.preflight.frozen import frozen
from engine.results.generate import pipeline_of
from engine.settings import ModelSection

LARGEST = 30_000_000
NAMED = ModelSection(pretrained_model_name_or_path="mini")
CPU = torch.device("cpu")
SEEDS = st.integers(0, 2**32 - 1)
PROMPT = "a photo of a large red heart on the left on the beach"


@pytest.fixture(scope="module")
def pipeline() -> StableDiffusionXLPipeline:
    """As anybody loads it with diffusers."""
    silence_libraries()
    loaded = StableDiffusionXLPipeline.from_pretrained(MINI)
    loaded.set_progress_bar_config(disable=True)
    return loaded


def painted(pipeline: StableDiffusionXLPipeline, size: Size | None = None, steps: int = 1) -> Image.Image:
    height, width = size or (None, None)
    generator = torch.Generator().manual_seed(3)
    result: Any = pipeline(PROMPT, height=height, width=width, num_inference_steps=steps, generator=generator)
    return result.images[0]


def test_it_takes_at_most_30_mb_with_its_tokenizers() -> None:
    assert sum(file.stat().st_size for file in MINI.rglob("*") if file.is_file()) <= LARGEST


def test_every_tensor_is_float16_and_finite_and_nothing_else_holds_weights() -> None:
    weights = list(MINI.rglob("*.safetensors"))
    assert {file.parent.name for file in weights} == {"unet", "vae", "text_encoder", "text_encoder_2"}
    for file in weights:
        with safe_open(file, "pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - it is no dict
                tensor = tensors.get_tensor(name)
                assert tensor.dtype == torch.float16 and tensor.isfinite().all(), f"{file}: {name}"
    assert not [file for file in MINI.rglob("*") if file.suffix in (".bin", ".ckpt", ".pt", ".msgpack")]


@pytest.mark.parametrize(
    ("part", "architecture"), [("text_encoder", "CLIPTextModel"), ("text_encoder_2", "CLIPTextModelWithProjection")]
)
def test_its_configs_have_the_published_end_of_text(part: str, architecture: str) -> None:
    config = json.loads((MINI / part / "config.json").read_text("utf-8"))
    assert (config["architectures"], config["eos_token_id"]) == ([architecture], 2)


def test_it_is_an_sdxl() -> None:
    assert json.loads((MINI / "model_index.json").read_text("utf-8"))["_class_name"] == "StableDiffusionXLPipeline"
    unet = json.loads((MINI / "unet" / "config.json").read_text("utf-8"))
    assert unet["down_block_types"] == ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"]
    assert unet["addition_embed_type"] == "text_time" and unet["use_linear_projection"] is True
    assert model_problem(NAMED) is None


@settings(deadline=None)
@given(SEEDS, SEEDS)
def test_every_word_of_its_world_is_one_token(pipeline: StableDiffusionXLPipeline, scene: int, said: int) -> None:
    words = caption(random_scene(random.Random(scene)), random.Random(said)).split()
    for tokenizer in (pipeline.tokenizer, pipeline.tokenizer_2):
        for word in set(words):
            assert tokenizer.tokenize(word) == [f"{word}</w>"]


@settings(deadline=None)
@given(st.text())
def test_no_caption_is_beyond_its_vocabulary(pipeline: StableDiffusionXLPipeline, text: str) -> None:
    for tokenizer in (pipeline.tokenizer, pipeline.tokenizer_2):
        assert tokenizer.unk_token_id not in tokenizer(text).input_ids[1:-1]


def test_its_tokenizers_are_padded_as_sdxls_are(pipeline: StableDiffusionXLPipeline) -> None:
    for tokenizer, pad in ((pipeline.tokenizer, "<|endoftext|>"), (pipeline.tokenizer_2, "!")):
        assert (tokenizer.pad_token, tokenizer.model_max_length) == (pad, 77)
        assert tokenizer.eos_token_id == len(tokenizer) - 1


def test_without_a_size_it_paints_its_own(pipeline: StableDiffusionXLPipeline) -> None:
    assert painted(pipeline).size == (RESOLUTION, RESOLUTION)


def test_it_paints_in_every_bucket(pipeline: StableDiffusionXLPipeline) -> None:
    for size in bucket_sizes(RESOLUTION):
        assert painted(pipeline, size).size == size[::-1]


def test_the_same_picture_twice_for_a_seed_however_it_is_loaded(pipeline: StableDiffusionXLPipeline) -> None:
    ours = pipeline_of(load_models(NAMED, torch.float32, CPU))
    ours.set_progress_bar_config(disable=True)
    first, again, other = (np.asarray(painted(one, steps=2), dtype=int) for one in (pipeline, pipeline, ours))
    assert np.array_equal(first, again)
    assert np.abs(first - other).max() <= 1


@torch.no_grad()
def test_its_vae_keeps_drawings_in_scaled_latents_of_unit_spread(pipeline: StableDiffusionXLPipeline) -> None:
    draws = random.Random(1)
    drawings = [draw(seen_scene(draws), RESOLUTION, RESOLUTION) for _ in range(32)]
    pixels = pipeline.image_processor.preprocess(drawings)
    latents = pipeline.vae.encode(pixels).latent_dist.mode()
    assert latents.shape[1:] == (4, RESOLUTION // REDUCTION, RESOLUTION // REDUCTION)
    assert pipeline.vae_scale_factor == REDUCTION
    assert float((latents * pipeline.vae.config["scaling_factor"]).std()) == pytest.approx(1, abs=0.15)
    assert (pipeline.vae.decode(latents).sample - pixels).abs().mean() < 0.1


def test_the_linter_counts_tokens_with_its_vocabulary() -> None:
    config = compose(flags={"model": {"pretrained_model_name_or_path": "mini"}}).config
    needs = training_needs(config)
    assert needs.tokenizer == MINI / "tokenizer" / "tokenizer.json"
    assert needs.resolution == RESOLUTION


def test_its_identity_is_its_content_wherever_and_whenever_it_was_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = model_identity(NAMED)
    elsewhere = shutil.copytree(MINI, tmp_path / "sdxl", copy_function=shutil.copyfile)  # not the times
    monkeypatch.setattr(files, "MINI_FOLDER", elsewhere)
    assert model_identity(NAMED) == here
    weights = elsewhere / "vae" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert model_identity(NAMED) != here


def test_where_it_is_missing_that_is_told_in_two_sentences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MINI_FOLDER", tmp_path / "sdxl")
    assert find_model("mini") is None
    problem = model_problem(NAMED)
    assert problem and "missing from this installation" in problem.problem and "Install loratui" in problem.remedy
    with pytest.raises(type(problem), match="missing from this installation"):
        load_models(NAMED, torch.float32, CPU)


def test_it_is_no_vae() -> None:
    model = ModelSection(pretrained_model_name_or_path="tiny", pretrained_vae_model_name_or_path="mini")
    problem = model_problem(model)
    assert problem and "is a whole model" in problem.problem


def test_a_run_keeps_its_name_which_goes_before_a_folder_and_its_memory_is_counted_as_its_own(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mini").mkdir()
    monkeypatch.chdir(tmp_path)
    config = resolve(compose(flags={"model": {"pretrained_model_name_or_path": "mini"}}).config)
    kept = frozen(config, open_dataset(photos), plan(config, photos=4))
    for each in (config, kept):
        assert each.model.pretrained_model_name_or_path == "mini"
        assert question(each)["model"]["pretrained_model_name_or_path"] == "mini"
