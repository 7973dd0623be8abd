"""Gaussian policies, and K critics in one call against K separate ones."""

from functools import partial

import pytest
import torch

from hw.infrastructure.checkpoint import save_state
from hw.infrastructure.distributions import DiagonalNormal, TanhNormal
from hw.infrastructure.errors import UserError
from hw.networks.backbones import EnsembleLinear
from hw.networks.heads import MIN_STD
from hw.networks.mlp_policy import MLPPolicy
from hw.networks.state_action_value_critic import StateActionCritic, StateActionCriticEnsemble

SHAPE = {"n_layers": 2, "size": 16, "activation": "relu"}


def make_policy(**settings):
    torch.manual_seed(0)
    return MLPPolicy(4, 2, **(SHAPE | settings))


def test_a_policy_is_tanh_squashed_if_asked():
    assert isinstance(make_policy(use_tanh=True)(torch.randn(5, 4)), TanhNormal)
    plain = make_policy()(torch.randn(5, 4))
    assert isinstance(plain, DiagonalNormal)
    assert not isinstance(plain, TanhNormal)


def test_a_state_dependent_std_varies_with_the_state_and_is_learned_with_it():
    policy = make_policy(use_tanh=True, state_dependent_std=True)
    std = policy(torch.randn(5, 4)).std
    assert std.shape == (5, 2)
    assert len(std.unique()) == 10
    assert (std > MIN_STD).all()
    std.sum().backward()
    assert policy.backbone.layers[0].weight.grad.abs().sum() > 0


def test_a_learned_std_is_one_parameter_for_each_action_component():
    policy = make_policy(use_tanh=True)
    std = policy(torch.randn(5, 4)).std
    torch.testing.assert_close(std, torch.full((5, 2), 0.6931472 + MIN_STD))
    assert policy.head.raw_std.shape == (2,)


def test_a_fixed_std_is_what_was_asked_for_and_does_not_learn():
    policy = make_policy(fixed_std=0.3)
    std = policy(torch.randn(5, 4)).std
    torch.testing.assert_close(std, torch.full((5, 2), 0.3))
    assert not std.requires_grad
    assert "head.fixed_std" in policy.state_dict()


def test_a_std_cannot_be_fixed_and_state_dependent():
    with pytest.raises(ValueError, match="not both"):
        make_policy(fixed_std=0.3, state_dependent_std=True)


def test_a_discrete_policy_is_categorical():
    policy = make_policy(discrete=True)
    observations = torch.randn(5, 4)
    distribution = policy(observations)
    torch.testing.assert_close(distribution.probs.sum(-1), torch.ones(5))
    actions = policy.act(observations)
    assert actions.shape == (5,)
    torch.testing.assert_close(
        policy.log_prob(observations, actions), distribution.log_prob(actions)
    )
    torch.testing.assert_close(policy.act(observations, True), distribution.logits.argmax(-1))


def test_acting_deterministically_takes_the_mode():
    policy = make_policy(use_tanh=True, state_dependent_std=True)
    observations = torch.randn(5, 4)
    mode = policy.act(observations, deterministic=True)
    torch.testing.assert_close(mode, policy(observations).mode)
    assert not torch.equal(policy.act(observations), policy.act(observations))
    policy.reset()


def test_weights_are_saved_and_loaded(tmp_path):
    policy, other = make_policy(), make_policy()
    torch.nn.init.ones_(policy.backbone.layers[0].weight)
    policy.save(tmp_path / "policy.npz")
    other.load(tmp_path / "policy.npz")
    observations = torch.randn(3, 4)
    torch.testing.assert_close(policy(observations).mode, other(observations).mode)
    with pytest.raises(UserError, match="no such"):
        other.load(tmp_path / "none.npz")
    (tmp_path / "bad.npz").write_bytes(b"not a checkpoint")
    with pytest.raises(UserError, match="not a readable"):
        other.load(tmp_path / "bad.npz")
    save_state(tmp_path / "policy.npz", policy.state_dict())


@pytest.mark.parametrize("batch_shape", [(6,), (3, 6)])
@pytest.mark.parametrize("num_critics", [1, 2, 5])
def test_k_critics_in_one_call_give_what_k_separate_ones_do(num_critics, batch_shape):
    torch.manual_seed(0)
    singles = [StateActionCritic(4, 2, **SHAPE).double() for _ in range(num_critics)]
    ensemble = StateActionCriticEnsemble(num_critics, 4, 2, **SHAPE).double()
    for k, single in enumerate(singles):
        ensemble.copy_member(k, single)
    observations = torch.randn(*batch_shape, 4, dtype=torch.float64)
    actions = torch.randn(*batch_shape, 2, dtype=torch.float64)
    expected = torch.stack([single(observations, actions) for single in singles])
    values = ensemble(observations, actions)
    assert values.shape == (num_critics, *batch_shape)
    torch.testing.assert_close(values, expected, rtol=1e-12, atol=1e-12)
    assert not ensemble.value(observations, actions).requires_grad

    values.square().sum().backward()
    expected.square().sum().backward()
    for k, single in enumerate(singles):
        ours = [layer for layer in ensemble.net.layers if isinstance(layer, EnsembleLinear)]
        theirs = [layer for layer in single.net if isinstance(layer, torch.nn.Linear)]
        for layer, linear in zip(ours, theirs, strict=True):
            torch.testing.assert_close(layer.weight.grad[k], linear.weight.grad.T)
            torch.testing.assert_close(layer.bias.grad[k, 0], linear.bias.grad)


@pytest.mark.parametrize("make", [StateActionCritic, partial(StateActionCriticEnsemble, 3)])
def test_critics_scale_bytes_as_backbones_do(make):
    critic = make(4, 2, **SHAPE)
    pixels = torch.randint(256, (6, 4), dtype=torch.uint8)
    actions = torch.randn(6, 2)
    torch.testing.assert_close(critic(pixels, actions), critic(pixels.float() / 255, actions))


def test_members_of_an_ensemble_start_differently_within_linear_s_bounds():
    layer = EnsembleLinear(3, 100, 50)
    assert not torch.equal(layer.weight[0], layer.weight[1])
    assert layer.weight.abs().max() <= 0.1
    reference = torch.nn.Linear(100, 50)
    assert layer.weight.std().item() == pytest.approx(reference.weight.std().item(), rel=0.05)
