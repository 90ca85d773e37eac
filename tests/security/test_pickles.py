"""Only safetensors are loaded from outside: a pickle is refused with the reason, and nothing in it runs."""

import ast
import json
import shutil
from pathlib import Path

import pytest

from curation.captioners import load_captioner
from curation.errors import CurationError
from engine.errors import EngineError
from engine.results.generate import UNLOADABLE
from engine.training.weights import read_safetensors
from tests.curation.tiny_captioners import save_blip
from tests.security.models import PARTS, load_all, weights_of
from tests.security.source import calls, imports

REASON = "loading one runs code from it"


@pytest.mark.parametrize("suffix", [".safetensors", ".ckpt", ".pt", ".pth", ".bin"])
def test_a_checkpoint_that_is_a_pickle(tmp_path: Path, pickled: bytes, trace: Path, suffix: str) -> None:
    (tmp_path / f"model{suffix}").write_bytes(pickled)
    with pytest.raises(EngineError, match=rf"no whole \.safetensors file.*{REASON}"):
        load_all(tmp_path / f"model{suffix}")
    assert not trace.exists()


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", ["diffusion_pytorch_model.bin", "pytorch_model.bin", "model.pt", "model.ckpt"])
def test_a_part_that_comes_as_a_pickle(folder: Path, pickled: bytes, trace: Path, part: str, name: str) -> None:
    weights_of(folder / part).unlink()
    (folder / part / name).write_bytes(pickled)
    with pytest.raises(EngineError, match=rf"has no weights of its {part} in \.safetensors.*{REASON}"):
        load_all(folder)
    assert not trace.exists()


@pytest.mark.parametrize("part", PARTS)
def test_a_pickle_that_is_named_as_safetensors(folder: Path, pickled: bytes, trace: Path, part: str) -> None:
    weights_of(folder / part).write_bytes(pickled)
    with pytest.raises(EngineError, match=r"is no whole \.safetensors file"):
        load_all(folder)
    assert not trace.exists()


def test_a_pickle_beside_safetensors_is_left_alone(folder: Path, pickled: bytes, trace: Path) -> None:
    for part in (*PARTS, "tokenizer", "tokenizer_2", "scheduler", "."):
        for name in ("pytorch_model.bin", "diffusion_pytorch_model.bin", "tokenizer.pkl", "scheduler.bin"):
            (folder / part / name).write_bytes(pickled)
    load_all(folder)
    assert not trace.exists()


@pytest.mark.parametrize("part", ["unet", "text_encoder"])
@pytest.mark.parametrize("named", ["evil.bin", "../evil.safetensors", "/tmp/evil.safetensors", "a\x1b[31m.pt"])
def test_an_index_of_shards_names_safetensors_beside_it_and_nothing_else(
    folder: Path, pickled: bytes, trace: Path, part: str, named: str
) -> None:
    weights = weights_of(folder / part)
    (folder / part / "evil.bin").write_bytes(pickled)
    index = {"metadata": {}, "weight_map": {"weight": named}}
    (folder / part / f"{weights.name}.index.json").write_text(json.dumps(index))
    weights.unlink()
    with pytest.raises(EngineError, match=r"asks for the file") as refused:
        load_all(folder)
    assert not trace.exists() and "\x1b" not in str(refused.value)


def test_an_adapter_in_a_part_brings_neither_its_weights_nor_another_model(
    folder: Path, pickled: bytes, trace: Path
) -> None:
    settings = {"peft_type": "LORA", "base_model_name_or_path": "somebody/else", "target_modules": ["q_proj"]}
    (folder / "text_encoder" / "adapter_config.json").write_text(json.dumps(settings))
    (folder / "text_encoder" / "adapter_model.bin").write_bytes(pickled)
    with pytest.raises(EngineError, match="asks for the weights of an adapter"):
        load_all(folder)
    assert not trace.exists()


def test_a_replacement_vae(tiny_model: Path, tmp_path: Path, pickled: bytes, trace: Path) -> None:
    vae = shutil.copytree(tiny_model / "vae", tmp_path / "vae")
    weights_of(vae).unlink()
    (vae / "diffusion_pytorch_model.bin").write_bytes(pickled)
    with pytest.raises(EngineError, match=REASON):
        load_all(tiny_model, vae)
    (vae / "diffusion_pytorch_model.safetensors").write_bytes(pickled)
    with pytest.raises(EngineError, match="no whole"):
        load_all(tiny_model, vae)
    assert not trace.exists()


def test_files_of_a_run_or_a_checkpoint(tmp_path: Path, pickled: bytes, trace: Path) -> None:
    """LoRA, new tokens and the optimizer's state are all read by this function, or by diffusers from safetensors."""
    (tmp_path / "optimizer.safetensors").write_bytes(pickled)
    with pytest.raises(EngineError, match="cannot be read"):
        read_safetensors(tmp_path / "optimizer.safetensors")
    from diffusers import StableDiffusionXLPipeline

    with pytest.raises(UNLOADABLE):
        StableDiffusionXLPipeline.lora_state_dict(str(tmp_path), weight_name="optimizer.safetensors")
    assert not trace.exists()


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.safetensors"])
def test_a_captioner_that_comes_as_a_pickle(tmp_path: Path, pickled: bytes, trace: Path, name: str) -> None:
    captioner = save_blip(tmp_path / "blip")
    weights_of(captioner).unlink()
    (captioner / name).write_bytes(pickled)
    with pytest.raises(CurationError) as refused:
        load_captioner(str(captioner))
    assert not trace.exists()
    assert name.endswith(".safetensors") or (
        "no weights in .safetensors" in refused.value.problem and REASON in refused.value.remedy
    )


def test_torch_loads_only_the_state_of_the_pre_training() -> None:
    loads = [(path, node) for path, node in calls("load") if ast.unparse(node.func) == "torch.load"]
    assert {path.rpartition("/")[0] for path, _ in loads} <= {"engine/mini/pretrain"}
    for _, node in loads:
        assert {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}["weights_only"] == "True"


def test_nothing_else_unpickles_or_evaluates() -> None:
    unpickling = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
    assert not [(path, name) for path, name in imports() if name.partition(".")[0] in unpickling]
    assert not [path for name in ("eval", "exec") for path, node in calls(name) if isinstance(node.func, ast.Name)]
    allowed = [keyword for _, node in calls("load") for keyword in node.keywords if keyword.arg == "allow_pickle"]
    assert all(ast.unparse(keyword.value) == "False" for keyword in allowed)
