"""Heads: features -> a distribution over actions, an action, or the value of each action.

Shapes: B batch (any leading shape), F features, A action dimension or number of actions.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import hw.infrastructure.pytorch_util as ptu
from hw.infrastructure.distributions import (
    Categorical,
    DiagonalNormal,
    make_multi_normal,
    make_tanh_transformed,
)

MIN_STD = 1e-2


class GaussianHead(nn.Module):
    """mean = W f + b and a standard deviation, as a Gaussian over actions, plain or tanh-squashed.

    The standard deviation is softplus(x) + 0.01, where x is a second output of the features
    (state-dependent) or a parameter for each action component (learned), or it is fixed.

    Args:
        feature_size: F.
        action_dim: A.
        use_tanh: squash actions into (-1, 1).
        state_dependent_std: compute the standard deviation from the features.
        fixed_std: the standard deviation itself; excludes `state_dependent_std`.
        initial_std: where a learned standard deviation starts, above 0.01; None starts x at 0.
            Excludes the other two.

    Raises:
        ValueError: arguments that exclude each other, or an `initial_std` that cannot be reached.
    """

    def __init__(
        self,
        feature_size: int,
        action_dim: int,
        *,
        use_tanh: bool,
        state_dependent_std: bool,
        fixed_std: float | None,
        initial_std: float | None = None,
    ):
        super().__init__()
        if state_dependent_std and fixed_std is not None:
            raise ValueError("a standard deviation is either state-dependent or fixed, not both")
        if initial_std is not None and (state_dependent_std or fixed_std is not None):
            raise ValueError(
                "initial_std is of a learned standard deviation, neither fixed nor state-dependent"
            )
        if initial_std is not None and initial_std <= MIN_STD:
            raise ValueError(f"initial_std is {initial_std}, which must be above {MIN_STD}")
        self.state_dependent_std = state_dependent_std
        self.make_distribution = make_tanh_transformed if use_tanh else make_multi_normal
        output_size = 2 * action_dim if state_dependent_std else action_dim
        self.output = ptu.build_mlp(feature_size, output_size, n_layers=0, size=0)
        self.raw_std: nn.Parameter | None = None
        if fixed_std is not None:
            self.register_buffer("fixed_std", torch.full((action_dim,), fixed_std).to(ptu.device))
        elif not state_dependent_std:
            raw_std = 0.0 if initial_std is None else _inverse_softplus(initial_std - MIN_STD)
            self.raw_std = nn.Parameter(torch.full((action_dim,), raw_std, device=ptu.device))

    def forward(self, features: Tensor) -> DiagonalNormal:
        """The distribution over actions for each row of features (B, F)."""
        output = self.output(features)
        if self.state_dependent_std:
            mean, raw_std = output.chunk(2, dim=-1)
            return self.make_distribution(mean, F.softplus(raw_std) + MIN_STD)
        if self.raw_std is not None:
            return self.make_distribution(output, F.softplus(self.raw_std) + MIN_STD)
        return self.make_distribution(output, self.fixed_std)


class CategoricalHead(nn.Module):
    """logits = W f + b, as a distribution over the actions 0 .. A - 1."""

    def __init__(self, feature_size: int, num_actions: int):
        super().__init__()
        self.output = ptu.build_mlp(feature_size, num_actions, n_layers=0, size=0)

    def forward(self, features: Tensor) -> Categorical:
        """The distribution over actions for each row of features (B, F)."""
        return Categorical(self.output(features))


class DeterministicHead(nn.Module):
    """a = tanh(W f + b), an action in (-1, 1)^A (Lillicrap et al. 2015, arXiv 1509.02971, sec. 7).

    Args:
        feature_size: F.
        action_dim: A.
    """

    def __init__(self, feature_size: int, action_dim: int):
        super().__init__()
        self.output = ptu.build_mlp(feature_size, action_dim, n_layers=0, size=0)

    def forward(self, features: Tensor) -> Tensor:
        """The action (B, A) for each row of features (B, F)."""
        return self.output(features).tanh()


class ActionValueHead(nn.Module):
    """Q(s, .) = W f + b.

    Args:
        feature_size: F.
        num_actions: A.
    """

    def __init__(self, feature_size: int, num_actions: int):
        super().__init__()
        self.output = ptu.build_mlp(feature_size, num_actions, n_layers=0, size=0)

    def forward(self, features: Tensor) -> Tensor:
        """The value of each action (B, A) for each row of features (B, F)."""
        return self.output(features)


class DuelingHead(nn.Module):
    """A value stream and an advantage stream, joined so that the advantages average to zero.

        Q(s, a) = V(s) + A(s, a) - 1/|A| sum_a' A(s, a')

    (Wang et al. 2016, "Dueling Network Architectures for Deep Reinforcement Learning", eq. 9.)
    Without the last term V and A would be known only up to a constant; with it, V is the mean of Q.

    Args:
        feature_size: F; each stream has one hidden layer of as many units.
        num_actions: A.
        activation: of the hidden layers, a name in `pytorch_util.ACTIVATIONS`.
    """

    def __init__(self, feature_size: int, num_actions: int, activation: str):
        super().__init__()
        self.value = ptu.build_mlp(feature_size, 1, 1, feature_size, activation)
        self.advantage = ptu.build_mlp(feature_size, num_actions, 1, feature_size, activation)

    def forward(self, features: Tensor) -> Tensor:
        """The value of each action (B, A) for each row of features (B, F).

        `self.value` maps features to V (B, 1), `self.advantage` to A (B, A); gradient flows into
        both streams, through the mean as well.
        """
        advantages = self.advantage(features)
        return self.value(features) + advantages - advantages.mean(dim=-1, keepdim=True)


def _inverse_softplus(value: float) -> float:
    """The x at which log(1 + exp(x)) is the value, which is positive."""
    return value + math.log(-math.expm1(-value))
