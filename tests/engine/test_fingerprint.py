"""A checkpoint knows what it was trained on, and what has changed since."""

import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from curation.dataset import exclude, open_dataset, place_crops, save_captions
from engine.config import TrainConfig, sections
from engine.data.examples import read_examples
from engine.differences import HARMLESS, IMPOSSIBLE, Difference, differences
from engine.fingerprint import (
    LEFT_OUT,
    Content,
    Fingerprint,
    Picture,
    fingerprint_from_json,
    take_fingerprint,
)

Config = Callable[..., TrainConfig]
SETTINGS = {
    f"{section}.{key}": value
    for section, values in TrainConfig().model_dump(mode="json").items()
    for key, value in values.items()
    if f"{section}.{key}" not in LEFT_OUT
}

digests = st.sampled_from(["aa", "bb", "cc"])
contents = st.builds(Content, digests, st.integers(0, 10**9), st.integers(0, 2**62))
pictures = st.dictionaries(
    st.text(max_size=4),
    st.builds(
        Picture,
        contents,
        st.text(max_size=8),
        st.none() | contents,
        st.none() | st.tuples(st.floats(0, 1), st.floats(0, 1)),
    ),
    max_size=4,
)
changes = st.fixed_dictionaries(
    {},
    optional={
        "run.seed": st.integers(0, 2),
        "run.train_batch_size": st.sampled_from([1, 2, 4]),
        "run.gradient_accumulation_steps": st.sampled_from([1, 2, 4]),
        "run.num_processes": st.sampled_from([1, 2]),
        "data.aspect_ratio_buckets": st.booleans(),
        "lora.rank": st.sampled_from([4, 8]),
        "sample.validation_prompts": st.lists(st.text(max_size=3), max_size=2),
    },
)
fingerprints = st.builds(
    lambda changed, model, photos, class_images: Fingerprint({**SETTINGS, **changed}, model, photos, class_images),
    changes,
    st.none() | digests,
    pictures,
    pictures,
)


def taken(config: TrainConfig, known: Fingerprint | None = None) -> Fingerprint:
    return take_fingerprint(config, read_examples(config), known)


def changed(before: TrainConfig, now: TrainConfig) -> list[Difference]:
    return differences(taken(before), taken(now))


@given(fingerprints)
def test_one_that_was_written_down_is_read_as_it_was(one: Fingerprint) -> None:
    read = fingerprint_from_json(json.loads(json.dumps(one.to_json())))
    assert read == one
    assert read is not None and read.to_json() == one.to_json()


@given(fingerprints, fingerprints)
def test_there_are_differences_exactly_where_two_are_not_equal(one: Fingerprint, other: Fingerprint) -> None:
    assert (differences(one, other) == []) == (one == other)
    assert differences(one, one) == []


@given(fingerprints, fingerprints)
def test_a_change_and_its_undoing_are_the_same_the_other_way_round(one: Fingerprint, other: Fingerprint) -> None:
    undone = [dataclasses.replace(each, before=each.now, now=each.before) for each in differences(other, one)]
    assert differences(one, other) == undone


def test_every_setting_that_is_called_harmless_or_impossible_exists() -> None:
    assert set(SETTINGS) >= HARMLESS | IMPOSSIBLE
    assert not HARMLESS & IMPOSSIBLE
    assert {f"{name}.{key}" for name, model in sections().items() for key in model.model_fields} >= LEFT_OUT


def test_one_of_another_version_or_from_before_a_setting_was_there(config: Config) -> None:
    stored = taken(config()).to_json()
    assert fingerprint_from_json({**stored, "version": 0}) is None
    del stored["settings"]["run.num_processes"]
    for photo in stored["photos"].values():
        del photo["focus"]
    assert fingerprint_from_json(stored) == taken(config())


@pytest.mark.parametrize(
    ("sections", "names", "weight"),
    [
        ({"sample": {"guidance_scale": 3.0}}, ["sample.guidance_scale"], "harmless"),
        ({"run": {"report_to": "tensorboard"}}, ["run.report_to"], "harmless"),
        ({"run": {"seed": 5}}, ["run.seed"], "learned"),
        ({"run": {"max_train_steps": 8}}, ["run.max_train_steps"], "learned"),
        ({"loss": {"snr_gamma": None}}, ["loss.snr_gamma"], "learned"),
        ({"lora": {"rank": 8}}, ["lora.rank", "lora.lora_alpha"], "impossible"),
    ],
)
def test_settings_weigh_by_what_they_change(config: Config, sections: dict, names: list[str], weight: str) -> None:
    found = changed(config(), config(**sections))
    assert [(each.name, each.weight) for each in found] == [(name, weight) for name in names]


