"""Secrets in text: tokens of the hub and trackers, passwords in URLs, webhooks: none is written or shown."""

import os
import re

HIDDEN = "[hidden]"
VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_HUB_TOKEN", "WANDB_API_KEY", "TRACKIO_WRITE_TOKEN")
SHORTEST = 6
"""Characters of a secret: a shorter one would blot out words."""

_HUB_TOKEN = re.compile(r"\b(?:hf|api_org)_[A-Za-z0-9]{16,}")
_PASSWORD = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^\s/@\"'\\]+@", re.IGNORECASE)
_QUERY = re.compile(
    r"([?&](?:[\w-]*token|[\w-]*key|[\w-]*secret|password|auth|sig|signature|policy|x-amz-[\w-]+)=)[^\s&\"'\\)>]+",
    re.IGNORECASE,
)
_WEBHOOK = re.compile(
    r"(\bhttps?://(?:hooks\.slack\.com|(?:\w+\.)?discord(?:app)?\.com/api/webhooks)/)[^\s\"'\\)>]+", re.IGNORECASE
)
_HEADER = re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}")


def redacted(text: str) -> str:
    """The text with `[hidden]` in the place of every secret: this environment's, and what has the form of one.

    Libraries put the URL that failed into their messages, with what stands in it.
    """
    for variable in VARIABLES:
        value = os.environ.get(variable, "")
        if len(value) >= SHORTEST:
            text = text.replace(value, HIDDEN)
    text = _HUB_TOKEN.sub(HIDDEN, text)
    text = _PASSWORD.sub(rf"\1{HIDDEN}@", text)
    text = _WEBHOOK.sub(rf"\1{HIDDEN}", text)
    text = _QUERY.sub(rf"\1{HIDDEN}", text)
    return _HEADER.sub(rf"\1 {HIDDEN}", text)
