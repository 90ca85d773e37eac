"""The faults of the best-known implementation of this method, each with a test that fails where it is present.

They are diffusers' `train_dreambooth_lora_sdxl_advanced.py`'s, numbered as they were collected.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from PIL import Image
from safetensors.torch import load_file

from engine import start
from engine.config import TrainConfig, compose
from engine.data.samples import Batch, with_class_images
from engine.errors import ConfigError
from engine.events import Pivot, Step
from engine.models.load import Models, load_models
from engine.plan import resolve
from engine.recipe import follow
from engine.results.generate import generate, pipeline_of, sample_images
from engine.rundir import create_run
from engine.text.prompts import PromptEncoder
from engine.training.lora import lora_state
from engine.training.optimizers import group_parameters, make_optimizer, optimizer_state
from engine.training.step import training_loss
from engine.training.weights import MODULES, TrainedWeights, add_trainables, load_weights
from tests.engine.conftest import MakeRun
from tests.engine.training import PIVOT, STEPS, Train, nothing, of_type, pause_after, trainer_of


@pytest.mark.parametrize("optimizer", ["prodigy", "adamw", "adafactor"])
def test_fault_1_the_optimizer_ignores_the_pivot(optimizer: str, train: Train) -> None:
    """There: a rate of 0, with which Prodigy moves the new tokens on, by the moments that it holds."""
    trainer, _ = train("run", optimizer={"optimizer": optimizer}, run={"checkpointing_steps": 1})
    after: list[TrainedWeights] = [
        load_weights(trainer.run.checkpoints / f"{step:06d}") for step in range(1, STEPS + 1)
    ]
    rows = [torch.cat([tensor.flatten() for tensor in weights.embeddings().values()]) for weights in after]
    assert not torch.equal(rows[0], rows[PIVOT - 1]), "they train until the pivot"
    assert all(torch.equal(rows[PIVOT - 1], later) for later in rows[PIVOT:])
    lora = [torch.cat([tensor.flatten() for tensor in weights.unet.values()]) for weights in after]
    assert not torch.equal(lora[-2], lora[-1]), "and the UNet's LoRA to the end"


def text_side(mode: str, folder: Path, models: Models, **text_encoder: Any) -> PromptEncoder:
    """What encodes captions where the text encoders are frozen, learn new tokens ("ti"), or train a LoRA."""
    settings = {"train_text_encoder_ti": mode == "ti", "train_text_encoder": mode == "lora", **text_encoder}
    model = {"pretrained_model_name_or_path": str(folder)}
    config = TrainConfig.model_validate({"model": model, "lora": {"rank": 2}, "text_encoder": settings})
    return PromptEncoder(models, add_trainables(models, config), config.text_encoder, None)


def batch_of(*captions: str, timestep: int = 500, seed: int = 0) -> Batch:
    """Random latents under these captions, each with time ids of its own."""
    chance, size = torch.Generator().manual_seed(seed), len(captions)
    return Batch(
        photos=captions,
        captions=captions,
        latents=torch.randn(size, 4, 8, 8, generator=chance),
        time_ids=torch.randint(0, 2000, (size, 6), generator=chance).float(),
        noise=torch.randn(size, 4, 8, 8, generator=chance),
        timesteps=torch.full((size,), timestep),
    )


@pytest.mark.parametrize("chunk_captions", [False, True])
@pytest.mark.parametrize("mode", ["frozen", "ti", "lora"])
def test_fault_3_prompts_are_tokenised_without_start_and_end(
    mode: str, chunk_captions: bool, tiny_model: Path, tiny_models: Models
) -> None:
    """There: `add_special_tokens=False`, except with new tokens."""
    prompts = text_side(mode, tiny_model, tiny_models, chunk_captions=chunk_captions)
    given: list[torch.Tensor] = []
    for encoder in (tiny_models.text_encoder, tiny_models.text_encoder_2):
        encoder.register_forward_pre_hook(lambda _module, arguments: given.append(arguments[0]))
    prompts.encode(["a photo of TOK"])
    prompt = "a photo of <s0><s1>" if mode == "ti" else "a photo of TOK"
    for ids, tokenizer in zip(given, (tiny_models.tokenizer, tiny_models.tokenizer_2), strict=True):
        text: Any = tokenizer(prompt, add_special_tokens=False).input_ids
        expected = [tokenizer.bos_token_id, *text, tokenizer.eos_token_id]
        assert ids[0, : len(expected)].tolist() == expected


@pytest.mark.parametrize("text_encoder", [{}, {"clip_skip": 1}, {"chunk_captions": True}], ids=str)
def test_fault_4_with_new_tokens_the_last_of_them_is_pooled_instead_of_the_end(
    text_encoder: dict[str, Any], tiny_model: Path, tiny_models: Models
) -> None:
    """There: the published eos_token_id of 2, with which the highest id is pooled in training and not in use."""
    _, pooled = text_side("ti", tiny_model, tiny_models, **text_encoder).encode(["a photo of TOK in the snow"])
    prompt = "a photo of <s0><s1> in the snow"
    ids: Any = tiny_models.tokenizer_2(prompt, return_tensors="pt").input_ids
    assert ids[0].argmax() != ids.shape[1] - 1
    states = tiny_models.text_encoder_2.text_model(ids).last_hidden_state
    torch.testing.assert_close(pooled, tiny_models.text_encoder_2.text_projection(states[:, -1]))

    pipeline: Any = pipeline_of(tiny_models)  # what samples
    clip_skip = text_encoder.get("clip_skip")
    sampled = pipeline.encode_prompt(prompt, do_classifier_free_guidance=False, clip_skip=clip_skip)[2]
    torch.testing.assert_close(pooled, sampled)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("text_encoder", ["train_text_encoder_ti", "train_text_encoder"])
def test_fault_5_a_half_precision_base_trains_half_precision_lora(
    text_encoder: str, dtype: torch.dtype, config: Callable[..., TrainConfig]
) -> None:
    """There: bf16, in which a weight near 1 cannot take a step of less than 0.4 %."""
    text = {"train_text_encoder_ti": False, text_encoder: True}
    settings = config(lora={"use_dora": True}, text_encoder=text, optimizer={"optimizer": "adamw"})
    models = load_models(settings.model, dtype, torch.device("cpu"))
    add_trainables(models, settings)
    modules = (models.unet, models.text_encoder, models.text_encoder_2)
    parameters = [parameter for module in modules for parameter in module.parameters() if parameter.requires_grad]
    assert {parameter.dtype for parameter in parameters} == {torch.float32}
    frozen = {parameter.dtype for parameter in models.unet.parameters() if not parameter.requires_grad}
    assert frozen == {dtype}
    group = group_parameters("unet", parameters, settings.optimizer)
    optimizer = make_optimizer([group], settings.optimizer, settings.text_encoder)
    before = parameters[0].detach().clone()
    parameters[0].grad.fill_(1.0)  # type: ignore[union-attr]
    optimizer.step()
    moved = (before * (1 - 1e-8) - parameters[0]).abs()
    torch.testing.assert_close(moved, torch.full_like(moved, 1e-4), rtol=0.01, atol=1e-7)
    tensors, _ = optimizer_state(optimizer)
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float32}


@pytest.mark.slow
@pytest.mark.parametrize("output_dir", ["{tmp}/absolute/huggy", "nested/huggy", "huggy/"])
def test_fault_8_an_absolute_or_nested_output_dir_loses_the_files_at_the_end(
    output_dir: str, config: Callable[..., TrainConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There: the embeddings go to OUTPUT_DIR/OUTPUT_DIR_emb, which is found not to exist after all training."""
    monkeypatch.setattr(start, "launch", lambda run: follow(run, nothing))  # in this process instead of a worker's
    settings = config(output={"output_dir": output_dir.format(tmp=tmp_path)})
    run, _ = start.start_run(settings, tmp_path / "runs")
    assert run.name == "huggy"
    files = {file.name for file in run.output.iterdir()}
    assert files == {"pytorch_lora_weights.safetensors", "huggy.safetensors", "huggy_emb.safetensors", "README.md"}


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("mode", ["frozen", "ti", "lora"])
def test_fault_10_clip_skip_is_ignored_where_the_text_encoders_are_frozen(
    mode: str, cached: bool, tiny_model: Path, tiny_models: Models
) -> None:
    """There: it lands in another argument; with prior preservation as well, that is a TypeError."""
    prompts = text_side(mode, tiny_model, tiny_models, clip_skip=1)
    if cached:
        list(prompts.cache(["a photo of TOK"]))
    prompt_embeds, _ = prompts.encode(["a photo of TOK"])
    prompt = "a photo of <s0><s1>" if mode == "ti" else "a photo of TOK"
    pipeline: Any = pipeline_of(tiny_models)
    skipped = pipeline.encode_prompt(prompt, do_classifier_free_guidance=False, clip_skip=1)[0]
    unskipped = pipeline.encode_prompt(prompt, do_classifier_free_guidance=False)[0]
    torch.testing.assert_close(prompt_embeds, skipped)
    assert not torch.allclose(prompt_embeds, unskipped, atol=1e-2)


