"""The bytes of tensors that are alive, and what autocast and fused attention do to them, on a device without either."""

import contextlib
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# What CUDA's autocast computes in the lower type, and what it computes in float32, of the functions in SDXL
# (pytorch.org/docs/stable/amp.html).
LOWER_PRECISION = ("linear", "conv2d")
FULL_PRECISION = ("group_norm", "layer_norm", "softmax", "mse_loss")


class LiveBytes(TorchDispatchMode):
    """Counts the storages that operations make while it is entered, until nothing holds them any more.

    Autograd's saved tensors, gradients and temporary results are counted alike, and what is recomputed under gradient
    checkpointing when it is.  peak: bytes at the height.  modules: their weights are there already, so that views of
    them are not counted.
    """

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__()
        self.bytes = self.peak = 0
        there = [tensor for module in modules for tensor in (*module.parameters(), *module.buffers())]
        grads = [tensor.grad for tensor in there if tensor.grad is not None]
        self._known: dict[int, Any] = {
            tensor.untyped_storage()._cdata: tensor.untyped_storage() for tensor in (*there, *grads)
        }

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._see(tensor.untyped_storage())
        return result

    def _see(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key not in self._known:
            self.bytes += size
            self.peak = max(self.peak, self.bytes)
            self._known[key] = weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        del self._known[key]
        self.bytes -= size


@contextlib.contextmanager
def as_on_a_gpu(dtype: torch.dtype) -> Iterator[None]:
    """Autocast to `dtype` (none for float32) and flash attention, for the meta device, which has neither.

    Attention there would make the whole matrix of weights, which no GPU kernel keeps.  For a process of its own: it
    replaces functions of torch.
    """
    autocasts = dtype != torch.float32
    is_enabled, dtype_of = torch.is_autocast_enabled, torch.get_autocast_dtype
    stand_ins: list[tuple[Any, str, Callable[..., Any]]] = [
        (torch, "is_autocast_enabled", lambda *on: autocasts if on == ("meta",) else is_enabled(*on)),
        (torch, "get_autocast_dtype", lambda on: dtype if on == "meta" else dtype_of(on)),
        (F, "scaled_dot_product_attention", _casting(_flash_attention, dtype) if autocasts else _flash_attention),
    ]
    if autocasts:
        stand_ins += [(F, name, _casting(getattr(F, name), dtype)) for name in LOWER_PRECISION]
        stand_ins += [(F, name, _casting(getattr(F, name), torch.float32)) for name in FULL_PRECISION]
    own = [(module, name, getattr(module, name)) for module, name, _ in stand_ins]
    try:
        for module, name, function in stand_ins:
            setattr(module, name, function)
        yield
    finally:
        for module, name, function in own:
            setattr(module, name, function)


def _casting(function: Callable[..., Tensor], dtype: torch.dtype) -> Callable[..., Tensor]:
    def cast(value: Any) -> Any:
        return value.to(dtype) if isinstance(value, Tensor) and value.is_floating_point() else value

    def call(*args: Any, **kwargs: Any) -> Tensor:
        return function(*map(cast, args), **{key: cast(value) for key, value in kwargs.items()})

    return call


def _flash_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    return torch.ops.aten._scaled_dot_product_flash_attention(query, key, value, dropout_p, is_causal, scale=scale)[0]
