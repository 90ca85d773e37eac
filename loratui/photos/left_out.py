"""Why a photo is left out of training, as it is said."""

BY_HAND = "left out by hand"
"""The reason of a photo that a person left out; the others name the rule that found it."""


def in_words(reason: str) -> str:
    """The reason as a phrase of its own."""
    return reason if reason == BY_HAND else f"left out: {reason}"
