"""How many of CLIP's tokens a caption takes, counted exactly and without the training stack."""

import functools
import json
import re
import tempfile
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

from curation.errors import CurationError
from curation.text import visible
from curation.triggers import trigger_pattern

LIMIT = 75
"""Tokens of text: CLIP's text encoders see 77, the first and the last of which are the marks of start and end."""

_MARKS = re.compile(r"<\|startoftext\|>|<\|endoftext\|>")  # one token each, also in the middle of a text
_MOST = 65_535  # tokens in any vocabulary that the counter can load; CLIP's has 49,408


def token_count(text: str, triggers: Sequence[str] = (), num_new_tokens: int = 2, tokenizer: Path | None = None) -> int:
    """The tokens of `text` without the marks of start and end, as both of SDXL's tokenizers cut it.

    triggers: words that pivotal tuning replaces by `num_new_tokens` tokens each.  tokenizer: the model's own
    `merges.txt` or `tokenizer.json`; OpenAI's vocabulary, which SDXL uses, when None.  Raises CurationError for a
    tokenizer that cannot be read.

    Compared with transformers 5.23's CLIPTokenizer on OpenAI's vocabulary: the same ids for 20,000 texts of words from
    the vocabulary and of letters, controls, joiners and emoji of many scripts.
    """
    encode = _encoder(tokenizer)
    pieces = trigger_pattern(triggers).split(text)
    count = num_new_tokens * (len(pieces) - 1)
    for piece in pieces:
        spans = _MARKS.split(unicodedata.normalize("NFC", piece).encode("utf-8", "replace").decode("utf-8"))
        count += len(spans) - 1 + sum(len(encode(span)) for span in spans)
    return count


@functools.lru_cache(maxsize=4)
def _encoder(tokenizer: Path | None) -> Callable[[str], list[int]]:
    # Compiled code without types; it builds its vocabulary in 60 ms.
    from instant_clip_tokenizer import Tokenizer  # pyright: ignore[reportAttributeAccessIssue]

    if tokenizer is None:
        return Tokenizer().encode
    try:
        if tokenizer.suffix != ".json":
            return Tokenizer.load(str(tokenizer), _MOST).encode
        merges = json.loads(tokenizer.read_text("utf-8"))["model"]["merges"]
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".txt") as file:
            file.write("#version: 0.2\n" + "".join(f"{left} {right}\n" for left, right in merges))
            file.flush()
            return Tokenizer.load(file.name, _MOST).encode
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CurationError(
            f"The tokenizer {visible(str(tokenizer))} cannot be read: {visible(str(error))}.",
            "Download the model again.",
        ) from error
