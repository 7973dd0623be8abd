"""Deterministic policies, critics on any backbone, and K of them against each by itself."""

import pytest
import torch
from torch import nn

from hw.networks.action_value_critic import ActionValueCritic
from hw.networks.backbones import MLP, NatureCNN
from hw.networks.heads import (
    ActionValueHead,
    CategoricalHead,
    DeterministicHead,
    DuelingHead,
    GaussianHead,
)
from hw.networks.mlp_policy import DeterministicPolicy, MLPPolicy, NetworkPolicy
from hw.networks.state_action_value_critic import BackboneStateActionCritics
from hw.networks.state_value_critic import StateValueCritic

SHAPE = {"n_layers": 1, "size": 16, "activation": "tanh"}
IMAGE = (2, 40, 40)


class StrictMLP(MLP):
    """Takes (B, *) alone, as a student's backbone may."""

    def forward(self, observations):
        assert observations.ndim == 1 + self.observation_rank
        return super().forward(observations)


def make_module(kind, backbone):
    heads = {
        "policy": lambda size: NetworkPolicy(backbone, CategoricalHead(size, 3)),
        "deterministic": lambda size: DeterministicPolicy(backbone, DeterministicHead(size, 3)),
        "state value": lambda size: StateValueCritic(backbone),
        "action value": lambda size: ActionValueCritic(backbone, ActionValueHead(size, 3)),
        "dueling": lambda size: ActionValueCritic(backbone, DuelingHead(size, 3, "relu")),
    }
    return heads[kind](backbone.feature_size)


KINDS = ["policy", "deterministic", "state value", "action value", "dueling"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_image", [False, True])
def test_a_network_is_its_head_of_its_backbone(kind, is_image):
    backbone = NatureCNN(IMAGE, **SHAPE) if is_image else MLP((4,), **SHAPE)
    network = make_module(kind, backbone)
    observations = torch.rand(5, *IMAGE) if is_image else torch.randn(5, 4)
    outputs, expected = network(observations), network.head(backbone(observations))
    if kind == "policy":
        outputs, expected = outputs.logits, expected.logits
    if kind == "state value":
        expected = expected[:, 0]
    assert outputs.shape == ((5,) if kind == "state value" else (5, 3))
    assert outputs.dtype == torch.float32
    torch.testing.assert_close(outputs, expected)
    (outputs.square().sum()).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in network.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_is_saved_and_loaded(kind, tmp_path):
    network, other = (make_module(kind, MLP((4,), **SHAPE)) for _ in range(2))
    observations = torch.randn(5, 4)

    def outputs(module):
        return module(observations).logits if kind == "policy" else module(observations)

    assert not torch.equal(outputs(network), outputs(other))
    network.save(tmp_path / "network.npz")
    other.load(tmp_path / "network.npz")
    torch.testing.assert_close(outputs(other), outputs(network), rtol=0, atol=0)


def test_an_mlp_policy_is_an_mlp_and_a_head():
    policy = MLPPolicy(4, 2, **SHAPE, use_tanh=True)
    head = GaussianHead(16, 2, use_tanh=True, state_dependent_std=False, fixed_std=None)
    same = NetworkPolicy(MLP((4,), **SHAPE), head)
    same.load_state_dict(policy.state_dict())
    observations = torch.randn(5, 4)
    torch.testing.assert_close(policy(observations).mode, same(observations).mode)
    assert isinstance(policy, NetworkPolicy)


@pytest.mark.parametrize("observation_shape", [(4,), (2, 3)])
@pytest.mark.parametrize("batch_shape", [(6,), (3, 6)])
def test_k_critics_with_backbones_give_what_each_does_by_itself(observation_shape, batch_shape):
    torch.manual_seed(0)
    critics = BackboneStateActionCritics(
        lambda: StrictMLP(observation_shape, **SHAPE), 3, action_dim=2, size=8, activation="relu"
    )
    observations = torch.randn(*batch_shape, *observation_shape)
    actions = torch.randn(*batch_shape, 2)
    values = critics(observations, actions)
    assert values.shape == (3, *batch_shape)
    assert not critics.value(observations, actions).requires_grad

    flat, flat_actions = observations.reshape(-1, *observation_shape), actions.reshape(-1, 2)
    hidden, _, output = critics.net.layers
    for k, backbone in enumerate(critics.backbones):
        pair = torch.cat([backbone(flat), flat_actions], dim=-1)
        units = torch.relu(pair @ hidden.weight[k] + hidden.bias[k, 0])
        expected = units @ output.weight[k, :, 0] + output.bias[k, 0, 0]
        torch.testing.assert_close(values[k], expected.reshape(batch_shape))


def test_k_critics_on_images_share_nothing():
    critics = BackboneStateActionCritics(lambda: NatureCNN(IMAGE, **SHAPE), 2, 3, 8, "tanh")
    observations = torch.randint(0, 256, (2, 5, *IMAGE), dtype=torch.uint8)
    values = critics(observations, torch.randn(2, 5, 3))
    assert values.shape == (2, 2, 5)
    values[0].sum().backward()
    first, second = critics.backbones
    assert all(parameter.grad.abs().sum() > 0 for parameter in first.parameters())
    assert all((parameter.grad == 0).all() for parameter in second.parameters())


def test_k_critics_need_k_backbones():
    backbone = MLP((4,), **SHAPE)
    with pytest.raises(ValueError, match="a new module each time"):
        BackboneStateActionCritics(lambda: backbone, 2, 2, 8, "relu")


def test_k_critics_with_backbones_are_saved_and_loaded(tmp_path):
    one, other = (
        BackboneStateActionCritics(lambda: MLP((4,), **SHAPE), 2, 2, 8, "relu") for _ in range(2)
    )
    one.save(tmp_path / "critics.npz")
    other.load(tmp_path / "critics.npz")
    pair = torch.randn(5, 4), torch.randn(5, 2)
    torch.testing.assert_close(one(*pair), other(*pair), rtol=0, atol=0)
    assert isinstance(one.backbones, nn.ModuleList)
