"""Flat parameter groups: the same steps as a list of tensors, frozen to the bit, restored to the bit."""

import json
from collections.abc import Callable

import pytest
import torch
from prodigyopt import Prodigy
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from engine.config import TrainConfig, compose
from engine.optimizers import (
    FlatGroup,
    flatten,
    lr_schedule,
    make_optimizer,
    optimizer_state,
    restore_optimizer,
    set_rates,
)
from engine.plan import resolve

OPTIMIZERS = ["adamw", "prodigy"]


def config_of(optimizer: str, **changes: object) -> TrainConfig:
    return resolve(compose(flags={"optimizer": {"optimizer": optimizer, **changes}}).config)


def model_of(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))


def loss_of(model: nn.Module) -> Tensor:
    inputs = torch.randn(32, 6, generator=torch.Generator().manual_seed(1))
    return (model(inputs) - inputs[:, :3] ** 2).square().mean()


def groups_of(model: nn.Sequential) -> list[FlatGroup]:
    return [flatten("unet", list(model[0].parameters())), flatten("text", list(model[2].parameters()))]


def step(model: nn.Module, groups: list[FlatGroup], optimizer: Optimizer) -> None:
    loss_of(model).backward()
    for group in groups:
        group.check_views()
    optimizer.step()
    for group in groups:
        group.zero_grad()


def optimizer_of(name: str, groups: list[FlatGroup]) -> Optimizer:
    config = config_of(name)
    return make_optimizer(groups, config.optimizer, config.text_encoder)


def bytes_of(tensor: Tensor) -> bytes:
    return tensor.detach().numpy().tobytes()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_flat_group_steps_as_its_tensors_would(name: str) -> None:
    flat_model, list_model = model_of(), model_of()
    groups = groups_of(flat_model)
    flat = optimizer_of(name, groups)
    settings = config_of(name).optimizer
    shared = {"betas": (settings.adam_beta1, settings.adam_beta2), "eps": settings.adam_epsilon}
    listed = [
        {"params": list(list_model[0].parameters()), "lr": settings.learning_rate},
        {"params": list(list_model[2].parameters()), "lr": config_of(name).text_encoder.text_encoder_lr},
    ]
    decay = settings.adam_weight_decay
    reference: Optimizer = (
        AdamW(listed, weight_decay=decay, **shared)  # type: ignore[arg-type]
        if name == "adamw"
        else Prodigy(listed, weight_decay=decay, use_bias_correction=True, safeguard_warmup=True, **shared)  # type: ignore[arg-type]
    )
    for _ in range(40):  # sums are taken in another order, and the difference grows with the steps
        step(flat_model, groups, flat)
        loss_of(list_model).backward()
        reference.step()
        reference.zero_grad()
    for ours, theirs in zip(flat_model.parameters(), list_model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)
    if name == "prodigy":
        assert flat.param_groups[0]["d"] > 100 * 1e-6, "d has to grow for the comparison to say anything"
        assert flat.param_groups[0]["d"] == pytest.approx(reference.param_groups[0]["d"], rel=1e-3)


