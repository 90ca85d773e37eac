"""The files that a run offers to take away, told without torch: what they are, where they go, how they are fetched."""

import getpass
import os
import platform
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.rundir import LORA_FILE, RunDir

MEANINGS = {
    LORA_FILE: "LoRA for diffusers",
    "{name}.safetensors": "LoRA for ComfyUI and the WebUIs",
    "{name}_emb.safetensors": "embeddings of the new tokens",
    "README.md": "how to use them",
}


@dataclass(frozen=True)
class OutputFile:
    """size: bytes.  meaning: what it is, in words."""

    path: Path
    size: int
    meaning: str


def output_folders(run: RunDir) -> list[Path]:
    """The run's own output, and those of earlier checkpoints that were exported, such as output-000500."""
    return [folder for folder in (run.output, *sorted(run.path.glob(f"{run.output.name}-*"))) if folder.is_dir()]


def exported_name(run: RunDir) -> str:
    """What the files in the run's output are called by: the name that its folder had when they were written."""
    files = {path.stem for path in run.output.glob("*.safetensors") if path.name != LORA_FILE}
    names = {stem for stem in files if stem.removesuffix("_emb") == stem or stem.removesuffix("_emb") not in files}
    return run.name if run.name in names or len(names) != 1 else names.pop()


def output_files(run: RunDir) -> list[OutputFile]:
    """The files in the run's output folders, as they are now; of each folder those with tensors first."""
    meanings = {file.format(name=exported_name(run)): meaning for file, meaning in MEANINGS.items()}
    return [
        OutputFile(path, path.stat().st_size, meanings.get(path.name, ""))
        for folder in output_folders(run)
        for path in sorted(folder.iterdir(), key=lambda path: (path.suffix != ".safetensors", path.name))
        if path.is_file() and not path.name.startswith(".")
    ]


def scp_line(folder: Path, environment: Mapping[str, str] = os.environ) -> str:
    """What to type on one's own computer to fetch a folder from this machine.

    Of the machine is known what the SSH session came to, else its name: behind a relay both may be other than what one
    logs in to.
    """
    connection = environment.get("SSH_CONNECTION", "").split()  # client's address and port, server's address and port
    host, port = (connection[2], connection[3]) if len(connection) == 4 else (platform.node(), "22")
    host = f"[{host}]" if ":" in host else host
    words = ["scp", "-r", *(["-P", port] if port != "22" else []), f"{getpass.getuser()}@{host}:{folder}", "."]
    return shlex.join(words)
