"""What the user takes away: names and numbers that each tool reads, the same bytes each time."""

import ast
import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from safetensors import safe_open
from safetensors.torch import load_file

from engine.config import compose
from engine.errors import EngineError
from engine.models.load import Models
from engine.results.export import checkpoint_weights, export, export_run, file_names
from engine.results.generate import pipeline_of, render
from engine.results.model_card import model_card
from engine.training.checkpoints import load_checkpoint, save_checkpoint
from engine.training.weights import LORA_FILE
from tests.engine.conftest import ALPHA, RANK, MakeRun

DOCS = Path(__file__).parents[2] / "docs" / "using-your-lora.md"
BASE_MODEL = "stabilityai/stable-diffusion-xl-base-1.0"

# The layers of SDXL's text encoders and UNet, as ComfyUI, A1111 and sd-scripts spell them.
KOHYA_LAYER = re.compile(
    r"lora_unet_(down_blocks_\d|mid_block|up_blocks_\d)_attentions_\d_transformer_blocks_\d"
    r"_(attn[12]_to_(q|k|v|out_0)|ff_net_(0_proj|2))"
    r"|lora_te[12]_text_model_encoder_layers_\d_self_attn_(q|k|v|out)_proj"
)


def metadata(path: Path) -> dict[str, str]:
    with safe_open(path, framework="pt") as file:
        return file.metadata()


def drawn(pipeline: StableDiffusionXLPipeline, prompt: str) -> torch.Tensor:
    return torch.from_numpy(render(pipeline, [prompt], num_inference_steps=2, guidance_scale=5.0, seed=0, size=64))


def trained(models: Models) -> StableDiffusionXLPipeline:
    for module in (models.unet, models.text_encoder, models.text_encoder_2):
        module.eval()
    return pipeline_of(models)


def test_files_are_named_after_the_run(make_run: MakeRun) -> None:
    run, _, _ = make_run("dog")
    files = {path.name for path in run.output.iterdir()}
    assert files == {LORA_FILE, "dog.safetensors", "dog_emb.safetensors", "README.md"}


def test_without_new_tokens_there_is_no_embeddings_file(make_run: MakeRun) -> None:
    run, _, _ = make_run("dog", train_text_encoder=True)
    assert not (run.output / "dog_emb.safetensors").exists()
    assert "_emb" not in (run.output / "README.md").read_text()


def test_kohya_names_are_those_that_the_other_tools_know(make_run: MakeRun) -> None:
    """transformers 5 drops `text_model.` from the first encoder's names; a file without it loses 144 keys."""
    run, _, weights = make_run("dog", train_text_encoder=True)
    tensors = load_file(run.output / "dog.safetensors")
    layers = {key.partition(".")[0] for key in tensors}
    assert all(KOHYA_LAYER.fullmatch(layer) for layer in layers)
    assert {layer[:9] for layer in layers} == {"lora_unet", "lora_te1_", "lora_te2_"}
    assert len(layers) == len(weights.lora()) / 2
    assert len(tensors) == 3 * len(layers)


def test_kohya_names_of_feed_forward_layers_are_known_too(make_run: MakeRun) -> None:
    run, _, weights = make_run("dog", lora={"lora_layers": "attention_and_feed_forward"})
    layers = {key.partition(".")[0] for key in load_file(run.output / "dog.safetensors")}
    assert all(KOHYA_LAYER.fullmatch(layer) for layer in layers)
    assert len(layers) == len(weights.lora()) / 2
    assert sum("_ff_net_" in layer for layer in layers) * 4 == len(layers) - sum(
        "_ff_net_" in layer for layer in layers
    )


def test_alpha_is_the_trained_one_in_every_file(make_run: MakeRun) -> None:
    run, _, _ = make_run("dog", train_text_encoder=True)
    kohya = load_file(run.output / "dog.safetensors")
    alphas = [tensor for key, tensor in kohya.items() if key.endswith(".alpha")]
    held = torch.tensor(ALPHA).item()  # float32's nearest
    assert {(alpha.item(), alpha.dtype, alpha.shape) for alpha in alphas} == {(held, torch.float32, torch.Size([]))}
    adapter = json.loads(metadata(run.output / LORA_FILE)["lora_adapter_metadata"])
    for module in ("unet", "text_encoder", "text_encoder_2"):
        assert (adapter[f"{module}.r"], adapter[f"{module}.lora_alpha"]) == (RANK, ALPHA)


def comfyui_weight_decompose(dora_scale: torch.Tensor, weight: torch.Tensor, lora_diff: torch.Tensor) -> torch.Tensor:
    """The arithmetic of ComfyUI 0.3.77's function of this name, at strength 1."""
    assert dora_scale.shape[0] == weight.shape[0], "it would take the magnitudes for those of the inputs"
    return (weight + lora_diff) * (dora_scale / weight.norm(dim=1, keepdim=True))


