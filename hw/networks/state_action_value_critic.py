"""Q(s, a) as a multilayer perceptron of the pair, and K of them at once.

Shapes: B batch (any leading shape), K critics, A action dimension.
"""

import torch
from torch import Tensor

import hw.infrastructure.pytorch_util as ptu
from hw.networks.backbones import EnsembleLinear, EnsembleMLP
from hw.networks.interfaces import StateActionValueFunction


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
        """Q(s, a) = net([s, a]): (B,)."""
        return self.net(torch.cat([observations, actions], dim=-1)).squeeze(-1)


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
        """Q_k(s, a) for every k: (K, B)."""
        inputs = torch.cat([observations, actions], dim=-1)
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
