"""What would make a run fail is found in seconds, in two sentences, before a model is loaded."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import huggingface_hub.constants
import PIL.Image
import pytest
from datasets import Dataset, Image

from curation.dataset import exclude, open_dataset, save_captions
from curation.errors import StatedError
from engine.config import TrainConfig, compose
from engine.errors import SeveralProblems
from engine.memory import MemoryEstimate
from engine.models.names import give_name
from engine.plan import plan
from engine.preflight import examine, preflight
from engine.preflight.class_images import ClassImages
from engine.preflight.frozen import frozen
from engine.preflight.machine import GpuMemory, check_gpu_memory
from engine.preflight.space import Disk, check_space


def config(photos: Path, **tables: Mapping[str, object]) -> TrainConfig:
    flags: dict[str, dict[str, object]] = {
        "data": {"instance_data_dir": str(photos)},
        "concept": {"instance_prompt": "a photo of TOK"},
        "model": {"pretrained_model_name_or_path": "tiny"},
    }
    for section, values in tables.items():
        flags.setdefault(section, {}).update(values)
    return compose(flags=flags).config


def refusal(settings: TrainConfig) -> str:
    with pytest.raises(StatedError) as caught:
        preflight(settings)
    assert caught.value.problem.endswith(".") and caught.value.remedy
    return str(caught.value)


def test_good_photos_pass_with_a_plan(photos: Path) -> None:
    checked = preflight(config(photos, concept={"kind": "person"}))
    assert checked.warnings == ()
    assert (checked.plan.photos, checked.plan.total_steps, checked.plan.pivot_step) == (4, 500, 250)
    assert checked.config.run.max_train_steps == 500  # frozen: photos added later do not change the run
    assert checked.config.optimizer.learning_rate == 1.0


def test_paths_are_frozen_absolute_so_that_the_worker_may_run_anywhere(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos.parent)
    checked = preflight(config(Path("photos"), prior={"class_data_dir": "classes"}))
    assert checked.config.data.instance_data_dir == str(photos)
    assert checked.config.prior.class_data_dir == str(photos.parent / "classes")


def test_a_short_name_of_a_model_is_frozen_as_itself_beside_a_folder_of_that_name(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    for folder in ("sdxl", "mine", "other"):
        (tmp_path / folder).mkdir()
    give_name("mine", tmp_path / "mine")

    def as_frozen(name: str) -> str:
        settings = config(photos, model={"pretrained_model_name_or_path": name})
        dataset = open_dataset(photos)
        return frozen(settings, dataset, plan(settings, 4)).model.pretrained_model_name_or_path

    assert as_frozen("sdxl") == "stabilityai/stable-diffusion-xl-base-1.0"
    assert as_frozen("mine") == str(tmp_path / "mine") and as_frozen("other") == str(tmp_path / "other")
    assert as_frozen("tiny") == "tiny" and as_frozen("somebody/model") == "somebody/model"


def test_the_guides_dataset_name_is_a_local_folder(photos: Path) -> None:
    settings = config(photos, data={"instance_data_dir": None, "dataset_name": str(photos)})
    assert preflight(settings).config.data.instance_data_dir == str(photos)


def test_a_dataset_is_frozen_as_the_folder_that_it_was_read_into(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    captioned = {"image": [str(photos / "cat.png")], "text": ["a photo of TOK"]}
    Dataset.from_dict(captioned).cast_column("image", Image()).save_to_disk(tmp_path / "saved")
    settings = {"instance_data_dir": None, "dataset_name": str(tmp_path / "saved"), "caption_column": "text"}
    checked = preflight(config(photos, data=settings))
    assert checked.warnings == () and checked.dataset.photos[0].caption == "a photo of TOK"
    frozen = checked.config.data
    assert frozen.dataset_name is None and frozen.instance_data_dir == str(checked.dataset.root)
    assert checked.dataset.root.is_relative_to(tmp_path / "cache")


def test_a_datasets_captions_in_a_column_of_another_name_are_pointed_out(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    captioned = {"image": [str(photos / "cat.png")], "text": ["a photo of TOK"]}
    Dataset.from_dict(captioned).cast_column("image", Image()).save_to_disk(tmp_path / "saved")
    data = {"instance_data_dir": None, "dataset_name": str(tmp_path / "saved")}
    (warning,) = preflight(config(photos, data=data)).warnings
    assert "has no column prompt; it has text" in warning
    said = refusal(config(photos, data=data, concept={"instance_prompt": None}))
    assert "it has text" in said and "Set caption_column" in said


def test_a_dataset_of_the_hub_that_is_out_of_reach(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    said = refusal(config(photos, data={"instance_data_dir": None, "dataset_name": "someone/photos"}))
    assert "hf download --repo-type dataset someone/photos" in said


def test_no_photos_named_is_refused(photos: Path) -> None:
    assert "No photos are named" in refusal(config(photos, data={"instance_data_dir": None}))


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    assert "nowhere" in refusal(config(tmp_path / "nowhere"))


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    assert str(tmp_path) in refusal(config(tmp_path))


def test_a_text_file_named_jpg_is_refused_by_name(photos: Path) -> None:
    (photos / "notes.jpg").write_text("not a photo")
    assert "notes.jpg" in refusal(config(photos))


def test_a_truncated_photo_is_refused_though_its_header_is_fine(photos: Path) -> None:
    whole = (photos / "coffee.png").read_bytes()
    (photos / "coffee.png").write_bytes(whole[: len(whole) // 2])
    assert "coffee.png" in refusal(config(photos))


def test_a_broken_class_image_is_refused_by_name(photos: Path, tmp_path: Path) -> None:
    classes = tmp_path / "classes"
    classes.mkdir()
    (classes / "broken.png").write_bytes((photos / "cat.png").read_bytes()[:5000])
    prior = {"with_prior_preservation": True, "class_prompt": "a cat", "class_data_dir": str(classes)}
    assert "broken.png" in refusal(config(photos, prior=prior))


def test_an_excluded_photo_is_not_looked_at(photos: Path) -> None:
    (photos / "notes.jpg").write_text("not a photo")
    exclude(open_dataset(photos), {"notes.jpg": "not a photo"})
    assert preflight(config(photos)).plan.photos == 4


def test_a_photo_without_any_caption_is_refused(photos: Path) -> None:
    save_captions(open_dataset(photos), {"cat.png": "a photo of TOK"})
    assert "3 of 4 photos" in refusal(config(photos, concept={"instance_prompt": None}))


def test_captions_that_never_name_the_trigger_word_are_refused(photos: Path) -> None:
    assert "TOK" in refusal(config(photos, concept={"instance_prompt": "a photo of TOKYO"}))


def test_some_captions_without_the_trigger_word_are_a_warning(photos: Path) -> None:
    save_captions(open_dataset(photos), {"cat.png": "a cat"})
    (warning,) = preflight(config(photos)).warnings
    assert "1 of 4" in warning and "cat.png" in warning


def test_a_trigger_word_that_no_caption_contains_is_a_warning(photos: Path) -> None:
    (warning,) = preflight(config(photos, concept={"token_abstraction": ["TOK", "DOG"]})).warnings
    assert "DOG" in warning and "will not train" in warning


def test_a_sample_prompt_without_the_trigger_word_is_a_warning(photos: Path) -> None:
    (warning,) = preflight(config(photos, sample={"validation_prompt": "a cat"})).warnings
    assert "validation_prompt" in warning


def test_a_local_model_that_is_not_there_is_refused(photos: Path, tmp_path: Path) -> None:
    model = {"pretrained_model_name_or_path": str(tmp_path / "sdxl")}
    assert "sdxl" in refusal(config(photos, model=model))
    assert examine(config(photos, model=model), count_memory=False).to_fetch == ()


@pytest.mark.parametrize("name", ["a" * 300, "a\0b", "a" * 300 + "/b"])
def test_a_model_that_can_be_no_path_is_refused_too(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    assert "The" in refusal(config(photos, model={"pretrained_model_name_or_path": name}))


def test_a_hub_model_that_is_not_on_disk_is_refused_offline(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    model = {"pretrained_model_name_or_path": "stabilityai/stable-diffusion-xl-base-1.0"}
    assert "stabilityai/stable-diffusion-xl-base-1.0" in refusal(config(photos, model=model))


def test_a_flag_that_the_engine_does_not_act_on_is_named(photos: Path) -> None:
    (warning,) = preflight(config(photos, output={"push_to_hub": True})).warnings
    assert "push_to_hub" in warning


def test_everything_that_is_wrong_is_told_at_once(photos: Path, tmp_path: Path) -> None:
    (photos / "notes.jpg").write_text("not a photo")
    (tmp_path / "file").write_text("")
    settings = config(
        photos,
        concept={"instance_prompt": "a photo of TOKYO"},
        model={"pretrained_model_name_or_path": str(tmp_path / "sdxl")},
        optimizer={"use_8bit_adam": True},
        prior={"with_prior_preservation": True},
        run={"max_train_steps": 10},
    )
    with pytest.raises(SeveralProblems) as caught:
        preflight(settings, tmp_path / "file" / "runs")
    said = [problem.problem for problem in caught.value.problems]
    wanted = ["notes.jpg", "trigger word TOK", "sdxl", "use_8bit_adam", "class_prompt", "is a file"]
    assert [any(words in each for each in said) for words in wanted] == [True] * len(wanted)


def test_a_caption_that_is_cut_is_named_with_its_tokens(photos: Path) -> None:
    save_captions(open_dataset(photos), {"cat.png": "a photo of TOK " + "very " * 90})
    (warning,) = preflight(config(photos)).warnings
    assert "cat.png (95 tokens, 75 read)" in warning and "chunk_captions" in warning
    assert preflight(config(photos, text_encoder={"chunk_captions": True})).warnings == ()


def test_class_images_at_hand_come_first_and_the_missing_ones_are_counted(photos: Path) -> None:
    prior = {"with_prior_preservation": True, "class_prompt": "a cat", "class_data_dir": str(photos)}
    found = examine(config(photos, prior=prior), count_memory=False)
    assert found.class_images == ClassImages(real=4, generated=96)
    enough = examine(config(photos, prior={**prior, "num_class_images": 3}), count_memory=False)
    assert enough.class_images == ClassImages(real=3, generated=0)
    own = examine(config(photos, prior={**prior, "prior_target": "base_model"}), count_memory=False)
    assert own.class_images is None


def test_class_images_of_the_hub_are_asked_for_and_not_fetched(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    prior = {"with_prior_preservation": True, "class_prompt": "a face", "class_dataset_name": "someone/faces"}
    found = examine(config(photos, prior=prior), count_memory=False)
    assert found.class_images == ClassImages(real=0, generated=0, fetched_from="someone/faces")
    assert "hf download --repo-type dataset someone/faces" in str(found.problems[0])
    assert "no dataset of class images nowhere" in refusal(
        config(photos, prior={**prior, "class_dataset_name": "nowhere"})
    )


def test_generated_class_images_of_a_person_are_advised_against(photos: Path) -> None:
    prior = {"with_prior_preservation": True, "class_prompt": "a photo of a woman"}
    warnings = preflight(config(photos, concept={"kind": "person"}, prior=prior)).warnings
    assert any("150 class images will be generated" in warning for warning in warnings)


def test_masked_loss_without_a_mask_is_refused_and_photos_without_one_are_named(photos: Path, tmp_path: Path) -> None:
    settings = config(photos, loss={"masked_loss": True}, data={"mask_dir": str(tmp_path / "masks")})
    (tmp_path / "masks").mkdir()
    assert "no photo has a mask" in refusal(settings)
    PIL.Image.open(photos / "cat.png").convert("L").save(tmp_path / "masks" / "cat.png")
    (warning,) = preflight(settings).warnings
    assert "3 of 4 photos have no mask" in warning and "cat.png" not in warning


def test_a_run_that_does_not_fit_on_the_disk_is_refused_with_its_largest_part(tmp_path: Path) -> None:
    disk = Disk({"checkpoints": 9 * 10**9, "exports": 10**9}, 9, 10**9, free=10**9, folder=tmp_path)
    (problem,) = check_space(disk)
    assert "10 GB, most of it checkpoints, and 1.0 GB are free" in problem.problem


def test_what_will_be_written_is_told_part_by_part(photos: Path, tmp_path: Path) -> None:
    disk = examine(config(photos), tmp_path, count_memory=False).disk
    assert disk and disk.parts["latents"] == 4 * 4 * 2 * 4 * 128 * 128 * 4  # photos, crops, mean and std, channels
    flips = examine(config(photos, data={"random_flip": True}), tmp_path, count_memory=False).disk
    assert flips and flips.parts["latents"] == 2 * disk.parts["latents"]
    assert disk.folder == tmp_path and 0 < disk.needed < disk.free


@pytest.mark.parametrize(
    ("lora", "sizes"),
    [
        ({"rank": 32}, 46_448_640),
        ({"rank": 4, "use_blora": True}, 4 * 2 * 10 * (14 * 1280 + 2 * 2048)),
        ({"rank": 4, "lora_unet_blocks": ["mid_block"]}, 4 * 10 * (14 * 1280 + 2 * 2048)),
    ],
)
def test_checkpoints_are_reckoned_where_no_memory_is_counted(
    photos: Path, tmp_path: Path, lora: dict[str, object], sizes: int
) -> None:
    settings = config(photos, model={"pretrained_model_name_or_path": "sdxl"}, lora=lora, run={"max_train_steps": 1000})
    disk = examine(settings, tmp_path, count_memory=False).disk
    assert disk and disk.parts["exports"] == 2 * 4 * sizes
    assert disk.parts["checkpoints"] == 2 * (4 + 16) * sizes  # Prodigy's four numbers for each


@pytest.mark.parametrize(
    ("run", "counted", "most"),
    [
        ({}, 6, 6),
        ({"checkpoints_total_limit": 2}, 3, 3),
        ({"checkpoints_total_limit": 2, "checkpoints_keep_every": 2500}, 7, 7),
        ({"checkpoints_total_limit": None}, 20, None),
        ({"checkpointing_steps": 5000}, 2, 6),
        ({"checkpointing_steps": 5000, "checkpoints_keep_every": 4000}, 4, 8),
    ],
)
def test_no_more_checkpoints_are_counted_than_lie_there_at_once(
    photos: Path, tmp_path: Path, run: dict[str, int | None], counted: int, most: int | None
) -> None:
    """The newest, those at multiples, and one more while it is written."""
    settings = config(photos, run={"max_train_steps": 10_000, "checkpointing_steps": 500, **run})
    disk = examine(settings, tmp_path, count_memory=False).disk
    assert disk and (disk.checkpoints, disk.most_checkpoints) == (counted, most)
    assert disk.parts["checkpoints"] == counted * disk.each_checkpoint


def test_a_gpu_that_seems_too_small_is_told_with_what_saves_memory(photos: Path) -> None:
    counted = MemoryEstimate(1, 1, 1, 1, 1, 1, 1, 1, 1, {"training": 14 * 10**9, "sampling": 10**9})
    settings = config(photos, run={"gradient_checkpointing": True})
    (warning,) = check_gpu_memory(settings, GpuMemory(counted, None, 12 * 10**9, 16 * 10**9))
    assert "While training the run takes about 14 GB" in warning and "12 GB are free" in warning
    assert "low_memory = true (slower" in warning and "gradient_checkpointing" not in warning
    assert list(check_gpu_memory(settings, GpuMemory(counted, None, 15 * 10**9, 16 * 10**9))) == []


def test_preflight_loads_no_training_library() -> None:
    rooms = "engine.preflight, engine.memory, engine.start, engine.text.sample_prompts"
    code = f"import {rooms}, sys; print([m for m in ('torch', 'diffusers') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
