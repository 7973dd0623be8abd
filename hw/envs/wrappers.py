"""Small wrappers: stacked frames, other bounds, a time limit, rewards clipped or scaled.

Shapes: N environments, S stacked frames, * one observation of the wrapped environment.
"""

import math
from collections.abc import Sequence
from typing import Any, Literal

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box
from gymnasium.vector import VectorEnv, VectorWrapper


class FrameStack(gym.Wrapper):
    """The last S observations as one, the oldest first.

    Velocities and the like, which no single image shows, can be read off several (Mnih et al.,
    2015, "Human-level control through deep reinforcement learning").

    Args:
        env: with a Box of observations of any shape and dtype.
        num_frames: S, at least 1.
        padding: what stands before an episode's first observation: that observation again, or
            zeros.
    """

    def __init__(
        self, env: gym.Env, *, num_frames: int, padding: Literal["first", "zeros"] = "first"
    ):
        super().__init__(env)
        self.padding = padding
        space = env.observation_space
        if not isinstance(space, Box):
            raise TypeError(f"needs a Box of observations, not {space}")
        if num_frames < 1:
            raise ValueError(f"num_frames is {num_frames}; it must be at least 1")
        self.frames = np.zeros((num_frames, *space.shape), space.dtype)
        low, high = (
            np.repeat(bound[None], num_frames, axis=0) for bound in (space.low, space.high)
        )
        self.observation_space = Box(low, high, dtype=space.dtype)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode; the first stack is the first observation S times, or padded."""
        observation, info = self.env.reset(seed=seed, options=options)
        self.fill(observation if self.padding == "first" else np.zeros_like(observation))
        self.push(observation)
        return self.frames.copy(), info

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Act, and move the stack on by one observation."""
        observation, reward, done, truncated, info = self.env.step(action)
        self.push(observation)
        return self.frames.copy(), reward, done, truncated, info

    def fill(self, observation: np.ndarray) -> None:
        """Make every one of `self.frames` (S, *) this observation (*), in place.

        So the stack of a new episode holds nothing of the one before.
        """
        self.frames[:] = observation

    def push(self, observation: np.ndarray) -> None:
        """Drop the oldest of `self.frames` (S, *) and append a copy of this observation (*).

            f_0, f_1, ..., f_{S-2}, f_{S-1}   becomes   f_1, f_2, ..., f_{S-1}, observation

        With S = 1 the only frame is replaced. `self.frames` stays an array of its shape and type,
        whatever the observation's type.
        """
        self.frames[:-1] = self.frames[1:]
        self.frames[-1] = observation


class RescaleObservation(gym.ObservationWrapper):
    """Bounded observations, such as pixels, moved to an interval of one's choice.

    Args:
        env: with a Box of observations in which low < high everywhere; * is its shape.
        min_obs, max_obs: the interval; min_obs < max_obs.
    """

    def __init__(self, env: gym.Env, *, min_obs: float, max_obs: float):
        super().__init__(env)
        space = env.observation_space
        if not isinstance(space, Box) or not space.is_bounded() or (space.low >= space.high).any():
            raise TypeError(f"needs a Box of observations that has bounds, not {space}")
        if not min_obs < max_obs:
            raise ValueError(f"min_obs is {min_obs}, not below max_obs, {max_obs}")
        self.low = space.low.astype(np.float64)
        self.width = space.high.astype(np.float64) - self.low
        self.min_obs = np.float32(min_obs)
        self.max_obs = np.float32(max_obs)
        self.observation_space = Box(self.min_obs, self.max_obs, space.shape, np.float32)

    def observation(self, observation: np.ndarray) -> np.ndarray:
        """min + (x - low) / (high - low) * (max - min), component by component.

        Rounding never leads out of the interval.

        Args:
            observation: x (*), of any dtype.

        Returns:
            (*) float32.
        """
        fraction = (observation - self.low) / self.width
        rescaled = self.min_obs + fraction * (self.max_obs - self.min_obs)
        return np.clip(rescaled, self.min_obs, self.max_obs).astype(np.float32)


