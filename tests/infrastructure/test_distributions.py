"""Gaussian and tanh-Gaussian log-probabilities, against float64, closed forms and autograd."""

import math

import pytest
import torch

from hw.infrastructure.distributions import (
    Categorical,
    log_tanh_slope,
    make_multi_normal,
    make_tanh_transformed,
)


def exact_log_prob(pre_tanh, mean, std):
    """log N(u; mean, std) - log(1 - tanh(u)^2), in float64, by 1 - tanh(u)^2 = 1 / cosh(u)^2."""
    pre_tanh, mean, std = pre_tanh.double(), mean.double(), std.double()
    log_normal = -0.5 * ((pre_tanh - mean) / std) ** 2 - std.log() - 0.5 * math.log(2 * math.pi)
    log_cosh = pre_tanh.abs() + torch.log1p(torch.exp(-2 * pre_tanh.abs())) - math.log(2.0)
    return (log_normal + 2 * log_cosh).sum(dim=-1)


@pytest.mark.parametrize("pre_tanh", [0.0, 0.3, -1.0, 3.0, -8.0, 10.0, 15.0, -20.0, 20.0])
def test_log_prob_of_a_sample_is_right_to_1e_minus_4_out_to_a_pre_tanh_value_of_20(pre_tanh):
    # A narrow Gaussian around the value makes every sample lie there.
    mean, std = torch.full((64, 1), pre_tanh), torch.full((64, 1), 0.05)
    distribution = make_tanh_transformed(mean, std)
    torch.manual_seed(0)
    noise = torch.randn(64, 1)
    for sample in (distribution.rsample_with_log_prob, distribution.sample_with_log_prob):
        torch.manual_seed(0)
        action, log_prob = sample()
        exact = exact_log_prob((mean + std * noise), mean, std)
        # The Gaussian part is measured from noise, so take float64's value of the same noise.
        exact += (
            -0.5 * noise.double() ** 2
            + 0.5 * (((mean + std * noise).double() - mean.double()) / std.double()) ** 2
        ).sum(-1)
        assert action.abs().max() <= 1.0
        tolerance = 1e-4 if sample == distribution.rsample_with_log_prob else 2e-3
        torch.testing.assert_close(log_prob.double(), exact, rtol=tolerance, atol=1e-6)


def test_log_prob_of_a_stored_action_agrees_with_that_of_the_sample():
    torch.manual_seed(0)
    distribution = make_tanh_transformed(torch.randn(100, 3), torch.rand(100, 3) + 0.1)
    action, log_prob = distribution.sample_with_log_prob((5,))
    assert action.shape == (5, 100, 3)
    assert log_prob.shape == (5, 100)
    inside = (action.abs() < 0.999).all(dim=-1)
    torch.testing.assert_close(
        distribution.log_prob(action)[inside], log_prob[inside], rtol=1e-3, atol=1e-3
    )


def test_the_density_integrates_to_one():
    distribution = make_tanh_transformed(torch.tensor([0.4]).double(), torch.tensor([0.7]).double())
    grid = torch.linspace(-1, 1, 200_001, dtype=torch.float64)[1:-1]
    density = distribution.log_prob(grid[:, None]).exp()
    assert torch.trapezoid(density, grid).item() == pytest.approx(1.0, abs=1e-3)


def test_the_density_agrees_with_torch_transformed_distribution():
    mean, std = (
        torch.randn(50, 2, dtype=torch.float64),
        torch.rand(50, 2, dtype=torch.float64) + 0.2,
    )
    base = torch.distributions.Independent(torch.distributions.Normal(mean, std), 1)
    transform = torch.distributions.TanhTransform(cache_size=1)
    reference = torch.distributions.TransformedDistribution(base, [transform])
    actions = torch.rand(50, 2, dtype=torch.float64) * 1.8 - 0.9
    ours = make_tanh_transformed(mean, std).log_prob(actions)
    torch.testing.assert_close(ours, reference.log_prob(actions))


@pytest.mark.parametrize("value", [-1.0, 1.0])
def test_log_prob_of_an_action_at_the_bound_is_finite_with_a_finite_gradient(value):
    mean = torch.zeros(1, 2, requires_grad=True)
    std = torch.full((1, 2), 0.5, requires_grad=True)
    actions = torch.full((1, 2), value, requires_grad=True)
    log_prob = make_tanh_transformed(mean, std).log_prob(actions)
    gradients = torch.autograd.grad(log_prob.sum(), [mean, std, actions])
    assert torch.isfinite(log_prob).all()
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


def test_the_pathwise_gradient_is_that_of_autograd_at_fixed_noise():
    mean = torch.tensor([[0.3, -2.0]], dtype=torch.float64, requires_grad=True)
    std = torch.tensor([[0.5, 1.5]], dtype=torch.float64, requires_grad=True)
    torch.manual_seed(3)
    action, log_prob = make_tanh_transformed(mean, std).rsample_with_log_prob()
    ours = torch.autograd.grad(action.sum() + 0.7 * log_prob.sum(), [mean, std])
    torch.manual_seed(3)
    noise = torch.randn(1, 2, dtype=torch.float64)
    pre_tanh = mean + std * noise
    naive = (
        torch.distributions.Normal(mean, std).log_prob(pre_tanh)
        - torch.log(1 - pre_tanh.tanh() ** 2)
    ).sum()
    expected = torch.autograd.grad(pre_tanh.tanh().sum() + 0.7 * naive, [mean, std])
    torch.testing.assert_close(ours, expected)


