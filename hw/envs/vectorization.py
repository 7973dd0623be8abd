"""N environments as one, none of which resets by itself.

sync steps one after the other, async each in a process of its own, native all in one operation of
their author's, envpool all by threads of EnvPool.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.wrappers.vector import RescaleAction, TransformAction, TransformObservation

from hw.envs.async_envs import AsyncEnvs
from hw.envs.atari import prepare_atari
from hw.envs.creation_errors import env_creation_error
from hw.envs.env_guard import EnvGuard
from hw.envs.envpool_envs import make_envpool_envs
from hw.envs.native_cartpole import NativeCartPole
from hw.envs.sync_envs import SyncEnvs
from hw.envs.wrapper_registry import WrapperSpec
from hw.infrastructure.errors import ConfigError

Vectorization = Literal["sync", "async", "native", "envpool"]

NATIVE: dict[str, Callable[..., VectorEnv]] = {
    "CartPole-v0": NativeCartPole,
    "CartPole-v1": NativeCartPole,
}

HEEDED_BY_NATIVE_ATARI = {
    "frameskip",  # 1: the wrapper's own arguments say how many frames are skipped
    "full_action_space",
    "max_num_frames_per_episode",
    "repeat_action_probability",
}


def make_sync(make_one: Callable[[], gym.Env], num_envs: int, *, env_name: str) -> VectorEnv:
    """N environments, stepped one after the other."""
    return SyncEnvs(_guarded(make_one, num_envs, env_name))


def make_async(make_one: Callable[[], gym.Env], num_envs: int, *, env_name: str) -> VectorEnv:
    """N environments, each in a process of its own; worth it where a step takes long."""
    return AsyncEnvs(_guarded(make_one, num_envs, env_name), env_name)


def make_native(
    env_name: str,
    num_envs: int,
    *,
    env_kwargs: Mapping[str, Any],
    max_episode_steps: int | None,
    clip_actions: bool,
) -> VectorEnv:
    """N environments that their author vectorized.

    Raises:
        ConfigError: there are none, or they cannot be kept from resetting by themselves.
    """
    arguments = dict(env_kwargs)
    if max_episode_steps is not None:
        arguments["max_episode_steps"] = max_episode_steps
    if env_name in NATIVE:
        arguments.setdefault("max_episode_steps", gym.spec(env_name).max_episode_steps)
        try:
            return NATIVE[env_name](num_envs, **arguments)
        except TypeError as error:
            raise env_creation_error(env_name, error, env_kwargs) from error
    if env_name.startswith("ALE/"):
        raise _no_native(env_name, "needs the wrapper atari")
    envs = _make_gymnasium_native(env_name, num_envs, arguments)
    mode = envs.metadata.get("autoreset_mode")
    if mode is not AutoresetMode.DISABLED:
        envs.close()
        raise _no_native(env_name, f"resets by itself (autoreset mode {mode})")
    envs = TransformObservation(envs, np.copy)  # an author may write each into the same memory
    return _adapt_actions(envs, clip_actions)


def make_native_atari(
    env_name: str, num_envs: int, *, env_kwargs: Mapping[str, Any], arguments: Mapping[str, Any]
) -> VectorEnv:
    """N Atari games, prepared as the wrapper `Atari` with these arguments would.

    Raises:
        ConfigError: there is no such game, ale-py is not installed, or its threads would not heed
            one of `env_kwargs`.
    """
    for name, value in env_kwargs.items():
        if name not in HEEDED_BY_NATIVE_ATARI or (name == "frameskip" and value != 1):
            raise ConfigError(
                f"native does not heed {name}: {value!r}; use sync or async", key="env_kwargs"
            )
    try:
        prepare_atari(env_name)
        from hw.envs.native_atari import NativeAtari

        return NativeAtari(env_name, num_envs, env_kwargs, arguments)
    except Exception as error:  # ale-py may fail in any way
        raise env_creation_error(env_name, error, env_kwargs) from error


def make_envpool(
    env_name: str,
    num_envs: int,
    *,
    make_one: Callable[[], gym.Env],
    env_kwargs: Mapping[str, Any],
    atari: WrapperSpec | None,
    clip_actions: bool,
) -> VectorEnv:
    """EnvPool's version of N environments.

    Args:
        make_one: Gymnasium's version of one, with all its wrappers.
        env_kwargs: of the environment.
        atari: the wrapper `Atari`, where it is listed.

    Raises:
        ConfigError: there is none, or EnvPool is not installed.
    """
    envs = make_envpool_envs(
        env_name, num_envs, make_one=make_one, env_kwargs=env_kwargs, atari=atari
    )
    return _adapt_actions(envs, clip_actions)


def _guarded(
    make_one: Callable[[], gym.Env], num_envs: int, env_name: str
) -> list[Callable[[], gym.Env]]:
    return [partial(_make_guarded, make_one, env_name, index) for index in range(num_envs)]


def _make_guarded(make_one: Callable[[], gym.Env], env_name: str, index: int) -> EnvGuard:
    return EnvGuard(make_one(), env_name=env_name, index=index)


def _make_gymnasium_native(env_name: str, num_envs: int, arguments: dict[str, Any]) -> VectorEnv:
    make = partial(
        gym.make_vec, env_name, num_envs, vectorization_mode="vector_entry_point", **arguments
    )
    try:
        try:
            return make(autoreset_mode=AutoresetMode.DISABLED)
        except TypeError as error:
            if "autoreset_mode" not in str(error):
                raise
            return make()
    except Exception as error:  # an environment's own code may fail in any way
        if "vector entry point" in str(error):
            raise _no_native(env_name, "is not vectorized by its author") from error
        raise env_creation_error(env_name, error, arguments) from error


def _no_native(env_name: str, why: str) -> ConfigError:
    return ConfigError(f"native: {env_name} {why}; use sync or async", key="vectorization")


def _adapt_actions(envs: VectorEnv, clip_actions: bool) -> VectorEnv:
    """Actions in [-1, 1], as `make_env` does it for one environment."""
    space = envs.single_action_space
    if isinstance(space, Box) and space.is_bounded():
        if not (np.all(space.low == -1.0) and np.all(space.high == 1.0)):
            envs = RescaleAction(envs, np.float32(-1.0), np.float32(1.0))
        if clip_actions:
            envs = TransformAction(envs, lambda actions: np.clip(actions, -1.0, 1.0))
    return envs
