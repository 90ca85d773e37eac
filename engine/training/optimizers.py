"""Optimizers over groups of parameters that train at one rate, and the shape of their rates over the run.

prodigyopt synchronises with the device twice for every tensor; one flat tensor of all LoRA weights costs two in all.
Adafactor and 8-bit AdamW look at each tensor's own shape or blocks, so theirs stay apart.
The parameters and gradients of a flat group are views of its tensor, which several library calls break without an
error (`zero_grad(set_to_none=True)`, `.to()`, `.half()`, `deepcopy`): `check_views` is asked before each step.
"""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from diffusers.optimization import get_scheduler
from prodigyopt import Prodigy
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from transformers.optimization import Adafactor

from engine.errors import EngineError
from engine.settings import OptimizerSection, TextEncoderSection

Name = Literal["unet", "text"]


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that train at one rate, each stepped by itself.

    name: "unet", or "text" for new tokens or text-encoder LoRA.
    """

    name: Name
    parameters: tuple[nn.Parameter, ...]

    @property
    def tensors(self) -> tuple[nn.Parameter, ...]:
        """What the optimizer steps, and what is clipped and reduced: the parameters, or one tensor of them all."""
        return self.parameters

    @property
    def trains(self) -> bool:
        """False from the pivot on."""
        return self.tensors[0].requires_grad

    def check_views(self) -> None:
        """Raises RuntimeError when a parameter would not train, because its gradient went missing."""
        if self.trains and any(parameter.grad is None for parameter in self.parameters):
            raise RuntimeError(f"A parameter of the {self.name} group has no gradient: it would not train.")

    def zero_grad(self) -> None:
        """Zero the gradients in place; setting them to None would cut a flat group's views."""
        for tensor in self.tensors:
            if tensor.grad is not None:
                tensor.grad.zero_()

    def freeze(self) -> None:
        """Take the parameters out of training for good.

        An optimizer skips a tensor without a gradient, so nothing moves by one bit, while the group, its state and
        Prodigy's d live on. A rate of 0 or zeroed gradients would not do: Prodigy and AdamW's moments move on.
        """
        for tensor in (*self.parameters, *self.tensors):
            tensor.requires_grad_(False)
            tensor.grad = None


@dataclass(frozen=True)
class FlatGroup(ParameterGroup):
    """A group whose parameters are views of one tensor.

    flat: float32, shape (elements,); the optimizer's only tensor of this group.
    """

    flat: nn.Parameter

    @property
    def tensors(self) -> tuple[nn.Parameter, ...]:
        return (self.flat,)

    def check_views(self) -> None:
        """Raises RuntimeError when a parameter or its gradient no longer shares the flat tensor's memory."""
        if self.trains and not self._views_hold():
            raise RuntimeError(f"A parameter of the {self.name} group left its flat tensor: it would not train.")

    def _views_hold(self) -> bool:
        if self.flat.grad is None:
            return False
        data, grad = self.flat.data_ptr(), self.flat.grad.data_ptr()
        offset = 0
        for parameter in self.parameters:
            places = data + offset, grad + offset
            if parameter.grad is None or (parameter.data_ptr(), parameter.grad.data_ptr()) != places:
                return False
            offset += parameter.numel() * self.flat.element_size()
        return True


def group_parameters(name: Name, parameters: Sequence[nn.Parameter], optimizer: OptimizerSection) -> ParameterGroup:
    """A group as `optimizer` takes it: flat for AdamW and Prodigy, tensor by tensor for the others.

    parameters: float32.  Comes last, when dtype and device are settled.
    """
    assert all(parameter.dtype == torch.float32 for parameter in parameters), "trained weights are float32"
    if optimizer.optimizer != "adafactor" and not optimizer.use_8bit_adam:
        return flatten(name, parameters)
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    return ParameterGroup(name, tuple(parameters))


def flatten(name: Name, parameters: Sequence[nn.Parameter]) -> FlatGroup:
    """Move float32 parameters into one tensor and leave views of it in their places."""
    flat = nn.Parameter(torch.cat([parameter.detach().reshape(-1) for parameter in parameters]))
    flat.grad = torch.zeros_like(flat)
    offset = 0
    for parameter in parameters:
        end = offset + parameter.numel()
        parameter.data = flat.data[offset:end].view_as(parameter)
        parameter.grad = flat.grad[offset:end].view_as(parameter)
        offset = end
    return FlatGroup(name, tuple(parameters), flat)


