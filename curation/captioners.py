"""Captions written by a model: BLIP, Florence-2, or a larger vision-language model, through transformers' own classes.

torch and transformers are imported where a model is loaded and run, and nowhere else in curation.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from curation.dataset import Dataset, open_dataset, save_captions
from curation.errors import CurationError
from curation.hub import HUB_SECONDS, hub_refusal, is_hub_name
from curation.model_files import PICKLE_REMEDY, holds_pickles, unsafe_file
from curation.photo import Undecodable, decode
from curation.regular import read_regular
from curation.text import visible

DEFAULT_CAPTIONER = "Salesforce/blip-image-captioning-base"
"""The guide's, section "Custom Captioning"."""

QUESTION = "Describe this photo in one sentence: what is seen, the pose, the place and the light."
FLORENCE_TASK = "<DETAILED_CAPTION>"
CONTINUING = frozenset({"blip", "blip-2"})
"""Model types that caption without a prompt; one that is given is taken for the caption's beginning."""

SMALL_FILES = (".json", ".jinja", ".model", ".txt")
"""What is fetched of a model besides its weights, of which only those in .safetensors are."""

SIDE = 1024
"""Longest side of the picture that a model is given: what SDXL is trained on, and no thousands of image tokens."""

MAX_NEW_TOKENS = 75
"""As many tokens as SDXL's text encoders read of a caption (CLIP's 77 less its two marks)."""


@dataclass(frozen=True)
class Captioner:
    """A model that is ready to caption.

    prompt: the caption's beginning, Florence-2's task or a chat's question; None lets BLIP begin by itself.
    model, processor: transformers' own; the model is in evaluation mode, on its device.
    """

    name: str
    prompt: str | None
    model: Any
    processor: Any

    def describe(self, images: Sequence[Image.Image]) -> list[str]:
        """One caption, in one line, for each RGB picture; greedy, so the same at any batch size.

        Raises CurationError when memory runs out and when the model does not take the prompt.
        """
        import torch

        try:
            with torch.inference_mode():
                inputs = self._inputs(images).to(self.model.device, self.model.dtype)
                tokens = self.model.generate(**inputs, max_new_tokens=MAX_NEW_TOKENS, do_sample=False)
        except (RuntimeError, MemoryError) as error:
            if not _is_out_of_memory(error):
                raise
            raise _out_of_memory(self.name, len(images)) from error
        except ValueError as error:  # a task of Florence-2's with words added, an image token of the model's own
            raise CurationError(
                f"The model {self.name} does not take the prompt: {visible(str(error)).rstrip('.')}.",
                "Give another --prompt, or none.",
            ) from error
        return [self._caption(row) for row in self._without_prompt(tokens, inputs)]

    def _inputs(self, images: Sequence[Image.Image]) -> Any:
        """What `generate` takes, padded to one length."""
        chat = self.model.config.model_type not in CONTINUING | {"florence2"}
        prompt = _chat_prompt(self.processor, self.prompt or QUESTION) if chat else self.prompt
        begins = bool(chat and prompt and prompt.startswith(self.processor.tokenizer.bos_token or "\0"))
        return self.processor(
            images=[[image] for image in images] if chat else list(images),
            text=[prompt] * len(images) if prompt else None,
            return_tensors="pt",
            **({"padding": True} if prompt else {}),
            **({"add_special_tokens": False} if begins else {}),
        )

    def _without_prompt(self, tokens: Any, inputs: Any) -> Any:
        """The tokens that are the caption: all of BLIP's, else those after the prompt, where it is repeated."""
        asked = inputs.get("input_ids")
        if asked is None or self.model.config.model_type == "blip":
            return tokens
        length = asked.shape[1]
        return tokens[:, length:] if tokens[:, :length].equal(asked) else tokens

    def _caption(self, tokens: Any) -> str:
        tokenizer = self.processor.tokenizer
        text = " ".join(tokenizer.decode(tokens, skip_special_tokens=True).split())
        ended = len(tokens) < MAX_NEW_TOKENS or int(tokens[-1]) in tokenizer.all_special_ids
        return text if ended else whole_sentences(text)


@dataclass(frozen=True)
class Captioned:
    """What came of one batch.  captions: by photo name.  unreadable: why a photo was passed over, by name."""

    captions: Mapping[str, str]
    unreadable: Mapping[str, str]


