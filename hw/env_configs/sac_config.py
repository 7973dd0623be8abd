"""Soft actor-critic: which pieces and numbers."""

from collections.abc import Iterable
from functools import partial
from typing import Literal

import numpy as np
import torch
from gymnasium.spaces import Box, Space
from gymnasium.vector import VectorEnv
from torch import nn

from hw.agents.sac_agent import SoftActorCritic
from hw.env_configs.recipe import Recipe
from hw.env_configs.schedule import ConstantSchedule, linear_schedule
from hw.env_configs.setting_types import (
    Count,
    Fraction,
    Natural,
    NonNegativeFloat,
    Number,
    PositiveFloat,
)
from hw.envs.make_env import make_vector_env
from hw.infrastructure.errors import ConfigError
from hw.infrastructure.replay_buffer import ReplayBuffer
from hw.networks.mlp_policy import MLPPolicy
from hw.networks.state_action_value_critic import StateActionCriticEnsemble


def sac_config(
    *,
    env_name: str,
    num_envs: Count = 1,
    max_episode_steps: Count | None = None,
    total_steps: Count | None = None,
    total_episodes: Count | None = None,
    random_steps: Natural = 5000,
    training_starts: Natural = 10_000,
    updates_per_step: PositiveFloat = 1.0,
    batch_size: Count = 128,
    replay_buffer_capacity: Count = 1_000_000,
    hidden_size: Count = 128,
    num_layers: Count = 3,
    activation: Literal["tanh", "relu"] = "tanh",
    use_tanh: bool = True,
    state_dependent_std: bool = True,
    fixed_std: PositiveFloat | None = None,
    actor_learning_rate: PositiveFloat = 3e-4,
    critic_learning_rate: PositiveFloat = 3e-4,
    learning_rate_schedule: Literal["constant", "linear"] = "constant",
    clip_grad_norm: PositiveFloat | None = None,
    discount: Fraction = 0.99,
    use_soft_target_update: bool = False,
    target_update_period: Count | None = None,
    soft_target_update_rate: Fraction | None = None,
    actor_gradient_type: Literal["reinforce", "reparametrize"] = "reinforce",
    num_actor_samples: Count = 1,
    num_critic_updates: Count = 1,
    num_critic_networks: Count = 1,
    target_critic_backup_type: Literal["mean", "min", "doubleq", "redq"] = "mean",
    redq_subset_size: Count = 2,
    use_entropy_bonus: bool = True,
    backup_entropy: bool = True,
    temperature: NonNegativeFloat = 0.1,
    learn_temperature: bool = False,
    temperature_learning_rate: PositiveFloat = 3e-4,
    target_entropy: Number | None = None,
) -> Recipe:
    """The pieces of a soft actor-critic run.

    Args:
        env_name: a Gymnasium id with a Box of actions, or `module:Id`.
        num_envs: environments stepped together.
        max_episode_steps: time limit; None keeps the environment's own.
        total_steps, total_episodes: the budget, one or the other; 300 000 steps if neither.
        random_steps, training_starts, updates_per_step, batch_size: see `TrainerSettings`.
        replay_buffer_capacity: transitions.
        hidden_size, num_layers, activation: of the hidden layers of actor and critics.
        use_tanh: squash actions into [-1, 1]; otherwise the environment clips them.
        state_dependent_std, fixed_std: the policy's standard deviation is computed from the
            state, learned for each action component (false), or fixed.
        actor_learning_rate, critic_learning_rate: of Adam.
        learning_rate_schedule: `linear` falls to 0 over `total_steps`.
        use_soft_target_update: tau = `soft_target_update_rate` (0.005 if not given) after each
            update, or else a copy every `target_update_period` steps (1000 if not given).
        target_entropy: for `learn_temperature`; minus the action dimension if not given.
        clip_grad_norm, discount, actor_gradient_type, num_actor_samples, num_critic_updates,
        num_critic_networks, target_critic_backup_type, redq_subset_size, use_entropy_bonus,
        backup_entropy, temperature, learn_temperature: see `SoftActorCritic`.

    Raises:
        ConfigError: two settings contradict each other.
    """
    if total_steps is not None and total_episodes is not None:
        raise ConfigError("a run has either total_steps or total_episodes", key="total_episodes")
    if total_steps is None and total_episodes is None:
        total_steps = 300_000
    if total_steps is not None and training_starts >= total_steps:
        raise ConfigError(
            f"is {training_starts}, not below total_steps, {total_steps}: nothing would be learned",
            key="training_starts",
        )
    if learning_rate_schedule == "linear" and total_steps is None:
        raise ConfigError("linear needs total_steps", key="learning_rate_schedule")
    if use_soft_target_update and target_update_period is not None:
        raise ConfigError(
            "belongs to hard updates; remove it, or set use_soft_target_update: false",
            key="target_update_period",
        )
    if not use_soft_target_update and soft_target_update_rate is not None:
        raise ConfigError("needs use_soft_target_update: true", key="soft_target_update_rate")
    if use_soft_target_update and soft_target_update_rate is None:
        soft_target_update_rate = 0.005
    if not use_soft_target_update and target_update_period is None:
        target_update_period = 1000
    if target_critic_backup_type != "mean" and num_critic_networks < 2:
        raise ConfigError(
            f"{target_critic_backup_type} needs num_critic_networks of at least 2, not "
            f"{num_critic_networks}",
            key="target_critic_backup_type",
        )
    if target_critic_backup_type == "redq" and redq_subset_size > num_critic_networks:
        raise ConfigError(
            f"is {redq_subset_size}, more than num_critic_networks, {num_critic_networks}",
            key="redq_subset_size",
        )
    if fixed_std is not None and state_dependent_std:
        raise ConfigError("needs state_dependent_std: false", key="fixed_std")
    if learn_temperature and not use_entropy_bonus:
        raise ConfigError("needs use_entropy_bonus: true", key="learn_temperature")
    if learn_temperature and temperature == 0.0:
        raise ConfigError("must be positive to be learned", key="temperature")
    if actor_gradient_type == "reparametrize" and num_actor_samples != 1:
        raise ConfigError("belongs to actor_gradient_type: reinforce", key="num_actor_samples")

    def make_envs(num_envs: int, render_mode: str | None = None) -> VectorEnv:
        return make_vector_env(
            env_name,
            num_envs,
            max_episode_steps=max_episode_steps,
            clip_actions=not use_tanh,
            render_mode=render_mode,
        )

    def make_actor(observation_shape: tuple[int, ...], action_dim: int) -> nn.Module:
        return MLPPolicy(
            observation_shape[0],
            action_dim,
            n_layers=num_layers,
            size=hidden_size,
            activation=activation,
            use_tanh=use_tanh,
            state_dependent_std=state_dependent_std,
            fixed_std=fixed_std,
        )

    def make_critic(
        observation_shape: tuple[int, ...], action_dim: int, num_critics: int
    ) -> nn.Module:
        return StateActionCriticEnsemble(
            num_critics, observation_shape[0], action_dim, num_layers, hidden_size, activation
        )

    def resolve(envs: VectorEnv) -> dict[str, float]:
        _, action_dim = _sizes(envs, env_name)
        default = -float(action_dim)
        return {"target_entropy": default if target_entropy is None else target_entropy}

    def make_agent(envs: VectorEnv) -> SoftActorCritic:
        observation_shape, action_dim = _sizes(envs, env_name)
        return SoftActorCritic(
            observation_shape,
            action_dim,
            make_actor=make_actor,
            make_critic=make_critic,
            make_actor_optimizer=partial(make_adam, learning_rate=actor_learning_rate),
            make_critic_optimizer=partial(make_adam, learning_rate=critic_learning_rate),
            make_temperature_optimizer=partial(make_adam, learning_rate=temperature_learning_rate),
            learning_rate_schedule=(
                linear_schedule(1.0, 0.0, total_steps)
                if learning_rate_schedule == "linear"
                else ConstantSchedule(1.0)
            ),
            discount=discount,
            num_critic_networks=num_critic_networks,
            num_critic_updates=num_critic_updates,
            target_critic_backup_type=target_critic_backup_type,
            redq_subset_size=redq_subset_size,
            target_update_period=target_update_period,
            soft_target_update_rate=soft_target_update_rate,
            actor_gradient_type=actor_gradient_type,
            num_actor_samples=num_actor_samples,
            use_entropy_bonus=use_entropy_bonus,
            backup_entropy=backup_entropy,
            temperature=temperature,
            learn_temperature=learn_temperature,
            clip_grad_norm=clip_grad_norm,
            **resolve(envs),
        )

    return Recipe(
        make_envs=make_envs,
        make_agent=make_agent,
        make_replay_buffer=partial(ReplayBuffer, replay_buffer_capacity),
        num_envs=num_envs,
        total_steps=total_steps,
        total_episodes=total_episodes,
        random_steps=random_steps,
        training_starts=training_starts,
        updates_per_step=updates_per_step,
        batch_size=batch_size,
        resolved={
            "total_steps": total_steps,
            "target_update_period": target_update_period,
            "soft_target_update_rate": soft_target_update_rate,
        },
        resolve=resolve,
    )


def make_adam(parameters: Iterable[nn.Parameter], learning_rate: float) -> torch.optim.Adam:
    """Adam with its fused kernel."""
    return torch.optim.Adam(parameters, lr=learning_rate, fused=True)


def _sizes(envs: VectorEnv, env_name: str) -> tuple[tuple[int, ...], int]:
    """Observation shape and action dimension, checked to be what this algorithm can use."""
    observations, actions = envs.single_observation_space, envs.single_action_space
    if not _is_float_vector(actions) or not actions.is_bounded():
        raise ConfigError(
            f"{env_name} has actions {actions}; soft actor-critic needs a continuous Box, bounded "
            "and with one axis",
            key="env_name",
        )
    if not _is_float_vector(observations):
        raise ConfigError(
            f"{env_name} has observations {observations}; this configuration needs a Box of floats "
            "with one axis",
            key="env_name",
        )
    return observations.shape, actions.shape[0]


def _is_float_vector(space: Space) -> bool:
    is_vector = isinstance(space, Box) and len(space.shape) == 1 and space.shape[0] > 0
    return is_vector and np.issubdtype(space.dtype, np.floating)
