"""Parameter groups, flat or tensor by tensor: the same steps, frozen to the bit, restored to the bit."""

import json
import sys
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from peft import LoraConfig
from prodigyopt import Prodigy
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from transformers.optimization import Adafactor

from engine.config import TrainConfig, compose
from engine.errors import EngineError
from engine.events import Step
from engine.plan import resolve
from engine.settings import LoraSection
from engine.training.lora import lora_parameters, unet_target_modules
from engine.training.optimizers import (
    FlatGroup,
    Name,
    ParameterGroup,
    flatten,
    group_parameters,
    lr_schedule,
    make_optimizer,
    optimizer_state,
    restore_optimizer,
    set_rates,
)
from tests.engine.training import Train, of_type

FLAT = ["adamw", "prodigy"]
OPTIMIZERS = [*FLAT, "adafactor"]


def config_of(optimizer: str, **changes: object) -> TrainConfig:
    return resolve(compose(flags={"optimizer": {"optimizer": optimizer, **changes}}).config)


def model_of(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))


def loss_of(model: nn.Module) -> Tensor:
    inputs = torch.randn(32, 6, generator=torch.Generator().manual_seed(1))
    return (model(inputs) - inputs[:, :3] ** 2).square().mean()


def groups_of(model: nn.Sequential, name: str = "adamw") -> list[ParameterGroup]:
    optimizer = config_of(name).optimizer
    return [
        group_parameters("unet", list(model[0].parameters()), optimizer),
        group_parameters("text", list(model[2].parameters()), optimizer),
    ]


def step(model: nn.Module, groups: list[ParameterGroup], optimizer: Optimizer) -> None:
    loss_of(model).backward()
    for group in groups:
        group.check_views()
    optimizer.step()
    for group in groups:
        group.zero_grad()


def optimizer_of(name: str, groups: list[ParameterGroup]) -> Optimizer:
    config = config_of(name)
    return make_optimizer(groups, config.optimizer, config.text_encoder)


def bytes_of(group: ParameterGroup) -> bytes:
    return b"".join(parameter.detach().numpy().tobytes() for parameter in group.parameters)


@pytest.mark.parametrize("name", FLAT)
def test_a_flat_group_steps_as_its_tensors_would(name: str) -> None:
    flat_model, list_model = model_of(), model_of()
    groups = groups_of(flat_model, name)
    assert all(isinstance(group, FlatGroup) for group in groups)
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


def small_unet() -> Any:
    """A UNet of two stages with a LoRA on its attention, always the same one."""
    torch.manual_seed(0)
    unet: Any = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(32, 64),
        layers_per_block=1,
        cross_attention_dim=32,
        attention_head_dim=8,
        norm_num_groups=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    ).requires_grad_(False)
    targets = unet_target_modules(unet, LoraSection())
    unet.add_adapter(LoraConfig(r=4, lora_alpha=4, init_lora_weights="gaussian", target_modules=targets))
    return unet


def denoising_loss(unet: Any, step: int) -> Tensor:
    """The loss on one of four questions in turn."""
    generator = torch.Generator().manual_seed(step % 4)
    noise, latents = (torch.randn(2, 4, 8, 8, generator=generator) for _ in range(2))
    timesteps = torch.randint(1000, (2,), generator=generator)
    prediction = unet(latents + noise, timesteps, encoder_hidden_states=torch.ones(2, 5, 32)).sample
    return (prediction - noise).square().mean()


def test_one_flat_tensor_trains_a_unet_as_prodigyopt_does_tensor_by_tensor() -> None:
    """Sums are taken in another order, so agreement is close, not to the bit."""
    config = config_of("prodigy")
    losses: list[list[float]] = []
    estimates: list[list[float]] = []
    for group_of in (lambda parameters: ParameterGroup("unet", tuple(parameters)), partial(flatten, "unet")):
        unet = small_unet()
        group = group_of(lora_parameters(unet))
        optimizer = make_optimizer([group], config.optimizer, config.text_encoder)
        losses.append([])
        estimates.append([])
        for number in range(80):
            loss = denoising_loss(unet, number)
            loss.backward()
            group.check_views()
            optimizer.step()
            group.zero_grad()
            losses[-1].append(loss.item())
            estimates[-1].append(optimizer.param_groups[0]["d"])
    assert losses[1] == pytest.approx(losses[0], rel=5e-6)
    assert estimates[1] == pytest.approx(estimates[0], rel=1e-5)
    assert estimates[1][-1] > 60 * 1e-6, "d has to grow for the comparison to say anything"