def load_captioner(name: str = DEFAULT_CAPTIONER, prompt: str | None = None) -> Captioner:
    """Load a captioning model: a folder that `save_pretrained` wrote, or a model of the hub, fetched when missing.

    On a GPU in bf16 (fp16 where the GPU has no bf16), else on the CPU in fp32.  Code that comes with a model is never
    run.  Raises CurationError for a model that is out of reach, broken, too large, or none that captions.
    """
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor
    from transformers.utils import logging

    logging.set_verbosity_error()  # its advice is for programmers
    logging.disable_progress_bar()
    folder = Path(os.path.expanduser(name))  # noqa: PTH111 - Path.expanduser raises where nobody has that name
    if not folder.is_dir():
        folder = _fetched(name)
    model_type = _model_type(name, folder)
    _must_be_safe(name, folder)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    half = torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else torch.float16
    try:
        processor = AutoProcessor.from_pretrained(folder, trust_remote_code=False)
        model: Any = AutoModelForImageTextToText.from_pretrained(
            folder,
            dtype=torch.float32 if device.type == "cpu" else half,
            trust_remote_code=False,
            use_safetensors=True,
        )
        model = model.to(device).eval()
    except Exception as error:  # transformers raises anything on files that do not fit together
        raise _unloadable(name, error) from error
    if model_type not in CONTINUING | {"florence2"}:
        if not processor.chat_template:
            raise CurationError(
                f"The model {name} ({model_type}) has no chat template, so it cannot be asked for a caption.",
                f"Name another model, e.g. {DEFAULT_CAPTIONER}.",
            )
        processor.tokenizer.padding_side = "left"  # the caption follows the prompt
    if model_type == "florence2":
        prompt = prompt or FLORENCE_TASK
    return Captioner(name, prompt, model, processor)


def caption_photos(
    dataset: Dataset, names: Sequence[str], captioner: Captioner, batch_size: int = 8
) -> Iterator[Captioned]:
    """Caption the named photos in turn, yielding each batch when it is done; the next one is decoded meanwhile.

    Nothing is saved here: see `fill`.  Raises CurationError as `Captioner.describe` does.
    """
    paths = {photo.name: photo.path for photo in dataset.photos}
    batches = [names[start : start + batch_size] for start in range(0, len(names), batch_size)]
    with ThreadPoolExecutor() as pool:
        decoding = _start_decoding(pool, paths, batches[0]) if batches else {}
        for following in [*batches[1:], ()]:
            decoded = {name: future.result() for name, future in decoding.items()}
            decoding = _start_decoding(pool, paths, following)
            images = {name: image for name, image in decoded.items() if isinstance(image, Image.Image)}
            captions = captioner.describe(list(images.values())) if images else []
            unreadable = {name: reason for name, reason in decoded.items() if isinstance(reason, str)}
            yield Captioned(dict(zip(images, captions, strict=True)), unreadable)


def whole_sentences(text: str) -> str:
    """A text that was cut somewhere, up to the end of its last whole sentence; all of it where none ends."""
    whole = re.match(r".+[.!?](?=\s)", text)
    return whole[0] if whole else text


def photos_to_caption(dataset: Dataset, named: Sequence[str] = (), overwrite: bool = False) -> list[str]:
    """The names of the photos that lack a caption, of those that are named, else of those that training uses.

    overwrite: also of those that have one.  Raises CurationError for a name that is not there.
    """
    photos = {photo.name: photo for photo in dataset.photos}
    if unknown := [name for name in named if name not in photos]:
        raise CurationError(
            f'There is no photo "{visible(unknown[0])}" in {visible(str(dataset.root))}.',
            "`loratui caption list` shows their names.",
        )
    chosen = [photos[name] for name in dict.fromkeys(named)] if named else dataset.trainable
    return [photo.name for photo in chosen if overwrite or not (photo.caption or "").strip()]


def fill(dataset: Dataset, captions: Mapping[str, str], summary: str | None = None) -> tuple[str, ...]:
    """Save captions to the folder as it is now, and return the names of the photos that took theirs.

    A photo whose caption someone wrote or changed since `dataset` was opened keeps it: captioning takes hours, and
    people go on working.  Raises CurationError as `save_captions` does.
    """
    before = {photo.name: photo.caption for photo in dataset.photos}
    now = open_dataset(dataset.root, dataset.caption_column)
    unchanged = {photo.name for photo in now.photos if photo.caption == before.get(photo.name, photo.caption)}
    taken = {name: caption for name, caption in captions.items() if name in unchanged}
    if taken:
        save_captions(now, taken, summary)
    return tuple(taken)


def _start_decoding(
    pool: ThreadPoolExecutor, paths: Mapping[str, Path], names: Sequence[str]
) -> dict[str, Future[Image.Image | str]]:
    return {name: pool.submit(_picture, paths[name]) for name in names}


def _picture(path: Path) -> Image.Image | str:
    """The photo, no larger than SIDE, or why it cannot be read."""
    try:
        image = decode(read_regular(path), least_side=SIDE).image
    except Undecodable as error:
        return str(error)
    except OSError as error:
        return error.strerror or str(error)
    image.thumbnail((SIDE, SIDE))
    return image


