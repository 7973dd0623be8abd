"""Heads: features (B, F) -> a distribution over actions. Shapes: B batch, F features, A actions."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Categorical

import hw.infrastructure.pytorch_util as ptu
from hw.infrastructure.distributions import (
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
    """

    def __init__(
        self,
        feature_size: int,
        action_dim: int,
        *,
        use_tanh: bool,
        state_dependent_std: bool,
        fixed_std: float | None,
    ):
        super().__init__()
        if state_dependent_std and fixed_std is not None:
            raise ValueError("a standard deviation is either state-dependent or fixed, not both")
        self.state_dependent_std = state_dependent_std
        self.make_distribution = make_tanh_transformed if use_tanh else make_multi_normal
        output_size = 2 * action_dim if state_dependent_std else action_dim
        self.output = ptu.build_mlp(feature_size, output_size, n_layers=0, size=0)
        self.raw_std: nn.Parameter | None = None
        if fixed_std is not None:
            self.register_buffer("fixed_std", torch.full((action_dim,), fixed_std).to(ptu.device))
        elif not state_dependent_std:
            self.raw_std = nn.Parameter(torch.zeros(action_dim, device=ptu.device))

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
        return Categorical(logits=self.output(features), validate_args=False)
