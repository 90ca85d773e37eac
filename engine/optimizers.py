"""AdamW and Prodigy over one flat tensor per parameter group, and the shape of their rates over the run.

prodigyopt synchronises with the device twice for every tensor; one flat tensor of all LoRA weights costs two in all.
The parameters and their gradients are views of the flat tensor, which several library calls break without an error
(`zero_grad(set_to_none=True)`, `.to()`, `.half()`, `deepcopy`), so `check_views` is asked before each step.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from diffusers.optimization import get_scheduler
from prodigyopt import Prodigy
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from engine.errors import EngineError
from engine.settings import OptimizerSection, TextEncoderSection


@dataclass(frozen=True)
class FlatGroup:
    """Parameters that train at one rate, as views of one tensor.

    name: "unet", or "text" for new tokens or text-encoder LoRA.  flat: float32, shape (elements,); the optimizer's.
    """

    name: Literal["unet", "text"]
    parameters: tuple[nn.Parameter, ...]
    flat: nn.Parameter

    @property
    def trains(self) -> bool:
        """False from the pivot on."""
        return self.flat.requires_grad

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

    def zero_grad(self) -> None:
        """Zero the gradients in place; setting them to None would cut the views."""
        if self.flat.grad is not None:
            self.flat.grad.zero_()

    def freeze(self) -> None:
        """Take the parameters out of training for good.

        An optimizer skips a tensor without a gradient, so nothing moves by one bit, while the group, its state and
        Prodigy's d live on. A rate of 0 or zeroed gradients would not do: Prodigy and AdamW's moments move on.
        """
        for parameter in self.parameters:
            parameter.requires_grad_(False)
            parameter.grad = None
        self.flat.requires_grad_(False)
        self.flat.grad = None


def flatten(name: Literal["unet", "text"], parameters: Sequence[nn.Parameter]) -> FlatGroup:
    """Move float32 parameters into one tensor and leave views of it in their places.

    Comes last, when dtype and device are settled.
    """
    assert all(parameter.dtype == torch.float32 for parameter in parameters), "trained weights are float32"
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
    groups: Sequence[FlatGroup], optimizer: OptimizerSection, text_encoder: TextEncoderSection
) -> Optimizer:
    """The optimizer of a resolved config, one parameter group for each flat group, in their order."""
    rates = {"unet": optimizer.learning_rate, "text": text_encoder.text_encoder_lr}
    decays = {"unet": optimizer.adam_weight_decay, "text": text_encoder.adam_weight_decay_text_encoder}
    parameter_groups: list[dict[str, Any]] = [
        {"params": [group.flat], "name": group.name, "lr": rates[group.name], "weight_decay": decays[group.name]}
        for group in groups
    ]
    betas = (optimizer.adam_beta1, optimizer.adam_beta2)
    if optimizer.optimizer == "adamw":
        return AdamW(parameter_groups, betas=betas, eps=optimizer.adam_epsilon)  # type: ignore[arg-type]
    return Prodigy(
        parameter_groups,
        betas=betas,
        beta3=optimizer.prodigy_beta3,
        eps=optimizer.adam_epsilon,
        decouple=optimizer.prodigy_decouple,
        use_bias_correction=optimizer.prodigy_use_bias_correction,
        safeguard_warmup=optimizer.prodigy_safeguard_warmup,
    )


def lr_schedule(optimizer: OptimizerSection, total_steps: int) -> Callable[[int], float]:
    """The factor on every rate as a function of optimizer steps done, so a resume has nothing to restore.

    "constant" with warm-up steps warms up too (diffusers' own constant schedule would ignore them).
    """
    warms_up = optimizer.lr_scheduler == "constant" and optimizer.lr_warmup_steps > 0
    stand_in = torch.optim.SGD([torch.zeros(1)], lr=optimizer.learning_rate or 1.0)
    scheduler = get_scheduler(
        "constant_with_warmup" if warms_up else optimizer.lr_scheduler,
        stand_in,
        num_warmup_steps=optimizer.lr_warmup_steps,
        num_training_steps=total_steps,
    )
    return scheduler.lr_lambdas[0]


def set_rates(optimizer: Optimizer, factor: float) -> None:
    """Set every group's rate to its first one times `factor`."""
    for group in optimizer.param_groups:
        group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor


def optimizer_state(optimizer: Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What a resume needs: tensors by `group.key`, and everything else as JSON values."""
    tensors: dict[str, Tensor] = {}
    scalars: dict[str, Any] = {"groups": [], "state": {}}
    for group in optimizer.param_groups:
        name = group["name"]
        scalars["groups"].append({key: value for key, value in group.items() if key != "params"})
        state = optimizer.state[group["params"][0]]
        scalars["state"][name] = {key: value for key, value in state.items() if not isinstance(value, Tensor)}
        tensors.update({f"{name}.{key}": value for key, value in state.items() if isinstance(value, Tensor)})
    return tensors, scalars


def restore_optimizer(optimizer: Optimizer, tensors: dict[str, Tensor], scalars: dict[str, Any]) -> None:
    """Put back what `optimizer_state` gave, into an optimizer with the same groups. Raises EngineError otherwise."""
    names = [group["name"] for group in optimizer.param_groups]
    if names != [group["name"] for group in scalars["groups"]]:
        raise EngineError("The checkpoint's optimizer has other parameter groups.", "Start a new run.")
    state = {
        index: {
            **{key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")},
            **scalars["state"][name],
        }
        for index, name in enumerate(names)
    }
    groups = [
        {**group, "betas": tuple(group["betas"]), "params": [index]} for index, group in enumerate(scalars["groups"])
    ]
    optimizer.load_state_dict({"state": {k: v for k, v in state.items() if v}, "param_groups": groups})
