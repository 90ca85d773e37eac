"""Text from outside (names, captions, metadata), made safe to show; counts and times in words."""

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


def duration(seconds: float) -> str:
    """Seconds as 41s, 12m03s or 3h07m."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def _spelled(character: str) -> str:
    shown = character == _JOINER or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    return character if shown else character.encode("unicode_escape").decode("ascii")