def test_adafactor_steps_tensor_by_tensor_at_the_rate_that_was_set() -> None:
    """Its state is one row and one column for each matrix: of a flat tensor there would be neither."""
    ours, theirs = model_of(), model_of()
    groups = groups_of(ours, "adafactor")
    optimizer = optimizer_of("adafactor", groups)
    settings = config_of("adafactor")
    reference = Adafactor(
        [
            {"params": list(theirs[0].parameters()), "lr": settings.optimizer.learning_rate},
            {"params": list(theirs[2].parameters()), "lr": settings.text_encoder.text_encoder_lr},
        ],
        lr=1.0,
        weight_decay=settings.optimizer.adam_weight_decay or 0.0,
        scale_parameter=False,
        relative_step=False,
    )
    for _ in range(10):
        step(ours, groups, optimizer)
        loss_of(theirs).backward()
        reference.step()
        reference.zero_grad()
    assert all(torch.equal(one, other) for one, other in zip(ours.parameters(), theirs.parameters(), strict=True))
    assert bytes_of(groups[0]) != bytes_of(groups_of(model_of(), "adafactor")[0])


def test_a_parameter_without_a_gradient_is_noticed_where_there_is_no_flat_tensor() -> None:
    model = model_of()
    groups = groups_of(model, "adafactor")
    groups[0].check_views()
    model.zero_grad()
    with pytest.raises(RuntimeError, match="has no gradient"):
        groups[0].check_views()


def test_8_bit_adamw_without_bitsandbytes_is_told_in_two_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("bitsandbytes", "bitsandbytes.optim"):
        monkeypatch.setitem(sys.modules, module, None)  # as where it is not installed
    config = config_of("adamw", use_8bit_adam=True)
    groups = [group_parameters("unet", list(model_of().parameters()), config.optimizer)]
    assert not isinstance(groups[0], FlatGroup)
    with pytest.raises(EngineError, match="needs bitsandbytes, which is not installed") as error:
        make_optimizer(groups, config.optimizer, config.text_encoder)
    assert "pip install bitsandbytes" in error.value.remedy


def test_8_bit_adamw_freezes_and_resumes_to_the_bit() -> None:
    """Where bitsandbytes is installed, which also runs on a CPU."""
    pytest.importorskip("bitsandbytes")
    config = config_of("adamw", use_8bit_adam=True)

    def start(seed: int) -> tuple[nn.Sequential, list[ParameterGroup], Optimizer]:
        torch.manual_seed(seed)  # wide enough: below 4,096 weights the state stays in 32 bits
        model = nn.Sequential(nn.Linear(6, 1024), nn.Tanh(), nn.Linear(1024, 3))
        names: list[Name] = ["unet", "text"]
        groups = [
            group_parameters(name, list(layer.parameters()), config.optimizer)
            for name, layer in zip(names, (model[0], model[2]), strict=True)
        ]
        return model, groups, make_optimizer(groups, config.optimizer, config.text_encoder)

    model, groups, optimizer = start(0)
    for _ in range(10):
        step(model, groups, optimizer)
    weights = {key: value.clone() for key, value in model.state_dict().items()}
    tensors, scalars = optimizer_state(optimizer)
    assert tensors["unet.0.state1"].dtype == torch.uint8
    saved = load(save(tensors)), json.loads(json.dumps(scalars))
    groups[1].freeze()
    frozen = bytes_of(groups[1])

    other, other_groups, resumed = start(9)
    other.load_state_dict(weights)
    restore_optimizer(resumed, *saved)
    other_groups[1].freeze()
    for _ in range(10):
        step(model, groups, optimizer)
        step(other, other_groups, resumed)
    assert bytes_of(groups[1]) == frozen == bytes_of(other_groups[1])
    assert bytes_of(groups[0]) == bytes_of(other_groups[0])


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
    groups = groups_of(model, name)
    optimizer = optimizer_of(name, groups)
    for _ in range(60):
        step(model, groups, optimizer)
    d = optimizer.param_groups[0].get("d", 0.0)
    unet, text = bytes_of(groups[0]), bytes_of(groups[1])
    groups[1].freeze()
    assert not groups[1].trains
    step(model, groups, optimizer)
    if name == "prodigy":
        assert d > 100 * 1e-6
        assert optimizer.param_groups[0]["d"] >= d
    for _ in range(40):
        step(model, groups, optimizer)
    assert bytes_of(groups[1]) == text
    assert all(tensor.grad is None for tensor in groups[1].tensors)
    assert bytes_of(groups[0]) != unet


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("frozen", [False, True])
def test_a_restored_optimizer_takes_the_same_steps_to_the_bit(name: str, frozen: bool) -> None:
    model = model_of()
    groups = groups_of(model, name)
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
    other_groups = groups_of(other, name)
    resumed = optimizer_of(name, other_groups)
    restore_optimizer(resumed, *kept)
    if frozen:
        other_groups[1].freeze()
    for _ in range(30):
        step(other, other_groups, resumed)
    for ours, theirs in zip(groups, other_groups, strict=True):
        assert bytes_of(ours) == bytes_of(theirs)