class TimeLimit(gym.Wrapper):
    """Truncates an episode after a number of steps; never terminates one.

    The future after a time limit is worth what the value function says, after termination 0. So
    `done` stays as the environment said it, also where the two fall together.

    Args:
        env: any.
        max_steps: of an episode, at least 1.
    """

    def __init__(self, env: gym.Env, *, max_steps: int):
        super().__init__(env)
        if max_steps < 1:
            raise ValueError(f"max_steps is {max_steps}; it must be at least 1")
        self.max_steps = max_steps
        self.num_steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode of 0 steps."""
        self.num_steps = 0
        return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Act, and count the step in `self.num_steps`; truncate step `max_steps` and any after it.

        It never resets: the caller does.

        Only `truncated` is ever changed, from False to True: the environment may have a limit of
        its own, and the first of the two to be reached holds. Where the episode terminates in the
        very step that reaches the limit, both are True.

        Returns:
            what the environment returned, its info as it is, with `truncated` (bool) so changed.
        """
        observation, reward, done, truncated, info = self.env.step(action)
        self.num_steps += 1
        truncated = truncated or self.num_steps >= self.max_steps
        return observation, reward, done, truncated, info


class RewardWrapper(VectorWrapper):
    """Base of the wrappers that change rewards, all N at once.

    `infos["raw_rewards"]` (N,) keeps the rewards as the task gave them, whatever the number of such
    wrappers. Evaluation leaves them out, since its returns are the task's own.
    """

    training_only = True

    def reset(
        self,
        *,
        seed: int | Sequence[int] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Begin episodes: everywhere, or where `options["reset_mask"]` (N,) says so."""
        # The environments take the mask out of the options.
        mask = (options or {}).get("reset_mask", np.ones(self.num_envs, np.bool_))
        observations, infos = self.env.reset(seed=seed, options=options)
        self.begin_episodes(mask)
        return observations, infos

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Act, and change the rewards."""
        observations, rewards, dones, truncateds, infos = self.env.step(actions)
        infos.setdefault("raw_rewards", rewards)
        rewards = self.transform_rewards(rewards, dones | truncateds)
        return observations, rewards, dones, truncateds, infos

    def begin_episodes(self, mask: np.ndarray) -> None:
        """Forget the episodes under way where `mask` (N,) is true; nothing to do without memory."""

    def transform_rewards(self, rewards: np.ndarray, ended: np.ndarray) -> np.ndarray:
        """New rewards (N,) for `rewards` (N,), which stay as they are.

        Args:
            rewards: (N,) of this step.
            ended: (N,), whether it was the last of its episode.
        """
        raise NotImplementedError


class ClipReward(RewardWrapper):
    """Rewards cut to an interval, so that a single scale of learning rates suits many tasks.

    It changes the task: 10 and 1000 become the same (Mnih et al., 2015: low -1, high 1).

    Args:
        env: N environments.
        low, high: the interval; low < high.
    """

    def __init__(self, env: VectorEnv, *, low: float, high: float):
        super().__init__(env)
        if not low < high:
            raise ValueError(f"low is {low}, not below high, {high}")
        self.low = low
        self.high = high

    def transform_rewards(self, rewards: np.ndarray, ended: np.ndarray) -> np.ndarray:
        """min(max(r, low), high), each (N,); `ended` plays no part."""
        return np.clip(rewards, self.low, self.high)


class ScaleReward(RewardWrapper):
    """Rewards times a constant. The best policy stays the best; losses and gradients change scale.

    Args:
        env: N environments.
        factor: a positive number.
    """

    def __init__(self, env: VectorEnv, *, factor: float):
        super().__init__(env)
        if not (0 < factor < math.inf):
            raise ValueError(f"factor is {factor}; it must be positive and finite")
        self.factor = factor

    def transform_rewards(self, rewards: np.ndarray, ended: np.ndarray) -> np.ndarray:
        """factor * r, each (N,); `ended` plays no part."""
        return self.factor * rewards
