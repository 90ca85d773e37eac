"""The base model as it was before its LoRA, for as long as it is asked."""

from collections.abc import Iterator
from contextlib import contextmanager

from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn


@contextmanager
def adapters_disabled(*modules: nn.Module) -> Iterator[None]:
    """The modules as they were before their LoRA; what trains afterwards is what trained before."""
    layers = [layer for module in modules for layer in module.modules() if isinstance(layer, BaseTunerLayer)]
    for layer in layers:
        layer._disable_adapters = True  # peft's enable_adapters() has all of them train, and takes as long as a step
    try:
        yield
    finally:
        for layer in layers:
            layer._disable_adapters = False