@pytest.mark.parametrize("other", ["adafactor", "prodigy"])
def test_the_state_of_another_optimizer_is_refused(other: str) -> None:
    groups = groups_of(model_of(), "adafactor" if other == "prodigy" else "adamw")
    saved = optimizer_state(optimizer_of("adafactor" if other == "prodigy" else "adamw", groups))
    with pytest.raises(EngineError, match="other parameter groups"):
        restore_optimizer(optimizer_of(other, groups_of(model_of(), other)), *saved)


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
        "prodigy_d_coef": 0.5,
        "prodigy_growth_rate": 1.02,
    }
    config = config_of("prodigy", **options)
    group = make_optimizer(groups_of(model_of()), config.optimizer, config.text_encoder).param_groups[0]
    assert {key: group[key.removeprefix("prodigy_")] for key in options} == options
    assert group["betas"] == (0.9, 0.99)


def test_prodigys_estimate_grows_no_faster_than_asked() -> None:
    """From its first guess on, which replaces d0 at once."""
    fastest = {}
    for rate in (None, 1.02):
        config, model = config_of("prodigy", prodigy_growth_rate=rate), model_of()
        groups = groups_of(model, "prodigy")
        optimizer = make_optimizer(groups, config.optimizer, config.text_encoder)
        estimates = []
        for _ in range(10):
            step(model, groups, optimizer)
            estimates.append(optimizer.param_groups[0]["d"])
        fastest[rate] = max(after / before for before, after in pairwise(estimates) if before > 1e-6)
    assert fastest[None] > 1.2
    assert fastest[1.02] == pytest.approx(1.02)


COSINE_TWICE = {0: 1.0, 25: 0.5, 49: 0.001, 50: 1.0, 75: 0.5, 99: 0.001, 100: 0.0}


@pytest.mark.parametrize(
    ("shape", "changes", "factors"),
    [
        ("constant", {}, {0: 1.0, 50: 1.0, 99: 1.0}),
        ("constant", {"lr_warmup_steps": 10}, {0: 0.0, 5: 0.5, 10: 1.0, 99: 1.0}),
        ("constant_with_warmup", {"lr_warmup_steps": 10}, {0: 0.0, 5: 0.5, 10: 1.0, 99: 1.0}),
        ("linear", {}, {0: 1.0, 50: 0.5, 100: 0.0}),
        ("linear", {"lr_warmup_steps": 20}, {0: 0.0, 10: 0.5, 20: 1.0, 60: 0.5, 100: 0.0}),
        ("cosine", {}, {0: 1.0, 50: 0.5, 100: 0.0}),
        ("cosine_with_restarts", {}, {0: 1.0, 50: 0.5, 100: 0.0}),
        ("cosine_with_restarts", {"lr_num_cycles": 2}, COSINE_TWICE),
        ("polynomial", {}, {0: 1.0, 50: 0.5, 100: 0.0}),
        ("polynomial", {"lr_power": 2.0}, {0: 1.0, 50: 0.25, 90: 0.01, 100: 0.0}),
    ],
)
def test_a_schedule_is_a_function_of_optimizer_steps(
    shape: str, changes: dict[str, object], factors: dict[int, float]
) -> None:
    config = config_of("prodigy", lr_scheduler=shape, **changes)
    schedule = lr_schedule(config.optimizer, total_steps=100)
    assert {done: schedule(done) for done in factors} == pytest.approx(factors, abs=1e-4)


def test_rates_are_the_first_ones_times_the_factor_each_time() -> None:
    config = config_of("adamw")
    optimizer = make_optimizer(groups_of(model_of()), config.optimizer, config.text_encoder)
    for factor in (0.5, 0.5, 1.0):
        set_rates(optimizer, factor)
    assert [group["lr"] for group in optimizer.param_groups] == [1e-4, 3e-4]


def test_rates_fall_with_optimizer_steps_whatever_the_accumulation(train: Train) -> None:
    falling = {"optimizer": "adamw", "lr_scheduler": "linear", "lr_warmup_steps": 1}
    rates = {}
    for micro_batches in (1, 2):
        run = {"gradient_accumulation_steps": micro_batches}
        _, events = train(f"run-{micro_batches}", optimizer=falling, run=run)
        rates[micro_batches] = [step.lr["unet"] / 1e-4 for step in of_type(events, Step)]
    assert rates[1] == rates[2] == pytest.approx([0, 1, 2 / 3, 1 / 3])
