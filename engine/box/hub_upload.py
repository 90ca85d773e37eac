"""`python -m engine.box.hub_upload RUN_DIR USER/NAME`: copy a run to a private repository of the hub.

A program of its own, so that one that hangs can be ended.
"""

import sys
from pathlib import Path

from curation import telemetry
from engine.box.destinations import FILES, FOLDERS
from engine.models.hub import hub_token


def main(arguments: list[str]) -> int:
    """Make the repository if need be, and commit what is new; 1 with a line on stderr when it cannot be."""
    run, name = Path(arguments[0]), arguments[1]
    telemetry.switch_off()
    from huggingface_hub import HfApi  # 1 s

    hub = HfApi(token=hub_token())
    try:
        hub.create_repo(name, private=True, exist_ok=True)
        if not hub.repo_info(name).private:
            sys.stderr.write(f"{name} is public, and what is copied may show faces: make it private on the hub\n")
            return 1
        hub.upload_folder(
            repo_id=name,
            folder_path=run,
            path_in_repo=run.name,
            allow_patterns=[*FILES, *(f"{folder}/*" for folder in FOLDERS)],
            ignore_patterns=[".*", "*/.*"],
            commit_message=f"Copy of the run {run.name}",
        )
    except Exception as error:  # noqa: BLE001 - the last line is what the run is told
        sys.stderr.write(f"{type(error).__name__}: {' '.join(str(error).split())}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
