"""Pictures: a function of models, prompt and seed, which leaves training as it was."""

import numpy as np
import pytest
import torch
from PIL import Image

from engine.errors import EngineError
from engine.models.load import Models, load_models
from engine.results.contact_sheet import MARGIN, SMALLEST_CELL, Row, contact_sheet
from engine.results.generate import generate, load_run_pipeline, sample_images
from engine.text.tokens import insert_placeholders
from tests.engine.conftest import MakeRun

SETTINGS = {"num_inference_steps": 2, "guidance_scale": 5.0, "size": 64}


def pixels(images: list[Image.Image]) -> list[bytes]:
    return [image.tobytes() for image in images]


def test_a_picture_is_a_function_of_prompt_and_seed(tiny_models: Models) -> None:
    first = sample_images(tiny_models, ["a dog", "a cat"], seed=1, **SETTINGS)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    assert pixels(sample_images(tiny_models, ["a dog", "a cat"], seed=1, **SETTINGS)) == pixels(first)
    assert torch.equal(torch.get_rng_state(), before)
    assert [image.size for image in first] == [(64, 64)] * 2
    assert pixels(sample_images(tiny_models, ["a cat"], seed=2, **SETTINGS)) == pixels(first[1:])
    assert len({*pixels(sample_images(tiny_models, ["a cat"], seed=1, **SETTINGS)), *pixels(first)}) == 3


def test_sampling_leaves_every_module_in_its_mode(tiny_models: Models) -> None:
    tiny_models.unet.train()
    tiny_models.unet.conv_in.eval()
    insert_placeholders(tiny_models, {"TOK": ("<s0>",)}, seed=0)
    before = [module.training for module in tiny_models.unet.modules()]
    sample_images(tiny_models, ["<s0>"], seed=0, **SETTINGS)
    assert [module.training for module in tiny_models.unet.modules()] == before
    assert not tiny_models.vae.training


def test_a_half_precision_model_is_decoded_by_its_float32_vae(tiny_models: Models) -> None:
    half = load_models(tiny_models.source, torch.bfloat16, torch.device("cpu"))
    full, rough = (sample_images(models, ["a dog"], seed=0, **SETTINGS)[0] for models in (tiny_models, half))
    assert np.abs(np.asarray(full, dtype=float) - np.asarray(rough, dtype=float)).mean() < 8


def test_a_runs_pictures_come_from_its_exported_files(make_run: MakeRun) -> None:
    run, models, _ = make_run("dog")
    images = generate(run, ["a photo of TOK dog"], seed=3, **SETTINGS)
    assert pixels(images) == pixels(sample_images(models, ["a photo of <s0><s1> dog"], seed=3, **SETTINGS))
    (run.output / "dog_emb.safetensors").unlink()
    with pytest.raises(EngineError, match=r"has no dog_emb\.safetensors"):
        generate(run, ["TOK"], seed=0, **SETTINGS)


def test_the_base_models_pictures_know_nothing_of_the_run(make_run: MakeRun, tiny_models: Models) -> None:
    run, _, _ = make_run("dog")
    base = generate(run, ["a dog"], seed=3, from_base=True, **SETTINGS)
    assert pixels(base) == pixels(sample_images(tiny_models, ["a dog"], seed=3, **SETTINGS))
    assert pixels(base) != pixels(generate(run, ["a dog"], seed=3, **SETTINGS))


def test_a_runs_pipeline_decodes_with_the_vae_of_training(make_run: MakeRun) -> None:
    """A VAE cast to bf16 and back draws other pictures than the samples that were seen in training."""
    run, models, _ = make_run("dog", dtype="bfloat16")
    pipeline = load_run_pipeline(run, torch.bfloat16, torch.device("cpu"))
    assert pipeline.unet.dtype == torch.bfloat16
    for ours, theirs in zip(pipeline.vae.parameters(), models.vae.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_checkpoint_draws_what_the_files_exported_from_it_draw(make_run: MakeRun) -> None:
    run, _, _ = make_run("dog")
    exported = generate(run, ["a TOK dog"], seed=3, **SETTINGS)
    for file in run.output.iterdir():
        file.unlink()
    with run.lock():  # its worker's
        assert pixels(generate(run, ["a TOK dog"], seed=3, step=3, **SETTINGS)) == pixels(exported)
        with pytest.raises(EngineError, match=r"no checkpoint of step 4.*at steps: 3"):
            generate(run, ["a TOK dog"], seed=3, step=4, **SETTINGS)


def test_files_that_cannot_be_loaded_are_told(make_run: MakeRun) -> None:
    run, _, _ = make_run("dog")
    (run.output / "pytorch_lora_weights.safetensors").write_bytes(b"no tensors")
    with pytest.raises(EngineError, match="cannot be loaded"):
        generate(run, ["TOK"], seed=0, **SETTINGS)


def test_a_contact_sheet_shows_every_picture_above_its_caption() -> None:
    colours = ["red", "green", "blue"]
    images = [Image.new("RGB", (64, 64), colour) for colour in colours]
    sheet = contact_sheet([Row(images[:2], ["one", "two\x1b[2J"]), Row(images[2:], ["three " * 40])])
    step = SMALLEST_CELL + MARGIN
    assert sheet.width == 2 * step + MARGIN
    assert sheet.height > 2 * step
    row = (sheet.height - MARGIN) // 2
    centre = MARGIN + SMALLEST_CELL // 2
    for colour, place in zip(colours, [(centre, centre), (centre + step, centre), (centre, centre + row)], strict=True):
        assert sheet.getpixel(place) == Image.new("RGB", (1, 1), colour).getpixel((0, 0))
    caption = np.asarray(sheet.convert("L"))[MARGIN + SMALLEST_CELL : row, :step]
    assert caption.min() < 64


def test_a_heading_stands_above_its_row() -> None:
    image = Image.new("RGB", (64, 64), "red")
    bare = contact_sheet([Row([image], ["one"]), Row([image], ["one"])])
    headed = contact_sheet([Row([image], ["one"], "base model"), Row([image], ["one"], "with the LoRA")])
    room = (headed.height - bare.height) // 2
    assert room > 0
    for top in (0, headed.height // 2):
        assert np.asarray(headed.convert("L"))[top : top + room].min() < 64
    assert headed.getpixel((MARGIN + 80, MARGIN + room + 80)) == (255, 0, 0)