@pytest.mark.parametrize(
    "break_views",
    [
        lambda model, _: model.zero_grad(),
        lambda _, optimizer: optimizer.zero_grad(),
        lambda model, _: model.half(),
        lambda model, _: setattr(model[0].weight, "data", model[0].weight.data.clone()),
    ],
    ids=["the model's zero_grad to None", "the optimizer's zero_grad to None", "half", "copied data"],
)
def test_a_parameter_that_left_its_flat_tensor_is_noticed(
    break_views: Callable[[nn.Sequential, Optimizer], object],
) -> None:
    model = model_of()
    groups = groups_of(model)
    optimizer = optimizer_of("adamw", groups)
    groups[0].check_views()
    break_views(model, optimizer)
    with pytest.raises(RuntimeError, match="left its flat tensor"):
        groups[0].check_views()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_frozen_group_does_not_move_by_one_bit_and_the_rest_goes_on(name: str) -> None:
    model = model_of()
    groups = groups_of(model)
    optimizer = optimizer_of(name, groups)
    for _ in range(60):
        step(model, groups, optimizer)
    d = optimizer.param_groups[0].get("d", 0.0)
    unet, text = bytes_of(groups[0].flat), bytes_of(groups[1].flat)
    groups[1].freeze()
    assert not groups[1].trains
    step(model, groups, optimizer)
    if name == "prodigy":
        assert d > 100 * 1e-6
        assert optimizer.param_groups[0]["d"] >= d
    for _ in range(40):
        step(model, groups, optimizer)
    assert bytes_of(groups[1].flat) == text == b"".join(bytes_of(parameter) for parameter in model[2].parameters())
    assert bytes_of(groups[0].flat) != unet


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("frozen", [False, True])
def test_a_restored_optimizer_takes_the_same_steps_to_the_bit(name: str, frozen: bool) -> None:
    model = model_of()
    groups = groups_of(model)
    optimizer = optimizer_of(name, groups)
    for _ in range(30):
        step(model, groups, optimizer)
    if frozen:
        groups[1].freeze()
    weights = {key: value.clone() for key, value in model.state_dict().items()}
    tensors, scalars = optimizer_state(optimizer)
    kept = {key: tensor.clone() for key, tensor in tensors.items()}, json.loads(json.dumps(scalars))
    for _ in range(30):
        step(model, groups, optimizer)

    other = model_of(seed=9)
    other.load_state_dict(weights)
    other_groups = groups_of(other)
    resumed = optimizer_of(name, other_groups)
    restore_optimizer(resumed, *kept)
    if frozen:
        other_groups[1].freeze()
    for _ in range(30):
        step(other, other_groups, resumed)
    for ours, theirs in zip(groups, other_groups, strict=True):
        assert bytes_of(ours.flat) == bytes_of(theirs.flat)


def test_the_text_side_has_its_own_rate_and_decay_and_zero_is_a_value() -> None:
    flags = {
        "optimizer": {"optimizer": "adamw", "adam_weight_decay": 0.1},
        "text_encoder": {"text_encoder_lr": 2e-3, "adam_weight_decay_text_encoder": 0.0},
    }
    config = resolve(compose(flags=flags).config)
    unet, text = make_optimizer(groups_of(model_of()), config.optimizer, config.text_encoder).param_groups
    assert (unet["lr"], unet["weight_decay"]) == (1e-4, 0.1)
    assert (text["lr"], text["weight_decay"]) == (2e-3, 0.0)


def test_prodigy_takes_all_its_options() -> None:
    options = {
        "prodigy_beta3": 0.9,
        "prodigy_decouple": False,
        "prodigy_use_bias_correction": False,
        "prodigy_safeguard_warmup": False,
    }
    config = config_of("prodigy", **options)
    group = make_optimizer(groups_of(model_of()), config.optimizer, config.text_encoder).param_groups[0]
    assert {key: group[key.removeprefix("prodigy_")] for key in options} == options
    assert group["betas"] == (0.9, 0.99)


@pytest.mark.parametrize(
    ("shape", "warmup", "factors"),
    [
        ("constant", 0, {0: 1.0, 50: 1.0, 99: 1.0}),
        ("constant", 10, {0: 0.0, 5: 0.5, 10: 1.0, 99: 1.0}),
        ("constant_with_warmup", 10, {0: 0.0, 5: 0.5, 10: 1.0, 99: 1.0}),
        ("linear", 0, {0: 1.0, 50: 0.5, 100: 0.0}),
        ("cosine", 0, {0: 1.0, 50: 0.5, 100: 0.0}),
        ("polynomial", 0, {0: 1.0, 50: 0.5, 100: 0.0}),
    ],
)
def test_a_schedule_is_a_function_of_optimizer_steps(shape: str, warmup: int, factors: dict[int, float]) -> None:
    config = config_of("prodigy", lr_scheduler=shape, lr_warmup_steps=warmup)
    schedule = lr_schedule(config.optimizer, total_steps=100)
    assert {done: schedule(done) for done in factors} == pytest.approx(factors, abs=1e-6)


def test_rates_are_the_first_ones_times_the_factor_each_time() -> None:
    config = config_of("adamw")
    optimizer = make_optimizer(groups_of(model_of()), config.optimizer, config.text_encoder)
    for factor in (0.5, 0.5, 1.0):
        set_rates(optimizer, factor)
    assert [group["lr"] for group in optimizer.param_groups] == [1e-4, 3e-4]
