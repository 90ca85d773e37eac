"""Faults put into clean photos, by OpenCV and numpy: another hand than the one that the rules' tests use.

Every function takes uint8 RGB, (height, width, 3), and returns the same, or the bytes of a file.
"""

import io

import cv2
import numpy as np
from PIL import Image, ImageCms


def jpeg(rgb: np.ndarray, quality: int = 92) -> bytes:
    return _encoded(rgb, ".jpg", [cv2.IMWRITE_JPEG_QUALITY, quality])


def png(rgb: np.ndarray) -> bytes:
    return _encoded(rgb, ".png", [cv2.IMWRITE_PNG_COMPRESSION, 1])


def cut_short(content: bytes, share: float) -> bytes:
    return content[: round(len(content) * share)]


def zeros_in_the_middle(content: bytes, share: float) -> bytes:
    start, length = len(content) // 3, round(len(content) * share)
    return content[:start] + bytes(length) + content[start + length :]


def huge_header(side: int) -> bytes:
    """A small PNG whose header claims side x side pixels, with a right checksum."""
    import struct
    import zlib

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(64))), (b"IEND", b""))
    body = b"".join(struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


def sixteen_bit(rgb: np.ndarray) -> bytes:
    return _encoded(rgb[..., 1:2].astype(np.uint16) * 257, ".png", [])


def with_alpha(rgb: np.ndarray, transparent: float) -> bytes:
    """transparent: share of the rows, at the top, that can be seen through."""
    alpha = np.full(rgb.shape[:2], 255, np.uint8)
    alpha[: round(rgb.shape[0] * transparent)] = 0
    return _encoded(np.dstack([rgb, alpha]), ".png", [cv2.IMWRITE_PNG_COMPRESSION, 1])


def saved(rgb: np.ndarray, format: str, mode: str = "RGB", **options: object) -> bytes:
    """By Pillow, for what OpenCV does not write."""
    buffer = io.BytesIO()
    Image.fromarray(rgb).convert(mode).save(buffer, format, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def wide_gamut_profile() -> bytes:
    """sRGB's ICC profile with red and green exchanged, under another name."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile.replace("sRGB".encode("utf-16-be"), "wide".encode("utf-16-be"))
    return profile.replace(b"rXYZ", b"temp").replace(b"gXYZ", b"rXYZ").replace(b"temp", b"gXYZ")


def exif(orientation: int = 1, gps: bool = False, taken: str | None = None, camera: str = "") -> Image.Exif:
    made = Image.Exif()
    made[0x0112] = orientation
    if camera:
        made[0x010F] = camera
    if gps:
        made.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 29.0), 3: "E", 4: (2.0, 17.0, 40.0)})
    if taken:
        made.get_ifd(0x8769)[0x9003] = taken
    return made


def smaller(rgb: np.ndarray, short_side: int) -> np.ndarray:
    scale = short_side / min(rgb.shape[:2])
    return cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def upscaled(rgb: np.ndarray, factor: float, filter: int = cv2.INTER_LANCZOS4) -> np.ndarray:
    """What an enlarger leaves: the photo's own size, with 1/factor of its detail."""
    height, width = rgb.shape[:2]
    small = cv2.resize(rgb, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=filter)


def out_of_focus(rgb: np.ndarray, radius: float) -> np.ndarray:
    """A lens's blur disk; radius in thousandths of the longer side."""
    pixels = radius * max(rgb.shape[:2]) / 1000
    reach = int(np.ceil(pixels))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disk = np.clip(pixels + 0.5 - np.hypot(x, y), 0, 1)
    return cv2.filter2D(rgb, -1, disk / disk.sum())


def soft_but_for_the_middle(rgb: np.ndarray, radius: float, share: float) -> np.ndarray:
    """Bokeh: all but a square of this share of each side is out of focus. No fault at all."""
    height, width = rgb.shape[:2]
    soft = out_of_focus(rgb, radius)
    top, left = round(height * (1 - share) / 2), round(width * (1 - share) / 2)
    soft[top : height - top, left : width - left] = rgb[top : height - top, left : width - left]
    return soft


def shaken(rgb: np.ndarray, length: float, angle: float) -> np.ndarray:
    """Camera shake along a line; length in thousandths of the longer side, angle in degrees."""
    pixels = max(2, round(length * max(rgb.shape[:2]) / 1000))
    line = np.zeros((pixels, pixels), np.float32)
    line[pixels // 2] = 1
    turn = cv2.getRotationMatrix2D(((pixels - 1) / 2, (pixels - 1) / 2), angle, 1)
    line = cv2.warpAffine(line, turn, (pixels, pixels))
    return cv2.filter2D(rgb, -1, line / line.sum())


def exposed(rgb: np.ndarray, stops: float) -> np.ndarray:
    """In linear light, as a sensor sees it."""
    linear = np.power(rgb / 255.0, 2.2) * 2.0**stops
    return (np.power(np.clip(linear, 0, 1), 1 / 2.2) * 255).round().astype(np.uint8)


def flattened(rgb: np.ndarray, contrast: float) -> np.ndarray:
    mean = rgb.mean(axis=(0, 1))
    return np.clip((rgb - mean) * contrast + mean, 0, 255).round().astype(np.uint8)


def bordered(rgb: np.ndarray, share: float, colour: tuple[int, int, int], sides: str) -> np.ndarray:
    """share: of the side's length, for each border. sides: of "tblr"."""
    high, wide = round(rgb.shape[0] * share), round(rgb.shape[1] * share)
    top, bottom, left, right = (
        width * (side in sides) for side, width in zip("tblr", (high, high, wide, wide), strict=True)
    )
    return cv2.copyMakeBorder(rgb, top, bottom, left, right, cv2.BORDER_CONSTANT, value=colour)


def strip(rgb: np.ndarray, ratio: float) -> np.ndarray:
    """The middle rows, so that the width is `ratio` times the height."""
    height = round(rgb.shape[1] / ratio)
    top = (rgb.shape[0] - height) // 2
    return rgb[top : top + height]


def shifted(rgb: np.ndarray, share: float) -> np.ndarray:
    """Another cut of the same photo: this share of each side is lost at the top left."""
    height, width = rgb.shape[:2]
    return rgb[round(height * share) :, round(width * share) :]


def moved(rgb: np.ndarray, degrees: float, zoom: float) -> np.ndarray:
    """What a camera sees that was turned and came nearer; the edges are filled by reflection."""
    height, width = rgb.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, zoom)
    return cv2.warpAffine(rgb, turn, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def middle(rgb: np.ndarray) -> np.ndarray:
    """The half of each side around the centre."""
    height, width = rgb.shape[:2]
    return rgb[height // 4 : height - height // 4, width // 4 : width - width // 4]


def noisy(rgb: np.ndarray, deviation: float, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, deviation, rgb.shape)
    return np.clip(rgb + noise, 0, 255).round().astype(np.uint8)


def pasted(scene: np.ndarray, subject: np.ndarray, left: float, height: float) -> np.ndarray:
    """The subject as a soft-edged oval standing at the bottom of the scene; height and left are shares of it."""
    high = round(scene.shape[0] * height)
    size = (round(high * subject.shape[1] / subject.shape[0]), high)
    small = cv2.resize(subject, size, interpolation=cv2.INTER_AREA)
    y, x = np.mgrid[-1 : 1 : high * 1j, -1 : 1 : size[0] * 1j]
    oval = np.clip((1 - np.hypot(x, y)) * 12, 0, 1)[..., None]
    made = scene.astype(np.float32)
    top, at = scene.shape[0] - high, round((scene.shape[1] - size[0]) * left)
    under = made[top:, at : at + size[0]]
    made[top:, at : at + size[0]] = oval * small + (1 - oval) * under
    return made.round().astype(np.uint8)


def _encoded(pixels: np.ndarray, suffix: str, options: list[int]) -> bytes:
    ordered = (
        pixels
        if pixels.shape[2] == 1
        else cv2.cvtColor(pixels, cv2.COLOR_RGBA2BGRA if pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR)
    )
    written, content = cv2.imencode(suffix, ordered, options)
    if not written:
        raise OSError(f"OpenCV cannot write {suffix}")
    return content.tobytes()
