"""Prompts as the UNet is told them: clip_skip and chunks as other tools have them, and embeddings kept on disk."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from engine.config import TrainConfig
from engine.errors import EngineError
from engine.models.files import tokenizer_file
from engine.models.load import Models, load_models
from engine.results.generate import pipeline_of, sample_images
from engine.settings import LoraSection, ModelSection, TextEncoderSection
from engine.text.chunks import MOST_CHUNKS, CutCaption, cut_captions, split_chunks
from engine.text.prompts import PromptEncoder, encode_prompts
from engine.text.tokens import insert_placeholders
from engine.training.lora import add_adapters, lora_parameters

CPU = torch.device("cpu")
TOKENS = {"TOK": ("<s0>", "<s1>")}
PLAIN = TextEncoderSection()
PROMPTS = ["a photo of TOK", "", "a very long view of TOK " * 20]
WORDS = ["photo", "sea,", "<s0><s1>", "(<s0>,", "Ünïcode", "1girl,solo,long_hair", "don't", "\n"]


def sentence(tokens: int) -> str:
    """A prompt of that many tokens in the tiny model's vocabulary."""
    return " ".join(["photo"] * tokens)


@pytest.fixture
def models(tiny_model: Path) -> Models:
    """With a LoRA on both text encoders that is far from its start, and with new tokens."""
    loaded = load_models(ModelSection(pretrained_model_name_or_path=str(tiny_model)), torch.float32, CPU)
    add_adapters(loaded, LoraSection(rank=2), True, seed=0)
    for encoder in (loaded.text_encoder, loaded.text_encoder_2):
        for parameter in lora_parameters(encoder):
            torch.nn.init.normal_(parameter, 0, 0.2, generator=torch.Generator().manual_seed(1))
    insert_placeholders(loaded, TOKENS, seed=0)
    return loaded


def input_ids(models: Models, prompts: Sequence[str], chunks: int) -> Tensor:
    """What the second text encoder is given."""
    seen = []
    hook = models.text_encoder_2.register_forward_pre_hook(lambda _module, args: seen.append(args[0]))
    encode_prompts(models, prompts, chunks=chunks)
    hook.remove()
    return seen[0]


@pytest.mark.parametrize("clip_skip", [None, 1])
def test_prompts_are_read_as_the_pipeline_reads_them(models: Models, clip_skip: int | None) -> None:
    prompts = [prompt.replace("TOK", "<s0><s1>") for prompt in PROMPTS]
    pipeline: Any = pipeline_of(models)
    expected, _, expected_pooled, _ = pipeline.encode_prompt(
        prompts, do_classifier_free_guidance=False, clip_skip=clip_skip
    )
    prompt_embeds, pooled = encode_prompts(models, prompts, clip_skip)
    torch.testing.assert_close(prompt_embeds, expected)
    torch.testing.assert_close(pooled, expected_pooled)


def test_layers_that_a_text_encoder_does_not_have_cannot_be_skipped(tiny_models: Models) -> None:
    with pytest.raises(EngineError, match="clip_skip = 2 skips all 3 layers"):
        encode_prompts(tiny_models, ["a photo"], clip_skip=2)


def test_a_pipeline_encodes_as_its_models_do(models: Models) -> None:
    prompts = ["a photo of <s0><s1>"]
    pipeline: Any = pipeline_of(models)
    for found, expected in zip(encode_prompts(pipeline, prompts), encode_prompts(models, prompts), strict=True):
        assert torch.equal(found, expected)


def test_a_prompt_that_fits_is_one_chunk(tiny_models: Models) -> None:
    for prompt in ("", "a photo", sentence(75)):
        short, chunked = encode_prompts(tiny_models, [prompt]), encode_prompts(tiny_models, [prompt], chunks=3)
        assert torch.equal(short[0], chunked[0])
        assert torch.equal(short[1], chunked[1])


def test_chunks_have_their_own_start_and_end_and_follow_each_other(tiny_models: Models) -> None:
    """As in ComfyUI and A1111; the pooled embedding is the first chunk's."""
    first, second = sentence(75), "a dog by the sea"
    prompt_embeds, pooled = encode_prompts(tiny_models, [f"{first} {second}"], chunks=3)
    apart, pooled_apart = encode_prompts(tiny_models, [first, second])
    assert prompt_embeds.shape == (1, 2 * 77, 32 + 64)
    torch.testing.assert_close(prompt_embeds[0], apart.flatten(0, 1))
    torch.testing.assert_close(pooled[0], pooled_apart[0])

    tokenizer = tiny_models.tokenizer_2
    ids = input_ids(tiny_models, [f"{first} {second}"], chunks=3)
    expected: Any = tokenizer([first, second], padding="max_length", return_tensors="pt")
    assert torch.equal(ids, expected.input_ids)


def test_what_exceeds_the_chunks_is_cut(tiny_models: Models) -> None:
    longer, longest = sentence(3 * 75), sentence(4 * 75)
    embeds = [encode_prompts(tiny_models, [prompt], chunks=3)[0] for prompt in (longer, longest)]
    assert torch.equal(*embeds)


