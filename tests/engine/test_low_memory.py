"""The frozen base in fewer bits: close in what it computes, small in what it keeps, and invisible to the LoRA."""

import copy
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode

from engine.errors import EngineError
from engine.models.load import Models, load_models, load_unet
from engine.models.low_memory import Float8Linear, offload, on_device, plain_layers, quantize_linears
from engine.results.export import export
from engine.results.verify import _float32_copy, verify_export
from engine.settings import LoraSection, ModelSection
from engine.training.lora import add_adapters, lora_state
from tests.engine.training import Train

CPU = torch.device("cpu")


def section(tiny_model: Path, **settings: Any) -> ModelSection:
    return ModelSection(pretrained_model_name_or_path=str(tiny_model), **settings)


@pytest.fixture
def linear() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(48, 32).requires_grad_(False)


def kept_for_backward(layer: nn.Module, input: Tensor) -> list[Tensor]:
    kept: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        layer(input).sum().backward()
    return kept


def test_a_float8_layer_is_within_its_rounding_of_the_whole_one(linear: nn.Linear) -> None:
    small = Float8Linear(linear)
    # Three bits of mantissa: half a step is at most 1/16 of a number; the tiniest ones are multiples of 2^-9 of 448.
    smallest = linear.weight.abs().amax(dim=1, keepdim=True) / 448 * 2**-9
    assert ((small.weight - linear.weight).abs() <= linear.weight.abs() / 16 + smallest).all()
    assert small.weight_fp8.dtype == torch.float8_e4m3fn


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_its_output_and_gradient_are_those_of_its_own_weight(linear: nn.Linear, dtype: torch.dtype) -> None:
    small = Float8Linear(linear.to(dtype))
    whole = nn.Linear(48, 32, dtype=dtype).requires_grad_(False)
    whole.load_state_dict({"weight": small.weight, "bias": linear.bias})
    ours, theirs = (torch.randn(2, 5, 48, generator=torch.Generator().manual_seed(1)).to(dtype) for _ in range(2))
    for layer, input in ((small, ours), (whole, theirs)):
        layer(input.requires_grad_()).square().sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)
    torch.testing.assert_close(small(ours), whole(theirs))


def test_the_backward_pass_keeps_no_copy_of_the_weight(linear: nn.Linear) -> None:
    input = torch.randn(5, 48, requires_grad=True)
    assert any(tensor.shape == linear.weight.T.shape for tensor in kept_for_backward(linear, input))
    copies = [tensor for tensor in kept_for_backward(Float8Linear(linear), input) if tensor.numel() == 48 * 32]
    assert [tensor.dtype for tensor in copies] == [torch.float8_e4m3fn]


def test_under_autocast_it_computes_in_the_lower_type(linear: nn.Linear) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert Float8Linear(linear)(torch.randn(1, 48)).dtype == linear(torch.randn(1, 48)).dtype == torch.bfloat16


def test_only_linear_layers_of_transformer_blocks_are_made_smaller(tiny_model: Path) -> None:
    unet = load_unet(section(tiny_model, quantize="fp8"), torch.bfloat16)
    small = {name for name, module in unet.named_modules() if isinstance(module, Float8Linear)}
    linears = {
        name
        for name, module in load_unet(section(tiny_model), torch.bfloat16).named_modules()
        if type(module) is nn.Linear
    }
    assert small == {name for name in linears if ".transformer_blocks." in name}
    assert unet.dtype == torch.bfloat16
    assert not any(parameter.requires_grad for parameter in unet.parameters())


@pytest.mark.parametrize("use_dora", [False, True])
def test_a_lora_on_top_has_the_same_names_and_is_float32(tiny_model: Path, use_dora: bool) -> None:
    states = []
    for quantize in (None, "fp8"):
        models = load_models(section(tiny_model, quantize=quantize), torch.bfloat16, CPU)
        add_adapters(models, LoraSection(rank=4, use_dora=use_dora), False, seed=0)
        states.append(lora_state(models.unet))
    whole, small = states
    assert {name: tensor.shape for name, tensor in whole.items()} == {
        name: tensor.shape for name, tensor in small.items()
    }
    assert {tensor.dtype for tensor in small.values()} == {torch.float32}


