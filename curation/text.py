"""Text from outside (names, captions, metadata), made safe to show, and counts in words."""

import unicodedata

_JOINER = "\u200d"  # holds family emoji together, and moves nothing


def visible(text: str) -> str:
    r"""Return `text` with control and direction-changing characters spelled out (`\x1b`, `\u202e`).

    Line breaks become `\n`, so that a name or a caption stays on its line. Letters and emoji stay as they are.
    """
    return "".join(_spelled(character) for character in text)


def counted(number: int, word: str) -> str:
    """`1 photo`, `2 photos`; `info` has no plural."""
    return f"{number} {word}" if number == 1 or word == "info" else f"{number} {word}s"


def _spelled(character: str) -> str:
    shown = character == _JOINER or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    return character if shown else character.encode("unicode_escape").decode("ascii")
