"""A smaller model on the GPU: the frozen UNet's weights in 8 or 4 bits, and parts that wait on the CPU."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.errors import EngineError

if TYPE_CHECKING:
    from engine.models.load import Models

Part = Literal["vae", "text_encoder", "text_encoder_2"]
PARTS: tuple[Part, ...] = ("vae", "text_encoder", "text_encoder_2")

FP8 = torch.float8_e4m3fn
CPU = torch.device("cpu")


def quantize_linears(unet: nn.Module, bits: Literal["fp8", "nf4"]) -> None:
    """Replace the linear layers of the frozen UNet's transformer blocks, which hold most of it, by smaller ones.

    fp8: float8_e4m3fn, with a scale for each output channel; plain torch, on any device.  nf4: bitsandbytes' 4 bits
    (Dettmers et al., 2023, arXiv:2305.14314).  Convolutions, norms and embeddings stay as they are.
    Raises EngineError when bitsandbytes is not installed.
    """
    replacement = Float8Linear if bits == "fp8" else _four_bits()
    for name, module in list(unet.named_modules()):
        if ".transformer_blocks." in name and type(module) is nn.Linear:
            parent, _, child = name.rpartition(".")
            setattr(unet.get_submodule(parent), child, replacement(module))


def plain_layers(unet: nn.Module) -> dict[int, Any]:
    """Of each 4-bit layer, by its id: a linear layer with the weights that it computes with, float32, on the CPU.

    For the memo of a deepcopy, which cannot keep the 4 bits where it changes their device.
    """
    names = [name for name, weight in unet.named_parameters() if type(weight).__name__ == "Params4bit"]
    layers = [unet.get_submodule(name.rpartition(".")[0]) for name in names]
    return {id(layer): _plain(layer) for layer in layers}


def _plain(layer: Any) -> nn.Linear:
    from bitsandbytes.functional import dequantize_4bit  # pyright: ignore[reportMissingImports]

    weight = dequantize_4bit(layer.weight.data, layer.weight.quant_state).to(CPU, torch.float32)
    plain = nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None, device="meta")
    plain.weight = nn.Parameter(weight, requires_grad=False)
    if layer.bias is not None:
        plain.bias = nn.Parameter(layer.bias.detach().to(CPU, torch.float32), requires_grad=False)
    return plain


class Float8Linear(nn.Linear):
    """A frozen linear layer whose weight is stored in float8, and is computed with in the input's dtype.

    torchao's weight-only float8 layers keep a copy of each weight in the compute dtype for the backward pass, which
    takes more memory than no quantisation at all; here the backward pass makes that copy anew.
    """

    weight_fp8: Tensor
    scale: Tensor

    def __init__(self, linear: nn.Linear) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = linear.in_features, linear.out_features
        weight = linear.weight.detach().float()
        scale = (weight.abs().amax(dim=1, keepdim=True) / torch.finfo(FP8).max).clamp(min=1e-12)
        self.register_buffer("weight_fp8", (weight / scale).to(FP8))
        self.register_buffer("scale", scale.to(linear.weight.dtype))
        self.bias = linear.bias

    @property
    def weight(self) -> Tensor:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The weight in the dtype that it had, made on the spot; shape (out_features, in_features)."""
        return _dequantized(self.weight_fp8, self.scale, self.scale.dtype)

    def forward(self, input: Tensor) -> Tensor:
        if torch.is_autocast_enabled(input.device.type):
            input = input.to(torch.get_autocast_dtype(input.device.type))
        return _Float8Product.apply(input, self.weight_fp8, self.scale, self.bias)


class _Float8Product(torch.autograd.Function):
    """`linear`, of which autograd keeps the float8 weight alone."""

    @staticmethod
    def forward(ctx: Any, input: Tensor, weight_fp8: Tensor, scale: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(weight_fp8, scale)
        bias = None if bias is None else bias.to(input.dtype)
        return functional.linear(input, _dequantized(weight_fp8, scale, input.dtype), bias)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None, None]:
        weight_fp8, scale = ctx.saved_tensors
        (grad_output,) = grad_outputs
        return grad_output @ _dequantized(weight_fp8, scale, grad_output.dtype), None, None, None


def _dequantized(weight_fp8: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
    return weight_fp8.to(dtype) * scale.to(dtype)


def _four_bits() -> Any:
    """What makes a bitsandbytes layer of a linear one; it quantises when it is moved to the GPU."""
    try:
        from bitsandbytes.nn import Linear4bit, Params4bit  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise EngineError(
            "quantize = nf4 needs bitsandbytes, which is not installed.",
            "Run: pip install bitsandbytes; or set quantize = fp8, which needs nothing.",
        ) from error

    def smaller(linear: nn.Linear) -> nn.Module:
        layer = Linear4bit(
            linear.in_features,
            linear.out_features,
            bias=linear.bias is not None,
            compute_dtype=linear.weight.dtype,
            quant_type="nf4",
            device="meta",
        )
        layer.weight = Params4bit(linear.weight.detach(), requires_grad=False, quant_type="nf4")
        layer.bias = linear.bias
        return layer

    return smaller


def offload(models: "Models", *parts: Part) -> None:
    """Have parts wait on the CPU, and free what they took of the GPU; nothing happens where all is on the CPU.

    A VAE that was never needed is not loaded for it.

    Not for a part that trains: moving it would tear its parameters out of their flat tensor.
    """
    _move(models, [part for part in parts if _is_loaded(models, part)], CPU)
    if models.unet.device.type == "cuda":
        torch.cuda.empty_cache()


@contextmanager
def on_device(models: "Models", *parts: Part) -> Iterator[None]:
    """Parts that wait on the CPU stand beside the UNet inside the block, and wait again after it."""
    device = models.unet.device
    waiting: list[Part] = [
        part for part in parts if not _is_loaded(models, part) or _device(getattr(models, part)) != device
    ]
    _move(models, waiting, device)
    try:
        yield
    finally:
        if waiting:
            offload(models, *waiting)


def _move(models: "Models", parts: Iterable[Part], device: torch.device) -> None:
    for part in parts:
        module: nn.Module = getattr(models, part)
        if _device(module) != device:
            trains = any(parameter.requires_grad for parameter in module.parameters())
            assert not trains, f"{part} trains, and cannot be moved"
            nn.Module.to(module, device)


def _is_loaded(models: "Models", part: Part) -> bool:
    """The VAE is not before it is first needed."""
    return part in vars(models)


def _device(module: nn.Module) -> torch.device:
    return next(module.parameters()).device
