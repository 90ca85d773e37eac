"""Where a run is copied to, as `sync_to` names it, and the command that does it."""

import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from curation.text import visible
from engine.errors import ConfigError, EngineError
from engine.models.hub import hub_token, is_hub_id
from engine.rundir import RunDir

FORMS = "Write rclone:REMOTE:PATH, rsync:HOST:PATH, rsync:/PATH for a folder of this machine, or hub:USER/NAME."
# What a resume needs and what a user takes away, in the order of the run folder; no class images, which are made again.
FILES = ("config.toml", "events.jsonl", "status.json", "log.txt")
FOLDERS = ("checkpoints", "samples", "output")

# A remote that stands in rclone's own settings: one that is spelled out would carry its password along.
_RCLONE = re.compile(r"\w[\w.+@ -]*:.*")
# A host that begins with a dash would be an option to ssh.
_RSYNC = re.compile(r"/.*|(?:[\w.+-]+@)?(?:\w[\w.-]*|\[[0-9A-Fa-f:.]+\]):.*")
_SSH = "ssh -o BatchMode=yes -o ConnectTimeout=20"  # never a question: nobody is there to answer
_RSYNC_VANISHED = 24  # a checkpoint was deleted meanwhile, as it may be


@dataclass(frozen=True)
class Destination:
    """A place for copies. program: rclone, rsync or hub.  place: what that program calls it."""

    program: str
    place: str

    def __str__(self) -> str:
        return f"{self.program}:{self.place}"

    def command(self, run: RunDir) -> list[str]:
        """Copies into a folder of the run's name; deletes nothing there, and leaves out what is half written."""
        match self.program:
            case "rsync":
                return [*_RSYNC_COMMAND, "--", f"{run.path}/", f"{self.place.rstrip('/')}/{run.name}/"]
            case "rclone":
                between = "" if self.place.endswith((":", "/")) else "/"
                return [*_RCLONE_COMMAND, "--", str(run.path), f"{self.place}{between}{run.name}"]
        return [sys.executable, "-P", "-m", "engine.box.hub_upload", str(run.path), self.place]

    def environment(self, env: Mapping[str, str]) -> dict[str, str]:
        """`env`, with ssh kept from asking unless the user chose another one."""
        return {"RSYNC_RSH": _SSH, **env}

    def has_copied(self, code: int | None) -> bool:
        """Whether the command's exit code says that all was copied that is still there."""
        return code == 0 or (self.program == "rsync" and code == _RSYNC_VANISHED)


_RSYNC_COMMAND = (
    # -s: no shell at the other end reads the path either.
    *("rsync", "-a", "-s", "--no-owner", "--no-group", "--partial", "--timeout=120", "--exclude=.*"),
    *(f"--include=/{name}" for name in FILES),
    *(f"--include=/{name}/***" for name in FOLDERS),
    "--exclude=*",
)
_RCLONE_COMMAND = (
    # The events grow while they are copied.
    *("rclone", "copy", "--local-no-check-updated", "--retries=1", "--contimeout=20s", "--timeout=2m"),
    *("--filter=- .*", "--filter=- .*/**"),
    *(f"--filter=+ /{name}" for name in FILES),
    *(f"--filter=+ /{name}/**" for name in FOLDERS),
    "--filter=- **",
)


def parse_destination(sync_to: str) -> Destination:
    """The place that `sync_to` names. Raises ConfigError for what is none."""
    program, _, place = sync_to.partition(":")
    is_well_formed = {
        "rclone": lambda: _RCLONE.fullmatch(place),
        "rsync": lambda: _RSYNC.fullmatch(place),
        "hub": lambda: place.count("/") == 1 and is_hub_id(place),
    }.get(program, lambda: False)
    if "\0" in place or not is_well_formed():
        raise ConfigError(f"sync_to = '{visible(sync_to)}' names no place to copy to.", FORMS)
    return Destination(program, place)


def destination_problem(sync_to: str) -> EngineError | None:
    """Why nothing can be copied there from here: its form, a missing program or token. Asks no other machine."""
    try:
        destination = parse_destination(sync_to)
    except ConfigError as error:
        return error
    program, place = destination.program, destination.place
    if program in ("rsync", "rclone") and shutil.which(program) is None:
        return EngineError(
            f"sync_to needs the program {program}, which is not on this machine.",
            f"Install it, e.g. with: apt-get install {program}",
        )
    if program == "rsync" and place.startswith("/") and not Path(place).is_dir():
        return EngineError(f"sync_to names {visible(place)}, and there is no such folder.", "Make it, or mount it.")
    if program == "hub" and not hub_token():
        return EngineError(
            "sync_to copies to the hub, and there is no HF_TOKEN.", "Set HF_TOKEN to a token of yours that may write."
        )
    return None