def test_a_prompt_means_the_same_beside_a_longer_one(tiny_models: Models) -> None:
    """It is repeated to the other's length: the UNet's answer to it stays, in whatever batch."""
    short, long = "a photo of a dog", sentence(100)
    alone, pooled_alone = encode_prompts(tiny_models, [short], chunks=3)
    both, pooled = encode_prompts(tiny_models, [short, long], chunks=3)
    assert both.shape[1] == 2 * alone.shape[1]
    torch.testing.assert_close(pooled[:1], pooled_alone)

    noisy, timesteps = torch.randn(1, 4, 8, 8), torch.tensor([500])
    answers = [
        tiny_models.unet(
            noisy, timesteps, embeds, added_cond_kwargs={"text_embeds": pooled_alone, "time_ids": torch.zeros(1, 6)}
        ).sample
        for embeds in (alone, both[:1])
    ]
    torch.testing.assert_close(*answers)


@pytest.mark.parametrize("text_encoder", [{}, {"clip_skip": 1}], ids=str)
def test_pictures_are_drawn_from_the_same_reading(models: Models, text_encoder: dict[str, Any]) -> None:
    def picture(prompt: str, **settings: Any) -> np.ndarray:
        own = TextEncoderSection(**text_encoder, **settings)
        drawing = {"num_inference_steps": 2, "guidance_scale": 5.0, "seed": 0, "size": 64}
        return np.asarray(sample_images(models, [prompt], **drawing, text_encoder=own)[0])

    short, long = "a photo of <s0><s1>", f"a photo of <s0><s1> {sentence(90)} dog"
    assert np.array_equal(picture(short), picture(short, chunk_captions=True))
    assert not np.array_equal(picture(long), picture(long, chunk_captions=True))


lengths = st.lists(st.integers(0, 12), min_size=15, max_size=60) | st.lists(st.integers(0, 160))
words_of_tokens = lengths.map(lambda counts: [list(range(count)) for count in counts])


@given(words_of_tokens)
def test_chunks_hold_every_token_in_order_and_begin_with_a_word(words: list[list[int]]) -> None:
    chunks = split_chunks(words)
    assert joined(chunks) == joined(words)
    assert all(len(chunk) <= 75 for chunk in chunks)
    assert len(chunks) == 1 or all(chunks)
    starts = {sum(map(len, words[:index])) for index in range(len(words))}
    for index in range(1, len(chunks)):
        at = sum(map(len, chunks[:index]))
        cut = next((word for place, word in places(words) if place < at < place + len(word)), [])
        assert at in starts or len(cut) >= 8  # only long words are taken apart


def joined(parts: list[list[int]]) -> list[int]:
    return list(chain.from_iterable(parts))


def places(words: list[list[int]]) -> list[tuple[int, list[int]]]:
    return [(sum(map(len, words[:index])), word) for index, word in enumerate(words)]


def test_words_one_by_one_have_the_tokens_of_the_whole_prompt(tiny_models: Models) -> None:
    insert_placeholders(tiny_models, TOKENS, seed=0)
    tokenizer: Any = tiny_models.tokenizer

    @given(st.text() | st.lists(st.sampled_from(WORDS)).map(" ".join))
    def check(prompt: str) -> None:
        words = [tokenizer(word, add_special_tokens=False).input_ids for word in prompt.split(" ")]
        assert joined(words) == tokenizer(prompt, add_special_tokens=False).input_ids

    check()


def test_captions_that_are_cut_are_told_without_the_model(tiny_model: Path, tiny_models: Models) -> None:
    captions = {
        "fits.png": f"TOK {sentence(73)}",
        "long.png": f"TOK, {sentence(80)}",
        "longest.png": sentence(300),
    }
    model = {"pretrained_model_name_or_path": str(tiny_model)}
    config = TrainConfig.model_validate({"model": model})
    tokenizer = tokenizer_file(config.model)
    assert tokenizer
    assert cut_captions(captions, config, tokenizer) == [
        CutCaption("long.png", 83, 75),
        CutCaption("longest.png", 300, 75),
    ]
    chunked = TrainConfig.model_validate({"model": model, "text_encoder": {"chunk_captions": True}})
    assert cut_captions(captions, chunked, tokenizer) == [CutCaption("longest.png", 300, 75 * MOST_CHUNKS)]
    insert_placeholders(tiny_models, TOKENS, seed=0)
    ids: Any = tiny_models.tokenizer("<s0><s1>, " + sentence(80)).input_ids
    assert len(ids) - 2 == 83


class Counted:
    """A prompt encoder over fresh models, and how often their text encoders have run."""

    def __init__(self, models: Models, folder: Path | None, settings: TextEncoderSection = PLAIN) -> None:
        self.prompts = PromptEncoder(models, TOKENS, settings, folder)
        self.runs = 0
        models.text_encoder.register_forward_pre_hook(self._count)

    def _count(self, _module: object, _arguments: object) -> None:
        self.runs += 1

    def cache(self, captions: Sequence[str]) -> tuple[Tensor, Tensor]:
        assert list(self.prompts.cache(captions)) == list(range(1, len(captions) + 1))
        return self.prompts.encode(captions)


