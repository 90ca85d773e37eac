"""A face pack is on this disk whole, or not at all; what came is recorded, and what changed is noticed."""

import http.server
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from curation.errors import CurationError
from curation.face_pack_download import download
from curation.face_packs import FacePack, add_pack, best_pack, check_pack, find_packs, remove_pack
from tests.curation.synthetic_pack import write_pack


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without any pack."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    for name in ("LORATUI_FACE_PACKS", "LORATUI_FACE_PACK_URL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder with the models of a pack, as a user would bring it."""
    return write_pack(tmp_path / "brought", yaw=0)


def zipped(models: Path, under: str = "") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in models.iterdir():
            archive.write(path, under + path.name)
    return buffer.getvalue()


def added(source: Path | None, name: str = "buffalo_l") -> FacePack:
    return add_pack(name, source, accepted=True, on_progress=lambda done, total: None)


@dataclass
class Release:
    """What a server holds.  breaks: it drops the line after so many bytes, once for each; ranged: it honours ranges."""

    content: bytes
    url: str = ""
    breaks: list[int] = field(default_factory=list)
    ranged: bool = True
    stalls: bool = False
    asked: list[str | None] = field(default_factory=list)


@pytest.fixture
def release(models: Path) -> Iterator[Release]:
    """buffalo_l.zip on a server of its own."""
    release, over = Release(zipped(models)), threading.Event()

    class Server(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.endswith("/buffalo_l.zip"):
                return self.send_error(404)
            asked = self.headers.get("Range")
            release.asked.append(asked)
            start = int(asked[6:-1]) if asked and release.ranged else 0
            body = release.content[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", '"one"')
            self.end_headers()
            if release.stalls:
                over.wait(30)
            self.wfile.write(body[: release.breaks.pop(0)] if release.breaks else body)
            return None

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    release.url = f"http://127.0.0.1:{server.server_port}/zoo"
    yield release
    over.set()
    server.shutdown()
    server.server_close()


def test_nothing_is_added_unless_the_licence_is_accepted(models: Path, tmp_path: Path) -> None:
    with pytest.raises(CurationError, match="non-commercial research only") as refused:
        add_pack("buffalo_l", models, accepted=False, on_progress=lambda done, total: None)
    assert "--accept-licence" in refused.value.remedy
    assert find_packs() == () and not (tmp_path / "data").exists()


def test_a_brought_folder_becomes_a_pack_with_a_record(models: Path, tmp_path: Path) -> None:
    pack = added(models)
    assert pack.folder == tmp_path / "data" / "loratui" / "face-packs" / "buffalo_l"
    assert (pack.fault, check_pack(pack), best_pack()) == (None, None, pack)
    assert pack.recorded and pack.tells_people_apart
    record = json.loads((pack.folder / "pack.json").read_text())
    assert {task["task"] for task in record["models"].values()} == {"detection", "recognition", "landmarks"}
    assert "non-commercial" in record["licence"] and record["origin"] == {"path": str(models)}


def test_a_zip_may_hold_the_models_in_a_folder_of_their_own(models: Path, tmp_path: Path) -> None:
    (tmp_path / "antelopev2.zip").write_bytes(zipped(models, "antelopev2/"))
    pack = added(tmp_path / "antelopev2.zip", "antelopev2")
    assert pack.fault is None and set(pack.models) == {path.name for path in models.iterdir()}


def test_no_path_in_a_zip_is_followed_out_of_the_pack(models: Path, tmp_path: Path) -> None:
    (tmp_path / "evil.zip").write_bytes(zipped(models, "../../../../"))
    pack = added(tmp_path / "evil.zip")
    assert pack.fault is None
    assert {path.parent for path in tmp_path.rglob("*.onnx")} == {models, pack.folder}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"<html>Not here</html>", "is no zip that can be read"),
        (None, "is no zip that can be read"),
        (b"PK\x05\x06" + bytes(18), "holds no .onnx file"),
    ],
    ids=["a page instead", "half of it", "empty"],
)
def test_what_is_no_pack_is_refused_and_leaves_nothing(
    models: Path, tmp_path: Path, content: bytes | None, problem: str
) -> None:
    whole = zipped(models)
    (tmp_path / "wrong.zip").write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(CurationError, match=problem):
        added(tmp_path / "wrong.zip")
    assert find_packs() == () and not list(tmp_path.glob("data/**/*.onnx"))


def test_a_pack_must_find_faces(models: Path) -> None:
    (models / "det_stub.onnx").unlink()
    with pytest.raises(CurationError, match="no model that finds faces"):
        added(models)
    assert find_packs() == ()


def test_a_pack_with_a_manifest_is_not_taken_for_one_without(models: Path) -> None:
    (models / "manifest.json").write_text('{"manifest_version": 2}')
    with pytest.raises(CurationError, match="manifest"):
        added(models)


def test_a_pack_is_fetched_and_its_bytes_are_recorded(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LORATUI_FACE_PACK_URL", release.url)
    pack = added(None)
    origin = json.loads((pack.folder / "pack.json").read_text())["origin"]
    assert origin["url"] == f"{release.url}/buffalo_l.zip" and origin["size"] == len(release.content)
    assert check_pack(pack) is None
    assert {path.suffix for path in pack.folder.iterdir()} == {".onnx", ".json"}


@pytest.mark.parametrize("ranged", [True, False], ids=["the rest", "all of it again"])
def test_a_line_that_breaks_off_is_taken_up_again(release: Release, tmp_path: Path, ranged: bool) -> None:
    release.breaks, release.ranged = [100, 300], ranged
    seen: list[int] = []
    got = download(f"{release.url}/buffalo_l.zip", tmp_path / "got", lambda done, total: seen.append(done))
    assert (tmp_path / "got").read_bytes() == release.content and got.size == len(release.content)
    assert release.asked == [None, "bytes=100-", "bytes=400-" if ranged else "bytes=300-"]
    assert seen[-1] == len(release.content)


@pytest.mark.parametrize("ranged", [True, False])
def test_a_line_that_brings_nothing_new_is_given_up(release: Release, tmp_path: Path, ranged: bool) -> None:
    release.breaks, release.ranged = [200, *[0 if ranged else 200] * 20], ranged
    with pytest.raises(CurationError, match="closes too early") as refused:
        download(f"{release.url}/buffalo_l.zip", tmp_path / "got", lambda done, total: None)
    assert "--from" in refused.value.remedy


def test_a_silent_server_is_not_waited_for_without_end(release: Release, tmp_path: Path) -> None:
    release.stalls = True
    with pytest.raises(CurationError, match="timed out"):
        download(f"{release.url}/buffalo_l.zip", tmp_path / "got", lambda done, total: None, timeout=0.05)


def test_a_refusing_server_and_an_odd_address_are_told(
    release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LORATUI_FACE_PACK_URL", release.url)
    with pytest.raises(CurationError, match="404"):
        added(None, "buffalo_s")
    with pytest.raises(CurationError, match="publishes no pack somebody"):
        added(None, "somebody")
    monkeypatch.setenv("LORATUI_FACE_PACK_URL", f"file://{tmp_path}")
    with pytest.raises(CurationError, match="no web address"):
        added(None)
    assert find_packs() == ()


def test_a_pack_that_was_damaged_is_not_used(models: Path) -> None:
    pack = added(models)
    recogniser = pack.folder / "rec_stub.onnx"
    content = recogniser.read_bytes()

    recogniser.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert best_pack() == pack, "sizes alone cannot tell"
    assert check_pack(pack) == "rec_stub.onnx changed since the pack was added"

    recogniser.write_bytes(content[:-9])
    assert best_pack() is None and "bytes instead of" in (find_packs()[0].fault or "")
    recogniser.unlink()
    assert find_packs()[0].fault == "rec_stub.onnx is gone"
    recogniser.write_bytes(content)
    (pack.folder / "more.onnx").write_bytes(content)
    assert find_packs()[0].fault == "more.onnx was not added with it"


def test_insightfaces_own_packs_are_used_where_they_lie_but_never_removed(home: Path, models: Path) -> None:
    theirs = write_pack(home / ".insightface" / "models" / "buffalo_s", identity=False)
    assert [(pack.folder, pack.recorded, pack.fault) for pack in find_packs()] == [(theirs, False, None)]
    with pytest.raises(CurationError, match="was added here"):
        remove_pack("buffalo_s")
    (home / ".insightface" / "models" / "buffalo_m").mkdir()
    assert len(find_packs()) == 1, "an empty folder, as an interrupted download leaves it, is no pack"

    ours = added(models, "buffalo_sc")
    assert best_pack() == ours, "one that tells people apart is better"
    remove_pack("buffalo_sc")
    assert [pack.folder for pack in find_packs()] == [theirs]


def test_the_fingerprint_is_that_of_the_models(models: Path, tmp_path: Path) -> None:
    one, other = added(models, "one"), added(write_pack(tmp_path / "other", yaw=20), "other")
    assert one.fingerprint != other.fingerprint
    assert added(models, "again").fingerprint == one.fingerprint


@pytest.mark.parametrize("name", ["../up", "", ".hidden", "a/b", "a\x1b[31m"])
def test_a_name_is_no_path(models: Path, name: str) -> None:
    with pytest.raises(CurationError, match="no name for a face pack"):
        added(models, name)
    with pytest.raises(CurationError, match="No face pack"):
        remove_pack(name)


def test_a_pack_is_not_replaced_unasked(models: Path) -> None:
    before = (added(models).folder / "pack.json").read_bytes()
    with pytest.raises(CurationError, match="There is a face pack buffalo_l already"):
        added(models)
    assert (find_packs()[0].folder / "pack.json").read_bytes() == before