def test_fault_11_beyond_a_batch_of_one_class_images_meet_the_captions_of_photos(
    tiny_model: Path, tiny_models: Models
) -> None:
    """There: embeddings of photo, class image, photo, class image for pictures in another order."""
    settings = {"loss": {"snr_gamma": None}, "prior": {"prior_loss_weight": 0.5}}
    config = TrainConfig.model_validate(settings)
    prompts = text_side("frozen", tiny_model, tiny_models)
    photos = batch_of("a photo of a dog", "a red cup on the table", seed=1)
    class_images = batch_of("a woman", "a man at the sea", seed=2)

    def loss(batch: Batch) -> float:
        return training_loss(tiny_models, batch, *prompts.encode(batch.captions), config).total.item()

    def sample(batch: Batch, index: int) -> Batch:
        tensors = {"latents", "time_ids", "noise", "timesteps", "photos", "captions"}
        return replace(batch, **{name: getattr(batch, name)[index : index + 1] for name in tensors})

    with torch.no_grad():
        together = loss(with_class_images(photos, class_images))
        photo, prior = (sum(loss(sample(batch, i)) for i in range(2)) / 2 for batch in (photos, class_images))
    assert together == pytest.approx(photo + 0.5 * prior, rel=1e-6)


def test_fault_12_prodigy_with_new_tokens_and_the_default_rates_cannot_step() -> None:
    """There: a RuntimeError of the optimizer at the first step, because the two default rates differ."""
    resolved = resolve(compose(flags={"optimizer": {"optimizer": "prodigy"}}).config)
    assert resolved.text_encoder.train_text_encoder_ti
    groups = [
        group_parameters(name, [torch.nn.Parameter(torch.ones(3))], resolved.optimizer) for name in ("unet", "text")
    ]
    optimizer = make_optimizer(groups, resolved.optimizer, resolved.text_encoder)
    for group in groups:
        group.tensors[0].grad.fill_(1.0)  # type: ignore[union-attr]
    optimizer.step()
    assert all((group.parameters[0] != 1).all() for group in groups)


