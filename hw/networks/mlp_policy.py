"""A policy made of a multilayer perceptron. Shapes: B batch, A action dimension."""

from torch import Tensor
from torch.distributions import Distribution

from hw.networks.backbones import MLP
from hw.networks.heads import CategoricalHead, GaussianHead
from hw.networks.interfaces import Policy


class MLPPolicy(Policy):
    """pi(a | s) = head(backbone(s)), for observation vectors.

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
        super().__init__()
        self.backbone = MLP(observation_size, n_layers, size, activation)
        if discrete:
            self.head = CategoricalHead(self.backbone.feature_size, action_dim)
        else:
            self.head = GaussianHead(
                self.backbone.feature_size,
                action_dim,
                use_tanh=use_tanh,
                state_dependent_std=state_dependent_std,
                fixed_std=fixed_std,
            )

    def forward(self, observations: Tensor) -> Distribution:
        """The action distribution for each of the observations (B, observation_size)."""
        return self.head(self.backbone(observations))
