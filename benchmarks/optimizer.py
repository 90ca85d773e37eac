"""What one optimizer step costs at SDXL's size, rank 16: all LoRA weights in one flat tensor, or tensor by tensor.

Run: python -m benchmarks.optimizer [--steps N] [--device cpu|cuda]

What a flat tensor saves is what each operation costs before it begins: a kernel's launch and a synchronisation on a
GPU, the threads' start on a CPU.  On one CPU thread (OMP_NUM_THREADS=1) small tensors win: they fit into the cache.
"""

import argparse
import os
import platform
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from peft import LoraConfig
from torch import nn

import engine
from engine.config import compose
from engine.plan import resolve
from engine.settings import LoraSection
from engine.training.lora import lora_parameters, unet_target_modules
from engine.training.optimizers import FlatGroup, ParameterGroup, flatten, make_optimizer

RANK = 16
WARM_UP = 2  # steps: the first ones make the optimizer's state


def sdxl_lora_shapes() -> list[torch.Size]:
    """The shapes of a rank-16 LoRA on the attention of SDXL's UNet, which is built without memory for it."""
    with torch.device("meta"):
        config: Any = UNet2DConditionModel.load_config(Path(engine.__file__).parent / "sdxl" / "unet")
        unet: Any = UNet2DConditionModel.from_config(config)
        unet.add_adapter(LoraConfig(r=RANK, target_modules=unet_target_modules(unet, LoraSection())))
    return [parameter.shape for parameter in lora_parameters(unet)]


def listed(parameters: list[nn.Parameter]) -> ParameterGroup:
    """The group with an optimizer's tensor for each parameter, as the libraries' examples have it."""
    return ParameterGroup("unet", tuple(parameters))


def flat(parameters: list[nn.Parameter]) -> FlatGroup:
    """The group with one tensor, as training has it."""
    return flatten("unet", parameters)


def step_seconds(
    name: str,
    group_of: Callable[[list[nn.Parameter]], ParameterGroup],
    shapes: list[torch.Size],
    device: torch.device,
    steps: int,
) -> list[float]:
    """The wall-clock time of each of `steps` optimizer steps; gradients are made between them, and not timed."""
    torch.manual_seed(0)
    parameters = [nn.Parameter(torch.randn(shape, device=device) * 0.01) for shape in shapes]
    group = group_of(parameters)
    config = resolve(compose(flags={"optimizer": {"optimizer": name}}).config)
    optimizer = make_optimizer([group], config.optimizer, config.text_encoder)
    seconds = []
    for _ in range(WARM_UP + steps):
        for tensor in group.tensors:
            tensor.grad = torch.randn_like(tensor) if tensor.grad is None else tensor.grad.normal_()
        synchronise(device)
        began = time.perf_counter()
        optimizer.step()
        synchronise(device)
        seconds.append(time.perf_counter() - began)
    return seconds[WARM_UP:]


def synchronise(device: torch.device) -> None:
    """Wait for the device, which works on while Python goes ahead."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def told(device: torch.device) -> str:
    """The machine, what else it is doing, and the libraries."""
    machine = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or "CPU"
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    versions = ", ".join(f"{package} {version(package)}" for package in ("torch", "prodigyopt", "peft", "diffusers"))
    return (
        f"{machine} ({platform.machine()}), {torch.get_num_threads()} of {os.cpu_count()} CPU threads, "
        f"load averages {load}\nPython {platform.python_version()}, {versions}"
    )


def table(shapes: list[torch.Size], device: torch.device, steps: int) -> Iterator[str]:
    """A line of Markdown for each optimizer and kind of group, in milliseconds, as it is measured."""
    yield "| optimizer | tensors | median | least | most |\n|---|---|---:|---:|---:|"
    for name in ("adamw", "prodigy"):
        medians = []
        for kind, group_of in (("one for each", listed), ("one flat", flat)):
            times = [1000 * seconds for seconds in step_seconds(name, group_of, shapes, device, steps)]
            medians.append(median(times))
            yield f"| {name} | {kind} | {median(times):.1f} | {min(times):.1f} | {max(times):.1f} |"
        yield f"| {name} | flat is faster by a factor of | {medians[0] / medians[1]:.1f} | | |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10, help="timed steps of each kind")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    device, shapes = torch.device(arguments.device), sdxl_lora_shapes()
    weights = sum(shape.numel() for shape in shapes)
    size = f"{len(shapes):,} tensors, {weights:,} float32 weights; {arguments.steps} steps each, milliseconds\n"
    for line in (told(device), size):
        print(line)  # noqa: T201
    for line in table(shapes, device, arguments.steps):
        print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
