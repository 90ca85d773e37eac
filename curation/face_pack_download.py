"""Fetch a face pack: taken up again where the line broke, never waiting without end, hashed when it is whole."""

import hashlib
import http
import http.client
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from curation.errors import CurationError
from curation.text import visible

OnProgress = Callable[[int, int | None], None]

PUBLISHED = "https://github.com/deepinsight/insightface/releases/download/model-zoo"
"""Where insightface publishes NAME.zip; it publishes no checksums."""

TRIES = 5
"""Attempts in a row that bring nothing new before it is given up."""

CHUNK = 1 << 16

BROKEN_LINE = (urllib.error.URLError, ConnectionError, TimeoutError, ssl.SSLError, http.client.HTTPException)


@dataclass(frozen=True)
class Download:
    """What was fetched.  sha256: hexadecimal, of all its bytes."""

    url: str
    size: int
    sha256: str


def pack_url(name: str) -> str:
    """Where a pack is fetched from: LORATUI_FACE_PACK_URL (a mirror's folder), else where insightface publishes it."""
    return f"{(os.environ.get('LORATUI_FACE_PACK_URL') or PUBLISHED).rstrip('/')}/{name}.zip"


def download(url: str, target: Path, on_progress: OnProgress, timeout: float = 30.0) -> Download:
    """Write what `url` (http or https) holds to `target`.

    on_progress: told (bytes so far, bytes in all if that is known).  timeout: seconds without any byte.
    A broken connection is taken up again by a range request if the file is still the same, else from its beginning.
    Raises CurationError when the server refuses, or after TRIES attempts that brought nothing new.
    """
    if not url.startswith(("https://", "http://")):
        raise CurationError(f"{visible(url)} is no web address.", "Set LORATUI_FACE_PACK_URL to https://...")
    with target.open("wb") as file:
        transfer = _Transfer(url, file, timeout)
        left, most, reason = TRIES, 0, ""
        while left:
            try:
                if transfer.go_on(on_progress):
                    break
                reason = "the connection closes too early"
            except urllib.error.HTTPError as error:
                raise CurationError(f"{visible(url)} answers {error.code} {visible(error.reason)}.", _BRING) from error
            except BROKEN_LINE as error:
                reason = visible(str(getattr(error, "reason", error)) or type(error).__name__)
            left = TRIES if file.tell() > most else left - 1
            most = max(most, file.tell())
        else:
            raise CurationError(f"{visible(url)} cannot be fetched: {reason}.", _BRING)
    with target.open("rb") as whole:
        return Download(url, target.stat().st_size, hashlib.file_digest(whole, "sha256").hexdigest())


_BRING = "Fetch the zip elsewhere, and add it with: loratui models add faces --from FILE"


class _Transfer:
    """A download under way. What arrived stands in `file`; the validator tells whether the server's file changed."""

    def __init__(self, url: str, file: BinaryIO, timeout: float) -> None:
        self._url, self._file, self._timeout = url, file, timeout
        self._validator: str | None = None

    def go_on(self, on_progress: OnProgress) -> bool:
        """Ask for what is missing, and take what comes; True when all of it came."""
        arrived = self._file.tell()
        resume = {"Range": f"bytes={arrived}-", "If-Range": self._validator} if arrived and self._validator else {}
        request = urllib.request.Request(self._url, headers={"User-Agent": "loratui", **resume})
        with urllib.request.urlopen(request, timeout=self._timeout) as response:
            if response.status != http.HTTPStatus.PARTIAL_CONTENT:
                arrived = 0
                self._file.seek(0)
                self._file.truncate()
            etag = response.headers.get("ETag")  # a weak one, W/..., does not promise the same bytes
            self._validator = etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified")
            length = response.headers.get("Content-Length")
            total = None if length is None else arrived + int(length)
            while chunk := response.read(CHUNK):
                self._file.write(chunk)
                on_progress(self._file.tell(), total)
        return total is None or self._file.tell() == total
