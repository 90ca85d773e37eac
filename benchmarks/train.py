"""Seconds, memory and arithmetic of a training step: SDXL at full size with random weights, or the tiny model.

Run: python -m benchmarks.train [--tiny] [--steps N] [--compile] [--json]

Steps are the trainer's own, from photos to the optimizer's update, with latents cached: rank 32 in bf16 at 1024 px,
batches of 1 and 4, Prodigy with new tokens before and after the pivot, and AdamW.  On a CPU use --tiny.
"""

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

STARTED = time.perf_counter()  # before the libraries are imported, which counts in the time to the first step

import numpy as np  # noqa: E402
import torch  # noqa: E402
from diffusers import AutoencoderKL, UNet2DConditionModel  # noqa: E402
from PIL import Image  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection  # noqa: E402

from engine.config import TrainConfig, compose  # noqa: E402
from engine.data.examples import read_examples  # noqa: E402
from engine.data.latents import Posteriors  # noqa: E402
from engine.data.samples import photo_samples  # noqa: E402
from engine.models.clip_vocabulary import read_merges, sdxl_tokenizers  # noqa: E402
from engine.models.load import Models, default_device, load_models, schedulers, silence_libraries  # noqa: E402
from engine.models.low_memory import offload  # noqa: E402
from engine.models.single_file import CONFIGS  # noqa: E402
from engine.plan import plan, resolve  # noqa: E402
from engine.rundir import create_run  # noqa: E402
from engine.settings import ModelSection  # noqa: E402
from engine.training.trainer import Trainer  # noqa: E402

PHOTOS = 4
WARM_UP = 3  # steps: kernels are chosen and the optimizer's state is made in the first ones
TINY = ModelSection(pretrained_model_name_or_path="tiny")

# Dense bf16 tensor-core arithmetic of NVIDIA's data sheets, in 1e12 operations a second; by the device's name.
PEAK = {
    "H200": 989.0,
    "H100 PCIe": 756.0,
    "H100": 989.0,
    "A100": 312.0,
    "L40S": 362.0,
    "L4": 121.0,
    "A10": 125.0,
    "RTX 4090": 165.2,
    "RTX 3090": 71.0,
}


@dataclass(frozen=True)
class Measured:
    """One row. peak_memory: bytes on the GPU.  share_of_peak: of the device's bf16 arithmetic.  None where unknown."""

    case: str
    batch: int
    seconds_per_step: float
    samples_per_second: float
    operations_per_step: float
    peak_memory: int | None
    share_of_peak: float | None
    seconds_to_first_step: float


def random_sdxl(dtype: torch.dtype, device: torch.device) -> Models:
    """SDXL at its size, with random weights and OpenAI's vocabulary; made where it is used."""
    tokenizer, tokenizer_2 = sdxl_tokenizers(read_merges(CONFIGS / "tokenizer" / "merges.txt"))
    unet_class: Any = UNet2DConditionModel
    vae_class: Any = AutoencoderKL
    text_config = CLIPTextConfig.from_pretrained(CONFIGS, subfolder="text_encoder")
    text_config_2 = CLIPTextConfig.from_pretrained(
        CONFIGS, subfolder="text_encoder_2", eos_token_id=tokenizer_2.eos_token_id
    )
    default = torch.get_default_dtype()
    try:
        with torch.device(device):
            vae = vae_class.from_config(vae_class.load_config(CONFIGS, subfolder="vae"))
            torch.set_default_dtype(dtype)
            unet = unet_class.from_config(unet_class.load_config(CONFIGS, subfolder="unet"))
            text_encoder, text_encoder_2 = CLIPTextModel(text_config), CLIPTextModelWithProjection(text_config_2)
    finally:
        torch.set_default_dtype(default)
    for module in (unet, vae, text_encoder, text_encoder_2):
        module.requires_grad_(False)
    schedule = json.loads((CONFIGS / "scheduler" / "scheduler_config.json").read_text("utf-8"))
    noise_scheduler, scheduler = schedulers(TINY, schedule)
    # The source only names the cache of prompts, which lies in a folder of this run alone.
    return Models(
        tokenizer, tokenizer_2, text_encoder, text_encoder_2, lambda: vae, unet, noise_scheduler, scheduler, TINY
    )


def config_of(photos: Path, optimizer: str, batch: int, tiny: bool, compiled: bool) -> TrainConfig:
    text = {"train_text_encoder_ti": optimizer == "prodigy"}
    settings: dict[str, dict[str, Any]] = {
        "data": {"instance_data_dir": str(photos), "resolution": 64 if tiny else 1024, "center_crop": True},
        "concept": {"instance_prompt": "a photo of TOK"},
        "model": {"pretrained_model_name_or_path": "tiny"},
        "lora": {"rank": 32},
        "text_encoder": text,
        "optimizer": {"optimizer": optimizer},
        "run": {"train_batch_size": batch, "max_train_steps": 1000, "torch_compile": compiled},
    }
    return resolve(compose(flags=settings).config)


