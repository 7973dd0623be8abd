"""What an agent may ask of a policy and of a value function, whatever they are made of.

Shapes: B batch, * one observation.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.distributions import Distribution

from hw.infrastructure.checkpoint import SavedModule


class Policy(SavedModule, ABC):
    """pi(a | s): observations -> a distribution over actions."""

    @abstractmethod
    def forward(self, observations: Tensor) -> Distribution:
        """The distribution pi(. | s) for each of the observations (B, *)."""

    def act(self, observations: Tensor, deterministic: bool = False) -> Tensor:
        """One action for each observation (B, *): a sample, or the mode if deterministic."""
        distribution = self(observations)
        return distribution.mode if deterministic else distribution.sample()

    def log_prob(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Log pi(a | s) for observations (B, *) and their actions: (B,)."""
        return self(observations).log_prob(actions)

    def reset(self) -> None:
        """Forget past observations; a policy without memory has nothing to do."""


class StateValueFunction(SavedModule, ABC):
    """V(s): observations (B, *) -> values (B,)."""

    @abstractmethod
    def forward(self, observations: Tensor) -> Tensor:
        """V(s) for each observation."""


class StateActionValueFunction(SavedModule, ABC):
    """Q(s, a): observations (B, *) and actions (B, A) -> values (B,), or (K, B) from K of them."""

    @abstractmethod
    def forward(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Q(s, a) for each pair."""

    @torch.no_grad()
    def value(self, observations: Tensor, actions: Tensor) -> Tensor:
        """The same numbers, without gradient."""
        return self(observations, actions)
