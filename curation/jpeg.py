"""JPEG files without what cameras and editors add to the picture: EXIF with its GPS position, XMP, thumbnails."""

import re

START, END = b"\xff\xd8", b"\xff\xd9"
START_OF_SCAN = 0xDA
APP0, APP2, APP14, APP15, COMMENT = 0xE0, 0xE2, 0xEE, 0xEF, 0xFE
JFIF_BYTES = 12
"""JFIF's segment without its thumbnail: name, version, unit and densities."""

ADOBE_BYTES = 12
"""Adobe's segment: its name, version, two flags and the colour transform, and nothing else."""

# In a scan, 0xFF is data when 0x00 follows, and a restart mark with 0xD0..0xD7.
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def without_metadata(content: bytes) -> bytes:
    """The same picture, bit for bit, in a file that ends where the picture does (MPO's second picture goes too).

    Kept of the application segments: JFIF without its thumbnail, the ICC profile, and Adobe's colour transform, which
    decoding needs.
    Raises ValueError for bytes that are not a whole JPEG.
    """
    if not content.startswith(START):
        raise ValueError("not a JPEG")
    kept = [START]
    position = len(START)
    while True:
        position, marker = _marker(content, position)
        if marker == END[1]:
            return b"".join([*kept, END])
        end = position + 2 + int.from_bytes(content[position + 2 : position + 4], "big")
        segment = content[position + 4 : end]
        if marker == APP0 and segment.startswith(b"JFIF\0") and len(segment) >= JFIF_BYTES:
            kept.append(_segment(APP0, segment[:JFIF_BYTES] + b"\0\0"))
        elif _needed(marker, segment):
            kept.append(content[position:end])
        position = end
        if marker == START_OF_SCAN:
            end = _end_of_scan(content, position)
            kept.append(content[position:end])
            position = end


def _marker(content: bytes, position: int) -> tuple[int, int]:
    """The marker at `position`, and where it starts after fill bytes."""
    if content[position : position + 1] != b"\xff":
        raise ValueError("not a whole JPEG")
    while content[position + 1 : position + 2] == b"\xff":
        position += 1
    if position + 1 >= len(content):
        raise ValueError("not a whole JPEG")
    return position, content[position + 1]


def _end_of_scan(content: bytes, position: int) -> int:
    match = _AFTER_SCAN.search(content, position)
    if match is None:
        raise ValueError("not a whole JPEG")
    return match.start()


def _segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(content) + 2).to_bytes(2, "big") + content


def _needed(marker: int, segment: bytes) -> bool:
    if marker == APP2:
        return segment.startswith(b"ICC_PROFILE\0")
    if marker == APP14:
        return segment.startswith(b"Adobe") and len(segment) == ADOBE_BYTES
    return not (APP0 <= marker <= APP15 or marker == COMMENT)
