"""A file that is not what was trained is found, whatever is wrong with it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from safetensors.torch import load_file

from engine.errors import EngineError
from engine.results import verify
from engine.results.export import file_names
from engine.results.verify import verify_export, verify_run
from engine.rundir import RunDir
from engine.training.weights import LORA_FILE, read_safetensors, write_safetensors
from tests.engine.conftest import ALPHA, RANK, MakeRun


def edit(path: Path, change: Callable[[dict[str, torch.Tensor], dict[str, str]], None]) -> None:
    tensors, metadata = read_safetensors(path)
    change(tensors, metadata)
    write_safetensors(path, tensors, metadata)


def truncate(output: Path) -> None:
    path = output / LORA_FILE
    path.write_bytes(path.read_bytes()[:-100])


def flip_a_bit(output: Path) -> None:
    path = output / "dog.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 0x40
    path.write_bytes(content)


def remove(output: Path) -> None:
    (output / "dog_emb.safetensors").unlink()


def swap_alpha_for_diffusers(output: Path) -> None:
    def change(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
        metadata["lora_adapter_metadata"] = metadata["lora_adapter_metadata"].replace(str(ALPHA), str(RANK))

    edit(output / LORA_FILE, change)


def lose_alpha_for_diffusers(output: Path) -> None:
    edit(output / LORA_FILE, lambda tensors, metadata: metadata.clear())


def swap_alpha_for_kohya(output: Path) -> None:
    def change(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
        tensors[next(key for key in tensors if key.endswith(".alpha"))].fill_(RANK)

    edit(output / "dog.safetensors", change)


def drop_a_layer(output: Path) -> None:
    def change(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
        layer = next(key for key in tensors if key.endswith(".alpha")).removesuffix(".alpha")
        for key in [key for key in tensors if key.startswith(layer)]:
            del tensors[key]

    edit(output / "dog.safetensors", change)


def swap_encoders(output: Path) -> None:
    def change(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
        tensors["clip_l"], tensors["clip_g"] = tensors["clip_g"], tensors["clip_l"]

    edit(output / "dog_emb.safetensors", change)


def swap_tokens(output: Path) -> None:
    edit(output / "dog_emb.safetensors", lambda tensors, _: tensors.update(clip_l=tensors["clip_l"].flip(0)))


FAULTS: dict[Callable[[Path], None], str] = {
    truncate: "cannot be read",
    flip_a_bit: "is not what was trained",
    remove: "There is no file",
    swap_alpha_for_diffusers: "another alpha, rank or kind of LoRA",
    lose_alpha_for_diffusers: "another alpha, rank or kind of LoRA",
    swap_alpha_for_kohya: "alpha is not what was trained",
    drop_a_layer: "lacks 3 tensors",
    swap_encoders: "is not what was trained",
    swap_tokens: "clip_l is not what was trained",
}


@pytest.mark.parametrize(
    "kind",
    [
        {},
        {"train_text_encoder": True},
        {"dtype": "bfloat16"},
        {"lora": {"use_dora": True}, "train_text_encoder": True},
        {"lora": {"use_blora": True, "lora_layers": "attention_and_feed_forward"}},
        pytest.param({"tokens": 1}, marks=pytest.mark.slow),
    ],
    ids=json.dumps,
)
def test_what_was_exported_verifies(kind: dict, make_run: MakeRun) -> None:
    run, models, weights = make_run("dog", **kind)
    files = [run.output / file for file in file_names("dog", bool(weights.tokens))]
    for verification in (verify_export(weights, files, models), verify_run(run)):
        assert verification.ok, verification.message
        assert verification.difference == pytest.approx(0, abs=1e-5)
        assert verification.tensors == sum(len(load_file(file)) for file in files)
        assert verification.files == tuple(map(str, files))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_faulty_file_is_found(fault: Callable[[Path], None], make_run: MakeRun) -> None:
    run, models, weights = make_run("dog")
    fault(run.output)
    files = [run.output / file for file in file_names("dog", True)]
    for verification in (verify_export(weights, files, models), verify_run(run)):
        assert not verification.ok
        assert FAULTS[fault] in verification.message


@pytest.mark.parametrize("file", [LORA_FILE, "dog.safetensors"])
def test_dora_files_with_another_magnitude_are_found_by_the_output_too(
    file: str, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison of tensors is switched off, so that only what the file does in a UNet can tell."""

    def louder(tensors: dict[str, torch.Tensor], _: dict[str, str]) -> None:
        for key in tensors:
            if key.endswith((".dora_scale", ".lora_magnitude_vector.weight")):
                tensors[key] = tensors[key] * 1.5

    run, models, weights = make_run("dog", lora={"use_dora": True})
    edit(run.output / file, louder)
    monkeypatch.setattr(verify, "_tensor_problems", lambda *_: iter(()))
    verification = verify_export(weights, [run.output / name for name in file_names("dog", True)], models)
    assert not verification.ok
    assert verification.message.startswith("the output differs by")


