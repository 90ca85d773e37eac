"""What libraries report home of their own accord, switched off before any of them is imported."""

import os

OFF = {
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_UPDATE_DOWNLOAD_COUNTS": "0",  # datasets tells the hub of every load, of local files too
    "ORT_DISABLE_TELEMETRY": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",  # trackio's
    "WANDB_ERROR_REPORTING": "false",
    "WANDB_DISABLE_GIT": "true",  # else wandb sends the address of the repository that one stands in
    "WANDB_CONSOLE": "off",  # and all that the worker prints
    "NO_ALBUMENTATIONS_UPDATE": "1",  # older insightface's: it asks for a newer version when it is imported
}


def switch_off() -> None:
    """Set the variables that the user has not set."""
    for variable, value in OFF.items():
        os.environ.setdefault(variable, value)
