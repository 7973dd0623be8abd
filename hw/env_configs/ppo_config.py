"""Proximal policy optimisation: which pieces and numbers."""

import math
from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

from gymnasium.vector import VectorEnv
from torch import nn

from hw.agents.ppo_agent import PPO
from hw.env_configs.budget import annealed, resolve_budget
from hw.env_configs.networks import NetworkSettings, check_std, make_adam, make_policy_head
from hw.env_configs.recipe import Recipe
from hw.env_configs.setting_types import (
    Annealing,
    Count,
    Fraction,
    Natural,
    NonNegativeFloat,
    PositiveFloat,
    Vectorization,
    Wrappers,
)
from hw.env_configs.spaces import action_size, observation_shape
from hw.envs.make_env import EnvFactory
from hw.infrastructure.errors import ConfigError
from hw.infrastructure.rollout_buffer import RolloutBuffer
from hw.networks.actor_critic import SeparateActorCritic, SharedActorCritic
from hw.networks.initialization import orthogonal_init
from hw.networks.mlp_policy import NetworkPolicy
from hw.networks.state_value_critic import StateValueCritic


def ppo_config(
    *,
    env_name: str,
    env_kwargs: Mapping[str, Any] | None = None,
    num_envs: Count = 8,
    vectorization: Vectorization = "sync",
    max_episode_steps: Count | None = None,
    wrappers: Wrappers = (),
    total_steps: Count | None = None,
    total_episodes: Count | None = None,
    rollout_length: Count = 128,
    batch_size: Count = 256,
    num_epochs: Count = 10,
    backbone: str = "mlp",
    hidden_size: Count = 64,
    num_layers: Natural = 2,
    activation: Literal["tanh", "relu"] = "tanh",
    use_shared_trunk: bool = False,
    use_orthogonal_init: bool = True,
    state_dependent_std: bool = False,
    fixed_std: PositiveFloat | None = None,
    initial_std: PositiveFloat | None = None,
    learning_rate: PositiveFloat = 3e-4,
    learning_rate_schedule: Annealing = "constant",
    clip_grad_norm: PositiveFloat | None = 0.5,
    discount: Fraction = 0.99,
    gae_lambda: Fraction = 0.95,
    clip_ratio: PositiveFloat = 0.2,
    clip_ratio_schedule: Annealing = "constant",
    normalize_advantages: bool = True,
    value_clip_range: PositiveFloat | None = None,
    value_coefficient: NonNegativeFloat = 0.5,
    entropy_coefficient: NonNegativeFloat = 0.0,
    target_kl: PositiveFloat | None = None,
    advantage_histogram_period: Count = 10,
) -> Recipe:
    """The pieces of a PPO run.

    Args:
        env_name, env_kwargs, num_envs, vectorization, max_episode_steps, wrappers: see
            `EnvFactory`; the actions are Discrete or a Box.
        total_steps, total_episodes: the budget, one or the other; 100 000 steps if neither.
        rollout_length: T, steps in each environment between updates.
        batch_size: of a minibatch; a divisor of `rollout_length` times `num_envs`.
        backbone, hidden_size, num_layers, activation: of policy and value function, see
            `NetworkSettings`.
        use_shared_trunk: one backbone for both.
        use_orthogonal_init: orthogonal weights, with gain sqrt(2), 0.01 for the policy's last layer
            and 1 for the value's; otherwise PyTorch's own.
        state_dependent_std, fixed_std, initial_std: the policy's standard deviation is computed
            from the state, or fixed, or learned for each action component from `initial_std` on (1
            if not given).
        learning_rate: of Adam.
        learning_rate_schedule, clip_ratio_schedule: `linear` falls over `total_steps`, by the same
            from rollout to rollout; after the last it would be 0.
        clip_grad_norm, discount, gae_lambda, num_epochs, clip_ratio, normalize_advantages,
        value_clip_range, value_coefficient, entropy_coefficient, target_kl,
        advantage_histogram_period: see `PPO`.

    Raises:
        ConfigError: two settings contradict each other.
    """
    total_steps, total_episodes = resolve_budget(total_steps, total_episodes, 100_000)
    rollout_size = rollout_length * num_envs
    if rollout_size % batch_size != 0:
        raise ConfigError(
            f"is {batch_size}, which does not divide rollout_length * num_envs = {rollout_size}",
            key="batch_size",
        )
    if normalize_advantages and batch_size == 1:
        raise ConfigError("must be 2 or more to normalise advantages", key="batch_size")
    initial_std = check_std(state_dependent_std, fixed_std, initial_std)
    networks = NetworkSettings(backbone, num_layers, hidden_size, activation)
    envs = EnvFactory(
        env_name,
        env_kwargs or {},
        max_episode_steps,
        wrappers,
        vectorization,
        clip_actions=True,
    )
    rate_schedule = annealed(
        learning_rate_schedule, 1.0, total_steps, "learning_rate_schedule", rollout_size
    )
    clip_schedule = annealed(
        clip_ratio_schedule, clip_ratio, total_steps, "clip_ratio_schedule", rollout_size
    )

    def make_actor_critic(
        observation_shape: tuple[int, ...], action_size: int, discrete: bool
    ) -> nn.Module:
        body = networks.make_backbone(observation_shape)
        head = make_policy_head(
            body.feature_size,
            action_size,
            discrete=discrete,
            state_dependent_std=state_dependent_std,
            fixed_std=fixed_std,
            initial_std=None if discrete else initial_std,
        )
        if use_shared_trunk:
            actor_critic = SharedActorCritic(body, head)
            value_head = actor_critic.value_head
        else:
            critic = StateValueCritic(networks.make_backbone(observation_shape))
            actor_critic = SeparateActorCritic(NetworkPolicy(body, head), critic)
            value_head = critic.head
        if use_orthogonal_init:
            orthogonal_init(actor_critic, math.sqrt(2.0))
            orthogonal_init(head, 0.01)
            orthogonal_init(value_head, 1.0)
        return actor_critic

    def make_agent(envs: VectorEnv) -> PPO:
        size, discrete = action_size(envs, env_name, "PPO")
        return PPO(
            observation_shape(envs, env_name),
            size,
            make_actor_critic=partial(make_actor_critic, discrete=discrete),
            make_optimizer=partial(make_adam, learning_rate=learning_rate, epsilon=1e-5),
            learning_rate_schedule=rate_schedule,
            clip_ratio_schedule=clip_schedule,
            discount=discount,
            gae_lambda=gae_lambda,
            num_epochs=num_epochs,
            batch_size=batch_size,
            normalize_advantages=normalize_advantages,
            value_clip_range=value_clip_range,
            value_coefficient=value_coefficient,
            entropy_coefficient=entropy_coefficient,
            target_kl=target_kl,
            clip_grad_norm=clip_grad_norm,
            advantage_histogram_period=advantage_histogram_period,
        )

    return Recipe(
        envs=envs,
        make_agent=make_agent,
        make_buffer=lambda seed: RolloutBuffer(rollout_length),
        num_envs=num_envs,
        total_steps=total_steps,
        total_episodes=total_episodes,
        num_gradient_steps=(total_steps or 0) * num_epochs // batch_size,
        resolved={"total_steps": total_steps, "initial_std": initial_std},
    )
