"""Face packs: folders of insightface's ONNX models, on this disk, checked before anything loads them."""

import functools
import hashlib
import json
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Literal

from pydantic import TypeAdapter

from curation.atomic import sync, write_text
from curation.errors import CurationError
from curation.face_pack_download import OnProgress, download, pack_url
from curation.text import visible

Task = Literal["detection", "recognition", "landmarks", "other"]
LICENCE = (
    "insightface's face models are for non-commercial research only, wherever they were fetched from "
    "(https://github.com/deepinsight/insightface#license)."
)

PACKS = ("buffalo_l", "antelopev2", "buffalo_m", "buffalo_s", "buffalo_sc")
"""The packs that insightface publishes for `FaceAnalysis`, best first: where several are on disk, the first is used."""

RECORD = "pack.json"
MANIFEST = "manifest.json"
"""Marks insightface's other kind of pack (raccoon, cheetah), whose models are not told apart by their shapes."""

LARGEST = 4_000_000_000
"""Bytes that a pack may unpack to: buffalo_l, the largest, has 0.4 GB."""

CHUNK = 1 << 20


@dataclass(frozen=True)
class Model:
    """One .onnx file of a pack.  size: bytes, as it was added.  sha256: hexadecimal."""

    task: Task
    size: int
    sha256: str


@dataclass(frozen=True)
class FacePack:
    """A folder of models.  models: by file name.  recorded: whether they were hashed when they were added here."""

    name: str
    folder: Path
    models: Mapping[str, Model]
    recorded: bool

    @property
    def fault(self) -> str | None:
        """Why it cannot be used, told by names and sizes alone, or None."""
        if not self._has("detection"):
            return "it has no model that finds faces"
        for path in sorted(self.folder.glob("*.onnx")):
            if path.name not in self.models:
                return f"{visible(path.name)} was not added with it"
        for name, model in self.models.items():
            path = self.folder / name
            if not path.is_file():
                return f"{name} is gone"
            if path.stat().st_size != model.size:
                return f"{name} has {path.stat().st_size:,} bytes instead of {model.size:,}"
        return None

    @property
    def tells_people_apart(self) -> bool:
        return self._has("recognition")

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that change with any of its models."""
        lines = [f"{name} {model.sha256}" for name, model in sorted(self.models.items())]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]

    def _has(self, task: Task) -> bool:
        return any(model.task == task for model in self.models.values())


def packs_folder() -> Path:
    """Where packs are added: LORATUI_FACE_PACKS, else XDG_DATA_HOME/loratui/face-packs, else under ~/.local/share."""
    if chosen := os.environ.get("LORATUI_FACE_PACKS"):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser() / "loratui" / "face-packs"


def find_packs() -> tuple[FacePack, ...]:
    """The packs on this disk, whole or not, best first: those added here, then those that insightface keeps itself."""
    found = []
    for place in (packs_folder(), Path("~/.insightface/models").expanduser()):
        folders = [folder for folder in place.iterdir() if _holds_pack(folder)] if place.is_dir() else []
        found += [_read_pack(folder) for folder in sorted(folders, key=_rank)]
    return tuple(found)


def best_pack() -> FacePack | None:
    """The pack that lint uses: the first whole one that tells people apart, else the first whole one, else None."""
    whole = [pack for pack in find_packs() if pack.fault is None]
    return next((pack for pack in whole if pack.tells_people_apart), whole[0] if whole else None)


def add_pack(name: str, source: Path | None, accepted: bool, on_progress: OnProgress) -> FacePack:
    """Add a pack from a folder or a zip, or fetch it (None), and record its sizes and hashes; all of it or nothing.

    accepted: whether the user accepted LICENCE.  on_progress: told (bytes fetched, bytes in all if known).
    Raises CurationError when the licence is not accepted, the pack is there already, or what came is no pack.
    """
    if not accepted:
        raise CurationError(LICENCE, "If that fits your use, say so with --accept-licence.")
    target = _new_folder(name)
    if source is None and name not in PACKS:
        raise CurationError(f"insightface publishes no pack {name} for this use.", f"Choose one: {', '.join(PACKS)}.")
    temporary = target.with_name(f".{name}.adding")
    shutil.rmtree(temporary, ignore_errors=True)  # of an attempt that was killed
    temporary.mkdir(parents=True)
    try:
        if source is None:
            origin = _fetch(name, temporary, on_progress)
        else:
            origin = {"path": str(source)}
            _copy_models(source, temporary, visible(str(source)))
        _record(name, temporary, origin)
        temporary.rename(target)
        sync(target.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return _read_pack(target)


def check_pack(pack: FacePack) -> str | None:
    """Why the pack cannot be trusted, after reading every byte of it, or None. One without a record has no hashes."""
    if pack.fault:
        return pack.fault
    changed = [name for name, model in pack.models.items() if _sha256(pack.folder / name) != model.sha256]
    return f"{', '.join(changed)} changed since the pack was added" if changed else None


def remove_pack(name: str) -> Path:
    """Delete a pack that was added here, and return where it was. Raises CurationError for any other."""
    folder = packs_folder() / name
    if PurePosixPath(name).name != name or not _holds_pack(folder):
        raise CurationError(
            f'No face pack "{visible(name)}" was added here.', "See what there is with: loratui models list"
        )
    # Renamed first, so that a kill in the middle leaves no pack that looks whole.
    dying = folder.with_name(f".{name}.removing")
    shutil.rmtree(dying, ignore_errors=True)
    folder.rename(dying)
    shutil.rmtree(dying)
    return folder


_WHAT_A_PACK_IS = "A pack holds the .onnx files of one of insightface's packs, e.g. buffalo_l.zip as it is published."


def _new_folder(name: str) -> Path:
    """The folder that a new pack of this name gets. Raises CurationError when it cannot be added."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise CurationError(f'"{visible(name)}" is no name for a face pack.', "Use letters, digits, _ and -.")
    target = packs_folder() / name
    if target.exists():
        raise CurationError(
            f"There is a face pack {name} already, at {visible(str(target))}.",
            f"Look at it with `loratui models check`, or remove it with `loratui models rm {name}`.",
        )
    return target


