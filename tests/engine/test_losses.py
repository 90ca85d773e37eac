"""The loss against the papers' formulas, written out in float64."""

from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler

from engine.losses import diffusion_loss, diffusion_target, min_snr_weights, snr

TIMESTEPS = torch.tensor([0, 1, 37, 500, 998, 999])


def sdxl_schedule(**changes: Any) -> DDPMScheduler:
    return DDPMScheduler(
        num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", **changes
    )


def alpha_bars(schedule: DDPMScheduler) -> np.ndarray:
    return schedule.alphas_cumprod.double().numpy()[TIMESTEPS.numpy()]


def test_snr_is_signal_power_over_noise_power() -> None:
    schedule = sdxl_schedule()
    alpha_bar = alpha_bars(schedule)
    assert snr(TIMESTEPS, schedule.alphas_cumprod).numpy() == pytest.approx(alpha_bar / (1 - alpha_bar), rel=1e-5)


@pytest.mark.parametrize("gamma", [0.5, 5.0, 20.0])
@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
def test_min_snr_weights_follow_the_paper(gamma: float, prediction_type: str) -> None:
    schedule = sdxl_schedule()
    ratio = alpha_bars(schedule) / (1 - alpha_bars(schedule))
    expected = np.minimum(ratio, gamma) / (ratio if prediction_type == "epsilon" else ratio + 1)
    weights = min_snr_weights(TIMESTEPS, schedule.alphas_cumprod, gamma, prediction_type)
    assert weights.dtype == torch.float32
    assert weights.numpy() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("prediction_type", "at_zero"), [("epsilon", 1.0), ("v_prediction", 0.0)])
def test_min_snr_weights_are_finite_where_no_signal_is_left(prediction_type: str, at_zero: float) -> None:
    schedule = sdxl_schedule(rescale_betas_zero_snr=True, timestep_spacing="trailing")
    last = torch.tensor([999])
    exactly_zero = schedule.alphas_cumprod.clone()
    exactly_zero[-1] = 0.0
    assert min_snr_weights(last, exactly_zero, 5.0, prediction_type).item() == at_zero
    assert min_snr_weights(last, schedule.alphas_cumprod, 5.0, prediction_type).isfinite().all()


def test_the_target_is_the_noise_or_the_velocity() -> None:
    latents, noise = torch.randn(6, 4, 8, 8), torch.randn(6, 4, 8, 8)
    assert diffusion_target(sdxl_schedule(), latents, noise, TIMESTEPS) is noise
    schedule = sdxl_schedule(prediction_type="v_prediction")
    alpha_bar = alpha_bars(schedule)[:, None, None, None]
    expected = np.sqrt(alpha_bar) * noise.double().numpy() - np.sqrt(1 - alpha_bar) * latents.double().numpy()
    velocity = diffusion_target(schedule, latents, noise, TIMESTEPS).numpy()
    assert velocity == pytest.approx(expected, rel=1e-4, abs=1e-5)


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


def test_half_precision_predictions_are_compared_in_float32() -> None:
    prediction = torch.full((1, 4, 8, 8), 300.0, dtype=torch.float16)
    loss = diffusion_loss(prediction, torch.zeros(1, 4, 8, 8), None)
    assert loss.total.item() == pytest.approx(90_000.0)  # fp16 ends at 65,504
