"""Always action 0, through the whole harness: a run whose every number can be checked by hand."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

import hw.infrastructure.pytorch_util as ptu
from hw.env_configs.random_config import untrained_recipe
from hw.env_configs.recipe import Recipe
from hw.env_configs.setting_types import Count, PositiveFloat, Vectorization, Wrappers
from hw.envs.make_env import EnvFactory


def constant_config(
    *,
    env_name: str,
    env_kwargs: Mapping[str, Any] | None = None,
    num_envs: Count = 1,
    vectorization: Vectorization = "sync",
    max_episode_steps: Count | None = None,
    wrappers: Wrappers = (),
    total_steps: Count | None = None,
    total_episodes: Count | None = None,
    updates_per_step: PositiveFloat = 0.1,
    batch_size: Count = 64,
    replay_buffer_capacity: Count = 100_000,
) -> Recipe:
    """The pieces of a run that always takes action 0, or the middle of a Box, and learns nothing.

    Arguments as for `random_config`.
    """
    return untrained_recipe(
        EnvFactory(env_name, env_kwargs or {}, max_episode_steps, wrappers, vectorization),
        choose_zeros,
        num_envs=num_envs,
        total_steps=total_steps,
        total_episodes=total_episodes,
        updates_per_step=updates_per_step,
        batch_size=batch_size,
        replay_buffer_capacity=replay_buffer_capacity,
    )


def choose_zeros(num_envs: int, size: int, discrete: bool) -> Tensor:
    """0, (N,), or zeros, (N, size)."""
    if discrete:
        return torch.zeros(num_envs, dtype=torch.int64, device=ptu.device)
    return torch.zeros(num_envs, size, device=ptu.device)
