"""Text from outside (names, captions, metadata), made safe to show."""

import unicodedata

_JOINER = "\u200d"  # holds family emoji together, and moves nothing


def visible(text: str) -> str:
    r"""Return `text` with control and direction-changing characters spelled out (`\x1b`, `\u202e`).

    Line breaks become `\n`, so that a name or a caption stays on its line. Letters and emoji stay as they are.
    """
    return "".join(_spelled(character) for character in text)


def _spelled(character: str) -> str:
    shown = character == _JOINER or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    return character if shown else character.encode("unicode_escape").decode("ascii")
