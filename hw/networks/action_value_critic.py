"""Q(s, .), the values of finitely many actions. Shapes: B batch, * one observation, A actions."""

from torch import Tensor, nn

from hw.networks.interfaces import ActionValueFunction, Backbone


class ActionValueCritic(ActionValueFunction):
    """Q(s, .) = head(backbone(s)).

    Args:
        backbone: observations (B, *) -> features (B, F).
        head: features (B, F) -> values (B, A), such as `ActionValueHead` or `DuelingHead`.
    """

    def __init__(self, backbone: Backbone, head: nn.Module):
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, observations: Tensor) -> Tensor:
        """Q(s, a) for each of the observations (B, *) and every action: (B, A)."""
        return self.head(self.backbone(observations))
