"""Heads: closed forms, gradients, arguments that contradict each other."""

import pytest
import torch

from hw.infrastructure.distributions import DiagonalNormal, TanhNormal
from hw.networks.heads import (
    MIN_STD,
    ActionValueHead,
    CategoricalHead,
    DeterministicHead,
    DuelingHead,
    GaussianHead,
)


def gaussian_head(**settings):
    defaults = {"use_tanh": False, "state_dependent_std": False, "fixed_std": None}
    return GaussianHead(8, 3, **(defaults | settings))


@pytest.mark.parametrize("use_tanh", [False, True])
@pytest.mark.parametrize("initial_std", [0.0101, 0.1, 0.5, 1.0, 3.0, 1000.0])
def test_a_learned_std_starts_at_exactly_the_initial_std(initial_std, use_tanh):
    head = gaussian_head(initial_std=initial_std, use_tanh=use_tanh)
    distribution = head(torch.randn(5, 8))
    assert isinstance(distribution, TanhNormal if use_tanh else DiagonalNormal)
    expected = torch.full((5, 3), initial_std)
    torch.testing.assert_close(distribution.std, expected, rtol=3e-7, atol=0)
    distribution.std.sum().backward()
    assert (head.raw_std.grad > 0).all()


@pytest.mark.parametrize("initial_std", [MIN_STD, 0.0, -1.0])
def test_an_initial_std_at_or_below_the_floor_is_refused(initial_std):
    with pytest.raises(ValueError, match="above 0.01"):
        gaussian_head(initial_std=initial_std)


@pytest.mark.parametrize("other", [{"fixed_std": 0.3}, {"state_dependent_std": True}])
def test_an_initial_std_is_of_a_learned_one(other):
    with pytest.raises(ValueError, match="neither fixed nor state-dependent"):
        gaussian_head(initial_std=0.5, **other)


def test_a_deterministic_action_is_within_bounds_and_carries_gradient():
    head = DeterministicHead(8, 3)
    features = torch.randn(5, 8)
    actions = head(features)
    linear = head.output[0]
    torch.testing.assert_close(actions, (features @ linear.weight.T + linear.bias).tanh())
    assert actions.shape == (5, 3)
    assert (actions.abs() < 1).all()
    actions.sum().backward()
    assert linear.weight.grad.abs().sum() > 0


def test_action_values_are_linear_in_the_features():
    head = ActionValueHead(8, 3)
    features = torch.randn(5, 8)
    linear = head.output[0]
    torch.testing.assert_close(head(features), features @ linear.weight.T + linear.bias)


def test_the_mean_over_actions_of_dueling_values_is_the_state_value():
    head = DuelingHead(8, 3, "relu")
    features = torch.randn(5, 8)
    q_values = head(features)
    assert q_values.shape == (5, 3)
    torch.testing.assert_close(q_values.mean(dim=-1, keepdim=True), head.value(features))
    centred = head.advantage(features) - head.advantage(features).mean(dim=-1, keepdim=True)
    torch.testing.assert_close(q_values - head.value(features), centred)
    torch.testing.assert_close(head(features.reshape(1, 5, 8)), q_values[None])


def test_each_dueling_stream_has_one_hidden_layer_of_as_many_units_as_features():
    head = DuelingHead(8, 3, "relu")
    for stream, num_outputs in ((head.value, 1), (head.advantage, 3)):
        linears = [layer for layer in stream if isinstance(layer, torch.nn.Linear)]
        assert [tuple(layer.weight.shape) for layer in linears] == [(8, 8), (num_outputs, 8)]


def test_gradient_of_dueling_values():
    head = DuelingHead(8, 3, "tanh")
    head(torch.randn(5, 8))[:, 0].sum().backward()
    # dQ_0/dV = 1 and dQ_0/dA_a = [a = 0] - 1/3, for each of 5 states.
    torch.testing.assert_close(head.value[-1].bias.grad, torch.tensor([5.0]))
    expected = 5 * torch.tensor([2 / 3, -1 / 3, -1 / 3])
    torch.testing.assert_close(head.advantage[-1].bias.grad, expected)


def test_logits_are_linear_in_the_features():
    head = CategoricalHead(8, 3)
    features = torch.randn(5, 8)
    linear = head.output[0]
    expected = (features @ linear.weight.T + linear.bias).softmax(dim=-1)
    torch.testing.assert_close(head(features).probs, expected)