def trainer_of(folder: Path, config: TrainConfig, tiny: bool, device: torch.device) -> Trainer:
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    models = load_models(TINY, dtype, device) if tiny else random_sdxl(dtype, device)
    posteriors = Posteriors(lambda: models.vae, "random", models.vae.dtype, None, print)
    examples = read_examples(config)
    photos = photo_samples(examples, config, posteriors)
    for _ in photos.cache_latents(range(PHOTOS)):
        pass
    offload(models, "vae")
    run = create_run(folder, f"{config.optimizer.optimizer}-{config.run.train_batch_size}", config)
    return Trainer(run, config, plan(config, len(examples)), models, photos, None, lambda _: None)


def measure(trainer: Trainer, case: str, steps: int, started: float) -> Measured:
    """Steps of the trainer as it stands."""
    trainer.prepare()
    trainer.enter("training")
    batch = trainer.config.run.train_batch_size
    trainer.update(0)
    _wait(trainer.device)
    to_first_step = time.perf_counter() - started
    counter = FlopCounterMode(display=False)
    with counter:
        trainer.update(0)
    for _ in range(WARM_UP - 2):
        trainer.update(0)
    _wait(trainer.device)
    seconds = []
    for step in range(steps):
        began = time.perf_counter()
        trainer.update(step * batch)
        _wait(trainer.device)
        seconds.append(time.perf_counter() - began)
    operations, peak = counter.get_total_flops(), _peak(trainer.device)
    return Measured(
        case=case,
        batch=batch,
        seconds_per_step=median(seconds),
        samples_per_second=batch / median(seconds),
        operations_per_step=operations,
        peak_memory=trainer.peak_memory(),
        share_of_peak=operations / median(seconds) / (peak * 1e12) if peak else None,
        seconds_to_first_step=to_first_step,
    )


def cases(tiny: bool, compiled: bool, steps: int, folder: Path) -> Iterator[Measured]:
    """Models are made anew for each optimizer and batch; time to the first step counts that, and once the imports."""
    device, photos = default_device(), folder / "photos"
    write_photos(photos, 64 if tiny else 1024)
    started = STARTED
    for optimizer in ("prodigy", "adamw"):
        for batch in (1, 4):
            if device.type == "cuda":
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats(device)
            trainer = trainer_of(folder, config_of(photos, optimizer, batch, tiny, compiled), tiny, device)
            if optimizer == "adamw":
                yield measure(trainer, "AdamW, UNet alone", steps, started)
            else:
                yield measure(trainer, "Prodigy and new tokens, before the pivot", steps, started)
                if device.type == "cuda":
                    torch.cuda.reset_peak_memory_stats(device)
                trainer.step, started = trainer.plan.pivot_step or 0, time.perf_counter()
                yield measure(trainer, "Prodigy and new tokens, after the pivot", steps, started)
            del trainer
            started = time.perf_counter()


def write_photos(folder: Path, side: int) -> None:
    """Noise, which trains as long as anything else."""
    folder.mkdir()
    chance = np.random.default_rng(0)
    for number in range(PHOTOS):
        Image.fromarray(chance.integers(0, 256, (side, side, 3), dtype=np.uint8)).save(folder / f"{number}.png")


def machine() -> str:
    """The device, and what else the figures depend on."""
    device = default_device()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU ({platform.machine()})"
    load = f"{torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    return f"{name}, {load}, torch {torch.__version__}, diffusers {version('diffusers')}"


def row(measured: Measured) -> str:
    memory = "-" if measured.peak_memory is None else f"{measured.peak_memory / 2**30:.1f} GiB"
    share = "-" if measured.share_of_peak is None else f"{measured.share_of_peak:.0%}"
    return (
        f"{measured.case:42} {measured.batch:5} {measured.seconds_per_step:8.3f} {measured.samples_per_second:10.2f} "
        f"{measured.operations_per_step / 1e12:10.3g} {memory:>11} {share:>6} {measured.seconds_to_first_step:11.1f}"
    )


def _peak(device: torch.device) -> float | None:
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((peak for known, peak in PEAK.items() if known in name), None)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="the tiny model at 64 px")
    parser.add_argument("--steps", type=int, default=20, help="timed steps of each case")
    parser.add_argument("--compile", action="store_true", help="with torch_compile")
    parser.add_argument("--json", action="store_true", help="print one JSON object a case")
    options = parser.parse_args()
    silence_libraries()
    model = "tiny model" if options.tiny else "SDXL at full size, random weights"
    titles = f"{'case':42} {'batch':>5} {'s/step':>8} {'samples/s':>10} {'Top/step':>10} {'memory':>11} {'peak':>6}"
    if not options.json:
        print(f"{model} on {machine()}\n{titles} {'first step s':>11}")  # noqa: T201
    with tempfile.TemporaryDirectory() as folder:
        for measured in cases(options.tiny, options.compile, options.steps, Path(folder)):
            found = json.dumps({"device": machine(), **asdict(measured)}) if options.json else row(measured)
            print(found, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