def test_fault_12_rates_that_prodigy_cannot_take_are_told_before_training() -> None:
    flags = {"optimizer": {"optimizer": "prodigy"}, "text_encoder": {"text_encoder_lr": 5e-6}}
    with pytest.raises(ConfigError, match="Prodigy takes one rate") as error:
        resolve(compose(flags=flags).config)
    assert "Set both to 1.0" in error.value.remedy


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
def test_fault_13_min_snr_is_not_a_number_where_no_signal_is_left(prediction_type: str, tiny_model: Path) -> None:
    """There: 0 / 0 at the last timestep of a schedule with zero terminal SNR."""
    zero_snr = {"prediction_type": prediction_type, "rescale_betas_zero_snr": True}
    model = {"pretrained_model_name_or_path": str(tiny_model), **zero_snr}
    config = TrainConfig.model_validate({"model": model, "loss": {"snr_gamma": 5.0}})
    models = load_models(config.model, torch.float32, torch.device("cpu"))
    prompts = PromptEncoder(models, add_trainables(models, config), config.text_encoder, None)
    batch = batch_of("a photo of TOK", timestep=999)
    loss = training_loss(models, batch, *prompts.encode(batch.captions), config).total
    loss.backward()
    assert loss.isfinite()
    trained = [parameter for parameter in models.unet.parameters() if parameter.requires_grad]
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in trained)


def test_fault_14_doras_magnitudes_are_lost_on_the_way_to_comfyui(make_run: MakeRun) -> None:
    """There: `.lora_magnitude_vector`, a name that ComfyUI does not know."""
    run, _, weights = make_run("dog", train_text_encoder=True, lora={"use_dora": True})
    tensors = load_file(run.output / "dog.safetensors")
    assert not any("magnitude" in key for key in tensors)
    layers = {key.removesuffix(".alpha") for key in tensors if key.endswith(".alpha")}
    assert len(layers) * 3 == len(weights.lora())
    for layer in layers:
        outputs = tensors[f"{layer}.lora_up.weight"].shape[0]
        assert tensors[f"{layer}.dora_scale"].shape == (outputs, 1)  # of ComfyUI's weight_decompose, output axis