def _fetch(name: str, folder: Path, on_progress: OnProgress) -> dict[str, Any]:
    """Fetch a pack's models into `folder`, and tell what was fetched."""
    archive = folder / "download"
    fetched = download(pack_url(name), archive, on_progress)
    _copy_models(archive, folder, visible(fetched.url))
    archive.unlink()
    return asdict(fetched)


def _record(name: str, folder: Path, origin: Mapping[str, Any]) -> None:
    """Write down what was added. Raises CurationError when it is no use as a pack."""
    pack = _read_pack(folder)
    if pack.fault:
        raise CurationError(f"This cannot be used as a face pack: {pack.fault}.", _WHAT_A_PACK_IS)
    models = {file: asdict(model) for file, model in pack.models.items()}
    record = {"version": 1, "name": name, "origin": origin, "licence": LICENCE, "models": models}
    write_text(folder / RECORD, json.dumps(record, indent=2) + "\n")


def _rank(folder: Path) -> tuple[int, str]:
    return (PACKS.index(folder.name) if folder.name in PACKS else len(PACKS), folder.name)


def _holds_pack(folder: Path) -> bool:
    if folder.name.startswith(".") or not folder.is_dir() or (folder / MANIFEST).exists():
        return False
    return (folder / RECORD).exists() or any(folder.glob("*.onnx"))


def _read_pack(folder: Path) -> FacePack:
    """The pack as recorded, or else as its files are now, which has them read through."""
    try:
        record = json.loads((folder / RECORD).read_text("utf-8"))
        models = TypeAdapter(dict[str, Model]).validate_python(record["models"])
        return FacePack(folder.name, folder, models, recorded=True)
    except (OSError, ValueError, KeyError, TypeError):
        models = {path.name: _inspect(path, _stamp(path)) for path in sorted(folder.glob("*.onnx")) if path.is_file()}
        return FacePack(folder.name, folder, models, recorded=False)


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


