"""`init` writes a lora.toml, `config show` prints what the settings come to."""

import shlex
from pathlib import Path
from typing import Annotated, Literal

import typer

from curation.text import visible
from loratui.commands.options import Settings

config_app = typer.Typer(help="Look at the settings.", no_args_is_help=True)


def init(
    photos: Annotated[Path, typer.Argument(help="The folder of photos, or a dataset of the hub: user/name.")],
    kind: Annotated[
        Literal["person", "object", "style", "character"], typer.Option(help="What is learned; chooses the preset.")
    ] = "object",
    output: Annotated[Path, typer.Option(help="The file to write.")] = Path("lora.toml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if it is there.")] = False,
    settings: Settings = None,
) -> None:
    """Write a lora.toml for a folder of photos: the settings that matter first, each with its meaning.

    Example: loratui init photos --kind person --set "concept.instance_prompt=a photo of TOK woman"
    """
    from curation.atomic import write_text
    from curation.dataset import open_dataset
    from curation.hub import photos_folder
    from engine.config import compose, to_toml
    from engine.errors import EngineError
    from loratui.flags import parse_settings
    from loratui.recipe import FIRST_SETTINGS

    folder = photos_folder(photos)
    open_dataset(folder)
    if output.exists() and not force:
        raise EngineError(
            f"There is already a file {output}.", "Choose another --output, or overwrite it with --force."
        )
    flags = parse_settings(settings or [])
    flags.put("data", "instance_data_dir" if folder == photos else "dataset_name", str(photos))
    flags.put("concept", "kind", kind)
    trigger = flags.tables["concept"].get("token_abstraction", ["TOK"])[0]
    flags.tables["concept"].setdefault("instance_prompt", f"a photo of {trigger}")
    config = compose(flags=flags.tables).config
    given = [f"{section}.{key}" for section, values in flags.tables.items() for key in values]
    write_text(output, to_toml(config, only={*FIRST_SETTINGS, *given}))
    typer.echo(output)
    lint = shlex.join(["loratui", "lint", str(photos), "--kind", kind])
    train = shlex.join(["loratui", "train", str(output)])
    typer.echo(visible(f"Next: {lint}, then: {train}"), err=True)


@config_app.command("explain")
def explain(
    setting: Annotated[str, typer.Argument(help="Its key, such as rank, or section.key.", show_default=False)],
) -> None:
    """Say what a setting means, its default, what the presets make of it and why, and the guide's advice."""
    from engine.advice import guide_says, presets_that_set
    from engine.config import nearest
    from engine.errors import ConfigError
    from loratui.recipe import all_settings

    found = next((each for each in all_settings() if setting in (each.key, each.name)), None)
    if found is None:
        near = nearest(setting, [each.key for each in all_settings()])
        raise ConfigError(f"There is no setting '{setting}'{near}.", "`loratui config show` lists all of them.")
    typer.echo(f"{found.name} = {found.default}\n  {found.meaning}")
    if found.choices:
        typer.echo(f"  One of {', '.join(found.choices)}.")
    for kind, (value, source) in presets_that_set(found.name).items():
        typer.echo(f"  preset {kind}: {value}" + (f" ({source})" if source else ""))
    if said := guide_says(found.name):
        typer.echo(f"  The guide, {said}")


@config_app.command("show")
def show(
    config: Annotated[Path | None, typer.Argument(help="A lora.toml; the defaults without one.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="One JSON object: version, settings.")] = False,
    settings: Settings = None,
) -> None:
    """Print every setting, resolved, with where its value came from: default, preset, file or flag."""
    import json

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from curation.text import visible
    from engine.config import compose
    from engine.plan import resolve
    from loratui.flags import parse_settings

    composed = compose(config, parse_settings(settings or []).tables)
    given, resolved = composed.config.model_dump(), resolve(composed.config).model_dump()
    rows = []
    for name, origin in composed.origins.items():
        section, key = name.split(".")
        value = resolved[section][key]
        rows.append((name, value, origin if given[section][key] == value else "the guide's, for the other settings"))
    if json_output:
        listed = [{"name": name, "value": value, "origin": origin} for name, value, origin in rows]
        typer.echo(json.dumps({"version": 1, "settings": listed}, indent=2))
        return
    table = Table("setting", "value", "from", box=None, pad_edge=False)
    for name, value, origin in rows:
        table.add_row(name, Text(visible("none" if value is None else str(value))), Text(visible(origin)))
    Console(soft_wrap=True).print(table)


@config_app.command("keys")
def keys(
    json_output: Annotated[
        bool, typer.Option("--json", help="One JSON object: version, file, actions, problems.")
    ] = False,
) -> None:
    """Print every action of the TUI with its id and its keys, as they are with your [keys]; exit 1 when some are wrong.

    Give an action other keys in config.toml, in the folder that is named at the end, with lines such as
    [keys] and "photos.open" = "ctrl+o".
    """
    import json

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from loratui.user.keymap import actions_of, checked_keymap, key_name, owners
    from loratui.user.preferences import load_preferences, preferences_file

    keymap, problems = checked_keymap(load_preferences().keys)
    actions = [action for kind in owners() for action in actions_of(kind, keymap) if action.id]
    if json_output:
        listed = [{"id": each.id, "keys": each.keys, "title": each.title, "meaning": each.meaning} for each in actions]
        told = [str(problem) for problem in problems]
        written = {"version": 1, "file": str(preferences_file()), "actions": listed, "problems": told}
        typer.echo(json.dumps(written, indent=2))
    else:
        table = Table("id", "keys", "what it does", box=None, pad_edge=False)
        for action in actions:
            does = f"{action.title}: {action.meaning}" if action.meaning else action.title
            table.add_row(Text(action.id), Text(" ".join(map(key_name, action.keys))), Text(does))
        Console(soft_wrap=True).print(table)
        for problem in problems:
            typer.echo(visible(str(problem)), err=True)
        typer.echo(visible(f"Your own keys: [keys] in {preferences_file()}"), err=True)
    raise typer.Exit(1 if problems else 0)
