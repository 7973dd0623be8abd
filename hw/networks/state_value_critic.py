"""V(s) from a backbone. Shapes: B batch, * one observation, F features."""

from torch import Tensor

import hw.infrastructure.pytorch_util as ptu
from hw.networks.interfaces import Backbone, StateValueFunction


class StateValueCritic(StateValueFunction):
    """V(s) = w . backbone(s) + b.

    Args:
        backbone: observations (B, *) -> features (B, F).
    """

    def __init__(self, backbone: Backbone):
        super().__init__()
        self.backbone = backbone
        self.head = ptu.build_mlp(backbone.feature_size, 1, n_layers=0, size=0)

    def forward(self, observations: Tensor) -> Tensor:
        """V(s) for each of the observations (B, *): (B,), not (B, 1)."""
        return self.head(self.backbone(observations)).squeeze(-1)
