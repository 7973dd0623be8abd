"""Soft actor-critic: which pieces and numbers."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

from gymnasium.vector import VectorEnv
from torch import nn

from hw.agents.sac_agent import SoftActorCritic
from hw.env_configs.budget import (
    annealed,
    check_training_starts,
    num_replay_updates,
    resolve_budget,
    resolve_target_update,
)
from hw.env_configs.networks import NetworkSettings, check_std, make_adam, make_policy_head
from hw.env_configs.recipe import Recipe
from hw.env_configs.replay import ReplaySettings
from hw.env_configs.setting_types import (
    Annealing,
    Count,
    Fraction,
    Natural,
    NonNegativeFloat,
    Number,
    PositiveFloat,
    Vectorization,
    Wrappers,
)
from hw.env_configs.spaces import continuous_action_dim, observation_shape
from hw.envs.make_env import EnvFactory
from hw.infrastructure.errors import ConfigError
from hw.networks.mlp_policy import NetworkPolicy


def sac_config(
    *,
    env_name: str,
    env_kwargs: Mapping[str, Any] | None = None,
    num_envs: Count = 1,
    vectorization: Vectorization = "sync",
    max_episode_steps: Count | None = None,
    wrappers: Wrappers = (),
    total_steps: Count | None = None,
    total_episodes: Count | None = None,
    random_steps: Natural = 5000,
    training_starts: Natural = 10_000,
    updates_per_step: PositiveFloat = 1.0,
    batch_size: Count = 128,
    replay_buffer_capacity: Count = 1_000_000,
    use_prioritized_replay: bool = False,
    priority_exponent: Fraction | None = None,
    importance_exponent: Fraction | None = None,
    backbone: str = "mlp",
    hidden_size: Count = 128,
    num_layers: Count = 3,
    activation: Literal["tanh", "relu"] = "tanh",
    use_tanh: bool = True,
    state_dependent_std: bool = True,
    fixed_std: PositiveFloat | None = None,
    actor_learning_rate: PositiveFloat = 3e-4,
    critic_learning_rate: PositiveFloat = 3e-4,
    learning_rate_schedule: Annealing = "constant",
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
        env_name, env_kwargs, num_envs, vectorization, max_episode_steps, wrappers: see
            `EnvFactory`; the actions are a Box.
        total_steps, total_episodes: the budget, one or the other; 300 000 steps if neither.
        random_steps, training_starts, updates_per_step, batch_size: see `TrainerSettings`.
        replay_buffer_capacity, use_prioritized_replay, priority_exponent, importance_exponent: see
            `ReplaySettings`.
        backbone, hidden_size, num_layers, activation: of actor and critics, see
            `NetworkSettings`.
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
    total_steps, total_episodes = resolve_budget(total_steps, total_episodes, 300_000)
    check_training_starts(training_starts, total_steps)
    schedule = annealed(learning_rate_schedule, 1.0, total_steps, "learning_rate_schedule")
    target_update_period, soft_target_update_rate = resolve_target_update(
        use_soft_target_update,
        target_update_period,
        soft_target_update_rate,
        default_period=1000,
        default_rate=0.005,
    )
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
    check_std(state_dependent_std, fixed_std, None)
    if learn_temperature and not use_entropy_bonus:
        raise ConfigError("needs use_entropy_bonus: true", key="learn_temperature")
    if learn_temperature and temperature == 0.0:
        raise ConfigError("must be positive to be learned", key="temperature")
    if actor_gradient_type == "reparametrize" and num_actor_samples != 1:
        raise ConfigError("belongs to actor_gradient_type: reinforce", key="num_actor_samples")

    replay = ReplaySettings(
        replay_buffer_capacity,
        use_prioritized_replay,
        priority_exponent,
        importance_exponent,
        batch_size,
    )
    networks = NetworkSettings(backbone, num_layers, hidden_size, activation)
    envs = EnvFactory(
        env_name,
        env_kwargs or {},
        max_episode_steps,
        wrappers,
        vectorization,
        clip_actions=not use_tanh,
    )
    envs.check_replay()

    def make_actor(observation_shape: tuple[int, ...], action_dim: int) -> nn.Module:
        body = networks.make_backbone(observation_shape)
        head = make_policy_head(
            body.feature_size,
            action_dim,
            discrete=False,
            use_tanh=use_tanh,
            state_dependent_std=state_dependent_std,
            fixed_std=fixed_std,
        )
        return NetworkPolicy(body, head)

    def resolve(envs: VectorEnv) -> dict[str, float]:
        default = -float(continuous_action_dim(envs, env_name, "soft actor-critic"))
        return {"target_entropy": default if target_entropy is None else target_entropy}

    def make_agent(envs: VectorEnv) -> SoftActorCritic:
        return SoftActorCritic(
            observation_shape(envs, env_name),
            continuous_action_dim(envs, env_name, "soft actor-critic"),
            make_actor=make_actor,
            make_critic=networks.make_state_action_critics,
            make_actor_optimizer=partial(make_adam, learning_rate=actor_learning_rate),
            make_critic_optimizer=partial(make_adam, learning_rate=critic_learning_rate),
            make_temperature_optimizer=partial(make_adam, learning_rate=temperature_learning_rate),
            learning_rate_schedule=schedule,
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
        envs=envs,
        make_agent=make_agent,
        make_buffer=partial(replay.make_buffer, envs),
        num_envs=num_envs,
        total_steps=total_steps,
        total_episodes=total_episodes,
        random_steps=random_steps,
        training_starts=training_starts,
        updates_per_step=updates_per_step,
        batch_size=batch_size,
        importance_schedule=replay.importance_schedule(total_steps),
        num_gradient_steps=num_replay_updates(total_steps, training_starts, updates_per_step),
        resolved={
            **replay.resolved,
            "total_steps": total_steps,
            "target_update_period": target_update_period,
            "soft_target_update_rate": soft_target_update_rate,
        },
        resolve=resolve,
    )
