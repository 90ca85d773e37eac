"""No mended copy says where a photo was taken, or carries anything else that is not in its picture."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pillow_heif import register_heif_opener

from curation import open_dataset
from curation.fixes import apply_fixes

LoadSample = Callable[..., Image.Image]
register_heif_opener()

MARK = b"47.3769N 8.5417E"
XMP = b"<x:xmpmeta><exif:GPSLatitude>" + MARK + b"</exif:GPSLatitude></x:xmpmeta>"


def exif() -> Image.Exif:
    made = Image.Exif()
    made[0x010E] = MARK.decode()  # the description
    made.get_ifd(0x8825)[1] = "N"
    made.get_ifd(0x8825)[2] = (47.0, 22.0, 36.84)
    return made


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def exif_with_thumbnail(image: Image.Image) -> bytes:
    """EXIF whose second directory holds a small JPEG, as cameras write it."""
    thumbnail = encoded(image.resize((160, 120)), "JPEG", comment=MARK)
    start = 8 + 2 + 4 + 2 + 2 * 12 + 4  # header, an empty directory, then the one of the thumbnail
    entries = struct.pack("<HHIIHHII", 0x0201, 4, 1, start, 0x0202, 4, 1, len(thumbnail))
    return (
        b"Exif\0\0II*\0" + struct.pack("<I", 8) + struct.pack("<HI", 0, 14) + struct.pack("<H", 2) + entries
        + struct.pack("<I", 0) + thumbnail
    )  # fmt: skip


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(image: Image.Image, kind: bytes, content: bytes, end: bool = False) -> bytes:
    plain = encoded(image, "PNG")
    place = plain.index(b"IEND" if end else b"IDAT") - 4
    return plain[:place] + chunk(kind, content) + plain[place:]


def jpeg(image: Image.Image, marker: int, content: bytes) -> bytes:
    plain = encoded(image, "JPEG")
    return plain[:2] + bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content + plain[2:]


def itxt(image: Image.Image) -> bytes:
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", XMP.decode(), zip=True)
    return encoded(image, "PNG", pnginfo=info)


HIDDEN: dict[str, Callable[[Image.Image], bytes]] = {
    "exif.jpg": lambda image: encoded(image, "JPEG", exif=exif()),
    "thumbnail.jpg": lambda image: encoded(image, "JPEG", exif=exif_with_thumbnail(image)),
    "xmp.jpg": lambda image: encoded(image, "JPEG", xmp=XMP),
    "extended-xmp.jpg": lambda image: jpeg(image, 0xE1, b"http://ns.adobe.com/xmp/extension/\0" + XMP),
    "iptc.jpg": lambda image: jpeg(image, 0xED, b"Photoshop 3.0\0" + MARK),
    "comment.jpg": lambda image: encoded(image, "JPEG", comment=MARK),
    "maker.jpg": lambda image: jpeg(image, 0xE4, MARK),
    "app14.jpg": lambda image: jpeg(image, 0xEE, b"Adobe" + bytes(7) + MARK),
    "jfxx.jpg": lambda image: jpeg(image, 0xE0, b"JFXX\0" + MARK),
    "after-the-end.jpg": lambda image: encoded(image, "JPEG") + MARK,
    "second-picture.jpg": lambda image: encoded(image, "MPO", save_all=True, append_images=[image], exif=exif()),
    "exif.png": lambda image: encoded(image, "PNG", exif=exif()),
    "text.png": lambda image: png(image, b"tEXt", b"Comment\0" + MARK),
    "compressed-text.png": itxt,
    "private.png": lambda image: png(image, b"caBX", MARK),
    "after-the-image.png": lambda image: png(image, b"tEXt", b"Comment\0" + MARK, end=True),
    "after-the-end.png": lambda image: encoded(image, "PNG") + MARK,
    "exif.webp": lambda image: encoded(image, "WEBP", exif=exif()),
    "xmp.webp": lambda image: encoded(image, "WEBP", lossless=True, xmp=XMP),
    "exif.tif": lambda image: encoded(image, "TIFF", exif=exif()),
    "exif.heic": lambda image: encoded(image, "HEIF", exif=exif()),
    "exif.avif": lambda image: encoded(image, "AVIF", exif=exif()),
    "comment.gif": lambda image: encoded(image, "GIF", comment=MARK),
    "after-the-end.bmp": lambda image: encoded(image, "BMP") + MARK,
}
COMPRESSED = {"compressed-text.png"}


def jpeg_segments(content: bytes) -> list[int]:
    """The markers before the picture."""
    markers, position = [], 2
    while content[position + 1] != 0xDA:
        markers.append(content[position + 1])
        position += 2 + int.from_bytes(content[position + 2 : position + 4], "big")
    return markers


def png_chunks(content: bytes) -> list[bytes]:
    kinds, position = [], 8
    while position < len(content):
        kinds.append(content[position + 4 : position + 8])
        position += 12 + int.from_bytes(content[position : position + 4], "big")
    return kinds


@pytest.mark.parametrize("name", HIDDEN)
def test_nothing_but_the_picture_is_copied(folder: Path, sample: LoadSample, name: str) -> None:
    content = HIDDEN[name](sample("cat"))
    (folder / name).write_bytes(content)
    assert MARK in content or name in COMPRESSED, "the original does not say it, so this test says nothing"

    (copied,) = apply_fixes(open_dataset(folder), (), folder.parent / "copy").copy.photos

    bare = copied.path.read_bytes()
    assert MARK not in bare
    with Image.open(copied.path) as image:
        assert not dict(image.getexif())
        assert image.format in {"JPEG", "PNG"}
        if image.format == "PNG":
            assert set(png_chunks(bare)) == {b"IHDR", b"IDAT", b"IEND"}
        else:
            # Of the application segments only JFIF's, which is APP0 with 14 bytes.
            assert [marker for marker in jpeg_segments(bare) if marker >= 0xE0] == [0xE0]
            assert bare[2:6] == b"\xff\xe0\x00\x10"
            assert bare.endswith(b"\xff\xd9")
            assert getattr(image, "n_frames", 1) == 1


def test_what_is_only_in_a_folder_of_photos_stays_there(folder: Path, sample: LoadSample) -> None:
    sample("cat").save(folder / "cat.png")
    for name in ("notes.md", "cat.xmp", "cat.json", ".hidden", "other.txt"):
        (folder / name).write_bytes(MARK)
    copy = apply_fixes(open_dataset(folder), (), folder.parent / "copy").copy
    assert [path.name for path in copy.root.iterdir()] == ["cat.png"]