def test_a_score_function_sample_is_constant_and_its_log_prob_has_the_score_as_gradient():
    mean = torch.tensor([[0.3, -2.0]], requires_grad=True)
    std = torch.tensor([[0.5, 1.5]], requires_grad=True)
    torch.manual_seed(3)
    action, log_prob = make_tanh_transformed(mean, std).sample_with_log_prob()
    assert not action.requires_grad
    score_mean, score_std = torch.autograd.grad(log_prob.sum(), [mean, std])
    torch.manual_seed(3)
    noise = torch.randn(1, 2)
    torch.testing.assert_close(score_mean, noise / std)
    torch.testing.assert_close(score_std, (noise**2 - 1) / std)


def test_a_tanh_gaussian_has_no_closed_form_entropy_and_says_so():
    distribution = make_tanh_transformed(torch.zeros(1, 1), torch.ones(1, 1))
    for ask in (distribution.entropy, lambda: distribution.mean, lambda: distribution.variance):
        with pytest.raises(NotImplementedError, match="no closed"):
            ask()


def test_a_plain_gaussian_agrees_with_torch():
    mean, std = torch.randn(20, 3), torch.rand(20, 3) + 0.1
    ours = make_multi_normal(mean, std)
    reference = torch.distributions.Independent(torch.distributions.Normal(mean, std), 1)
    values = torch.randn(20, 3)
    torch.testing.assert_close(ours.log_prob(values), reference.log_prob(values))
    torch.testing.assert_close(ours.entropy(), reference.entropy())
    torch.testing.assert_close(ours.mode, mean)
    torch.testing.assert_close(ours.variance, std**2)
    action, log_prob = ours.rsample_with_log_prob()
    torch.testing.assert_close(log_prob, reference.log_prob(action), rtol=1e-4, atol=1e-4)


def test_the_log_density_of_noise_is_that_of_the_action_which_it_makes():
    mean, std = torch.randn(20, 3).double(), (torch.rand(3) + 0.1).double()
    noise = torch.randn(7, 20, 3).double()
    reference = torch.distributions.Independent(torch.distributions.Normal(mean, std), 1)
    ours = make_multi_normal(mean, std).log_prob_of_noise(noise)
    torch.testing.assert_close(ours, reference.log_prob(mean + std * noise))


def test_the_slope_of_tanh_is_known_far_beyond_where_tanh_rounds_to_1():
    pre_tanh = torch.tensor([[0.0, 0.7], [-1.5, 3.0], [40.0, -500.0]])
    exact = torch.tensor([math.log(1 - math.tanh(u) ** 2) for u in (0.7, -1.5, 3.0)])
    expected = torch.stack([exact[0], exact[1] + exact[2], torch.tensor(2 * math.log(4) - 1080)])
    torch.testing.assert_close(log_tanh_slope(pre_tanh), expected)


def test_the_mode_is_the_image_of_the_mean():
    mean = torch.tensor([[0.5, -3.0]])
    torch.testing.assert_close(make_tanh_transformed(mean, torch.ones(1, 2)).mode, mean.tanh())


def test_a_std_of_one_action_is_shared_by_the_batch():
    distribution = make_tanh_transformed(torch.zeros(7, 2), torch.tensor([0.1, 2.0]))
    assert distribution.std.shape == (7, 2)
    assert distribution.sample().shape == (7, 2)


def categorical_pair(*shape):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(*shape, generator=generator, dtype=torch.float64, requires_grad=True)
    return logits, Categorical(logits), torch.distributions.Categorical(logits=logits)


def test_a_categorical_agrees_with_torchs_in_values_and_gradients():
    logits, ours, theirs = categorical_pair(6, 4)
    actions = torch.tensor([0, 1, 2, 3, 0, 1])
    assert torch.equal(ours.mode, theirs.mode)
    torch.testing.assert_close(ours.probs, theirs.probs)
    for name, arguments in (("log_prob", [actions]), ("entropy", [])):
        found, expected = (getattr(each, name)(*arguments) for each in (ours, theirs))
        torch.testing.assert_close(found, expected)
        gradients = [
            torch.autograd.grad(value.sum(), logits, retain_graph=True)[0]
            for value in (found, expected)
        ]
        torch.testing.assert_close(*gradients)


def test_a_categorical_takes_leading_sample_shapes():
    _, ours, theirs = categorical_pair(5, 3)
    actions = ours.sample((7,))
    assert actions.shape == (7, 5)
    assert actions.dtype == torch.int64
    torch.testing.assert_close(ours.log_prob(actions), theirs.log_prob(actions))


def test_a_categorical_samples_each_action_as_often_as_it_says():
    torch.manual_seed(0)
    probabilities = torch.tensor([0.5, 0.3, 0.15, 0.05])
    actions = Categorical(probabilities.log()).sample((100_000,))
    frequencies = torch.bincount(actions, minlength=4) / 100_000
    torch.testing.assert_close(frequencies, probabilities, atol=0.006, rtol=0.0)


def test_a_categorical_stays_finite_for_extreme_logits():
    distribution = Categorical(torch.tensor([[1e4, -1e4, 0.0]]))
    assert torch.equal(distribution.sample((10,)), torch.zeros(10, 1, dtype=torch.int64))
    assert torch.isfinite(distribution.entropy()).all()
    assert torch.isfinite(distribution.log_prob(torch.tensor([1]))).all()
