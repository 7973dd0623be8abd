"""Atari games, all N of them stepped by ale-py's threads."""

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from ale_py.vector_env import AtariVectorEnv
from gymnasium.vector import AutoresetMode


class NativeAtari(AtariVectorEnv):
    """ale-py's games, which never reset by themselves here, each episode from a seed of its own.

    ale-py would reset an ended game at its next step. Whoever resets it before, as an `EnvRunner`
    does, never sees that.

    Args:
        env_name: `ALE/...`.
        num_envs: N.
        env_kwargs: of that environment, of which `repeat_action_probability`, `full_action_space`
            and `max_num_frames_per_episode` are heeded.
        arguments: of the wrapper `Atari`, which prepares single games in the same way.
    """

    def __init__(
        self,
        env_name: str,
        num_envs: int,
        env_kwargs: Mapping[str, Any],
        arguments: Mapping[str, Any],
    ):
        screen_size = arguments.get("screen_size", 84)
        limit = "max_num_frames_per_episode"
        super().__init__(
            gym.spec(env_name).kwargs["game"],
            num_envs,
            max_num_frames_per_episode=env_kwargs.get(limit, gym.spec(env_name).kwargs[limit]),
            repeat_action_probability=env_kwargs["repeat_action_probability"],
            full_action_space=env_kwargs.get("full_action_space", False),
            img_height=screen_size,
            img_width=screen_size,
            stack_num=arguments.get("num_frames", 4),
            frameskip=arguments.get("frame_skip", 4),
            noop_max=arguments.get("noop_max", 30),
            use_fire_reset=arguments.get("fire_reset", True),
            episodic_life=arguments.get("episodic_life", False),
            reward_clipping=False,
        )
        self.metadata = {**self.metadata, "autoreset_mode": AutoresetMode.DISABLED}

    def reset(
        self,
        *,
        seed: int | Sequence[int] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin episodes in the games that `options["reset_mask"]` (N,) names, or in all.

        Args:
            seed: one for each of the N games.

        Returns:
            all N observations, and ale-py's infos.
        """
        if isinstance(seed, Sequence):
            mask = (options or {}).get("reset_mask", np.ones(self.num_envs, np.bool_))
            seed = np.asarray(seed)[mask]
        return super().reset(seed=seed, options=options)
