"""Tokens are counted as CLIP's tokenizer cuts them, and the trigger word as the tokens that it becomes."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation import CurationError
from curation.clip_tokens import token_count


# Of the ids that OpenAI's CLIP gives: "a photo of a cat" is 320 1125 539 320 2368, "hello world!" is 3306 1002 256.
@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        (" \n ", 0),
        ("a photo of a cat", 5),
        ("A  Photo\tof\na CAT", 5),
        ("hello world!", 3),
        ("it's 2024", 6),  # it, 's, and a token for each digit
        ("café", 1),
        ("cafe\u0301", 1),  # composed before it is cut
        ("a <|endoftext|> b", 3),
        ("\ud800", 1),
    ],
)
def test_tokens_of_a_text(text: str, tokens: int) -> None:
    assert token_count(text) == tokens


def test_a_trigger_word_counts_as_its_new_tokens() -> None:
    assert token_count("a photo of TOK woman") == 5
    assert token_count("a photo of TOK woman", ["TOK"]) == 6
    assert token_count("a photo of TOK woman, TOK's hat", ["TOK"], num_new_tokens=4) == 4 + 4 + 1 + 4 + 2
    assert token_count("a photo of TOKYO", ["TOK"]) == 4


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=4))
def test_words_apart_count_as_their_sum(texts: list[str]) -> None:
    assert token_count(" ".join(texts)) == sum(map(token_count, texts))


@pytest.fixture
def vocabulary(tmp_path: Path) -> dict[str, Path]:
    """A model's own vocabulary that knows one word, in both of its forms."""
    merges = [("c", "a"), ("ca", "t</w>")]
    (tmp_path / "merges.txt").write_text("#version: 0.2\nc a\nca t</w>\n")
    (tmp_path / "tokenizer.json").write_text(json.dumps({"model": {"merges": merges}}))
    return {path.name: path for path in tmp_path.iterdir()}


@pytest.mark.parametrize("name", ["merges.txt", "tokenizer.json"])
def test_the_models_own_vocabulary_is_used(vocabulary: dict[str, Path], name: str) -> None:
    assert token_count("cat", tokenizer=vocabulary[name]) == 1
    assert token_count("dog", tokenizer=vocabulary[name]) == 3


@pytest.mark.parametrize("content", ["x\nx\n", None, "[]\n[]\n"])
@pytest.mark.parametrize("name", ["broken.txt", "broken.json"])
def test_a_tokenizer_that_cannot_be_read_is_refused(tmp_path: Path, name: str, content: str | None) -> None:
    if content:
        (tmp_path / name).write_text(content)
    with pytest.raises(CurationError, match="tokenizer"):
        token_count("a", tokenizer=tmp_path / name)