def _chat_prompt(processor: Any, question: str) -> str:
    """A chat of one picture and one question, as the model was trained on it."""

    def rendered(content: Any) -> str:
        return processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)

    try:
        prompt = rendered([{"type": "image"}, {"type": "text", "text": question}])
    except TypeError:  # a template that joins strings
        prompt = ""
    if prompt and "'type'" not in prompt:
        return prompt
    # A template for plain strings (JoyCaption's): some place the picture themselves, others leave that to the asker.
    prompt = rendered(question)
    return prompt if processor.image_token in prompt else rendered(f"{processor.image_token}\n{question}")


def _fetched(name: str) -> Path:
    """The folder of a hub's model in the hub's cache, with what is missing there fetched.

    The hub is asked once and briefly, and the files that are here do where it does not answer: transformers would ask
    for each file, and wait long for each.  Raises CurationError.
    """
    from huggingface_hub import HfApi, snapshot_download, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
    from huggingface_hub.utils import httpx

    if not is_hub_name(name):
        raise CurationError(
            f"There is no model folder {visible(name)}.",
            f"Name a folder that is there, or a model of the hub: {DEFAULT_CAPTIONER}.",
        )
    try:
        try:
            siblings = HfApi().model_info(name, timeout=HUB_SECONDS).siblings or []
        except (httpx.TransportError, OfflineModeIsEnabled):
            if isinstance(config := try_to_load_from_cache(name, "config.json"), str):
                return Path(config).parent
            raise
        _model_type(name, Path(snapshot_download(name, allow_patterns=["config.json"])))  # before gigabytes follow
        files = [file.rfilename for file in siblings if "/" not in file.rfilename]
        if not any(file.endswith(".safetensors") for file in files):
            raise _without_safetensors(name, PICKLE_REMEDY)
        wanted = [file for file in files if file.endswith((*SMALL_FILES, ".safetensors"))]
        return Path(snapshot_download(name, allow_patterns=wanted))
    except (HfHubHTTPError, httpx.HTTPError, OSError, ValueError) as error:
        raise hub_refusal("model", name, error) or _unloadable(name, error) from error


def _model_type(name: str, folder: Path) -> str:
    """The kind of model by its config. Raises CurationError for one that is none, or does not caption."""
    from transformers import PreTrainedConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES

    try:
        config, _ = PreTrainedConfig.get_config_dict(folder)
    except (OSError, ValueError) as error:
        raise _unloadable(name, error) from error
    if not config:
        raise CurationError(f"{visible(name)} holds no model: it has no config.json.", "Name another model.")
    model_type = str(config.get("model_type"))
    if model_type == "florence2" and "auto_map" in config:
        size = "large" if "large" in name.lower() else "base"
        raise CurationError(
            f"The model {visible(name)} comes with code of its own, which is not run.",
            f"Use the same model in transformers' form: --model florence-community/Florence-2-{size}",
        )
    if model_type not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES:
        raise CurationError(
            f"The model {visible(name)} is of the type {visible(model_type)}, which does not caption photos.",
            f"Name one that does: {DEFAULT_CAPTIONER}, florence-community/Florence-2-base, or a vision-language model.",
        )
    return model_type


def _must_be_safe(name: str, folder: Path) -> None:
    """Raises CurationError for a model whose weights would be unpickled, or lie elsewhere than in the folder."""
    if not any(folder.glob("*.safetensors")):
        remedy = PICKLE_REMEDY if holds_pickles(folder) else "Download it again, or name another one."
        raise _without_safetensors(name, remedy)
    if unsafe := unsafe_file(folder):
        raise CurationError(
            f"The model {visible(name)} is not loaded: {unsafe}.",
            "Only weights in .safetensors files of its own are read; name a model of somebody whom you trust.",
        )


def _without_safetensors(name: str, remedy: str) -> CurationError:
    return CurationError(f"The model {visible(name)} has no weights in .safetensors.", remedy)


def _unloadable(name: str, error: Exception) -> CurationError:
    if _is_out_of_memory(error):
        return _out_of_memory(name, 1)
    if isinstance(error, ImportError):
        package = re.search(r"[Pp]ackage `(\w+)`|the (\w+) library|No module named '(\w+)", str(error))
        named = next((group for group in package.groups() if group), "") if package else ""
        return CurationError(
            f"The model {visible(name)} needs a package that is not installed{named and f': {named.lower()}'}.",
            f"Run: pip install {named.lower() or 'what its page names'}",
        )
    first_line = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".:")
    return CurationError(
        f"The model {visible(name)} cannot be loaded: {visible(first_line)}.",
        "Download it again, or name another one.",
    )


def _is_out_of_memory(error: BaseException) -> bool:
    """Of the GPU (torch.OutOfMemoryError), or of the machine."""
    import torch

    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


def _out_of_memory(name: str, photos: int) -> CurationError:
    if photos > 1:
        return CurationError(
            f"The memory does not suffice for {photos} photos at once.",
            f"Repeat the command with --batch-size {photos // 2}; captions that were saved stay.",
        )
    return CurationError(
        f"The memory does not suffice for the model {visible(name)}.", "Name a smaller one with --model."
    )
