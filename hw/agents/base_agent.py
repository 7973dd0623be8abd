"""The contract between an agent and the trainer. It holds no algorithm.

Shapes: N environments, B batch, A action dimension, * one observation.
"""

from abc import ABC, abstractmethod
from typing import Any, Literal

import numpy as np
from torch import Tensor

from hw.infrastructure.checkpoint import SavedModule
from hw.infrastructure.compilation import Compiler
from hw.infrastructure.optimization import Metrics


class BaseAgent(SavedModule, ABC):
    """Acts, and learns from what the trainer hands it.

    An algorithm declares in `collects` what it wants to be handed. Its parameters, those of its
    target networks and its optimizers all belong to `state_dict()`. What is worth compiling runs
    through its `compiler`, which is off unless it is enabled.
    """

    collects: Literal["transitions"] = "transitions"

    def __init__(self):
        super().__init__()
        self.compiler = Compiler()

    @abstractmethod
    def get_action(
        self, observation: np.ndarray, step: int | None = None, deterministic: bool = False
    ) -> np.ndarray:
        """Act on one observation (*) or on N of them (N, *).

        Args:
            step: environment steps so far, for exploration that depends on it.
            deterministic: the policy's mode instead of a sample.

        Returns:
            one action or N of them, to match.
        """

    @abstractmethod
    def update(
        self,
        observations: Tensor,
        actions: Tensor,
        rewards: Tensor,
        next_observations: Tensor,
        dones: Tensor,
        step: int,
        weights: Tensor | None = None,
    ) -> Metrics:
        """Learn from a batch of transitions.

        Args:
            observations, next_observations: (B, *).
            actions: (B, A).
            rewards, dones: (B,); `dones` marks termination, not time limits.
            step: environment steps so far.
            weights: (B,) importance weights of prioritised replay.

        Returns:
            metrics by name: detached 0-d tensors, or vectors where a histogram is meant.
        """

    def reset(self) -> None:
        """Forget past observations; an agent without memory has nothing to do."""

    def optimizers(self) -> dict[str, Any]:
        """The optimizers by name; their state is saved with the weights."""
        return {}

    def get_extra_state(self) -> dict[str, Any]:
        """What `state_dict()` holds beside the weights: the optimizers' state."""
        return {name: optimizer.state_dict() for name, optimizer in self.optimizers().items()}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Restore `get_extra_state()`."""
        for name, optimizer in self.optimizers().items():
            optimizer.load_state_dict(state[name])

    def weights(self) -> dict[str, Tensor]:
        """All networks' weights, without the optimizers."""
        return {name: value for name, value in self.state_dict().items() if _is_weight(name)}

    def load_weights(self, weights: dict[str, Tensor]) -> None:
        """Restore `weights()`; optimizers keep their state."""
        self.load_state_dict({**weights, "_extra_state": self.get_extra_state()})


def _is_weight(name: str) -> bool:
    return not name.endswith("_extra_state")