@functools.lru_cache(maxsize=64)
def _inspect(path: Path, stamp: tuple[int, int]) -> Model:
    return Model(_task(path), stamp[0], _sha256(path))


def _task(path: Path) -> Task:
    """What a model is for, told as insightface tells it: by the number of its outputs and the side of its input."""
    shapes = _shapes(path)
    if shapes is None:
        return "other"
    inputs, outputs = shapes
    if len(outputs) >= 5:
        return "detection"
    height, width = inputs[0][2:4] if len(inputs[0]) == 4 else (0, 0)
    if (height, width) == (192, 192):
        return "landmarks" if outputs[0][-1:] == [3309] else "other"
    return "recognition" if height == width >= 112 and height % 16 == 0 and len(inputs) == 1 else "other"


def _shapes(path: Path) -> tuple[list[list[int]], list[list[int]]] | None:
    """The shapes of a model's inputs and outputs, 0 where they are free; None for what is no model."""
    try:
        import onnx  # 0.3 s
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise CurationError(
            "insightface is not installed, without which face packs are of no use.",
            "Run: pip install 'loratui[faces]'",
        ) from error
    try:
        graph = onnx.load_model(str(path), load_external_data=False).graph
    except (DecodeError, OSError, ValueError, TypeError):
        return None
    if not graph.input or not graph.output:
        return None
    both: list[list[list[int]]] = [
        [[dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in values]
        for values in (graph.input, graph.output)
    ]
    return both[0], both[1]


def _copy_models(source: Path, target: Path, where: str) -> None:
    """Copy the .onnx files of a folder or a zip into `target`, whatever folders they lie in there, and sync them.

    where: how messages name the source.
    """
    total = 0
    with _models_of(source, where) as models:
        for name, open_model in models.items():
            with open_model() as stream, (target / name).open("xb") as copy:
                while chunk := stream.read(CHUNK):
                    total += len(chunk)
                    if total > LARGEST:
                        raise CurationError(f"{where} unpacks to more than {LARGEST / 1e9:.0f} GB.", _WHAT_A_PACK_IS)
                    copy.write(chunk)
            sync(target / name)


@contextmanager
def _models_of(source: Path, where: str) -> Iterator[dict[str, Callable[[], BinaryIO]]]:
    """What opens each model, by its file name alone: no path from a zip is ever followed."""
    try:
        if source.is_dir():
            paths = [path for path in sorted(source.rglob("*")) if path.is_file()]
            yield _by_name(where, {str(path): functools.partial(path.open, "rb") for path in paths})
            return
        with zipfile.ZipFile(source) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            yield _by_name(where, {member.filename: functools.partial(archive.open, member) for member in members})
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:  # RuntimeError: encrypted
        raise CurationError(f"{where} is no zip that can be read ({visible(str(error))}).", _WHAT_A_PACK_IS) from error
    except FileNotFoundError as error:
        raise CurationError(f"{where} is not there.", "Give a folder or a zip with a face pack's models.") from error


def _by_name(where: str, files: Mapping[str, Any]) -> dict[str, Any]:
    names = [PurePosixPath(path.replace("\\", "/")).name for path in files]
    if MANIFEST in names:
        raise CurationError(f"{where} is a pack of insightface's newer kind, with a manifest.", _WHAT_A_PACK_IS)
    models = [
        (name, path) for name, path in zip(names, files, strict=True) if name.endswith(".onnx") and name[0] != "."
    ]
    twice = {name for name, _ in models if [one for one, _ in models].count(name) > 1}
    if twice:
        raise CurationError(f"{where} has {visible(', '.join(sorted(twice)))} more than once.", _WHAT_A_PACK_IS)
    if not models:
        raise CurationError(f"{where} holds no .onnx file.", _WHAT_A_PACK_IS)
    return {name: files[path] for name, path in models}


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
