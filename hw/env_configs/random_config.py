"""Uniformly random actions, through the whole harness: a first run, and a baseline to beat."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from gymnasium.vector import VectorEnv
from torch import Tensor

import hw.infrastructure.pytorch_util as ptu
from hw.agents.untrained_agent import UntrainedAgent
from hw.env_configs.budget import resolve_budget
from hw.env_configs.recipe import Recipe
from hw.env_configs.setting_types import Count, PositiveFloat, Vectorization, Wrappers
from hw.env_configs.spaces import action_size, observation_shape
from hw.envs.make_env import EnvFactory
from hw.infrastructure.replay_buffer import ReplayBuffer


def random_config(
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
    """The pieces of a run that acts at random and learns nothing.

    Args:
        env_name, env_kwargs, num_envs, vectorization, max_episode_steps, wrappers: see
            `EnvFactory`; the actions are Discrete or a Box.
        total_steps, total_episodes: the budget, one or the other; 10 000 steps if neither.
        updates_per_step, batch_size: batches drawn from the replay buffer, to be reported on.
        replay_buffer_capacity: transitions.
    """
    return untrained_recipe(
        EnvFactory(env_name, env_kwargs or {}, max_episode_steps, wrappers, vectorization),
        choose_random_actions,
        num_envs=num_envs,
        total_steps=total_steps,
        total_episodes=total_episodes,
        updates_per_step=updates_per_step,
        batch_size=batch_size,
        replay_buffer_capacity=replay_buffer_capacity,
    )


def choose_random_actions(num_envs: int, size: int, discrete: bool) -> Tensor:
    """From 0 .. size - 1, (N,), or uniform in [-1, 1], (N, size)."""
    if discrete:
        return torch.randint(size, (num_envs,), device=ptu.device)
    return 2.0 * torch.rand(num_envs, size, device=ptu.device) - 1.0


def untrained_recipe(
    envs: EnvFactory,
    choose_actions: Callable[[int, int, bool], Tensor],
    *,
    num_envs: int,
    total_steps: int | None,
    total_episodes: int | None,
    updates_per_step: float,
    batch_size: int,
    replay_buffer_capacity: int,
) -> Recipe:
    """The pieces of a run whose agent chooses actions by (N, action size, discrete) alone."""
    total_steps, total_episodes = resolve_budget(total_steps, total_episodes, 10_000)

    def make_agent(vector_envs: VectorEnv) -> UntrainedAgent:
        size, discrete = action_size(vector_envs, envs.env_name, "this agent")
        return UntrainedAgent(
            observation_shape(vector_envs, envs.env_name),
            choose_actions=partial(choose_actions, size=size, discrete=discrete),
        )

    return Recipe(
        envs=envs,
        make_agent=make_agent,
        make_buffer=partial(
            ReplayBuffer, replay_buffer_capacity, num_stacked_frames=envs.num_stacked_frames
        ),
        num_envs=num_envs,
        total_steps=total_steps,
        total_episodes=total_episodes,
        updates_per_step=updates_per_step,
        batch_size=batch_size,
        num_gradient_steps=0,
        resolved={"total_steps": total_steps},
    )
