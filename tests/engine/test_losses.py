"""The loss against the papers' formulas, written out in float64."""

from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler

from engine.training.losses import (
    add_noise,
    alphas_cumprod,
    diffusion_loss,
    diffusion_target,
    mask_weights,
    min_snr_weights,
    snr,
)

TIMESTEPS = torch.tensor([0, 1, 37, 500, 998, 999])


def sdxl_schedule(**changes: Any) -> DDPMScheduler:
    return DDPMScheduler(
        num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", **changes
    )


def all_alpha_bars() -> np.ndarray:
    """Of SDXL's betas (Ho et al., 2020, eq. 4)."""
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    return np.cumprod(1 - betas)


def alpha_bars() -> np.ndarray:
    return all_alpha_bars()[TIMESTEPS.numpy()]


def test_alpha_bars_are_exact_where_little_noise_is_added() -> None:
    exact = all_alpha_bars()
    assert 1 - alphas_cumprod(sdxl_schedule()).numpy() == pytest.approx(1 - exact, rel=1e-6)
    assert sdxl_schedule().alphas_cumprod.dtype == torch.float32  # the scheduler's own are not
    assert 1 - sdxl_schedule().alphas_cumprod.numpy() != pytest.approx(1 - exact, rel=1e-6)


def test_a_schedule_with_zero_terminal_snr_keeps_its_start_and_ends_in_pure_noise() -> None:
    """Lin et al., 2023, algorithm 1: roots of alpha_bar are shifted to end in 0 and scaled to keep their start."""
    roots = np.sqrt(all_alpha_bars())
    exact = ((roots - roots[-1]) * roots[0] / (roots[0] - roots[-1])) ** 2
    found = alphas_cumprod(sdxl_schedule(rescale_betas_zero_snr=True)).numpy()
    assert found == pytest.approx(exact, rel=1e-6)
    assert found[-1] == 0.0


@pytest.mark.parametrize("zero_snr", [False, True])
def test_latents_are_noised_as_the_scheduler_noises_them(zero_snr: bool) -> None:
    schedule = sdxl_schedule(rescale_betas_zero_snr=zero_snr)
    latents, noise = torch.randn(6, 4, 8, 8), torch.randn(6, 4, 8, 8)
    noisy = add_noise(schedule, latents, noise, TIMESTEPS)
    assert noisy.dtype == torch.float32
    torch.testing.assert_close(noisy, schedule.add_noise(latents, noise, TIMESTEPS), rtol=1e-4, atol=1e-5)  # type: ignore[arg-type]


def test_snr_is_signal_power_over_noise_power() -> None:
    schedule = sdxl_schedule()
    alpha_bar = alpha_bars()
    assert snr(TIMESTEPS, alphas_cumprod(schedule)).numpy() == pytest.approx(alpha_bar / (1 - alpha_bar), rel=1e-5)


@pytest.mark.parametrize("gamma", [0.5, 5.0, 20.0])
@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
def test_min_snr_weights_follow_the_paper(gamma: float, prediction_type: str) -> None:
    schedule = sdxl_schedule()
    ratio = alpha_bars() / (1 - alpha_bars())
    expected = np.minimum(ratio, gamma) / (ratio if prediction_type == "epsilon" else ratio + 1)
    weights = min_snr_weights(TIMESTEPS, alphas_cumprod(schedule), gamma, prediction_type)
    assert weights.dtype == torch.float32
    assert weights.numpy() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("prediction_type", "at_zero"), [("epsilon", 1.0), ("v_prediction", 0.0)])
def test_min_snr_weights_are_finite_where_no_signal_is_left(prediction_type: str, at_zero: float) -> None:
    schedule = sdxl_schedule(rescale_betas_zero_snr=True, timestep_spacing="trailing")
    last = torch.tensor([999])
    assert snr(last, alphas_cumprod(schedule)).item() == 0.0
    assert min_snr_weights(last, alphas_cumprod(schedule), 5.0, prediction_type).item() == at_zero