def make_optimizer(
    groups: Sequence[ParameterGroup], optimizer: OptimizerSection, text_encoder: TextEncoderSection
) -> Optimizer:
    """The optimizer of a resolved config, one of its parameter groups for each of `groups`, in their order.

    Raises EngineError when 8-bit AdamW is asked for and bitsandbytes is not installed.
    """
    rates = {"unet": optimizer.learning_rate, "text": text_encoder.text_encoder_lr}
    decays = {"unet": optimizer.adam_weight_decay, "text": text_encoder.adam_weight_decay_text_encoder}
    settings: Any = [
        {
            "params": list(group.tensors),
            "name": group.name,
            "lr": rates[group.name],
            "weight_decay": decays[group.name],
        }
        for group in groups
    ]
    if optimizer.optimizer == "adafactor":  # with the rate that was set, instead of one that it finds by itself
        return Adafactor(settings, lr=optimizer.learning_rate, scale_parameter=False, relative_step=False)
    betas: Any = (optimizer.adam_beta1, optimizer.adam_beta2)
    if optimizer.optimizer == "adamw":
        adam = _adam_8bit() if optimizer.use_8bit_adam else AdamW
        return adam(settings, betas=betas, eps=optimizer.adam_epsilon)
    return Prodigy(
        settings,
        betas=betas,
        beta3=optimizer.prodigy_beta3,
        eps=optimizer.adam_epsilon,
        decouple=optimizer.prodigy_decouple,
        use_bias_correction=optimizer.prodigy_use_bias_correction,
        safeguard_warmup=optimizer.prodigy_safeguard_warmup,
        d_coef=optimizer.prodigy_d_coef,
        growth_rate=float("inf") if optimizer.prodigy_growth_rate is None else optimizer.prodigy_growth_rate,
    )


def _adam_8bit() -> Any:
    try:
        return importlib.import_module("bitsandbytes.optim").AdamW8bit
    except ImportError:
        raise EngineError(
            "8-bit AdamW needs bitsandbytes, which is not installed.",
            "Install it with: pip install bitsandbytes, or set use_8bit_adam = false.",
        ) from None


def lr_schedule(optimizer: OptimizerSection, total_steps: int) -> Callable[[int], float]:
    """The factor on every rate as a function of optimizer steps done, so a resume has nothing to restore.

    "constant" with warm-up steps warms up too (diffusers' own constant schedule would ignore them).
    """
    warms_up = optimizer.lr_scheduler == "constant" and optimizer.lr_warmup_steps > 0
    scheduler = get_scheduler(
        "constant_with_warmup" if warms_up else optimizer.lr_scheduler,
        torch.optim.SGD([torch.zeros(1)], lr=1.0),  # a stand-in: only the factors are wanted
        num_warmup_steps=optimizer.lr_warmup_steps,
        num_training_steps=total_steps,
        num_cycles=optimizer.lr_num_cycles,
        power=optimizer.lr_power,
    )
    return scheduler.lr_lambdas[0]


def set_rates(optimizer: Optimizer, factor: float) -> None:
    """Set every group's rate to its first one times `factor`."""
    for group in optimizer.param_groups:
        group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor


def optimizer_state(optimizer: Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What a resume needs: copies of the tensors on the CPU, by `group.index.key`, and all else as JSON values."""
    tensors: dict[str, Tensor] = {}
    scalars: dict[str, Any] = {"groups": [], "state": {}}
    for group in optimizer.param_groups:
        scalars["groups"].append({key: value for key, value in group.items() if key != "params"})
        for index, parameter in enumerate(group["params"]):
            place = f"{group['name']}.{index}"
            scalars["state"][place] = {}
            for key, value in optimizer.state[parameter].items():
                if isinstance(value, Tensor):
                    tensors[f"{place}.{key}"] = value.detach().to("cpu", copy=True)
                else:
                    scalars["state"][place][key] = value
    return tensors, scalars


def restore_optimizer(optimizer: Optimizer, tensors: dict[str, Tensor], scalars: dict[str, Any]) -> None:
    """Put back what `optimizer_state` gave, into an optimizer with the same groups. Raises EngineError otherwise."""
    places = [f"{group['name']}.{index}" for group in optimizer.param_groups for index in range(len(group["params"]))]
    if places != list(scalars["state"]):
        raise EngineError("The checkpoint's optimizer has other parameter groups.", "Start a new run.")
    states: dict[str, dict[str, Any]] = {place: dict(scalars["state"][place]) for place in places}
    for name, tensor in tensors.items():
        place, _, key = name.rpartition(".")
        states[place][key] = tensor
    numbers = iter(range(len(places)))
    groups = [
        {
            **{key: tuple(value) if isinstance(value, list) else value for key, value in saved.items()},
            "params": [next(numbers) for _ in group["params"]],
        }
        for group, saved in zip(optimizer.param_groups, scalars["groups"], strict=True)
    ]
    state = {number: state for number, state in enumerate(states.values()) if state}
    optimizer.load_state_dict({"state": state, "param_groups": groups})
