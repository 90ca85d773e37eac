"""Picture formats that are not read: known by their first bytes, and by their names."""

import os
from pathlib import Path, PurePosixPath

_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"8BPS", "a Photoshop document"),
    (0, b"\xff\x0a", "a JPEG XL picture"),
    (0, b"\x00\x00\x00\x0cJXL ", "a JPEG XL picture"),
    (0, b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 picture"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (0, b"%!PS", "a PostScript program"),
    (0, b"\xc5\xd0\xd3\xc6", "a PostScript program"),
    (0, b"%PDF", "a PDF document"),
    (0, b"gimp xcf", "a GIMP document"),
    (0, b"FUJIFILMCCD-RAW", "a camera's raw file"),
    (4, b"ftypcrx ", "a camera's raw file"),
    (4, b"ftypisom", "a video"),
    (4, b"ftypmp4", "a video"),
    (4, b"ftypqt", "a video"),
    (0, b"\x1a\x45\xdf\xa3", "a video"),
    (0, b"<svg", "an SVG drawing"),
)

_RAW = (".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".pef", ".raf", ".rw2", ".srw")
_WORDS_OF_SUFFIX: dict[str, str] = {
    **dict.fromkeys(_RAW, "camera raw files"),
    **dict.fromkeys((".jp2", ".j2k", ".jpx"), "JPEG 2000 pictures"),
    **dict.fromkeys((".eps", ".ai"), "PostScript drawings"),
    **dict.fromkeys((".ppm", ".pgm", ".pbm", ".pnm"), "Netpbm pictures"),
    ".jxl": "JPEG XL pictures",
    ".psd": "Photoshop documents",
    ".xcf": "GIMP documents",
    ".svg": "SVG drawings",
    ".tga": "Targa pictures",
    ".exr": "OpenEXR pictures",
    ".hdr": "Radiance pictures",
}


def foreign_format(content: bytes) -> str | None:
    """What a file's first bytes say it is, with an article, if that is a format which is not read."""
    return next((words for at, sign, words in _SIGNATURES if content.startswith(sign, at)), None)


def foreign_files(root: Path) -> dict[str, tuple[str, ...]]:
    """Names of pictures in formats that are not read, by the format's word; at any depth, hidden ones skipped."""
    found: dict[str, list[str]] = {}
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        for file in files:
            words = _WORDS_OF_SUFFIX.get(PurePosixPath(file).suffix.lower())
            if words is not None and not file.startswith("."):
                found.setdefault(words, []).append(Path(folder, file).relative_to(root).as_posix())
    return {words: tuple(sorted(names)) for words, names in sorted(found.items())}
