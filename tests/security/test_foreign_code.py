"""`trust_remote_code` never: code that comes with a model, or that its config asks for, is not run."""

import ast
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from curation.captioners import load_captioner
from curation.errors import CurationError, StatedError
from engine.errors import EngineError
from tests.curation.tiny_captioners import save_blip
from tests.security.models import PARTS, load_all
from tests.security.source import calls, modules

KINDS = ("Config", "Model", "ModelForImageTextToText", "Processor", "Tokenizer", "ImageProcessor")
CODE = "open({trace!r}, 'w').close()\nraise SystemExit('it ran')\n"


@pytest.fixture
def with_code(trace: Path) -> Callable[[Path], Path]:
    """Adds to a folder of a model everything that asks for code of its own, and the code."""

    def add(folder: Path) -> Path:
        (folder / "own.py").write_text(CODE.format(trace=str(trace)))
        for name in ("config.json", "tokenizer_config.json", "preprocessor_config.json", "processor_config.json"):
            path = folder / name
            settings = json.loads(path.read_text()) if path.exists() else {}
            path.write_text(json.dumps({**settings, "auto_map": {f"Auto{kind}": f"own.Own{kind}" for kind in KINDS}}))
        return folder

    return add


def test_code_of_a_base_models_own_is_not_run(folder: Path, with_code: Callable[[Path], Path], trace: Path) -> None:
    for part in (*PARTS, "tokenizer", "tokenizer_2", "scheduler"):
        with_code(folder / part)
    for file, named in (("model_index.json", "own"), ("scheduler/scheduler_config.json", "utils")):
        settings = json.loads((folder / file).read_text())
        extra = {"_class_name": "StableDiffusionXLPipeline", "unet": ["own", "OwnUNet"]} if named == "own" else {}
        (folder / file).write_text(json.dumps({**settings, "_class_name": named, **extra}))
    load_all(folder)
    assert not trace.exists()


def test_code_of_a_captioners_own_is_not_run(tmp_path: Path, with_code: Callable[[Path], Path], trace: Path) -> None:
    captioner = with_code(save_blip(tmp_path / "blip"))
    try:
        load_captioner(str(captioner))
    except StatedError as refused:
        assert "cannot be loaded" in refused.problem
    assert not trace.exists()


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation"])
def test_compiled_code_that_a_config_asks_the_hub_for_is_refused(tmp_path: Path, folder: Path, key: str) -> None:
    captioner = save_blip(tmp_path / "blip")
    settings = json.loads((captioner / "config.json").read_text())
    settings["vision_config"][key] = "somebody/kernels"
    (captioner / "config.json").write_text(json.dumps(settings))
    with pytest.raises(CurationError, match="asks for code from somebody/kernels"):
        load_captioner(str(captioner))
    settings = json.loads((folder / "text_encoder" / "config.json").read_text())
    (folder / "text_encoder" / "config.json").write_text(json.dumps({**settings, key: "somebody/kernels"}))
    with pytest.raises(EngineError, match="asks for code from somebody/kernels"):
        load_all(folder)


def test_no_call_trusts_remote_code() -> None:
    for path, module in modules():
        for node in ast.walk(module):
            if isinstance(node, ast.keyword) and node.arg in ("trust_remote_code", "custom_pipeline"):
                assert ast.unparse(node.value) == "False", path
    automatic = [node for _, node in calls("from_pretrained") if ast.unparse(node.func).startswith("Auto")]
    automatic = [node for node in automatic if "AutoencoderKL" not in ast.unparse(node.func)]
    assert automatic
    assert all("trust_remote_code" in {keyword.arg for keyword in node.keywords} for node in automatic)
