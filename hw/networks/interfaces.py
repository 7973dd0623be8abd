"""What an agent may ask of a policy and of a value function, whatever they are made of.

Shapes: B batch, * one observation, F features, A action dimension or number of actions, K critics.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from hw.infrastructure.checkpoint import SavedModule


class Backbone(nn.Module, ABC):
    """Features of observations: (B, *) -> (B, F).

    Its constructor is `Backbone(observation_shape, *, n_layers, size, activation)`, so that one
    takes another's place, and it puts its parameters on `pytorch_util.device`.

    Attributes:
        feature_size: F.
    """

    feature_size: int

    @abstractmethod
    def forward(self, observations: Tensor) -> Tensor:
        """Features (B, F) of observations (B, *), given as the environment made them."""


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


class ActionFunction(SavedModule, ABC):
    """mu(s): observations (B, *) -> one action for each (B, A), without chance."""

    @abstractmethod
    def forward(self, observations: Tensor) -> Tensor:
        """mu(s) for each observation; gradient flows through the action."""


class StateValueFunction(SavedModule, ABC):
    """V(s): observations (B, *) -> values (B,)."""

    @abstractmethod
    def forward(self, observations: Tensor) -> Tensor:
        """V(s) for each observation."""


class ActionValueFunction(SavedModule, ABC):
    """Q(s, .): observations (B, *) -> the value of each of finitely many actions (B, A)."""

    @abstractmethod
    def forward(self, observations: Tensor) -> Tensor:
        """Q(s, a) for each observation and every action a = 0 .. A - 1."""


class StateActionValueFunction(SavedModule, ABC):
    """Q(s, a): observations (B, *) and actions (B, A) -> values (B,), or (K, B) from K of them."""

    @abstractmethod
    def forward(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Q(s, a) for each pair."""

    @torch.no_grad()
    def value(self, observations: Tensor, actions: Tensor) -> Tensor:
        """The same numbers, without gradient."""
        return self(observations, actions)


class ActorCritic(SavedModule, ABC):
    """pi(a | s) and V(s) in one module, whether or not they share a part."""

    @abstractmethod
    def policy(self, observations: Tensor) -> Distribution:
        """The distribution pi(. | s) for each of the observations (B, *)."""

    @abstractmethod
    def value(self, observations: Tensor) -> Tensor:
        """V(s) for each of the observations (B, *): (B,)."""

    @abstractmethod
    def forward(self, observations: Tensor) -> tuple[Distribution, Tensor]:
        """Both, for observations (B, *); what they share is computed once."""
