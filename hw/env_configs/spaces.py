"""What an environment shows and takes, checked to be what an algorithm can use."""

import numpy as np
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import VectorEnv

from hw.infrastructure.errors import ConfigError


def observation_shape(envs: VectorEnv, env_name: str) -> tuple[int, ...]:
    """The shape * of one observation.

    Raises:
        ConfigError: it is not an array of numbers.
    """
    space = envs.single_observation_space
    if isinstance(space, Box) and len(space.shape) > 0 and np.prod(space.shape) > 0:
        return space.shape
    raise ConfigError(
        f"{env_name} has observations {_short(space)}; a network needs a Box with at least one "
        "axis (`wrappers: [flatten_observation]` makes a vector of most spaces)",
        key="env_name",
    )


def continuous_action_dim(envs: VectorEnv, env_name: str, algorithm: str) -> int:
    """A, of a bounded Box of actions.

    Raises:
        ConfigError: the actions are something else.
    """
    space = envs.single_action_space
    if _is_vector(space) and space.is_bounded():
        return space.shape[0]
    raise ConfigError(
        f"{env_name} has actions {_short(space)}; {algorithm} needs a continuous Box, bounded and "
        "with one axis",
        key="env_name",
    )


def num_discrete_actions(envs: VectorEnv, env_name: str, algorithm: str) -> int:
    """The number of actions of a Discrete space that counts from 0.

    Raises:
        ConfigError: the actions are something else.
    """
    space = envs.single_action_space
    if _is_counted_from_0(space):
        return int(space.n)
    raise ConfigError(
        f"{env_name} has actions {_short(space)}; {algorithm} needs Discrete ones, from 0 on",
        key="env_name",
    )


def action_size(envs: VectorEnv, env_name: str, algorithm: str) -> tuple[int, bool]:
    """A of a bounded Box or the number of Discrete actions, and whether they are discrete.

    Raises:
        ConfigError: the actions are something else.
    """
    space = envs.single_action_space
    if _is_counted_from_0(space):
        return int(space.n), True
    if _is_vector(space) and space.is_bounded():
        return space.shape[0], False
    raise ConfigError(
        f"{env_name} has actions {_short(space)}; {algorithm} needs Discrete ones, from 0 on, or a "
        "bounded Box with one axis",
        key="env_name",
    )


def _is_counted_from_0(space: object) -> bool:
    return isinstance(space, Discrete) and space.start == 0


def _is_vector(space: object) -> bool:
    is_vector = isinstance(space, Box) and len(space.shape) == 1 and space.shape[0] > 0
    return is_vector and np.issubdtype(space.dtype, np.floating)


def _short(space: object) -> str:
    text = " ".join(str(space).split())
    return text if len(text) <= 100 else f"{text[:97]}..."
