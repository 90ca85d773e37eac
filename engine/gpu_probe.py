"""What torch makes of this machine's GPUs, printed as JSON: run in a process of its own, which a driver may hang."""

import json
from typing import Any

import torch

SIDE = 512
TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def product_error(device: torch.device, dtype: torch.dtype) -> float:
    """How far a product of two matrices on `device` is from the CPU's in float64, relative to its norm."""
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(SIDE, SIDE, generator=generator).to(dtype) for _ in range(2))
    expected = left.double() @ right.double()
    product = (left.to(device) @ right.to(device)).cpu().double()
    return ((product - expected).norm() / expected.norm()).item()


def probe() -> dict[str, Any]:
    """built_for: torch's CUDA or ROCm version.  gpus: each with its name, bytes, and products' errors by dtype.

    A product that fails has the message in its place.
    """
    return {
        "built_for": torch.version.cuda,
        "rocm": torch.version.hip,
        "gpus": [_gpu(number) for number in range(torch.cuda.device_count())],
    }


def _gpu(number: int) -> dict[str, Any]:
    properties = torch.cuda.get_device_properties(number)
    has_bf16 = properties.major >= 8
    products: dict[str, float | str] = {}
    try:
        free = torch.cuda.mem_get_info(number)[0]
        for name, dtype in TYPES.items():
            if dtype != torch.bfloat16 or has_bf16 or torch.version.hip:
                products[name] = product_error(torch.device("cuda", number), dtype)
    except RuntimeError as error:  # no kernels for this GPU in this build, no memory, a broken driver
        free = 0
        products["float32"] = str(error).splitlines()[0]
    return {"name": properties.name, "total": properties.total_memory, "free": free, "products": products}


if __name__ == "__main__":
    print(json.dumps(probe()))  # noqa: T201 - the answer