def test_a_run_with_low_memory_learns_and_its_files_are_verified(train: Train, tmp_path: Path) -> None:
    trainer, _ = train("small", run={"low_memory": True})
    assert any(isinstance(module, Float8Linear) for module in trainer.models.unet.modules())
    weights = trainer.weights()
    assert all(tensor.abs().sum() > 0 for name, tensor in weights.unet.items() if "lora_B" in name)
    files = export(weights, tmp_path / "output", "small", trainer.config)
    verification = verify_export(weights, files, trainer.models)
    assert verification.ok, verification.message


def test_a_float8_unet_on_a_gpu_is_copied_whole_for_the_comparison_on_the_cpu() -> None:
    """On a GPU that is not there: fake tensors know where they would be."""
    with FakeTensorMode():
        copied = _float32_copy(nn.Sequential(Float8Linear(nn.Linear(4, 3, device="cuda"))))  # pyright: ignore[reportArgumentType]
        assert {tensor.device for tensor in (*copied.parameters(), *copied.buffers())} == {CPU}


@pytest.mark.skipif(find_spec("bitsandbytes") is not None, reason="bitsandbytes is installed")
def test_four_bits_without_bitsandbytes_are_told_in_two_sentences(tiny_model: Path) -> None:
    with pytest.raises(EngineError) as raised:
        load_unet(section(tiny_model, quantize="nf4"), torch.float32)
    assert "bitsandbytes" in raised.value.problem and "pip install bitsandbytes" in raised.value.remedy


def test_a_vae_is_loaded_for_a_picture_and_not_to_be_sent_away(tiny_models: Models) -> None:
    offload(tiny_models, "vae")
    assert "vae" not in vars(tiny_models)
    with on_device(tiny_models, "vae"):
        assert tiny_models.vae.device == CPU
    assert "vae" in vars(tiny_models)


def test_where_all_is_on_the_cpu_nothing_moves(tiny_models: Models) -> None:
    before = tiny_models.vae.encoder.conv_in.weight.data_ptr()
    offload(tiny_models, "vae", "text_encoder", "text_encoder_2")
    with on_device(tiny_models, "vae"):
        assert tiny_models.vae.encoder.conv_in.weight.data_ptr() == before


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_parts_wait_on_the_cpu_and_come_back_for_a_picture(tiny_model: Path) -> None:
    models = load_models(section(tiny_model), torch.bfloat16, torch.device("cuda"))
    full = torch.cuda.memory_allocated()
    offload(models, "vae", "text_encoder")
    assert torch.cuda.memory_allocated() < full and models.vae.device == CPU
    with on_device(models, "vae", "text_encoder"):
        assert models.vae.device.type == models.text_encoder.device.type == "cuda"
    assert models.vae.device == models.text_encoder.device == CPU
    models.text_encoder_2.requires_grad_(True)
    with pytest.raises(AssertionError, match="trains"):
        offload(models, "text_encoder_2")


def test_a_copy_on_the_cpu_has_plain_layers_for_those_of_4_bits() -> None:
    """With the weights that the 4 bits stand for, which no longer are the ones that were quantised."""
    pytest.importorskip("bitsandbytes")
    unet = nn.ModuleDict({"down": nn.ModuleDict({"transformer_blocks": nn.ModuleList([nn.Linear(128, 64)])})})
    original = unet.get_submodule("down.transformer_blocks.0")
    quantize_linears(unet.requires_grad_(False), "nf4")
    nn.Module.to(unet, torch.device("cpu"))  # where the 4 bits are made
    layer = unet.get_submodule("down.transformer_blocks.0")
    plain = copy.deepcopy(unet, plain_layers(unet)).get_submodule("down.transformer_blocks.0")
    question = torch.randn(3, 128, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(plain(question), layer(question), rtol=1e-4, atol=1e-5)
    assert type(plain) is nn.Linear and not torch.allclose(plain(question), original(question), rtol=1e-3)
