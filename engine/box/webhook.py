"""One message posted to a webhook: text and numbers, never a picture, and never another address than the user's."""

import json
import time
from collections.abc import Mapping
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from curation.redaction import HIDDEN, redacted
from curation.text import visible

SECONDS = 10.0
TRIES, WAIT_SECONDS = 3, 2.0


def post(url: str, told: Mapping[str, str]) -> str | None:
    """Post what programs are told in LORATUI_ variables, trying again.

    Returns what went wrong the last time, as a clause without the URL, which is a secret; None when it was taken.
    """
    body = json.dumps(_body(told)).encode()
    flaw = None
    for number in range(TRIES):
        if number:
            time.sleep(WAIT_SECONDS)
        if (flaw := _post_once(url, body)) is None:
            return None
    return flaw


def _body(told: Mapping[str, str]) -> dict[str, object]:
    """`text` is Slack's, `content` Discord's, and names in neither call anybody; the others are for everyone else."""
    message = told["LORATUI_MESSAGE"]
    return {
        "text": message.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"),
        "content": message,
        "allowed_mentions": {"parse": []},
        "event": told["LORATUI_EVENT"],
        "run": told["LORATUI_RUN"],
        "state": told["LORATUI_STATE"],
        "step": int(told["LORATUI_STEP"]),
        "message": message,
    }


class NoRedirect(HTTPRedirectHandler):
    """What is told goes where the user said, and nowhere else."""

    def redirect_request(self, req: Request, fp: object, code: int, msg: str, headers: object, newurl: str) -> None:
        """Nowhere: the answer that names another place is an error."""


def _post_once(url: str, body: bytes) -> str | None:
    request = Request(url, body, {"Content-Type": "application/json", "User-Agent": "loratui"}, method="POST")
    host = urlsplit(url).hostname
    try:
        with build_opener(NoRedirect).open(request, timeout=SECONDS):
            return None
    except HTTPError as error:
        return f"{host} answered {error.code}"
    except Exception as error:  # noqa: BLE001 - whatever it is, the run goes on
        reason = str(getattr(error, "reason", error)).replace(url, HIDDEN)
        return f"{host}: {visible(redacted(reason)) or type(error).__name__}"
