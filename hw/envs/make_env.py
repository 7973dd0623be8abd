"""Environments by name, ready for an agent: known spaces, actions in [-1, 1], no autoreset."""

import difflib

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.wrappers import RescaleAction, TransformAction

from hw.envs.mujoco_setup import prepare_mujoco
from hw.infrastructure.errors import ConfigError


def make_env(
    env_name: str,
    *,
    max_episode_steps: int | None = None,
    clip_actions: bool = False,
    render_mode: str | None = None,
) -> gym.Env:
    """One environment.

    Continuous actions are accepted in [-1, 1] and rescaled to the environment's bounds; unbounded
    or discrete action spaces are left alone.

    Args:
        env_name: a Gymnasium id, or `module:Id` for one that a module registers.
        max_episode_steps: time limit, after which a step is truncated; None keeps the registered
            one.
        clip_actions: first clip actions to the bounds, for a policy that does not keep to them.
        render_mode: "rgb_array" for frames, "human" for a window.

    Raises:
        ConfigError: there is no such environment, or a package it needs is missing.
    """
    prepare_mujoco()
    try:
        env = gym.make(
            env_name,
            max_episode_steps=max_episode_steps,
            disable_env_checker=True,
            **({} if render_mode is None else {"render_mode": render_mode}),
        )
    except Exception as error:  # an environment's own code may fail in any way
        raise ConfigError(_explain(env_name, error), key="env_name") from error
    space = env.action_space
    if isinstance(space, Box) and space.is_bounded():
        if not (np.all(space.low == -1.0) and np.all(space.high == 1.0)):
            env = RescaleAction(env, np.float32(-1.0), np.float32(1.0))
        if clip_actions:
            env = TransformAction(env, lambda action: np.clip(action, -1.0, 1.0), env.action_space)
    return env


def make_vector_env(
    env_name: str,
    num_envs: int,
    *,
    max_episode_steps: int | None = None,
    clip_actions: bool = False,
    render_mode: str | None = None,
) -> VectorEnv:
    """`num_envs` copies of `make_env(...)`, stepped one after the other, that never reset by
    themselves.
    """

    def make_one() -> gym.Env:
        return make_env(
            env_name,
            max_episode_steps=max_episode_steps,
            clip_actions=clip_actions,
            render_mode=render_mode,
        )

    return SyncVectorEnv([make_one] * num_envs, autoreset_mode=AutoresetMode.DISABLED)


def _explain(env_name: str, error: Exception) -> str:
    if isinstance(error, ImportError | gym.error.DependencyNotInstalled):
        return f"{env_name!r} needs a package that is not installed: {error}"
    close = difflib.get_close_matches(env_name, gym.registry, n=1)
    lines = str(error).splitlines() or [type(error).__name__]
    reason = lines[0].split(" Did you mean")[0]
    suggestion = f" Did you mean {close[0]!r}?" if close else ""
    return f"cannot make {env_name!r}: {reason}{suggestion}"
