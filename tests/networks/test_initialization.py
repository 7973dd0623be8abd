"""Orthogonal weights, by W W^T = gain^2 I."""

import math

import pytest
import torch
from torch import nn

from hw.networks.actor_critic import SharedActorCritic
from hw.networks.backbones import EnsembleLinear, EnsembleMLP, NatureCNN
from hw.networks.heads import GaussianHead
from hw.networks.initialization import orthogonal_init


def assert_orthogonal(weight, gain):
    if weight.shape[0] > weight.shape[1]:
        weight = weight.T
    expected = gain**2 * torch.eye(weight.shape[0])
    torch.testing.assert_close(weight @ weight.T, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("gain", [0.01, 1.0, math.sqrt(2)])
@pytest.mark.parametrize(
    "layer", [nn.Linear(5, 3), nn.Linear(3, 5), nn.Conv2d(2, 6, 3), nn.Conv1d(2, 9, 2)]
)
def test_weights_are_orthogonal_and_biases_zero(layer, gain):
    assert orthogonal_init(layer, gain) is layer
    assert_orthogonal(layer.weight.flatten(1), gain)
    assert (layer.bias == 0).all()


def test_each_member_of_an_ensemble_is_orthogonal_and_its_own():
    ensemble = orthogonal_init(EnsembleMLP(3, 4, 1, 2, 6, "relu"), math.sqrt(2))
    for layer in ensemble.layers:
        if isinstance(layer, EnsembleLinear):
            for weight in layer.weight:
                assert_orthogonal(weight, math.sqrt(2))
            assert not torch.equal(layer.weight[0], layer.weight[1])
            assert (layer.bias == 0).all()
            assert layer.weight.requires_grad


def test_a_part_is_initialised_by_itself_and_the_rest_left_alone():
    head = GaussianHead(
        16, 2, use_tanh=False, state_dependent_std=False, fixed_std=None, initial_std=0.5
    )
    network = SharedActorCritic(NatureCNN((40, 40), n_layers=1, size=16, activation="relu"), head)
    raw_std = head.raw_std.detach().clone()
    orthogonal_init(network, math.sqrt(2))
    orthogonal_init(network.policy_head, 0.01)
    assert_orthogonal(network.backbone.convolutions[0].weight.flatten(1), math.sqrt(2))
    assert_orthogonal(network.backbone.layers[0].weight, math.sqrt(2))
    assert_orthogonal(head.output[0].weight, 0.01)
    assert torch.equal(head.raw_std, raw_std)


def test_layers_without_bias_and_modules_without_weights_pass():
    orthogonal_init(nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU()), 1.0)
