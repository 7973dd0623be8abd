"""An agent that learns nothing: what a harness, its wrappers and its metrics are tried out with.

Shapes: N environments, B batch, A action dimension, * one observation.
"""

from collections.abc import Callable

from torch import Tensor

from hw.agents.base_agent import BaseAgent
from hw.infrastructure.optimization import Metrics


class UntrainedAgent(BaseAgent):
    """Acts, and is handed transitions like any other agent, but does not learn from them.

    Args:
        observation_shape: *.
        choose_actions: N -> actions (N, A), or (N,) if discrete.
    """

    collects = "transitions"

    def __init__(
        self, observation_shape: tuple[int, ...], *, choose_actions: Callable[[int], Tensor]
    ):
        super().__init__(observation_shape)
        self.choose_actions = choose_actions

    def act(self, observations: Tensor, step: int | None, deterministic: bool) -> Tensor:
        """`choose_actions(N)`, whatever is observed."""
        return self.choose_actions(len(observations))

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
        """Learn nothing; report what is in the batch.

        Args:
            observations, next_observations: (B, *).
            actions: (B, A) or (B,).
            rewards, dones, weights: (B,).
            step: environment steps so far.

        Returns:
            `batch/reward_mean` and `batch/done_mean`, and the histograms `batch/rewards` (B,) and
            `batch/observations`, of all components.
        """
        return {
            "batch/reward_mean": rewards.mean(),
            "batch/done_mean": dones.float().mean(),
            "batch/rewards": rewards,
            "batch/observations": observations.flatten(),
        }
