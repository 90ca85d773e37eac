"""lora.toml: what it accepts, what it refuses and in which words, and that it survives being written."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import TrainConfig, compose, load_config, load_frozen, preset, save_config, sections, to_toml
from engine.contradictions import contradictions
from engine.errors import ConfigError
from engine.settings import Kind


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "lora.toml"
    path.write_text(text, "utf-8")
    return path


def test_flags_win_over_the_file_and_the_file_over_the_preset(tmp_path: Path) -> None:
    path = write(tmp_path, "[concept]\nkind = 'object'\n[lora]\nlora_dropout = 0.1\n[run]\nseed = 3\n")
    composed = compose(path, {"run": {"seed": 4}})
    assert (composed.config.lora.rank, composed.config.lora.lora_dropout, composed.config.run.seed) == (16, 0.1, 4)
    assert composed.origins["lora.rank"] == "preset object"
    assert composed.origins["lora.lora_dropout"] == str(path)
    assert composed.origins["run.seed"] == "flag"
    assert composed.origins["loss.snr_gamma"] == "default"


def test_the_mini_model_brings_its_resolution_unless_one_was_chosen(tmp_path: Path) -> None:
    composed = compose(flags={"model": {"pretrained_model_name_or_path": "mini"}})
    assert (composed.config.data.resolution, composed.origins["data.resolution"]) == (64, "the mini model")
    assert contradictions(composed.config) == ()
    path = write(tmp_path, "[data]\nresolution = 512\n[model]\npretrained_model_name_or_path = 'mini'\n")
    assert load_config(path).data.resolution == 512  # and is refused


def test_a_kind_given_as_a_flag_chooses_the_preset() -> None:
    assert compose(flags={"concept": {"kind": "style"}}).config.run.max_train_steps == 1000


@pytest.mark.parametrize("kind", ["person", "object", "style", "character"])
def test_every_preset_holds_known_settings_only(kind: Kind) -> None:
    assert preset(kind)
    for section, values in preset(kind).items():
        assert set(values) <= set(sections()[section].model_fields)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[lora]\nrankk = 3\n", ["line 2", "'rankk'", "'rank'"]),
        ("[lora]\nrank = \n", ["line 2", "'rank'"]),
        ("[lora]\nrank = 3\nrank = 4\n", ["rank"]),
        ("[lra]\nrank = 3\n", ["line 1", "[lra]", "'lora'"]),
        ("rank = 3\n", ["line 1", "outside its section", "[lora]"]),
        ("\n[run]\nrank = 3\n", ["line 3", "does not belong in [run]", "[lora]"]),
        ("[lora]\nrank = '3'\n", ["line 2", "lora.rank", "'3'", "integer"]),
        ("[data]\ncenter_crop = 'False'\n", ["line 2", "center_crop", "boolean"]),
        ("[concept]\nkind = 'persn'\n", ["line 2", "concept.kind", "'person'"]),
        ("[run]\nmax_train_steps = 0\n", ["line 2", "max_train_steps", "greater"]),
        ("[text_encoder]\ntext_encoder_lr = -1.0\n", ["line 2", "text_encoder_lr", "greater"]),
        ("[concept]\ntoken_abstraction = [' ']\n", ["line 2", "token_abstraction"]),
        ("lora = 3\n", ["line 1", "'lora' is a section", "[lora]"]),
    ],
)
def test_a_broken_file_is_told_with_its_line_and_key(tmp_path: Path, text: str, said: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, text))
    for words in said:
        assert words in caught.value.problem + caught.value.remedy
    assert caught.value.problem.endswith(".")


def test_a_flag_that_does_not_fit_is_not_blamed_on_the_line_that_it_overrides(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        compose(write(tmp_path, "[lora]\nrank = 3\n"), flags={"lora": {"rank": 0}})
    assert "lora.rank = 0" in caught.value.problem and "line 2" not in caught.value.problem


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"There is no file .*nowhere\.toml"):
        load_config(tmp_path / "nowhere.toml")


def test_none_unsets_what_may_be_unset_and_nothing_else(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, "[loss]\nsnr_gamma = 'none'\n")).loss.snr_gamma is None
    with pytest.raises(ConfigError, match="rank"):
        load_config(write(tmp_path, "[lora]\nrank = 'none'\n"))


def test_named_class_images_turn_prior_preservation_on_for_a_person() -> None:
    flags = {"concept": {"kind": "person"}, "prior": {"class_data_dir": "portraits"}}
    prior = compose(flags=flags).config.prior
    assert prior.with_prior_preservation and prior.num_class_images == 150
    assert not compose(flags={"concept": {"kind": "person"}}).config.prior.with_prior_preservation
    flags["prior"]["with_prior_preservation"] = False  # type: ignore[assignment]
    assert not compose(flags=flags).config.prior.with_prior_preservation


def test_steps_per_photo_wins_over_a_presets_fixed_number_of_steps() -> None:
    composed = compose(flags={"concept": {"kind": "style"}, "run": {"steps_per_photo": 40}})
    assert composed.config.run.max_train_steps is None
    assert composed.origins["run.max_train_steps"] == "steps_per_photo"


def test_asking_for_text_encoder_training_turns_the_default_pivotal_tuning_off() -> None:
    composed = compose(flags={"text_encoder": {"train_text_encoder": True}})
    assert not composed.config.text_encoder.train_text_encoder_ti
    assert composed.origins["text_encoder.train_text_encoder_ti"] == "train_text_encoder"


@given(
    prompt=st.one_of(st.none(), st.text().filter(lambda text: text != "none")),
    words=st.lists(st.text().filter(lambda word: word.strip()), min_size=1),
    gamma=st.one_of(st.none(), st.floats(min_value=0.001, max_value=1e6)),
    rank=st.integers(1, 2**31),
)
def test_a_config_written_and_read_again_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, prompt: str | None, words: list[str], gamma: float | None, rank: int
) -> None:
    base = TrainConfig()
    config = base.model_copy(
        update={
            "concept": base.concept.model_copy(update={"instance_prompt": prompt, "token_abstraction": words}),
            "loss": base.loss.model_copy(update={"snr_gamma": gamma}),
            "lora": base.lora.model_copy(update={"rank": rank}),
        }
    )
    path = tmp_path_factory.mktemp("config") / "config.toml"
    save_config(config, path)
    assert load_frozen(path) == config


def test_a_frozen_config_takes_no_preset(tmp_path: Path) -> None:
    path = write(tmp_path, to_toml(TrainConfig()))
    assert load_frozen(path) == TrainConfig()