def test_the_target_is_the_noise_or_the_velocity() -> None:
    latents, noise = torch.randn(6, 4, 8, 8), torch.randn(6, 4, 8, 8)
    assert diffusion_target(sdxl_schedule(), latents, noise, TIMESTEPS) is noise
    schedule = sdxl_schedule(prediction_type="v_prediction")
    alpha_bar = alpha_bars()[:, None, None, None]
    expected = np.sqrt(alpha_bar) * noise.double().numpy() - np.sqrt(1 - alpha_bar) * latents.double().numpy()
    velocity = diffusion_target(schedule, latents, noise, TIMESTEPS).numpy()
    assert velocity == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_each_sample_is_weighted_by_its_own_timestep() -> None:
    prediction, target = torch.randn(3, 4, 8, 8), torch.randn(3, 4, 8, 8)
    weights = torch.tensor([1.0, 0.5, 0.25])
    errors = ((prediction - target).double().numpy() ** 2).mean(axis=(1, 2, 3))
    loss = diffusion_loss(prediction, target, weights)
    assert loss.total.item() == pytest.approx((errors * weights.numpy()).mean(), rel=1e-5)
    assert loss.prior is None


def test_the_prior_has_its_own_weight_and_is_told_before_it() -> None:
    prediction, target = torch.randn(4, 4, 8, 8), torch.randn(4, 4, 8, 8)
    weights = torch.tensor([1.0, 0.5, 0.25, 0.125])
    errors = ((prediction - target).double().numpy() ** 2).mean(axis=(1, 2, 3))
    loss = diffusion_loss(prediction, target, weights, prior_samples=2, prior_loss_weight=0.3)
    photos, prior = (errors[:2] * [1.0, 0.5]).mean(), errors[2:].mean()
    assert loss.prior is not None
    assert loss.prior.item() == pytest.approx(prior, rel=1e-5)
    assert loss.total.item() == pytest.approx(photos + 0.3 * prior, rel=1e-5)


def test_masks_weigh_the_error_of_each_place() -> None:
    prediction, target = torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8)
    masks = torch.zeros(2, 1, 8, 8)
    masks[0, :, :3] = 1.0
    masks[1, :, :, 2:7] = 0.5
    loss = diffusion_loss(prediction, target, pixel_weights=mask_weights(masks, 0.1))
    errors = ((prediction - target).double().numpy() ** 2).mean(axis=1)
    shares = masks[:, 0].double().numpy() * 0.9 + 0.1
    expected = [np.average(error, weights=share) for error, share in zip(errors, shares, strict=True)]
    assert loss.total.item() == pytest.approx(np.mean(expected), rel=1e-5)


@pytest.mark.parametrize("unmasked_weight", [0.0, 0.1, 1.0])
def test_a_full_mask_is_no_mask(unmasked_weight: float) -> None:
    prediction, target = torch.randn(3, 4, 8, 8), torch.randn(3, 4, 8, 8)
    whole = diffusion_loss(prediction, target, prior_samples=1)
    full = mask_weights(torch.ones(3, 1, 8, 8), unmasked_weight)
    masked = diffusion_loss(prediction, target, None, full, prior_samples=1)
    torch.testing.assert_close(masked.total, whole.total)


def test_an_empty_mask_gives_nothing_to_learn_and_no_fraction_of_zeros() -> None:
    prediction = torch.randn(1, 4, 8, 8, requires_grad=True)
    empty = mask_weights(torch.zeros(1, 1, 8, 8), 0.0)
    loss = diffusion_loss(prediction, torch.zeros(1, 4, 8, 8), None, empty)
    loss.total.backward()
    assert loss.total.item() == 0.0
    assert prediction.grad is not None and not prediction.grad.any()


def test_the_prior_is_not_masked() -> None:
    prediction, target = torch.randn(4, 4, 8, 8), torch.randn(4, 4, 8, 8)
    masks = torch.rand(4, 1, 8, 8)
    whole = diffusion_loss(prediction, target, prior_samples=2)
    masked = diffusion_loss(prediction, target, None, masks, prior_samples=2)
    assert masked.prior is not None and whole.prior is not None
    assert masked.prior.item() == whole.prior.item()
    assert masked.total.item() != whole.total.item()


def test_half_precision_predictions_are_compared_in_float32() -> None:
    prediction = torch.full((1, 4, 8, 8), 300.0, dtype=torch.float16)
    loss = diffusion_loss(prediction, torch.zeros(1, 4, 8, 8), None)
    assert loss.total.item() == pytest.approx(90_000.0)  # fp16 ends at 65,504
