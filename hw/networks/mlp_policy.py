"""Policies: a backbone and a head. Shapes: B batch, * one observation, A action dimension."""

from torch import Tensor, nn
from torch.distributions import Distribution

from hw.networks.backbones import MLP
from hw.networks.heads import CategoricalHead, GaussianHead
from hw.networks.interfaces import ActionFunction, Backbone, Policy


class NetworkPolicy(Policy):
    """pi(a | s) = head(backbone(s)).

    Args:
        backbone: observations (B, *) -> features (B, F).
        head: features (B, F) -> a distribution over actions.
    """

    def __init__(self, backbone: Backbone, head: nn.Module):
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, observations: Tensor) -> Distribution:
        """The action distribution for each of the observations (B, *)."""
        return self.head(self.backbone(observations))


class MLPPolicy(NetworkPolicy):
    """pi(a | s) = head(MLP(s)), for observation vectors.

    Args:
        observation_size: length of one observation.
        action_dim: A, or the number of actions if discrete.
        n_layers, size, activation: of the backbone.
        discrete: a categorical distribution instead of a Gaussian one.
        use_tanh, state_dependent_std, fixed_std: of the Gaussian head.
    """

    def __init__(
        self,
        observation_size: int,
        action_dim: int,
        *,
        n_layers: int,
        size: int,
        activation: str,
        discrete: bool = False,
        use_tanh: bool = False,
        state_dependent_std: bool = False,
        fixed_std: float | None = None,
    ):
        backbone = MLP((observation_size,), n_layers=n_layers, size=size, activation=activation)
        if discrete:
            head = CategoricalHead(backbone.feature_size, action_dim)
        else:
            head = GaussianHead(
                backbone.feature_size,
                action_dim,
                use_tanh=use_tanh,
                state_dependent_std=state_dependent_std,
                fixed_std=fixed_std,
            )
        super().__init__(backbone, head)


class DeterministicPolicy(ActionFunction):
    """mu(s) = head(backbone(s)), a single action for each state.

    Args:
        backbone: observations (B, *) -> features (B, F).
        head: features (B, F) -> actions (B, A), such as `DeterministicHead`.
    """

    def __init__(self, backbone: Backbone, head: nn.Module):
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, observations: Tensor) -> Tensor:
        """The actions (B, A) for observations (B, *); gradient flows through them."""
        return self.head(self.backbone(observations))
