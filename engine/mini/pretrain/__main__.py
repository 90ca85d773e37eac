"""`python -m engine.mini.pretrain`: draw the world, train the mini model on it from nothing, and save it.

It goes on where it was killed: all that it has done lies in the working folder.
"""

import argparse
import json
import time
from pathlib import Path

import torch
from diffusers import StableDiffusionXLPipeline

from curation.atomic import write_text
from engine.mini.architecture import merges, new_scheduler
from engine.mini.model import MINI
from engine.mini.pretrain.autoencoder import train_autoencoder
from engine.mini.pretrain.drawings import drawings
from engine.mini.pretrain.painter import train_painter
from engine.models.clip_vocabulary import sdxl_tokenizers


def main() -> None:
    """Run what is left of the three parts: drawings, autoencoder, painter."""
    parser = argparse.ArgumentParser(prog="python -m engine.mini.pretrain", description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("mini-pretraining"), help="where everything is kept")
    parser.add_argument("--output", type=Path, default=MINI, help="where the model is saved")
    parser.add_argument("--pictures", type=int, default=60_000)
    parser.add_argument("--autoencoder-steps", type=int, default=3_200)
    parser.add_argument("--painter-steps", type=int, default=6_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--processes", type=int, default=2, help="that draw")
    given = parser.parse_args()

    began, device = time.monotonic(), torch.device(given.device)
    work = given.work / f"seed-{given.seed}"
    pictures = drawings(work, given.seed, given.pictures, given.processes)
    vae = train_autoencoder(work, pictures, given.autoencoder_steps, given.seed, device)
    painter = train_painter(work, vae, pictures, given.seed, given.painter_steps, device)
    save(vae, painter, given.output)
    print(f"{given.output}: {(time.monotonic() - began) / 60:.0f} min since this start")  # noqa: T201


def save(vae: torch.nn.Module, painter: torch.nn.ModuleDict, folder: Path) -> None:
    """Write the pipeline in fp16, as `save_pretrained` lays it out.

    The text encoders' configs ask for float32, since transformers heeds them and diffusers loads all else in that.
    """
    tokenizer, tokenizer_2 = sdxl_tokenizers(merges())
    pipeline = StableDiffusionXLPipeline(
        vae=vae,  # pyright: ignore[reportArgumentType]
        tokenizer=tokenizer,
        tokenizer_2=tokenizer_2,
        scheduler=new_scheduler(),  # pyright: ignore[reportArgumentType]
        **dict(painter.items()),  # pyright: ignore[reportArgumentType]
        add_watermarker=False,
    )
    pipeline.to(torch.float16).save_pretrained(folder)
    for part in ("text_encoder", "text_encoder_2"):
        config = folder / part / "config.json"
        write_text(config, json.dumps(json.loads(config.read_text()) | {"dtype": "float32"}, indent=2) + "\n")


if __name__ == "__main__":
    main()
