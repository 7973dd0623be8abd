"""Environments stepped one after the other."""

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.vector.utils import concatenate, create_empty_array, iterate


class SyncEnvs(SyncVectorEnv):
    """Gymnasium's, which never reset by themselves, with a shorter way through a step.

    Every array that it returns is a new one.

    Args:
        env_fns: each makes one environment.
    """

    def __init__(self, env_fns: Sequence[Callable[[], gym.Env]]):
        super().__init__(env_fns, copy=False, autoreset_mode=AutoresetMode.DISABLED)
        self.is_array = isinstance(
            self.single_observation_space, Box | Discrete | MultiBinary | MultiDiscrete
        )
        self.ended = [False] * self.num_envs

    def reset(
        self,
        *,
        seed: int | list[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Begin episodes: everywhere, or where `options["reset_mask"]` (N,) says so."""
        mask = (options or {}).get("reset_mask")
        _, infos = super().reset(seed=seed, options=options)
        self.ended = [
            ended and not (mask is None or mask[index]) for index, ended in enumerate(self.ended)
        ]
        return self._batch(), infos

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Act once in every environment.

        Raises:
            ResetNeeded: an episode has ended and its environment was not reset.
        """
        if True in self.ended:
            ended = [index for index, ended in enumerate(self.ended) if ended]
            raise ResetNeeded(f"reset environments {ended} first")
        infos: dict[str, Any] = {}
        rewards, dones, truncateds = [], [], []
        for index, action in enumerate(iterate(self.action_space, actions)):
            observation, reward, done, truncated, info = self.envs[index].step(action)
            self._env_obs[index] = observation
            rewards.append(reward)
            dones.append(done)
            truncateds.append(truncated)
            if info:
                infos = self._add_info(infos, info, index)
        dones, truncateds = np.array(dones, np.bool_), np.array(truncateds, np.bool_)
        self.ended = (dones | truncateds).tolist()
        return self._batch(), np.array(rewards, np.float64), dones, truncateds, infos

    def _batch(self) -> Any:
        """The latest observations of all environments."""
        space = self.single_observation_space
        if not self.is_array:
            empty = create_empty_array(space, self.num_envs)
            return concatenate(space, self._env_obs, empty)
        return np.array(self._env_obs).astype(space.dtype, casting="same_kind", copy=False)
