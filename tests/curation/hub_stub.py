"""A hub on localhost: one repository, through the requests that `datasets` and `huggingface_hub` make."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

REVISION = "0123456789abcdef0123456789abcdef01234567"


LARGE = ".safetensors"
"""Files that the hub keeps apart, and names by the sha256 of their content."""


@dataclass
class Line:
    """How a connection behaves, and what went over it.

    breaks: bytes after which answers with a large file end early, one each.  gated: nothing without this token.
    claims: sizes that the listing tells for large files, whatever they have.
    fetched: names and first bytes of the files that were sent.  tokens: what requests brought along.
    """

    breaks: list[int] = field(default_factory=list)
    gated: str | None = None
    claims: dict[str, int] = field(default_factory=dict)
    fetched: list[tuple[str, int]] = field(default_factory=list)
    tokens: set[str | None] = field(default_factory=set)


@contextmanager
def serving(
    name: str, folder: Path, kind: Literal["datasets", "models"] = "datasets", line: Line | None = None
) -> Iterator[str]:
    """Serve the files of `folder` as the repository `name`, and yield the hub's address, for HF_ENDPOINT."""
    home = name if kind == "models" else f"{kind}/{name}"
    handler = type(
        "Handler",
        (_Handler,),
        {"api": f"/api/{kind}/{name}", "home": f"/{home}/resolve/", "folder": folder, "line": line or Line()},
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    """api, home: the addresses of the repository's description, and of its files."""

    api: str
    home: str
    folder: Path
    line: Line
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        path, tree = unquote(address.path), f"{self.api}/tree/{REVISION}"
        name = path.removeprefix(self.home).partition("/")[2]  # after the revision
        self.line.tokens.add(self.headers["Authorization"])
        if self.line.gated and self.headers["Authorization"] != f"Bearer {self.line.gated}":
            self._send(401, b"{}", {"X-Error-Code": "GatedRepo"})
        elif path in (self.api, f"{self.api}/revision/main", f"{self.api}/revision/{REVISION}"):
            self._json({"id": "stub", "sha": REVISION, "siblings": [{"rfilename": each} for each in self._names()]})
        elif path.startswith(tree):
            self._json(self._entries(path.removeprefix(tree).strip("/"), "recursive=true" in address.query.lower()))
        elif path.startswith(self.home) and name in self._names():
            self._file(name)
        else:
            known = path.startswith((self.api, self.home))
            self._send(404, b"{}", {"X-Error-Code": "EntryNotFound" if known else "RepoNotFound"})

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the requests are no part of a test's output."""

    def _names(self) -> list[str]:
        return sorted(path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file())

    def _entries(self, under: str, recursive: bool) -> list[dict[str, Any]]:
        folder = self.folder / under
        return [self._entry(path) for path in sorted(folder.rglob("*") if recursive else folder.glob("*"))]

    def _entry(self, path: Path) -> dict[str, Any]:
        name = path.relative_to(self.folder).as_posix()
        if path.is_dir():
            return {"type": "directory", "path": name, "oid": hashlib.sha1(name.encode()).hexdigest(), "size": 0}
        content = path.read_bytes()
        entry: dict[str, Any] = {
            "type": "file",
            "path": name,
            "oid": hashlib.sha1(content).hexdigest(),
            "size": len(content),
        }
        if name.endswith(LARGE):
            entry["lfs"] = {"oid": _etag(name, content), "size": self.line.claims.get(name, len(content))}
            entry["lfs"]["pointerSize"] = 134
        return entry

    def _file(self, name: str) -> None:
        content = (self.folder / name).read_bytes()
        headers = {"ETag": f'"{_etag(name, content)}"', "X-Repo-Commit": REVISION}
        first = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        if self.command == "GET":
            self.line.fetched.append((name, first))
        if self.command == "GET" and name.endswith(LARGE) and self.line.breaks:
            self._break_off(content[first:], self.line.breaks.pop(0), headers)
        elif first:
            ranged = {"Content-Range": f"bytes {first}-{len(content) - 1}/{len(content)}"}
            self._send(206, content[first:], headers | ranged)
        else:
            self._send(200, content, headers)

    def _break_off(self, body: bytes, after: int, headers: dict[str, str]) -> None:
        """Promise all of `body`, send its beginning, and hang up."""
        self.send_response(200)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body[:after])
        self.close_connection = True

    def _json(self, value: object) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _etag(name: str, content: bytes) -> str:
    return (hashlib.sha256 if name.endswith(LARGE) else hashlib.sha1)(content).hexdigest()