def test_while_the_text_side_trains_gradients_flow_and_nothing_is_remembered(models: Models, tmp_path: Path) -> None:
    counted = Counted(models, tmp_path)
    assert all(tensor.requires_grad for tensor in counted.prompts.encode(PROMPTS))
    counted.prompts.encode(PROMPTS)
    assert counted.runs == 2
    assert not list(tmp_path.iterdir())


def test_cached_captions_are_what_they_were_and_need_no_text_encoder(models: Models, tmp_path: Path) -> None:
    before = [tensor.detach() for tensor in encode_each(models, PROMPTS)]
    counted = Counted(models, tmp_path)
    after = counted.cache(PROMPTS)
    assert [torch.equal(*pair) for pair in zip(before, after, strict=True)] == [True, True]
    assert counted.runs == len(PROMPTS)
    counted.prompts.encode(PROMPTS[::-1])
    assert counted.runs == len(PROMPTS)


def encode_each(models: Models, prompts: Sequence[str]) -> list[Tensor]:
    each = [encode_prompts(models, [prompt.replace("TOK", "<s0><s1>")]) for prompt in prompts]
    return [torch.cat(tensors) for tensors in zip(*each, strict=True)]


def test_captions_that_are_shuffled_or_dropped_are_encoded_when_they_are_met(models: Models, tmp_path: Path) -> None:
    counted = Counted(models, tmp_path)
    counted.cache(["a, TOK, b"])
    drawn = ["TOK, b, a", "", "a, TOK, b"]
    first = counted.prompts.encode(drawn)
    assert counted.runs == 3
    assert not any(tensor.requires_grad for tensor in first)
    for found, expected in zip(first, encode_each(models, drawn), strict=True):
        torch.testing.assert_close(found, expected)
    runs = counted.runs
    counted.prompts.encode(drawn)
    assert counted.runs == runs


def test_a_later_run_reads_captions_from_disk_to_the_bit(models: Models, tmp_path: Path) -> None:
    first = Counted(models, tmp_path).cache(PROMPTS)
    later = Counted(models, tmp_path)
    second = later.cache(PROMPTS)
    assert later.runs == 0
    assert [torch.equal(*pair) for pair in zip(first, second, strict=True)] == [True, True]


@pytest.mark.parametrize("change", ["rows", "lora", "clip_skip", "chunks", "dtype", "model"])
def test_embeddings_on_disk_are_taken_only_where_nothing_changed(
    change: str, models: Models, tiny_model: Path, tmp_path: Path
) -> None:
    Counted(models, tmp_path).cache(PROMPTS)
    settings = PLAIN
    if change == "rows":
        models.text_encoder_2.get_input_embeddings().rows.data[1, 3] += 1e-4  # type: ignore[operator]
    elif change == "lora":
        lora_parameters(models.text_encoder_2)[-1].data[0, 0] += 1e-4
    elif change == "clip_skip":
        settings = TextEncoderSection(clip_skip=1)
    elif change == "chunks":
        settings = TextEncoderSection(chunk_captions=True)
    elif change == "dtype":
        models.text_encoder.bfloat16()
        models.text_encoder_2.bfloat16()
    else:
        models.source = ModelSection(pretrained_model_name_or_path=str(tiny_model / "unet"))
    later = Counted(models, tmp_path, settings)
    later.cache(PROMPTS)
    assert later.runs == len(PROMPTS)


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_damaged_file_is_made_anew(damage: str, models: Models, tmp_path: Path) -> None:
    first = Counted(models, tmp_path).cache(PROMPTS[:1])
    (file,) = (tmp_path / "prompts").iterdir()
    whole = file.read_bytes()
    flipped = bytearray(whole)
    flipped[-5] ^= 1
    file.write_bytes({"cut": whole[:-9], "flipped": bytes(flipped), "empty": b""}[damage])
    later = Counted(models, tmp_path)
    second = later.cache(PROMPTS[:1])
    assert later.runs == 1
    assert torch.equal(first[0], second[0])
    assert file.read_bytes() == whole


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(models: Models, tmp_path: Path) -> None:
    (tmp_path / "prompts").write_text("a file where the folder should be")
    assert len(Counted(models, tmp_path).cache(PROMPTS)) == 2


def test_the_base_models_reading_knows_neither_lora_nor_new_tokens(models: Models, tiny_models: Models) -> None:
    prompt = "a photo of a TOK dog"
    trained = [
        {name for name, parameter in encoder.named_parameters() if parameter.requires_grad}
        for encoder in (models.text_encoder, models.text_encoder_2)
    ]
    found = PromptEncoder(models, TOKENS, PLAIN, None).encode_as_base(prompt)
    for tensor, expected in zip(found, encode_prompts(tiny_models, [prompt]), strict=True):
        torch.testing.assert_close(tensor, expected)
        assert not tensor.requires_grad
    assert trained == [
        {name for name, parameter in encoder.named_parameters() if parameter.requires_grad}
        for encoder in (models.text_encoder, models.text_encoder_2)
    ]