@pytest.mark.parametrize("use_dora", [False, True])
def test_fault_15_the_flattened_first_text_encoder_is_lost_for_everyone(
    use_dora: bool, make_run: MakeRun, tiny_model: Path
) -> None:
    """There: `lora_te1_encoder_layers_...`, as transformers 5 names its modules, and every reader's name differs."""
    run, _, weights = make_run("dog", train_text_encoder=True, lora={"use_dora": use_dora})
    kohya = {key for key in load_file(run.output / "dog.safetensors") if key.startswith("lora_te")}
    assert len({key.partition(".")[0] for key in kohya if key.startswith("lora_te1_")}) == 3 * 4  # layers, projections
    assert all(key.startswith(("lora_te1_text_model_encoder_", "lora_te2_text_model_encoder_")) for key in kohya)

    for folder in (run.output, run.checkpoints / "000003"):  # and diffusers loads every value of them
        pipeline = StableDiffusionXLPipeline.from_pretrained(tiny_model)
        pipeline.load_lora_weights(str(folder))
        for module in MODULES:
            expected, loaded = getattr(weights, module), lora_state(getattr(pipeline, module))
            assert loaded.keys() == expected.keys()
            assert all(torch.equal(loaded[key], expected[key]) for key in expected)


def test_fault_2_cached_latents_are_paired_with_the_captions_of_other_photos(
    config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    """There: the cache is asked by the step's number, while the photos come in another order each epoch."""
    folder = tmp_path / "colours"
    folder.mkdir()
    for number, colour in enumerate(("red", "green", "blue", "white")):
        Image.new("RGB", (64 + 8 * number, 64), colour).save(folder / f"{colour}.png")
        (folder / f"{colour}.txt").write_text(f"TOK, {colour}")
    streams = []
    for cached in (True, False):
        data = {"instance_data_dir": str(folder), "center_crop": True, "random_flip": False, "cache_latents": cached}
        settings = config(data=data)
        trainer = trainer_of(create_run(tmp_path, f"run-{cached}", settings), settings)
        streams.append([trainer.batches.batch(position, 4) for position in range(0, 12, 4)])
    assert len({batch.photos for batch in streams[0]}) > 1, "each epoch has an order of its own"
    for batch, encoded_anew in zip(*streams, strict=True):
        assert batch.captions == tuple(f"TOK, {Path(name).stem}" for name in batch.photos)
        assert batch.time_ids[:, 1].tolist() == [Image.open(folder / name).width for name in batch.photos]
        assert torch.equal(batch.latents, encoded_anew.latents)


def test_fault_6_a_resume_begins_the_new_tokens_at_random_again_and_never_reaches_the_pivot(train: Train) -> None:
    """There: the embeddings are in no checkpoint, and the pivot is a single epoch that a resume can jump over."""
    whole, _ = train("whole", run={"checkpointing_steps": 1})
    resumed, _ = train("paused", seen=pause_after(PIVOT + 1))
    resumed, events = train("paused")
    rows = [
        load_weights(run.checkpoints / f"{step:06d}").embeddings()
        for run, step in ((whole.run, PIVOT + 1), (resumed.run, PIVOT + 1), (resumed.run, STEPS))
    ]
    for name in ("clip_l", "clip_g"):
        assert torch.equal(rows[0][name], rows[1][name]), "they are in the checkpoint"
        assert torch.equal(rows[1][name], rows[2][name]), "and rest, as the pivot is past"
    assert {step.lr["text"] for step in of_type(events, Step)} == {0.0}


def test_fault_7_a_run_of_one_long_epoch_pivots_before_its_first_step(train: Train) -> None:
    """There: the pivot is int(0.5 * epochs) = 0 where repeats make the run a part of one epoch."""
    trainer, events = train("run", data={"repeats": 50}, run={"checkpointing_steps": 1})
    assert {step.epoch for step in of_type(events, Step)} == {1}
    assert [event.step for event in of_type(events, Pivot)] == [PIVOT]
    rows = [load_weights(trainer.run.checkpoints / f"{step:06d}").embeddings()["clip_l"] for step in (1, PIVOT)]
    assert not torch.equal(*rows)


def test_fault_9_the_last_pictures_are_made_without_the_new_tokens(
    config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    """There: the pipeline of the final validation never loads the embeddings."""
    rates = {"optimizer": {"optimizer": "adamw"}, "text_encoder": {"text_encoder_lr": 0.5}}
    settings = config(sample={"num_validation_images": 1, "validation_prompt": "TOK"}, **rates)
    run = create_run(tmp_path, "run", settings)
    follow(run, nothing)
    with Image.open(run.samples / f"{STEPS:06d}-0.png") as picture:
        shown = np.asarray(picture).astype(int)
    options = {"num_inference_steps": 2, "guidance_scale": 5.0, "seed": 0, "size": 64}
    [exported] = generate(run, ["TOK"], **options)
    assert np.abs(shown - np.asarray(exported)).max() <= 1, "they show what the exported files show"
    untrained = trainer_of(create_run(tmp_path, "untrained", settings), settings).models
    [without] = sample_images(untrained, ["<s0><s1>"], **options)
    assert np.abs(shown - np.asarray(without)).max() > 1, "and not what new tokens show that never trained"
