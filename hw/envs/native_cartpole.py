"""CartPole, all N poles in one array operation."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.envs.classic_control.cartpole import CartPoleVectorEnv
from gymnasium.envs.classic_control.utils import maybe_parse_reset_bounds
from gymnasium.error import ResetNeeded
from gymnasium.utils.seeding import np_random
from gymnasium.vector import AutoresetMode


class NativeCartPole(CartPoleVectorEnv):
    """Gymnasium's, but it never resets by itself and each of the N poles has a seed of its own.

    So it is, to the last bit, the same as N `CartPoleEnv`s with a time limit.

    Args:
        num_envs: N.
        max_episode_steps: time limit, after which an episode is truncated.
        render_mode: "rgb_array" for frames.
        sutton_barto_reward: 0 a step and -1 for falling, instead of 1 a step.
    """

    metadata = {**CartPoleVectorEnv.metadata, "autoreset_mode": AutoresetMode.DISABLED}

    def __init__(
        self,
        num_envs: int,
        max_episode_steps: int,
        render_mode: str | None = None,
        sutton_barto_reward: bool = False,
    ):
        super().__init__(num_envs, max_episode_steps, render_mode, sutton_barto_reward)
        self.state = np.zeros((4, num_envs))
        self.ended = np.ones(num_envs, np.bool_)
        self.generators = [np_random()[0] for _ in range(num_envs)]

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin episodes.

        Args:
            seed: one for each environment; s means s, s + 1, ...; None goes on with the generators.
            options: "reset_mask" (N,) names the environments to reset; "low" and "high" bound the
                first state.

        Returns:
            all N observations, and no infos.
        """
        mask = (options or {}).get("reset_mask", np.ones(self.num_envs, np.bool_))
        if mask.shape != (self.num_envs,) or mask.dtype != np.bool_:
            raise ValueError(f"reset_mask must be {self.num_envs} booleans, not {mask!r}")
        if seed is None or isinstance(seed, int):
            seed = [None if seed is None else seed + i for i in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise ValueError(f"{len(seed)} seeds for {self.num_envs} environments")
        low, high = maybe_parse_reset_bounds(options, -0.05, 0.05)
        for i in np.flatnonzero(mask):
            if seed[i] is not None:
                self.generators[i], _ = np_random(seed[i])
            self.state[:, i] = self.generators[i].uniform(low, high, size=4)
        self.steps[mask] = 0
        self.ended[mask] = False
        return self._observations(), {}

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Act once in every environment.

        Raises:
            ResetNeeded: an episode has ended and its environment was not reset.
        """
        if self.ended.any():
            raise ResetNeeded(f"reset environments {np.flatnonzero(self.ended).tolist()} first")
        _, rewards, dones, truncateds, infos = super().step(actions)
        # Gymnasium would reset in the next step what it finds here.
        self.ended, self.prev_done = self.prev_done, np.zeros(self.num_envs, np.bool_)
        return self._observations(), rewards.astype(np.float64), dones, truncateds, infos

    def _observations(self) -> np.ndarray:
        return np.array(self.state.T, np.float32, order="C")
