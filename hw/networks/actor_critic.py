"""A policy and a value function in one module: on a shared backbone, or apart.

Shapes: B batch, * one observation, F features.
"""

from torch import Tensor, nn
from torch.distributions import Distribution

import hw.infrastructure.pytorch_util as ptu
from hw.networks.interfaces import ActorCritic, Backbone, Policy, StateValueFunction


class SharedActorCritic(ActorCritic):
    """pi(a | s) = policy_head(f) and V(s) = w . f + b, on the same features f = backbone(s).

    Args:
        backbone: observations (B, *) -> features (B, F); both losses train it.
        policy_head: features (B, F) -> a distribution over actions.
    """

    def __init__(self, backbone: Backbone, policy_head: nn.Module):
        super().__init__()
        self.backbone = backbone
        self.policy_head = policy_head
        self.value_head = ptu.build_mlp(backbone.feature_size, 1, n_layers=0, size=0)

    def forward(self, observations: Tensor) -> tuple[Distribution, Tensor]:
        """pi(. | s) and V(s), (B,), for observations (B, *), from one pass of the backbone."""
        features = self.backbone(observations)
        return self.policy_head(features), self.value_head(features).squeeze(-1)

    def policy(self, observations: Tensor) -> Distribution:
        """pi(. | s) alone, for observations (B, *)."""
        return self.policy_head(self.backbone(observations))

    def value(self, observations: Tensor) -> Tensor:
        """V(s) alone, (B,), for observations (B, *)."""
        return self.value_head(self.backbone(observations)).squeeze(-1)


class SeparateActorCritic(ActorCritic):
    """A policy and a critic that share nothing.

    Args:
        policy: observations (B, *) -> a distribution over actions; kept as `actor`.
        critic: observations (B, *) -> values (B,).
    """

    def __init__(self, policy: Policy, critic: StateValueFunction):
        super().__init__()
        self.actor = policy
        self.critic = critic

    def forward(self, observations: Tensor) -> tuple[Distribution, Tensor]:
        """pi(. | s) and V(s), (B,), for observations (B, *)."""
        return self.actor(observations), self.critic(observations)

    def policy(self, observations: Tensor) -> Distribution:
        """pi(. | s) alone, for observations (B, *)."""
        return self.actor(observations)

    def value(self, observations: Tensor) -> Tensor:
        """V(s) alone, (B,), for observations (B, *)."""
        return self.critic(observations)
