"""Captions by a model: loaded as users load it, for the photos that have none, the same at any batch size."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image

from curation import CurationError, open_dataset, save_captions
from curation.captioners import Captioner, caption_photos, fill, load_captioner, photos_to_caption, whole_sentences
from tests.curation import tiny_captioners as tiny

ROOT = Path(__file__).parents[2]
MODELS = {
    "blip": tiny.save_blip,
    "florence": tiny.save_florence,
    "llava": tiny.save_llava,
    "llava_next": tiny.save_llava_next,
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny model by its name, saved once."""
    folder = tmp_path_factory.mktemp("captioners")
    return lambda name: folder / name if (folder / name).is_dir() else MODELS[name](folder / name)


def captions(photos: Path, captioner: Captioner, batch_size: int = 8) -> dict[str, str]:
    dataset = open_dataset(photos)
    names = [photo.name for photo in dataset.photos]
    return {k: v for batch in caption_photos(dataset, names, captioner, batch_size) for k, v in batch.captions.items()}


def refusal(name: str) -> CurationError:
    with pytest.raises(CurationError) as caught:
        load_captioner(name)
    assert caught.value.problem.endswith(".") and caught.value.remedy
    return caught.value


@pytest.mark.parametrize("name", MODELS)
def test_the_batch_size_changes_no_caption(model: Callable[[str], Path], photos: Path, name: str) -> None:
    with Image.open(photos / "cat.png") as cat:  # of another shape than the rest: more or fewer image tokens
        cat.crop((0, 0, 450, 150)).save(photos / "cat.png")
    captioner = load_captioner(str(model(name)))
    one_by_one = captions(photos, captioner, batch_size=1)
    assert len(set(one_by_one.values())) == 4, "the model sees the photos"
    assert all(captions(photos, captioner, batch_size=size) == one_by_one for size in (3, 4))


def test_blip_continues_a_prompt(model: Callable[[str], Path], photos: Path) -> None:
    begun = captions(photos, load_captioner(str(model("blip")), prompt="a photo of"))
    assert all(caption.startswith("a photo of ") for caption in begun.values())
    assert begun != captions(photos, load_captioner(str(model("blip"))))


@pytest.mark.parametrize("name", ["florence", "llava"])
def test_others_are_asked_by_the_prompt_and_do_not_repeat_it(
    model: Callable[[str], Path], photos: Path, name: str
) -> None:
    by_default = captions(photos, load_captioner(str(model(name))))
    asked = captions(photos, load_captioner(str(model(name)), prompt="describe this woman on the table"))
    assert asked != by_default
    assert not any("describe this woman on the table" in caption for caption in asked.values())


def test_a_chat_whose_messages_are_plain_strings_gets_its_picture_too(photos: Path, tmp_path: Path) -> None:
    captioner = load_captioner(str(tiny.save_llava(tmp_path / "plain", template=tiny.PLAIN_CHAT)))
    assert len(set(captions(photos, captioner).values())) == 4


def test_a_caption_that_the_limit_cuts_ends_with_its_last_whole_sentence() -> None:
    assert whole_sentences("A cat of 1.5 years. Is it red? The cup on") == "A cat of 1.5 years. Is it red?"
    assert whole_sentences("the cup on the") == "the cup on the"


def test_a_photo_that_does_not_decode_is_passed_over_and_told(model: Callable[[str], Path], photos: Path) -> None:
    (photos / "broken.png").write_bytes((photos / "cat.png").read_bytes()[:5000])
    captioner = load_captioner(str(model("blip")))
    dataset = open_dataset(photos)
    (batch,) = caption_photos(dataset, ["broken.png", "cat.png"], captioner)
    assert list(batch.captions) == ["cat.png"]
    assert "damaged" in batch.unreadable["broken.png"]


def test_only_photos_without_a_caption_are_chosen(photos: Path) -> None:
    dataset = save_captions(open_dataset(photos), {"cat.png": "a cat", "coffee.png": " "})
    assert photos_to_caption(dataset) == ["astronaut.png", "coffee.png", "rocket.png"]
    assert photos_to_caption(dataset, ["rocket.png", "cat.png"]) == ["rocket.png"]
    assert photos_to_caption(dataset, ["cat.png"], overwrite=True) == ["cat.png"]
    assert len(photos_to_caption(dataset, overwrite=True)) == 4
    with pytest.raises(CurationError, match=r"dog\.png"):
        photos_to_caption(dataset, ["dog.png"])


