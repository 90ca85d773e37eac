"""No list of files leads out of the folder that it came with: not by reading, not by writing, not through links."""

import ast
import base64
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from curation.dataset import exclude, open_dataset, save_captions
from curation.errors import CurationError
from curation.formats import render
from curation.hub import photos_folder
from curation.journal import FILE, recover, redo, undo
from curation.lint import lint
from curation.metadata import read_metadata
from curation.patch import Patch, digest
from curation.suppressions import suppress
from engine.data.masks import find_masks
from tests.security.source import calls, imports

OUT = ["../{0}", "/{1}/{0}", "a/../../{0}", "..\\{0}", "{0}\0.png", "link/{0}", "LINK/../{0}", "./../{0}", "//{1}/{0}"]
# What a path is made of, also one that somebody tries out.
PIECES = st.sampled_from(["..", ".", "", "a", "photo.png", "linked", "/", "\\", "\0", "~", "A", "é", "x" * 300])


@pytest.fixture
def secret(photos: Path) -> Path:
    """A photo beside the folder of photos, and links in the folder that lead to its place."""
    path = photos.parent / "secret.png"
    Image.new("RGB", (400, 400), "magenta").save(path)
    (photos / "link").symlink_to(photos.parent)
    return path


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(PIECES, min_size=1, max_size=6), separator=st.sampled_from(["/", "\\"]))
def test_a_row_of_metadata_is_about_a_photo_inside_or_refused(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[str], separator: str
) -> None:
    root = tmp_path_factory.mktemp("photos")
    (root / "metadata.jsonl").write_text(json.dumps({"file_name": separator.join(pieces), "prompt": "x"}))
    try:
        names = read_metadata(root).names
    except CurationError as refused:
        assert "outside the folder" in refused.problem
        return
    for name in names:
        assert not name.startswith("/") and ".." not in Path(name).parts


@pytest.mark.parametrize("name", OUT)
def test_a_row_that_points_outside_gives_no_photo_no_hash_and_no_picture(photos: Path, secret: Path, name: str) -> None:
    row = name.format(secret.name, photos.parent.as_posix().lstrip("/"))
    (photos / "metadata.jsonl").write_text(json.dumps({"file_name": row, "prompt": "a photo of TOK"}) + "\n")
    try:
        dataset = open_dataset(photos)
    except CurationError as refused:
        assert "outside the folder" in refused.problem
        return
    assert {photo.path.parent for photo in dataset.photos} == {photos}
    page = render(lint(dataset), "html", lambda done, total: None)
    for picture in page.split("base64,")[1:]:
        with Image.open(io.BytesIO(base64.b64decode(picture.partition(")")[0]))) as shown:
            assert shown.convert("RGB").getpixel((5, 5)) != pytest.approx((255, 0, 255), abs=8)


@pytest.mark.parametrize("name", [name for name in OUT if "link/" not in name])
def test_names_that_are_given_are_photos_of_the_folder(photos: Path, secret: Path, name: str) -> None:
    outside = name.format(secret.name, photos.parent.as_posix().lstrip("/"))
    dataset = open_dataset(photos)
    acts: list[Callable[[], object]] = [
        lambda: exclude(dataset, {outside: "no"}),
        lambda: save_captions(dataset, {outside: "x"}),
        lambda: suppress(dataset, "IMG002", [outside], "fine"),
    ]
    for act in acts:
        with pytest.raises(CurationError):
            act()
    assert sorted(path.name for path in photos.parent.iterdir()) == ["photos", "secret.png"]


def test_masks_are_found_by_listing_their_folder_alone(photos: Path, secret: Path) -> None:
    from engine.data.examples import Example

    masks = photos.parent / "masks"
    masks.mkdir()
    examples = [Example(name, photos / "cat.png", "x") for name in ("../secret.png", "/etc/passwd", "cat.png")]
    assert find_masks(examples, masks) == {}
    Image.new("L", Image.open(photos / "cat.png").size, 7).save(masks / "cat.png")
    assert find_masks(examples[2:], masks) == {"cat.png": masks / "cat.png"}