def test_a_step_may_be_shared_otherwise_as_long_as_it_sees_as_many_photos(config: Config) -> None:
    before = config(run={"train_batch_size": 2, "gradient_accumulation_steps": 2})
    shared = config(run={"train_batch_size": 2, "gradient_accumulation_steps": 1, "num_processes": 2})
    smaller = config(run={"train_batch_size": 1, "gradient_accumulation_steps": 4})
    fewer = config(run={"train_batch_size": 2, "gradient_accumulation_steps": 1})
    assert {each.weight for each in changed(before, shared)} == {"harmless"}
    assert {each.weight for each in changed(before, smaller)} == {"harmless"}
    assert {each.weight for each in changed(before, fewer)} == {"learned"}


def test_with_buckets_the_size_of_a_micro_batch_changes_the_order_of_photos(config: Config) -> None:
    data = {"aspect_ratio_buckets": True}
    before = config(run={"train_batch_size": 2, "gradient_accumulation_steps": 2}, data=data)
    now = config(run={"train_batch_size": 1, "gradient_accumulation_steps": 4}, data=data)
    assert {each.weight for each in changed(before, now)} == {"learned"}


def test_a_crop_that_was_placed_meanwhile_is_told(config: Config, photos: Path) -> None:
    before = taken(config())
    place_crops(open_dataset(photos), {"cat.png": (0.4, 0.3)})
    (found,) = differences(before, taken(config(), before))
    assert found == Difference("crop of cat.png", "as the settings say", "around 0.4,0.3", "learned")


def test_photos_that_are_replaced_captioned_left_out_or_added_are_told_by_name(config: Config, photos: Path) -> None:
    before = taken(config())
    save_captions(open_dataset(photos), {"cat.png": "TOK [bold]asleep"})
    exclude(open_dataset(photos), {"coffee.png": "no face"})
    Image.new("RGB", (300, 300), "red").save(photos / "rocket.png")
    shutil.copy(photos / "astronaut.png", photos / "astronaut-2.png")
    found = {each.name: each for each in differences(before, taken(config(), before))}
    assert {each.weight for each in found.values()} == {"learned"}
    assert set(found) == {"photo astronaut-2.png", "caption of cat.png", "photo coffee.png", "photo rocket.png"}
    assert (found["caption of cat.png"].before, found["caption of cat.png"].now) == (
        "a photo of TOK",
        "TOK [bold]asleep",
    )
    assert found["photo coffee.png"].now is None and found["photo astronaut-2.png"].before is None


def test_a_folder_that_was_moved_with_its_photos_is_no_change_of_them(config: Config, photos: Path) -> None:
    before = taken(config())
    moved = shutil.copytree(photos, photos.with_name("moved"), copy_function=shutil.copyfile)
    found = differences(before, taken(config(data={"instance_data_dir": str(moved)}), before))
    assert [(each.name, each.weight) for each in found] == [("data.instance_data_dir", "harmless")]


def test_photos_that_nobody_touched_are_not_read_again(config: Config, photos: Path) -> None:
    before = taken(config())
    photo = photos / "cat.png"
    stamp, content = photo.stat(), photo.read_bytes()
    photo.write_bytes(bytes(len(content)))
    os.utime(photo, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert taken(config(), before) == before, "size and time of change vouch for it"
    os.utime(photo)
    assert taken(config(), before) != before


def test_masks_and_class_images_count_where_they_are_used(config: Config, photos: Path, tmp_path: Path) -> None:
    masks, class_images = tmp_path / "masks", tmp_path / "class"
    for folder in (masks, class_images):
        folder.mkdir()
        Image.new("L", (512, 512), 255).save(folder / "astronaut.png")
    used = {
        "data": {"mask_dir": str(masks)},
        "loss": {"masked_loss": True},
        "prior": {"with_prior_preservation": True, "class_data_dir": str(class_images), "class_prompt": "a person"},
    }
    before, idle = taken(config(**used)), taken(config())
    for folder in (masks, class_images):
        Image.new("L", (512, 512), 128).save(folder / "astronaut.png")
    found = differences(before, taken(config(**used), before))
    assert [each.name for each in found] == ["mask of astronaut.png", "class image astronaut.png"]
    assert taken(config()) == idle


def test_other_weights_of_the_base_model_are_a_change_and_another_place_of_them_is_none(
    config: Config, tiny_model: Path, tmp_path: Path
) -> None:
    moved = shutil.copytree(tiny_model, tmp_path / "model")
    model = config().model.model_copy(update={"pretrained_model_name_or_path": str(moved)})
    elsewhere = config().model_copy(update={"model": model})
    [place] = changed(config(), elsewhere)
    assert (place.name, place.weight) == ("model.pretrained_model_name_or_path", "harmless")
    before = taken(elsewhere)
    weights = moved / "unet" / "diffusion_pytorch_model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[: len(content) // 2] + bytes(len(content) - len(content) // 2))
    [other] = differences(before, taken(elsewhere))
    assert (other.name, other.weight) == ("the base model", "learned")


def test_commands_and_addresses_of_the_box_stay_out_of_checkpoints(config: Config) -> None:
    secret = "https://hooks.example/T0/secret"
    assert secret not in json.dumps(taken(config(run={"notify_webhook": secret, "on_finish": secret})).to_json())
