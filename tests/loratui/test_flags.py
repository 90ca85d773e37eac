"""The guide's command lines, as printed, and the flags around them."""

import re
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import compose, sections
from engine.errors import ConfigError
from engine.plan import resolve
from loratui.flags import parse_flags, parse_settings

# The fenced blocks of "LoRA training scripts of the world, unite!" that hold flags, a blank line between two.
GUIDE = (Path(__file__).parent / "guide_command_lines.txt").read_text("utf-8").strip().split("\n\n")
WHOLE_GUIDE = Path(__file__).parents[3] / "shared" / "reference" / "guide.md"
# All that a pasted command line may hold besides, from the reference script.
MORE = [
    "--instance_data_dir=photos",
    "--train_text_encoder_ti=False",
    "--text_encoder_lr=None",
    "--snr_gamma=None",
    "--with_prior_preservation_loss",
    "--with_prior_preservation --class_data_dir=classes --num_class_images=150 --class_prompt='a photo of a woman'",
    "--prodigy_safeguard_warmup=False --prodigy_use_bias_correction=True --prodigy_decouple=True --prodigy_beta3=None",
    "--adam_weight_decay_text_encoder=1e-3",
    "--optimizer=AdamW --report_to=wandb --push_to_hub",
    "--optimizer=PRODIGY --mixed_precision=fp16 --checkpointing_steps=50",
]


def words(block: str) -> list[str]:
    """What a shell makes of a command line. Without a space before the backslash it joins two lines into one word."""
    return shlex.split(block.replace("\\\n", "").rstrip("\\"), comments=True)


def flag_lines(guide: str) -> list[str]:
    """The fenced blocks that hold flags and nothing else."""
    blocks = [block.strip() for block in re.findall(r"```\s*\n(.*?)```", guide, re.DOTALL)]
    return [block for block in blocks if block and all(re.match(r"\s*(--|#|$)", line) for line in block.splitlines())]


@pytest.mark.parametrize("block", [*GUIDE, *MORE])
def test_every_command_line_of_the_guide_is_taken(block: str) -> None:
    given_words = words(block)
    assert given_words
    parse_flags(given_words)
    parse_flags([re.sub(r"^--[^=]*", lambda flag: flag[0].replace("_", "-"), word) for word in given_words])


@pytest.mark.skipif(not WHOLE_GUIDE.exists(), reason="the guide is not beside the repository")
def test_no_command_line_of_the_guide_is_missing_here() -> None:
    assert [words(block) for block in flag_lines(WHOLE_GUIDE.read_text("utf-8"))] == [words(block) for block in GUIDE]


def test_the_guides_adamw_run_means_what_it_says() -> None:
    adamw = next(block for block in GUIDE if '--optimizer="adamw"' in block)
    config = resolve(compose(flags=parse_flags(words(adamw)).tables).config)
    assert config.optimizer.optimizer == "adamw"
    assert (config.optimizer.learning_rate, config.text_encoder.text_encoder_lr) == (1e-4, 3e-4)
    assert (config.run.train_batch_size, config.run.max_train_steps, config.lora.rank) == (4, 1000, 32)
    assert config.text_encoder.train_text_encoder_ti and config.run.gradient_checkpointing
    assert config.concept.instance_prompt == "a TOK emoji"
    assert config.sample.validation_prompt == "a TOK emoji dressed as Yoda"
    assert config.data.dataset_name == "./huggy_clean"


def test_a_text_encoder_rate_of_none_follows_the_unets() -> None:
    tables = parse_flags(["--text_encoder_lr=None", "--optimizer=adamw", "--learning_rate=2e-4"]).tables
    assert resolve(compose(flags=tables).config).text_encoder.text_encoder_lr == 2e-4


def test_snr_gamma_none_turns_the_weighting_off() -> None:
    assert compose(flags=parse_flags(["--snr_gamma", "None"]).tables).config.loss.snr_gamma is None


@pytest.mark.parametrize("key", [key for model in sections().values() for key in model.model_fields])
def test_every_setting_is_a_flag_with_either_spelling(key: str) -> None:
    for name in (key, key.replace("_", "-")):
        try:
            parse_flags([f"--{name}=1"])
        except ConfigError as error:
            assert "There is no flag" not in error.problem


@given(st.booleans(), st.sampled_from(["=", " "]))
def test_booleans_are_taken_with_a_value(value: bool, joint: str) -> None:
    flags = parse_flags(f"--center_crop{joint}{value} --rank 3".split())
    assert flags.tables == {"data": {"center_crop": value}, "lora": {"rank": 3}}


def test_a_bare_boolean_is_true_and_does_not_eat_what_follows() -> None:
    assert parse_flags(["--center_crop", "--rank=3"]).tables["data"] == {"center_crop": True}


def test_a_bare_flag_that_wants_a_value_keeps_its_own_and_says_so() -> None:
    flags = parse_flags(["--repeats"])
    assert flags.tables == {} and "--repeats" in flags.notes[0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--rankk", "3"], "'rank'"),
        (["--rank", "x"], "integer"),
        (["--optimizer=sgd"], "'prodigy', 'adamw' or 'adafactor'"),
        (["stray"], "'stray'"),
        (["--center_crop=maybe"], "boolean"),
    ],
)
def test_a_wrong_flag_is_told_in_two_sentences(arguments: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_flags(arguments)
    assert said in caught.value.problem and caught.value.remedy


def test_set_names_section_and_key() -> None:
    assert parse_settings(["lora.rank=8", "concept.instance_prompt=a = b"]).tables == {
        "lora": {"rank": 8},
        "concept": {"instance_prompt": "a = b"},
    }
    with pytest.raises(ConfigError, match=r"lora\.rank"):
        parse_settings(["lora.rnk=8"])


def test_lists_are_given_with_commas() -> None:
    blocks = {"lora_unet_blocks": ["mid_block", "up_blocks.0.attentions.1"]}
    assert parse_flags(["--lora_unet_blocks", "mid_block, up_blocks.0.attentions.1"]).tables == {"lora": blocks}
    assert parse_settings(["lora.lora_unet_blocks=none"]).tables == {"lora": {"lora_unet_blocks": None}}
    assert parse_flags(["--validation_prompts=a TOK"]).tables == {"sample": {"validation_prompts": ["a TOK"]}}