@pytest.mark.parametrize("train_text_encoder", [False, True])
def test_dora_gives_comfyui_the_trained_directions_and_magnitudes(train_text_encoder: bool, make_run: MakeRun) -> None:
    """ComfyUI divides by the base's norm instead of the sum's: its rows are longer by that factor, and by it alone."""
    run, models, _ = make_run("dog", train_text_encoder=train_text_encoder, lora={"use_dora": True})
    tensors = load_file(run.output / "dog.safetensors")
    owner: Any = models.text_encoder if train_text_encoder else models.unet
    name, layer = (
        ("encoder.layers.1.self_attn.q_proj", "lora_te1_text_model_encoder_layers_1_self_attn_q_proj")
        if train_text_encoder
        else (
            "mid_block.attentions.0.transformer_blocks.1.attn2.to_k",
            "lora_unet_mid_block_attentions_0_transformer_blocks_1_attn2_to_k",
        )
    )
    module = owner.get_submodule(name).eval()
    base = module.get_base_layer()
    down, up = tensors[f"{layer}.lora_down.weight"], tensors[f"{layer}.lora_up.weight"]
    lora_diff = up @ down * tensors[f"{layer}.alpha"] / len(down)
    weight = base.weight.detach()
    theirs = comfyui_weight_decompose(tensors[f"{layer}.dora_scale"], weight, lora_diff)
    longer = (weight + lora_diff).norm(dim=1, keepdim=True) / weight.norm(dim=1, keepdim=True)
    inputs = torch.randn(5, weight.shape[1], generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(module(inputs), torch.nn.functional.linear(inputs, theirs / longer, base.bias))


def test_the_webui_is_told_that_it_is_for_sdxl(make_run: MakeRun) -> None:
    run, _, _ = make_run("dog")
    assert metadata(run.output / "dog.safetensors") == {
        "format": "pt",
        "ss_base_model_version": "sdxl_base_v1-0",
        "ss_network_module": "networks.lora",
        "ss_network_dim": "4",
        "ss_network_alpha": "8.1",
        "ss_output_name": "dog",
    }


def test_embeddings_hold_one_row_a_token_for_each_encoder(make_run: MakeRun) -> None:
    run, _, weights = make_run("dog", tokens=3)
    embeddings = load_file(run.output / "dog_emb.safetensors")
    assert {key: tuple(rows.shape) for key, rows in embeddings.items()} == {"clip_l": (3, 32), "clip_g": (3, 64)}
    assert all(torch.equal(rows, weights.embeddings()[key]) for key, rows in embeddings.items())


def test_the_same_weights_give_the_same_bytes(make_run: MakeRun, tmp_path: Path) -> None:
    run, _, weights = make_run("dog")
    for attempt in range(5):
        for file in export(weights, tmp_path / str(attempt), "dog", run.config()):
            assert file.read_bytes() == (run.output / file.name).read_bytes()


def recipe(markdown: str) -> tuple[str, str]:
    """The Python of a recipe, fit for a CPU, up to its last line, and the prompt in that line."""
    code = re.findall(r"```python\n(.*?)```", markdown, re.DOTALL)[0]
    loading, _, last = code.replace("torch.float16", "torch.float32").replace('"cuda"', '"cpu"').partition("image = ")
    prompt = re.search(r'"[^"]*"', last)
    assert prompt
    return loading, json.loads(prompt.group())


@pytest.mark.parametrize("train_text_encoder", [False, True])
def test_the_model_cards_recipe_draws_what_was_trained(
    train_text_encoder: bool, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, models, _ = make_run("dog", train_text_encoder=train_text_encoder)
    loading, prompt = recipe((run.output / "README.md").read_text())
    assert prompt == ("a photo of TOK dog" if train_text_encoder else "a photo of <s0><s1> dog")
    monkeypatch.chdir(run.output)
    names: dict[str, Any] = {}
    exec(loading, names)
    torch.testing.assert_close(drawn(names["pipe"], prompt), drawn(trained(models), prompt))


def test_the_documented_recipe_draws_what_was_trained(
    make_run: MakeRun, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, models, _ = make_run("NAME")
    loading, prompt = recipe(DOCS.read_text("utf-8"))
    monkeypatch.chdir(run.output)
    names: dict[str, Any] = {}
    exec(loading.replace(BASE_MODEL, str(tiny_model)).replace(', variant="fp16"', ""), names)
    torch.testing.assert_close(drawn(names["pipe"], prompt), drawn(trained(models), prompt))


def test_the_model_card_says_what_to_write_in_each_tool(make_run: MakeRun) -> None:
    run, _, _ = make_run("dog")
    card = (run.output / "README.md").read_text()
    assert "    a photo of embedding:dog_emb dog\n" in card
    assert "    a photo of dog_emb dog <lora:dog:1>\n" in card


@pytest.mark.parametrize(
    ("lora", "said"),
    [
        ({}, "A LoRA for SDXL of rank 4 and alpha 8.1, on the attention layers of all blocks of the UNet."),
        ({"use_dora": True}, "A LoRA with DoRA for SDXL of rank 4"),
        ({"use_dora": True}, "AUTOMATIC1111 1.8 and SD.Next leave it out."),
        ({"lora_layers": "attention_and_feed_forward"}, "on the attention and feed-forward layers of all blocks"),
        ({"use_blora": True}, "layers of up_blocks.0.attentions.0, up_blocks.0.attentions.1 of the UNet."),
        ({"lora_unet_blocks": ["mid_block"]}, "layers of mid_block of the UNet."),
    ],
)
def test_the_model_card_says_what_was_trained(lora: dict[str, Any], said: str) -> None:
    config = compose(flags={"lora": {"rank": 4, "lora_alpha": 8.1, **lora}}).config
    assert said in " ".join(model_card("dog", config, {}).split())


def test_the_model_card_says_which_layers_of_the_text_encoders_to_skip() -> None:
    card = model_card("dog", compose(flags={"text_encoder": {"clip_skip": 1}}).config, {})
    assert 'image = pipe("a photo of TOK", clip_skip=1).images[0]' in card
    assert "a CLIPSetLastLayer node with -3" in card
    assert "clip_skip" not in model_card("dog", compose().config, {})


def test_a_checkpoint_draws_what_was_trained_as_it_lies(make_run: MakeRun, tiny_model: Path) -> None:
    run, models, weights = make_run("dog", lora={"use_dora": True})
    checkpoint = run.checkpoints / "000003"
    pipe: Any = StableDiffusionXLPipeline.from_pretrained(tiny_model)
    pipe.text_encoder_2.text_model.eos_token_id = pipe.tokenizer_2.eos_token_id
    rows, tokens = load_file(checkpoint / "embeddings.safetensors"), list(weights.tokens["TOK"])
    pipe.load_textual_inversion(rows["clip_l"], token=tokens, text_encoder=pipe.text_encoder, tokenizer=pipe.tokenizer)
    pipe.load_textual_inversion(
        rows["clip_g"], token=tokens, text_encoder=pipe.text_encoder_2, tokenizer=pipe.tokenizer_2
    )
    pipe.load_lora_weights(str(checkpoint))
    prompt = "a photo of <s0><s1> dog"
    torch.testing.assert_close(drawn(pipe, prompt), drawn(trained(models), prompt))


def test_no_prompt_breaks_out_of_the_model_card(make_run: MakeRun, tmp_path: Path) -> None:
    run, _, weights = make_run("dog")
    config = run.config()
    prompt = 'TOK "); import os\n---\n```\n\x1b $name ${x}'
    hostile = config.model_copy(update={"concept": config.concept.model_copy(update={"instance_prompt": prompt})})
    export(weights, tmp_path, "dog", hostile)
    card = (tmp_path / "README.md").read_text()
    code = re.findall(r"```python\n(.*?)```\n", card, re.DOTALL)[0]
    assert ast.literal_eval(code.splitlines()[-1].removeprefix("image = pipe(").removesuffix(").images[0]")) == (
        '<s0><s1> "); import os --- ``` \x1b $name ${x}'
    )
    assert '    embedding:dog_emb "); import os --- ``` \\x1b $name ${x}\n' in card
    assert '    dog_emb "); import os --- ``` \\x1b $name ${x} <lora:dog:1>\n' in card


def test_the_one_name_that_collides_is_refused() -> None:
    with pytest.raises(EngineError, match="cannot be named"):
        file_names("pytorch_lora_weights", with_tokens=True)


def test_a_checkpoint_is_exported_again_to_another_folder(make_run: MakeRun, tmp_path: Path) -> None:
    run, _, _ = make_run("dog")
    for file in export_run(run, step=3, output=tmp_path / "elsewhere"):
        assert file.parent == tmp_path / "elsewhere"
        assert file.read_bytes() == (run.output / file.name).read_bytes()


def test_only_the_last_checkpoint_of_an_ended_run_goes_to_the_runs_own_folder(make_run: MakeRun) -> None:
    """Verification compares that folder with the newest checkpoint, and a run that goes on writes there itself."""
    run, _, _ = make_run("dog")
    newer = load_checkpoint(run.checkpoints / "000003")
    save_checkpoint(run, dataclasses.replace(newer, state=dataclasses.replace(newer.state, step=5)))
    before = (run.output / "dog.safetensors").stat().st_mtime_ns
    with pytest.raises(EngineError, match=r"step 3 is not its last.*--output"):
        export_run(run, step=3, output=run.output / ".." / "output")
    assert {file.parent for file in export_run(run, step=3)} == {run.path / "output-000003"}
    with run.lock():
        assert {file.parent for file in export_run(run)} == {run.path / "output-000005"}
        with pytest.raises(EngineError, match="not its last"):
            export_run(run, output=run.output)
    assert (run.output / "dog.safetensors").stat().st_mtime_ns == before
    assert {file.parent for file in export_run(run)} == {run.output}


def test_a_checkpoint_that_is_not_there_or_damaged_is_told(make_run: MakeRun) -> None:
    run, _, _ = make_run("dog")
    with pytest.raises(EngineError, match=r"no checkpoint of step 9.*checkpoints are at steps: 3"):
        checkpoint_weights(run, step=9)
    (run.checkpoints / "000003" / LORA_FILE).write_bytes(b"")
    with pytest.raises(EngineError, match="no whole checkpoint"):
        checkpoint_weights(run)