def stolen(root: Path, path: str, before: bytes, after: bytes, settled: bool) -> None:
    """A journal that came with the photos: one step, done or left half done, that changes the file at `path`."""
    patch = Patch(Path("x"), 0, before, after, digest(before), digest(after)).to_json() | {"path": path}
    entry = {"do": "record", "version": 1, "number": 1, "time": 0.0, "summary": "x", "changes": [patch]}
    lines = [json.dumps({**entry, "created": None, "created_files": {}})] + ['{"do": "settle"}'] * settled
    (root / FILE).parent.mkdir(exist_ok=True)
    (root / FILE).write_text("".join(f"{line}\n" for line in lines))


@pytest.mark.parametrize("path", ["{0}", "../profile", "profile.txt", "x.toml", "metadata.jsonl", "linked/profile"])
@pytest.mark.parametrize("act", [recover, undo, redo])
def test_a_journal_that_came_with_the_photos_changes_nothing_outside(
    photos: Path, path: str, act: Callable[[Path], object]
) -> None:
    """With the very content of the file that it is after, which for many files everybody knows."""
    profile = photos.parent / "profile"
    profile.write_bytes(b"umask 022\n")
    for link in ("profile.txt", "x.toml", "metadata.jsonl"):
        (photos / link).symlink_to(profile)
    (photos / "linked").symlink_to(photos.parent)
    before, after = (b"umask 022\n", b"touch owned\n")[:: 1 if act is recover else -1]
    stolen(photos, path.format(profile), before, after, settled=act is not recover)
    with pytest.raises(CurationError):
        act(photos)
    assert profile.read_bytes() == b"umask 022\n"


def test_a_path_with_a_zero_byte_in_a_journal_is_passed_over(photos: Path) -> None:
    stolen(photos, "a\0b", b"", b"x", settled=False)
    assert len(open_dataset(photos).photos) == 4


@pytest.mark.parametrize("linked", ["captions", "journal", "facts", "folder"])
def test_nothing_is_written_through_a_link_out_of_the_folder(photos: Path, linked: str) -> None:
    """Neither a caption into a linked file, nor our own notes, which hold names that the sender of the photos chose."""
    outside = photos.parent / "outside"
    outside.mkdir()
    target = outside / "bashrc"
    target.write_bytes(b"umask 022\n")
    own = photos / ".loratui"
    if linked == "folder":
        own.symlink_to(outside)
        (outside / "journal.jsonl").write_bytes(b"")
    else:
        own.mkdir()
        place = {"captions": photos / "cat.txt", "journal": photos / FILE, "facts": own / "facts.jsonl"}[linked]
        place.symlink_to(target)
    before = {path: path.read_bytes() for path in outside.iterdir()}
    dataset = open_dataset(photos)
    lint(dataset)
    if linked != "facts":
        with pytest.raises(CurationError):
            save_captions(dataset, {"cat.png": "$(touch owned)"})
    assert {path: path.read_bytes() for path in outside.iterdir()} == before


def test_a_dataset_of_the_hub_copies_no_photo_from_elsewhere_on_this_disk(
    secret: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow.parquet
    from datasets import Dataset, Features, Value

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    features = Features({"image": {"bytes": Value("binary"), "path": Value("string")}})
    rows = Dataset.from_dict({"image": [{"bytes": None, "path": str(secret)}]}, features=features)
    folder = tmp_path / "theirs"
    folder.mkdir()
    table = rows.data.table.replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": {"image": {"_type": "Image"}}}})}
    )
    pyarrow.parquet.write_table(table, folder / "train.parquet")
    with pytest.raises(CurationError, match="names a photo outside of it"):
        photos_folder(folder)
    assert not list((tmp_path / "cache").rglob("*.png"))


def test_one_kind_of_archive_is_opened_and_no_path_in_it_followed() -> None:
    """A face pack's zip: its models are copied under their bare names (tests/curation/test_face_packs.py)."""
    unpacking = {"zipfile", "tarfile", "gzip", "bz2", "lzma", "py7zr", "rarfile"}
    assert {(path, name) for path, name in imports() if name.partition(".")[0] in unpacking} == {
        ("curation/face_packs.py", "zipfile")
    }
    for name in ("extract", "extractall", "unpack_archive", "_extract_member"):
        assert not list(calls(name))


def test_the_working_folder_is_no_place_for_modules() -> None:
    """The worker is started with -P: a torch.py that lies among the photos is not imported."""
    [command] = [node for path, node in calls("Popen") if path == "engine/launcher.py"]
    assert "'-P'" in ast.unparse(command)
