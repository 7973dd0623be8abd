"""Names the environment in which something goes wrong."""

import math
import textwrap
import traceback
from typing import Any

import gymnasium as gym
import numpy as np

from hw.infrastructure.errors import EnvError


class EnvGuard(gym.Wrapper):
    """Turns whatever an environment raises, and what it must not return, into an `EnvError`.

    It stands outermost, and costs well under a microsecond a step.

    Args:
        env: any.
        env_name, index: for messages: the environment's id, and its place among the N.
    """

    def __init__(self, env: gym.Env, *, env_name: str, index: int):
        super().__init__(env)
        self.where = f"{env_name}, environment {index}"
        self.shape = env.observation_space.shape  # None: a Dict, a Tuple, ...

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        try:
            observation, info = self.env.reset(seed=seed, options=options)
        except Exception as error:  # an environment's own code may fail in any way
            raise self._error(error) from error
        if getattr(observation, "shape", ()) != self.shape:
            self._check_shape(observation)
        return observation, info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Act."""
        try:
            observation, reward, done, truncated, info = self.env.step(action)
        except Exception as error:
            raise self._error(error) from error
        if getattr(observation, "shape", ()) != self.shape:
            self._check_shape(observation)
        if not (isinstance(reward, float) and math.isfinite(reward)):
            self._check_reward(reward)
        return observation, reward, done, truncated, info

    def render(self) -> Any:
        """Draw."""
        try:
            return self.env.render()
        except Exception as error:
            raise self._error(error) from error

    def _error(self, error: Exception) -> EnvError:
        reason = (str(error).splitlines() or [""])[0]
        summary = f"{type(error).__name__}: {reason}" if reason else type(error).__name__
        # The first frame is this file's.
        own = traceback.TracebackException(type(error), error, error.__traceback__.tb_next)
        lines = textwrap.indent("".join(own.format()).rstrip("\n"), "  ")
        return EnvError(f"{self.where}: {summary}\n{lines}")

    def _check_shape(self, observation: Any) -> None:
        """Numbers and nested lists have a shape too, though no attribute of that name."""
        if self.shape is None:
            return
        try:
            shape = np.shape(observation)
        except ValueError:  # rows of unequal length
            shape = None
        if shape != self.shape:
            raise EnvError(
                f"{self.where}: an observation of shape {shape}, where its space has {self.shape}"
            )

    def _check_reward(self, reward: Any) -> None:
        """Integers, booleans and arrays without axes are numbers too."""
        try:
            if math.isfinite(reward) and getattr(reward, "ndim", 0) == 0:
                return
        except (TypeError, ValueError, OverflowError):
            pass
        shape = getattr(reward, "shape", ())
        what = f"a reward of shape {shape}" if shape else f"the reward {reward!r}"
        raise EnvError(f"{self.where}: {what}, which must be a finite number")
