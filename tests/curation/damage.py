"""Photos in every format that is read, and ways to damage their files; the same bytes for the same seed."""

import io
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pillow_heif
from PIL import Image, ImageCms
from skimage import data

SIGNATURES = (
    b"\xff\xd8\xff\xe0",
    b"\x89PNG\r\n\x1a\n",
    b"GIF89a",
    b"II*\0\x08\0\0\0",
    b"RIFF\0\0\0\0WEBP",
    b"BM",
    b"8BPS",
)
HUGE = (0, 1, 30_000, 65_535, 1_000_000, 2**31 - 1, 2**32 - 1)


def whole_files() -> dict[str, bytes]:
    """Photographs of scikit-image by file name, in every format and several modes, with metadata where it can be."""
    pillow_heif.register_heif_opener()
    cat, coffee = (
        Image.fromarray(getattr(data, name)()).convert("RGB").resize((150, 100)) for name in ("cat", "coffee")
    )
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Maker", 6
    exif.get_ifd(0x8825)[2] = (48.0, 51.0, 30.0)
    exif.get_ifd(0x8769)[0x9003] = "2024:05:17 12:30:00"
    known = {"exif": exif, "icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()}
    pages = {"save_all": True, "append_images": [coffee, cat]}
    grey16 = cat.convert("L").convert("I").point(lambda value: value * 257).convert("I;16")
    return {
        "plain.jpg": _saved(cat, "JPEG", **known),
        "progressive.jpg": _saved(coffee, "JPEG", progressive=True, **known),
        "ink.jpg": _saved(cat.convert("CMYK"), "JPEG"),
        "views.mpo": _saved(cat, "MPO", save_all=True, append_images=[coffee], **known),
        "plain.png": _saved(cat, "PNG", **known),
        "clear.png": _saved(cat.convert("RGBA"), "PNG", **known),
        "palette.png": _saved(cat.convert("P"), "PNG"),
        "deep.png": _saved(grey16, "PNG"),
        "moving.png": _saved(cat, "PNG", **pages),
        "plain.webp": _saved(cat, "WEBP", **known),
        "moving.webp": _saved(cat, "WEBP", **pages),
        "moving.gif": _saved(cat, "GIF", **pages),
        "raw.tiff": _saved(cat, "TIFF", **known),
        "packed.tiff": _saved(coffee, "TIFF", compression="tiff_lzw"),
        "photo.tiff": _saved(coffee, "TIFF", compression="jpeg"),
        "pages.tiff": _saved(cat, "TIFF", **pages),
        "plain.avif": _saved(cat, "AVIF", **known),
        "plain.heic": _saved(cat, "HEIF", **known),
        "plain.bmp": _saved(cat, "BMP"),
    }


def damaged_files(count: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Names and contents of `count` files, each a whole one with one kind of damage."""
    chance = random.Random(seed)
    whole = whole_files()
    ways: tuple[Callable[[bytes, random.Random], bytes], ...] = (
        _flipped_bits,
        _flipped_header_bits,
        _truncated,
        _zero_filled,
        _repeated_part,
        _other_signature,
        _huge_numbers,
    )
    for number in range(count):
        name, content = chance.choice(list(whole.items()))
        if chance.random() < 0.1:
            other = chance.choice(list(whole.values()))
            content, way = content[: len(content) // 2] + other[len(other) // 2 :], "spliced"
        else:
            damage = chance.choice(ways)
            content, way = damage(content, chance), damage.__name__.strip("_")
        yield f"{number:04d}-{way}-{name}", content


def bomb(side: int) -> bytes:
    """A black-and-white PNG of side x side pixels, all white, in a few kilobytes."""
    packer = zlib.compressobj(9)
    row = b"\0" + b"\xff" * ((side + 7) // 8)
    packed = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)), (b"IDAT", packed), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


def write_damaged(folder: Path, count: int) -> None:
    """Fill a folder with damaged files, and with two bombs: one to refuse, and one that is just not too large."""
    for name, content in damaged_files(count - 2):
        (folder / name).write_bytes(content)
    (folder / "bomb.png").write_bytes(bomb(20_000))
    (folder / "large.png").write_bytes(bomb(13_000))


def _saved(image: Image.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)  # type: ignore[arg-type] - options differ by format
    return buffer.getvalue()


def _flipped_bits(content: bytes, chance: random.Random) -> bytes:
    damaged = bytearray(content)
    for _ in range(chance.choice((1, 4, 32))):
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def _flipped_header_bits(content: bytes, chance: random.Random) -> bytes:
    return _flipped_bits(content[:600], chance) + content[600:]


def _truncated(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content))]


def _zero_filled(content: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(content))
    end = min(len(content), start + chance.choice((8, 512, len(content))))
    return content[:start] + bytes(end - start) + content[end:]


def _repeated_part(content: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(content))
    part = content[start : start + chance.choice((4, 64, 4096))]
    return content[:start] + part * chance.choice((2, 50)) + content[start:]


def _other_signature(content: bytes, chance: random.Random) -> bytes:
    signature = chance.choice(SIGNATURES)
    return signature + content[len(signature) :]


def _huge_numbers(content: bytes, chance: random.Random) -> bytes:
    """Lengths and sizes stand in the header as 4 bytes, or 2, in either order."""
    damaged = bytearray(content)
    for _ in range(chance.choice((1, 3))):
        at = chance.randrange(min(len(damaged), 400) - 4)
        damaged[at : at + 4] = struct.pack(chance.choice("<>") + "I", chance.choice(HUGE))
    _mend_png_checksum(damaged)
    return bytes(damaged)


def _mend_png_checksum(content: bytearray) -> None:
    """Of the PNG's first chunk, so that its size is believed."""
    if content[12:16] == b"IHDR":
        content[29:33] = struct.pack(">I", zlib.crc32(bytes(content[12:29])))
