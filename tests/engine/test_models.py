"""The base model: found or refused before it is loaded, frozen, and pooled at the true end of a prompt."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import EulerDiscreteScheduler, PNDMScheduler, StableDiffusionXLPipeline
from diffusers.models.attention_processor import AttnProcessor2_0
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModelWithProjection

from engine.errors import EngineError
from engine.models.files import model_identity, model_problem, resolve_model
from engine.models.load import Models, load_models, schedulers
from engine.models.names import give_name
from engine.models.tiny import WORDS, build_tiny_sdxl
from engine.results.generate import pipeline_of
from engine.settings import ModelSection
from engine.text.prompts import encode_prompts
from engine.text.tokens import insert_placeholders

CPU = torch.device("cpu")
TOKENS = {"TOK": ("<s0>", "<s1>")}


def named(name: object) -> ModelSection:
    return ModelSection(pretrained_model_name_or_path=str(name))


def test_the_tiny_model_has_sdxls_architecture_and_its_published_traps(tiny_model: Path) -> None:
    unet = json.loads((tiny_model / "unet/config.json").read_text())
    assert unet["down_block_types"] == ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"]
    assert unet["addition_embed_type"] == "text_time"
    assert unet["use_linear_projection"] is True
    for name, architecture in (("text_encoder", "CLIPTextModel"), ("text_encoder_2", "CLIPTextModelWithProjection")):
        config = json.loads((tiny_model / name / "config.json").read_text())
        assert (config["architectures"], config["eos_token_id"]) == ([architecture], 2)
    pipeline = StableDiffusionXLPipeline.from_pretrained(tiny_model)
    assert pipeline.vae_scale_factor == 8
    for tokenizer, pad in ((pipeline.tokenizer, "<|endoftext|>"), (pipeline.tokenizer_2, "!")):
        assert tokenizer.pad_token == pad
        assert tokenizer.eos_token_id == len(tokenizer) - 1


def test_the_tiny_model_is_the_same_each_time_and_leaves_the_random_state_alone(
    tiny_model: Path, tmp_path: Path
) -> None:
    before = torch.get_rng_state()
    build_tiny_sdxl(tmp_path)
    assert torch.equal(torch.get_rng_state(), before)
    for file in (path for path in tiny_model.rglob("*") if path.is_file()):
        assert (tmp_path / file.relative_to(tiny_model)).read_bytes() == file.read_bytes(), file


def test_caption_words_are_one_token_each_and_any_text_can_be_told(tiny_models: Models) -> None:
    tokenizer = tiny_models.tokenizer
    assert all(len(tokenizer(word).input_ids) == 3 for word in WORDS.split())
    assert tokenizer.unk_token_id not in tokenizer("Ünïcode 猫 \x1b").input_ids[1:-1]


@pytest.mark.slow
def test_two_processes_may_build_the_tiny_model_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from engine.models.tiny import tiny_sdxl; print(tiny_sdxl())"]
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    workers = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    folders = {worker.communicate()[0].strip() for worker in workers}
    assert [worker.returncode for worker in workers] == [0, 0]
    assert folders == {str(path) for path in (tmp_path / "loratui").iterdir()}


def test_parts_are_frozen_and_only_the_vae_stays_float32(tiny_model: Path) -> None:
    models = load_models(named(tiny_model), torch.bfloat16, CPU)
    modules = (models.unet, models.text_encoder, models.text_encoder_2, models.vae)
    assert not any(parameter.requires_grad for module in modules for parameter in module.parameters())
    assert [module.dtype for module in modules] == [torch.bfloat16] * 3 + [torch.float32]


def test_a_replacement_vae_is_taken_in_the_models_dtype(tiny_model: Path) -> None:
    source = ModelSection(
        pretrained_model_name_or_path=str(tiny_model), pretrained_vae_model_name_or_path=str(tiny_model / "vae")
    )
    assert load_models(source, torch.bfloat16, CPU).vae.dtype == torch.bfloat16


def test_prompts_are_encoded_as_the_pipeline_encodes_them(tiny_model: Path, tiny_models: Models) -> None:
    prompts = ["a photo of a dog", "", "a very long view " * 40]
    pipeline: Any = StableDiffusionXLPipeline.from_pretrained(tiny_model)
    expected, _, expected_pooled, _ = pipeline.encode_prompt(prompts, do_classifier_free_guidance=False)
    prompt_embeds, pooled = encode_prompts(tiny_models, prompts)
    assert prompt_embeds.shape == (3, 77, 32 + 64)
    torch.testing.assert_close(prompt_embeds, expected)
    torch.testing.assert_close(pooled, expected_pooled)


def test_prompts_with_new_tokens_are_pooled_at_their_end(tiny_model: Path, tiny_models: Models) -> None:
    insert_placeholders(tiny_models, TOKENS, seed=0)
    prompt = "a photo of <s0><s1> in the snow"
    _, pooled = encode_prompts(tiny_models, [prompt])

    ids = tiny_models.tokenizer_2(prompt, padding="max_length", return_tensors="pt").input_ids
    end = ids[0].tolist().index(tiny_models.tokenizer_2.eos_token_id)
    assert ids[0].argmax() != end  # the highest id is a new token
    states = tiny_models.text_encoder_2.text_model(ids).last_hidden_state
    torch.testing.assert_close(pooled, tiny_models.text_encoder_2.text_projection(states[:, end]))

    as_published = CLIPTextModelWithProjection.from_pretrained(tiny_model, subfolder="text_encoder_2")
    as_published.set_input_embeddings(tiny_models.text_encoder_2.get_input_embeddings())
    assert not torch.allclose(pooled, as_published(ids).text_embeds, atol=1e-3)

    expected, _, expected_pooled, _ = pipeline_of(tiny_models).encode_prompt(prompt, do_classifier_free_guidance=False)
    torch.testing.assert_close(pooled, expected_pooled)
    torch.testing.assert_close(encode_prompts(tiny_models, [prompt])[0], expected)


def test_a_prompt_that_is_cut_still_has_its_end(tiny_models: Models) -> None:
    insert_placeholders(tiny_models, TOKENS, seed=0)
    _, pooled = encode_prompts(tiny_models, ["x " * 100 + "<s0>", "x " * 100])
    torch.testing.assert_close(pooled[0], pooled[1])


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("some/model", "The model some/model is not on this disk, and HF_HUB_OFFLINE keeps it from being fetched."),
        ("/nowhere/at/all", "There is no model folder /nowhere/at/all."),
        ("{tmp}", "The folder {tmp} is no diffusers model: it has no model_index.json."),
        ("{tmp}/sdxl.safetensors", "{tmp}/sdxl.safetensors is no whole .safetensors file."),
        ("{tmp}/other", "The model in {tmp}/other is a FluxPipeline, not an SDXL."),
        ("{tmp}/broken", "{tmp}/broken/model_index.json is no config of diffusers."),
    ],
)
def test_a_model_that_cannot_be_loaded_is_told_in_two_sentences(name: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "sdxl.safetensors").touch()
    for folder, index in (("other", '{"_class_name": "FluxPipeline"}'), ("broken", "{")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "model_index.json").write_text(index)
    script = (
        "import sys; from engine.models.files import model_problem; from engine.settings import ModelSection;"
        "problem = model_problem(ModelSection(pretrained_model_name_or_path=sys.argv[1]));"
        "assert 'torch' not in sys.modules; print(problem)"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, name.format(tmp=tmp_path)],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.startswith(problem.format(tmp=tmp_path))
    assert result.stdout.count(". ") >= 1


def test_a_replacement_vae_must_be_one_and_nothing_else(tiny_model: Path, tmp_path: Path) -> None:
    def said(vae: object) -> str:
        return str(model_problem(named(tiny_model).model_copy(update={"pretrained_vae_model_name_or_path": str(vae)})))

    assert said(tiny_model / "vae") == "None"
    assert "is a whole model" in said(tiny_model) and "is a whole model" in said("tiny")
    assert "is a UNet2DConditionModel, not a VAE" in said(tiny_model / "unet")
    cut = shutil.copytree(tiny_model / "vae", tmp_path / "vae")
    weights = load_file(cut / "diffusion_pytorch_model.safetensors")
    del weights["decoder.conv_out.weight"]
    save_file(weights, cut / "diffusion_pytorch_model.safetensors", {"format": "pt"})
    source = named(tiny_model).model_copy(update={"pretrained_vae_model_name_or_path": str(cut)})
    with pytest.raises(EngineError, match=r"VAE in .* lacks 1 tensor, e\.g\. decoder\.conv_out\.weight"):
        _ = load_models(source, torch.float32, CPU).vae


def test_loading_raises_the_same_problem(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"has no model_index\.json"):
        load_models(named(tmp_path), torch.float32, CPU)


def test_a_model_with_a_damaged_part_is_told(tiny_model: Path, tmp_path: Path) -> None:
    for path in tiny_model.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "text_encoder").unlink()
    with pytest.raises(EngineError, match=r"it has no text_encoder/config\.json"):
        load_models(named(tmp_path), torch.float32, CPU)
    (tmp_path / "text_encoder").mkdir()
    shutil.copy(tiny_model / "text_encoder/config.json", tmp_path / "text_encoder")
    with pytest.raises(EngineError, match="has no weights of its text_encoder"):
        load_models(named(tmp_path), torch.float32, CPU)
    whole = (tiny_model / "text_encoder/model.safetensors").read_bytes()
    damaged = tmp_path / "text_encoder/model.safetensors"
    damaged.write_bytes(whole[:-1])
    with pytest.raises(EngineError, match=r"bytes instead of"):
        load_models(named(tmp_path), torch.float32, CPU)
    tensors = load_file(tiny_model / "text_encoder/model.safetensors")
    tensors.popitem()
    save_file(tensors, damaged, metadata={"format": "pt"})
    with pytest.raises(EngineError, match=r"lacks 1 tensor, "):
        load_models(named(tmp_path), torch.float32, CPU)


def test_a_hub_model_in_the_cache_is_no_problem_offline(tmp_path: Path) -> None:
    snapshot = tmp_path / "hub/models--some--model/snapshots/abc"
    for tokenizer in ("tokenizer", "tokenizer_2"):
        (snapshot / tokenizer).mkdir(parents=True)
        (snapshot / tokenizer / "merges.txt").touch()
    weights = [f"{part}/diffusion_pytorch_model.fp16.safetensors" for part in ("unet", "vae")]
    encoders = [f"{part}/model.fp16.safetensors" for part in ("text_encoder", "text_encoder_2")]
    for file in (*weights, *encoders):
        (snapshot / file).parent.mkdir(parents=True, exist_ok=True)
        save_file({"weight": torch.zeros(1)}, snapshot / file)
        (snapshot / file).with_name("config.json").touch()
    (snapshot / "model_index.json").write_text('{"_class_name": "StableDiffusionXLPipeline"}')
    (tmp_path / "hub/models--some--model/refs").mkdir()
    (tmp_path / "hub/models--some--model/refs/main").write_text("abc")
    script = (
        "from engine.models.files import model_problem; from engine.settings import ModelSection;"
        "section = ModelSection(pretrained_model_name_or_path='some/model');"
        "print(model_problem(section), model_problem(section.model_copy(update={'variant': 'bf16'})) is None)"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    result = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["None", "False"]


def test_a_local_folder_stays_and_an_unknown_name_is_a_hub_id(tiny_model: Path) -> None:
    assert resolve_model(str(tiny_model)) == tiny_model
    assert resolve_model("some/model") == "some/model"
    assert model_problem(named("tiny")) is None


def test_the_config_overrides_the_schedule_of_noise_and_of_sampler_alike(tiny_model: Path) -> None:
    shipped = load_models(named(tiny_model), torch.float32, CPU)
    assert shipped.noise_scheduler.config["prediction_type"] == "epsilon"
    assert shipped.noise_scheduler.alphas_cumprod[-1] > 1e-3

    source = named(tiny_model).model_copy(update={"prediction_type": "v_prediction", "rescale_betas_zero_snr": True})
    models = load_models(source, torch.float32, CPU)
    sampler: Any = models.scheduler
    assert models.noise_scheduler.config["prediction_type"] == sampler.config["prediction_type"] == "v_prediction"
    assert models.noise_scheduler.alphas_cumprod[-1] == 0, "the last timestep is pure noise"
    # Samplers of diffusers leave 2^-24 there, because they divide by it.
    torch.testing.assert_close(models.noise_scheduler.alphas_cumprod, sampler.alphas_cumprod, atol=1e-7, rtol=1e-6)
    sampler.set_timesteps(4)
    assert sampler.timesteps[0] == 999, "sampling begins where that noise is"


def test_a_sampler_that_knows_no_zero_snr_is_replaced(tiny_model: Path) -> None:
    source = named(tiny_model).model_copy(update={"rescale_betas_zero_snr": True})
    settings = json.loads((tiny_model / "scheduler/scheduler_config.json").read_text())
    _, sampler = schedulers(source, {**settings, "_class_name": "PNDMScheduler"})
    assert type(sampler) is EulerDiscreteScheduler
    _, kept = schedulers(named(tiny_model), {**settings, "_class_name": "PNDMScheduler"})
    assert type(kept) is PNDMScheduler


def test_attention_is_torchs_own(tiny_models: Models) -> None:
    assert {type(processor) for processor in tiny_models.unet.attn_processors.values()} == {AttnProcessor2_0}
    for encoder in (tiny_models.text_encoder, tiny_models.text_encoder_2):
        assert encoder.config._attn_implementation == "sdpa"


def test_the_identity_follows_the_weights_and_not_their_place(tiny_model: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny_model, tmp_path / "copy")
    first = model_identity(named(tiny_model))
    assert model_identity(named(copy)) == first, "the same files, with their times, in another place"
    other_vae = named(copy).model_copy(update={"pretrained_vae_model_name_or_path": str(copy / "vae")})
    assert model_identity(other_vae) != first
    os.utime(copy / "unet/diffusion_pytorch_model.safetensors", ns=(1, 1))
    assert model_identity(named(copy)) != first
    with pytest.raises(EngineError, match="not on this disk"):
        model_identity(named("nobody/nothing"))


def test_a_short_name_stands_for_its_repository_and_a_given_one_for_its_folder(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert resolve_model("sdxl") == "stabilityai/stable-diffusion-xl-base-1.0"
    give_name("mine", tiny_model)
    assert resolve_model("mine") == tiny_model
    assert model_problem(named("mine")) is None
    assert load_models(named("mine"), torch.float32, CPU).source.pretrained_model_name_or_path == "mine"