def test_a_caption_that_somebody_writes_meanwhile_stays(photos: Path) -> None:
    dataset = open_dataset(photos)
    save_captions(dataset, {"cat.png": "by hand"})
    assert fill(dataset, {"cat.png": "by a model", "rocket.png": "a rocket"}) == ("rocket.png",)
    now = {photo.name: photo.caption for photo in open_dataset(photos).photos}
    assert (now["cat.png"], now["rocket.png"]) == ("by hand", "a rocket")


def test_a_folder_that_holds_no_model(tmp_path: Path) -> None:
    assert "no config.json" in refusal(str(tmp_path)).problem
    assert "There is no model folder" in refusal(str(tmp_path / "none")).problem


def test_a_model_that_does_not_caption(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    assert "gpt2, which does not caption" in refusal(str(tmp_path)).problem


def test_code_of_a_models_own_is_never_run(tmp_path: Path) -> None:
    code = {"AutoConfig": "configuration_florence2.Florence2Config"}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "florence2", "auto_map": code}))
    (tmp_path / "configuration_florence2.py").write_text("raise SystemExit('it ran')")
    assert "florence-community/Florence-2-base" in refusal(str(tmp_path)).remedy


def test_a_chat_model_without_a_chat_template(tmp_path: Path) -> None:
    assert "no chat template" in refusal(str(tiny.save_llava(tmp_path / "mute", template=None))).problem


@pytest.mark.skipif(find_spec("torchvision") is not None, reason="needs an environment without torchvision")
def test_a_model_that_needs_a_package_more_names_it(tmp_path: Path) -> None:
    folder = tiny.save_llava(tmp_path / "qwen")
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen2_vl"}))
    kind = {"image_processor_type": "Qwen2VLImageProcessor", "processor_class": "Qwen2VLProcessor"}
    (folder / "processor_config.json").write_text(json.dumps({"processor_class": "Qwen2VLProcessor"}))
    (folder / "preprocessor_config.json").write_text(json.dumps(kind))
    (folder / "video_preprocessor_config.json").write_text(
        json.dumps({"video_processor_type": "Qwen2VLVideoProcessor", "processor_class": "Qwen2VLProcessor"})
    )
    assert refusal(str(folder)).remedy == "Run: pip install torchvision"


def test_a_model_whose_weights_are_damaged(tmp_path: Path) -> None:
    folder = tiny.save_blip(tmp_path / "damaged")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    assert "cannot be loaded" in refusal(str(folder)).problem


def test_a_prompt_that_the_model_does_not_take(model: Callable[[str], Path], photos: Path) -> None:
    captioner = load_captioner(str(model("florence")), prompt="<CAPTION> of a cat")
    with pytest.raises(CurationError, match="does not take the prompt"):
        captions(photos, captioner)


OUT_OF_MEMORY = """
import resource, sys
from PIL import Image
from curation.captioners import load_captioner
captioner = load_captioner(sys.argv[1])
images = [Image.new("RGB", (32, 32))] * 20_000  # a quarter of a gigabyte as floats
captioner.describe(images[:1])
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + 2**27
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
captioner.describe(images)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux to limit memory")
def test_too_little_memory_asks_for_a_smaller_batch(model: Callable[[str], Path]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", OUT_OF_MEMORY, model("blip")], capture_output=True, text=True, cwd=ROOT
    )
    assert "CurationError" in done.stderr and "--batch-size 10000" in done.stderr, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environment", "why"),
    [
        ({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE forbids to ask the hub"),
        ({"HF_ENDPOINT": "http://127.0.0.1:9"}, "the hub does not answer"),
    ],
)
def test_a_model_that_is_neither_here_nor_within_reach(tmp_path: Path, environment: dict[str, str], why: str) -> None:
    code = "from curation.captioners import load_captioner; load_captioner()"
    env = {**os.environ, "HF_HOME": str(tmp_path), **environment}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=env)
    assert why in done.stderr and "hf download Salesforce/blip-image-captioning-base" in done.stderr
