"""What an agent may ask of a policy and of a value function, whatever they are made of.

Shapes: B batch, * one observation.
"""

from abc import ABC, abstractmethod
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from hw.infrastructure.checkpoint import load_state, save_state


class Network(nn.Module):
    """A module whose weights can be written to a file and read back."""

    def save(self, path: Path) -> None:
        """Write the weights."""
        save_state(path, self.state_dict())

    def load(self, path: Path) -> None:
        """Read weights that `save` wrote.

        Raises:
            UserError: the file is missing or damaged.
        """
        self.load_state_dict(load_state(path))


class Policy(Network, ABC):
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
        """Forget what an episode left behind; called at an episode's start."""


class StateValueFunction(Network, ABC):
    """V(s): observations (B, *) -> values (B,)."""

    @abstractmethod
    def forward(self, observations: Tensor) -> Tensor:
        """V(s) for each observation."""


class StateActionValueFunction(Network, ABC):
    """Q(s, a): observations (B, *) and actions (B, A) -> values (B,), or (K, B) from K of them."""

    @abstractmethod
    def forward(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Q(s, a) for each pair."""

    @torch.no_grad()
    def value(self, observations: Tensor, actions: Tensor) -> Tensor:
        """The same numbers, without gradient."""
        return self(observations, actions)
