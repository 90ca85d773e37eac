"""docs/recipes.md: every lora.toml and every command line of it is one that this program takes."""

import re
import shlex
from pathlib import Path

import pytest

from engine.config import TrainConfig, compose
from engine.contradictions import against_the_plan, idle_settings
from engine.plan import plan, resolve
from loratui.flags import parse_flags

PAGE = Path(__file__).parents[2] / "docs" / "recipes.md"
# The guide's table of the Y2K runs: steps, repeats, batch, snr_gamma.
Y2K = {
    "y2k_v1": (1500, 1, 4, 5.0),
    "y2k_v2": (1500, 1, 4, 5.0),
    "y2k_v3": (1500, 2, 4, 5.0),
    "y2k_v4": (1000, 2, 4, 5.0),
    "y2k_v5": (1000, 1, 2, None),
    "y2k_v6": (1000, 1, 1, None),
    "y2k_v7": (1000, 2, 1, 5.0),
    "y2k_v8": (1000, 1, 1, 5.0),
}


def recipes(folder: Path) -> list[TrainConfig]:
    """The config of each command line on the page, with the lora.toml that stands before it."""
    found = []
    blocks = re.findall(r"```(toml|sh)\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    file = folder / "lora.toml"
    for language, block in blocks:
        if language == "toml":
            file.write_text(block, "utf-8")
            continue
        for line in block.replace("\\\n", " ").splitlines():
            program, command, *words = shlex.split(line)
            assert (program, command) == ("loratui", "train")
            path = file if words[0] == "lora.toml" else None
            flags = parse_flags(words[1:] if path else words)
            assert flags.notes == []
            found.append(compose(path, flags.tables).config)
    return found


def test_every_recipe_can_be_run_and_changes_nothing_in_vain(tmp_path: Path) -> None:
    every = recipes(tmp_path)
    assert len(every) == 4 + 8 + 6 + 1  # Huggy, Y2K, faces, and one that begins with the weights of another
    for config in every:
        resolved = resolve(config)
        assert list(idle_settings(config)) == []
        assert list(against_the_plan(resolved, plan(resolved, photos=6))) == []
        assert config.data.dataset_name or config.data.instance_data_dir


def test_the_y2k_runs_are_those_of_the_guides_table(tmp_path: Path) -> None:
    found = {config.output.output_dir: config for config in recipes(tmp_path)}
    for name, numbers in Y2K.items():
        config = found[name]
        assert numbers == (
            config.run.max_train_steps,
            config.data.repeats,
            config.run.train_batch_size,
            config.loss.snr_gamma,
        )


def test_the_style_preset_is_the_guides_v6(tmp_path: Path) -> None:
    v6 = next(config for config in recipes(tmp_path) if config.output.output_dir == "y2k_v6")
    preset = compose(flags={"concept": {"kind": "style"}}).config
    for section, key in (
        ("run", "max_train_steps"),
        ("run", "train_batch_size"),
        ("data", "repeats"),
        ("loss", "snr_gamma"),
        ("lora", "rank"),
        ("optimizer", "optimizer"),
    ):
        assert getattr(getattr(preset, section), key) == getattr(getattr(v6, section), key)


@pytest.mark.parametrize(("name", "each"), [("face_75", 75), ("face_100", 100), ("face_120", 120)])
def test_the_face_runs_have_so_many_steps_for_each_of_six_photos(tmp_path: Path, name: str, each: int) -> None:
    config = next(config for config in recipes(tmp_path) if config.output.output_dir == name)
    assert plan(resolve(config), photos=6).total_steps == 6 * each
    assert config.prior.with_prior_preservation and config.prior.num_class_images == 150
