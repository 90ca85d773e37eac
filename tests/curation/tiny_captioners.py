"""Captioners of random weights and a few words, saved as the real ones are: the same classes, a millionth the size."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    BartConfig,
    BertTokenizer,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipImageProcessor,
    BlipProcessor,
    CLIPImageProcessor,
    CLIPVisionConfig,
    Florence2Config,
    Florence2ForConditionalGeneration,
    Florence2Processor,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaNextImageProcessor,
    LlavaNextProcessor,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

WORDS = "a photo of the woman in red coat with cup on table and cat rocket launch sky describe this one"
SIDE = 32


def save_blip(folder: Path) -> Path:
    """BLIP: an image encoder and a text decoder that continues a prompt."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = {word: index for index, word in enumerate([*special, *WORDS.split()])}
    tokenizer = BertTokenizer(vocab=vocabulary)
    size: dict[str, Any] = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2)
    ids: dict[str, Any] = dict(bos_token_id=len(vocabulary), sep_token_id=3, pad_token_id=0, eos_token_id=2)
    config = BlipConfig(
        text_config=dict(**size, **ids, vocab_size=len(vocabulary) + 1, encoder_hidden_size=32, projection_dim=16),
        vision_config=dict(**size, image_size=SIDE, patch_size=8, initializer_range=0.02),
        projection_dim=16,
    )
    images = BlipImageProcessor(size={"height": SIDE, "width": SIDE})
    return _save(folder, lambda: BlipForConditionalGeneration(config), BlipProcessor(images, tokenizer), 1, 4.0)


def save_florence(folder: Path) -> Path:
    """Florence-2: an encoder and a decoder, asked by a task."""
    tokenizer = _tokenizer(extra_special_tokens={"image_token": "<image>"})
    ids: dict[str, Any] = dict(
        bos_token_id=0, pad_token_id=1, eos_token_id=2, decoder_start_token_id=2, forced_eos_token_id=2
    )
    text = BartConfig(
        vocab_size=len(tokenizer),
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        max_position_embeddings=256,
        **ids,
    )
    vision: dict[str, Any] = dict(
        depths=[1, 1, 1, 1],
        embed_dim=[8, 8, 16, 32],
        num_heads=[1, 1, 1, 2],
        num_groups=[1, 1, 1, 2],
        window_size=2,
        projection_dim=32,
        drop_path_rate=0.0,
    )
    config = Florence2Config(
        text_config=text.to_dict(),
        vision_config=vision,
        image_token_id=tokenizer.vocab["<image>"],
        **ids,
    )
    images: Any = CLIPImageProcessor(size={"height": 64, "width": 64}, do_center_crop=False)
    images.image_seq_length = 5  # 2x2 patches and their mean
    processor = Florence2Processor(images, tokenizer)
    return _save(folder, lambda: Florence2ForConditionalGeneration(config), processor, 0, 16.0)


CHAT = (
    "{% for message in messages %}{{ message['role'] }} {% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image> {% else %}{{ part['text'] }} {% endif %}{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %}assistant {% endif %}"
)
PLAIN_CHAT = "{{ bos_token }}{% for message in messages %}{{ message['content'] | trim }} {% endfor %}"
"""As Llama 3's and JoyCaption's: a message is a string."""


def save_llava(folder: Path, template: str | None = CHAT) -> Path:
    """LLaVA: a vision tower before a Llama, asked in a chat."""
    tokenizer = _tokenizer(extra_special_tokens={"image_token": "<image>"})
    size: dict[str, Any] = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2)
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**size, image_size=SIDE, patch_size=8),
        text_config=LlamaConfig(**size, vocab_size=len(tokenizer), bos_token_id=0, eos_token_id=2, pad_token_id=1),
        image_token_index=tokenizer.vocab["<image>"],
    )
    images = CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
    processor = LlavaProcessor(
        images,
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template,
    )
    return _save(folder, lambda: LlavaForConditionalGeneration(config), processor, 1, 4.0)


def save_llava_next(folder: Path) -> Path:
    """LLaVA-NeXT: as many image tokens as a photo's shape wants, so that a batch is padded."""
    tokenizer = _tokenizer(extra_special_tokens={"image_token": "<image>"})
    size: dict[str, Any] = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2)
    shapes = [[SIDE, 2 * SIDE], [2 * SIDE, SIDE], [2 * SIDE, 2 * SIDE]]
    config = LlavaNextConfig(
        vision_config=CLIPVisionConfig(**size, image_size=SIDE, patch_size=8),
        text_config=LlamaConfig(**size, vocab_size=len(tokenizer), bos_token_id=0, eos_token_id=2, pad_token_id=1),
        image_grid_pinpoints=shapes,
        image_token_index=tokenizer.vocab["<image>"],
    )
    images = LlavaNextImageProcessor(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}, image_grid_pinpoints=shapes
    )
    processor = LlavaNextProcessor(
        images,
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT,
    )
    return _save(folder, lambda: LlavaNextForConditionalGeneration(config), processor, 2, 8.0)


def _tokenizer(**options: Any) -> PreTrainedTokenizerFast:
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    vocabulary = {word: index for index, word in enumerate([*special, *WORDS.split()])}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token="<s>", pad_token="<pad>", eos_token="</s>", unk_token="<unk>", **options
    )


def _save(folder: Path, build: Callable[[], Any], processor: Any, seed: int, scale: float) -> Path:
    """The same weights each time; seed and scale are such that different photos get different words."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        model = build()
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(scale)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