def test_files_that_are_whole_but_not_this_runs_are_found(make_run: MakeRun) -> None:
    run, models, weights = make_run("dog")
    with torch.no_grad():
        next(p for name, p in models.unet.named_parameters() if "lora_B" in name).add_(0.5)
    files = [run.output / file for file in file_names("dog", True)]
    verification = verify_export(weights, files, models)
    assert not verification.ok
    assert "the output differs by" in verification.message


def test_an_output_that_is_no_number_is_no_match(make_run: MakeRun) -> None:
    run, models, weights = make_run("dog")
    with torch.no_grad():
        next(p for name, p in models.unet.named_parameters() if "lora_B" in name).fill_(float("nan"))
    verification = verify_export(weights, [run.output / file for file in file_names("dog", True)], models)
    assert verification.message.startswith("the output differs by nan")
    assert not verification.ok


def test_verifying_leaves_the_trained_models_as_they_are(make_run: MakeRun) -> None:
    run, models, weights = make_run("dog", dtype="bfloat16")
    models.unet.train()
    before = {name: (p.data_ptr(), p.dtype, p.requires_grad) for name, p in models.unet.named_parameters()}
    verify_export(weights, [run.output / file for file in file_names("dog", True)], models)
    assert {name: (p.data_ptr(), p.dtype, p.requires_grad) for name, p in models.unet.named_parameters()} == before
    assert models.unet.training


def test_the_picture_shows_a_pipeline_that_pools_at_the_last_new_token(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """diffusers does so by itself with SDXL's published config; the recipe's line on pooling prevents it."""

    def without_the_line(run: RunDir, dtype: torch.dtype, device: torch.device):
        pipeline = load_run_pipeline(run, dtype, device)
        pipeline.text_encoder_2.text_model.eos_token_id = 2
        return pipeline

    load_run_pipeline = verify.load_run_pipeline
    run, _, _ = make_run("dog")
    monkeypatch.setattr(verify, "load_run_pipeline", without_the_line)
    verification = verify_run(run)
    assert not verification.ok
    assert verification.message.startswith("the output differs by")


def test_a_full_gpu_is_not_taken_for_faulty_files(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing on a CPU runs out of a GPU's memory, so the library is made to say so."""

    def run_out(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")

    run, models, weights = make_run("dog")
    files = [run.output / file for file in file_names("dog", True)]
    monkeypatch.setattr(StableDiffusionXLPipeline, "load_lora_into_unet", run_out)
    with pytest.raises(torch.OutOfMemoryError):  # the worker gives it its own words
        verify_export(weights, files, models)
    with pytest.raises(EngineError, match="The GPU ran out of memory") as error:
        verify_run(run)
    assert "CUDA_VISIBLE_DEVICES" in error.value.remedy


def test_a_run_without_a_checkpoint_cannot_be_verified(make_run: MakeRun) -> None:
    run, _, _ = make_run("dog")
    (run.checkpoints / "000003" / "manifest.json").unlink()
    with pytest.raises(EngineError, match="no whole checkpoint"):
        verify_run(run)
