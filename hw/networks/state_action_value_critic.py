"""Q(s, a): as a multilayer perceptron of the pair, K of them at once, and K on backbones.

Shapes: B batch (any leading shape), * one observation, K critics, A action dimension, F features.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

import hw.infrastructure.pytorch_util as ptu
from hw.networks.backbones import EnsembleLinear, EnsembleMLP, as_floats
from hw.networks.interfaces import Backbone, StateActionValueFunction


class StateActionCritic(StateActionValueFunction):
    """One critic: observations (B, observation_size), actions (B, A) -> Q-values (B,).

    Args:
        observation_size, action_dim: lengths of the two vectors.
        n_layers, size, activation: as for `pytorch_util.build_mlp`.
    """

    def __init__(
        self, observation_size: int, action_dim: int, n_layers: int, size: int, activation: str
    ):
        super().__init__()
        self.net = ptu.build_mlp(observation_size + action_dim, 1, n_layers, size, activation)

    def forward(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Q(s, a) = net([s, a]): (B,). Bytes are scaled, see `as_floats`."""
        return self.net(torch.cat([as_floats(observations), actions], dim=-1)).squeeze(-1)


class StateActionCriticEnsemble(StateActionValueFunction):
    """K critics with weights of their own, in one batched call: -> Q-values (K, B).

    Args:
        num_critics: K.
        observation_size, action_dim, n_layers, size, activation: of each, as above.
    """

    def __init__(
        self,
        num_critics: int,
        observation_size: int,
        action_dim: int,
        n_layers: int,
        size: int,
        activation: str,
    ):
        super().__init__()
        self.net = EnsembleMLP(
            num_critics, observation_size + action_dim, 1, n_layers, size, activation
        )

    def forward(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Q_k(s, a) for every k: (K, B).

        `self.net` takes one batch axis and gives (K, batch, 1).

        Args:
            observations: (B, observation_size); bytes are scaled, see `as_floats`.
            actions: (B, A), with the same B, any leading shape: e.g. (S, B).
        """
        inputs = torch.cat([as_floats(observations), actions], dim=-1)
        batch_shape = inputs.shape[:-1]
        q_values = self.net(inputs.reshape(-1, inputs.shape[-1]))  # (K, prod(B), 1)
        return q_values.reshape(-1, *batch_shape)

    @torch.no_grad()
    def copy_member(self, k: int, critic: StateActionCritic) -> None:
        """Give critic number k the weights of a single critic of the same shape."""
        ours = [layer for layer in self.net.layers if isinstance(layer, EnsembleLinear)]
        theirs = [layer for layer in critic.net if isinstance(layer, torch.nn.Linear)]
        for layer, single in zip(ours, theirs, strict=True):
            layer.weight[k] = single.weight.T
            layer.bias[k, 0] = single.bias


class BackboneStateActionCritics(StateActionValueFunction):
    """K critics, each with a backbone of its own: -> Q-values (K, B).

        Q_k(s, a) = w_k . activation(W_k [backbone_k(s), a] + b_k) + c_k

    Args:
        make_backbone: makes a new backbone, observations (*) -> features (F), at each call.
        num_critics: K.
        action_dim: A.
        size: units in the hidden layer.
        activation: a name in `pytorch_util.ACTIVATIONS`.

    Raises:
        ValueError: `make_backbone` gave the same module twice.
    """

    def __init__(
        self,
        make_backbone: Callable[[], Backbone],
        num_critics: int,
        action_dim: int,
        size: int,
        activation: str,
    ):
        super().__init__()
        self.backbones = nn.ModuleList(make_backbone() for _ in range(num_critics))
        if len(set(self.backbones)) < num_critics:
            raise ValueError("make_backbone must make a new module each time it is called")
        input_size = self.backbones[0].feature_size + action_dim
        self.net = EnsembleMLP(num_critics, input_size, 1, 1, size, activation)

    def forward(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Q_k(s, a) for every k: (K, B).

        Args:
            observations: (B, *); B is as many axes as `actions` has before its last. A backbone
                sees them as one batch, so it need not know of leading shapes.
            actions: (B, A).
        """
        batch_shape = actions.shape[:-1]
        observations = observations.flatten(end_dim=len(batch_shape) - 1)
        actions = actions.flatten(end_dim=-2)
        pairs = [torch.cat([backbone(observations), actions], -1) for backbone in self.backbones]
        q_values = self.net.layers(torch.stack(pairs))  # (K, prod(B), 1)
        return q_values.reshape(-1, *batch_shape)
