"""PPO's clipped objectives in closed form, with their gradients."""

import math

import pytest
import torch

from hw.agents.functional.surrogate import (
    approximate_kl,
    clip_fraction,
    clipped_surrogate,
    clipped_value_errors,
)

CLIP_RATIOS = pytest.mark.parametrize(
    "clip_ratio", [0.25, torch.tensor(0.25)], ids=["float", "0-d"]
)


@CLIP_RATIOS
@pytest.mark.parametrize(
    ("ratio", "advantage", "objective", "gradient"),
    [
        (1.5, 2.0, 2.5, 0.0),  # a good action is likely enough: (1 + eps) A
        (0.5, 2.0, 1.0, 2.0),  # a good action has become unlikely: r A
        (1.5, -2.0, -3.0, -2.0),  # a bad action has become likely: r A
        (0.5, -2.0, -1.5, 0.0),  # a bad action is unlikely enough: (1 - eps) A
        (1.125, 2.0, 2.25, 2.0),  # within the range nothing is clipped
        (0.875, -2.0, -1.75, -2.0),
        (1.0, 2.0, 2.0, 2.0),
        (1.5, 0.0, 0.0, 0.0),
    ],
)
def test_the_surrogate_and_its_gradient(ratio, advantage, objective, gradient, clip_ratio):
    ratios = torch.tensor([1.0, ratio], requires_grad=True)
    objectives = clipped_surrogate(ratios, torch.tensor([0.0, advantage]), clip_ratio)
    assert objectives.tolist() == [0.0, objective]
    objectives.sum().backward()
    assert ratios.grad.tolist() == [0.0, gradient]


def test_a_wider_range_clips_later():
    ratios, advantages = torch.tensor([1.5, 0.5]), torch.tensor([1.0, -1.0])
    wide = clipped_surrogate(ratios, advantages, 0.75)
    assert wide.tolist() == [1.5, -0.5]
    narrow = clipped_surrogate(ratios, advantages, 0.0)
    assert narrow.tolist() == [1.0, -1.0]


def test_the_surrogate_passes_gradient_to_advantages():
    advantages = torch.tensor([1.0, -1.0], requires_grad=True)
    clipped_surrogate(torch.tensor([3.0, 3.0]), advantages, 0.25).sum().backward()
    assert advantages.grad.tolist() == [1.25, 3.0]


@CLIP_RATIOS
@pytest.mark.parametrize(
    ("value", "target", "error", "gradient"),
    [
        (3.0, 5.0, 7.5625, 0.0),  # towards the return by more than 0.25: (2.25 - 5)^2
        (1.0, -3.0, 22.5625, 0.0),  # the same downwards: (1.75 + 3)^2
        (3.0, 1.0, 4.0, 4.0),  # away from the return: (3 - 1)^2
        (1.0, 3.0, 4.0, -4.0),
        (2.125, 5.0, 8.265625, -5.75),  # within the range
        (9.0, 5.0, 16.0, 8.0),  # past the return, and worse than the clipped value
    ],
)
def test_value_errors_and_their_gradient(value, target, error, gradient, clip_ratio):
    """The old value is 2."""
    values = torch.tensor([2.0, value], requires_grad=True)
    errors = clipped_value_errors(
        values, torch.tensor([2.0, 2.0]), torch.tensor([2.0, target]), clip_ratio
    )
    assert errors.tolist() == [0.0, error]
    errors.sum().backward()
    assert values.grad.tolist() == [0.0, gradient]


def test_the_kl_estimate_by_hand():
    kl = approximate_kl(torch.tensor([0.0, 2.0]).log1p())
    torch.testing.assert_close(kl, torch.tensor((2.0 - math.log(3.0)) / 2))
    assert approximate_kl(torch.zeros(3)) == 0.0


def test_the_kl_estimate_agrees_with_the_divergence_of_two_gaussians():
    """KL(N(0, 1) || N(0, s^2)) = log s + 1 / (2 s^2) - 1 / 2; the other way round it is 0.22."""
    torch.manual_seed(0)
    old = torch.distributions.Normal(torch.tensor(0.0, dtype=torch.float64), 1.0)
    new = torch.distributions.Normal(0.0, 1.5)
    actions = old.sample((400_000,))
    kl = approximate_kl(new.log_prob(actions) - old.log_prob(actions))
    exact = math.log(1.5) + 1 / (2 * 1.5**2) - 1 / 2
    assert exact == pytest.approx(0.1277, abs=1e-4)
    assert kl.item() == pytest.approx(exact, rel=0.02)


def test_the_kl_estimate_is_never_negative_and_exact_near_zero():
    torch.manual_seed(0)
    log_ratios = 1e-4 * torch.randn(2000)
    kl = approximate_kl(log_ratios)
    assert kl >= 0
    assert kl.item() == pytest.approx((log_ratios.double() ** 2 / 2).mean().item(), rel=1e-2)


def test_the_kl_estimate_draws_the_policies_together():
    log_ratios = torch.tensor([-1.0, 0.0, 1.0], requires_grad=True)
    approximate_kl(log_ratios).backward()
    expected = (torch.tensor([-1.0, 0.0, 1.0]).exp() - 1) / 3
    torch.testing.assert_close(log_ratios.grad, expected)


@CLIP_RATIOS
def test_the_clip_fraction_counts_both_sides_and_not_the_border(clip_ratio):
    ratios = torch.tensor([0.5, 0.75, 0.8, 1.0, 1.2, 1.25, 1.5, 9.0], requires_grad=True)
    fraction = clip_fraction(ratios, clip_ratio)
    assert fraction.shape == ()
    assert fraction.item() == 3 / 8
    assert fraction.dtype == torch.float32
    assert not fraction.requires_grad
