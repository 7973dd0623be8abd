"""TD3: which pieces and numbers."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

from gymnasium.vector import VectorEnv
from torch import nn

from hw.agents.td3_agent import TD3
from hw.env_configs.budget import (
    annealed,
    check_training_starts,
    num_replay_updates,
    resolve_budget,
)
from hw.env_configs.networks import NetworkSettings, make_adam
from hw.env_configs.recipe import Recipe
from hw.env_configs.replay import ReplaySettings
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
from hw.env_configs.spaces import continuous_action_dim, observation_shape
from hw.envs.make_env import EnvFactory
from hw.networks.heads import DeterministicHead
from hw.networks.mlp_policy import DeterministicPolicy


def td3_config(
    *,
    env_name: str,
    env_kwargs: Mapping[str, Any] | None = None,
    num_envs: Count = 1,
    vectorization: Vectorization = "sync",
    max_episode_steps: Count | None = None,
    wrappers: Wrappers = (),
    total_steps: Count | None = None,
    total_episodes: Count | None = None,
    random_steps: Natural = 10_000,
    training_starts: Natural = 10_000,
    updates_per_step: PositiveFloat = 1.0,
    batch_size: Count = 256,
    replay_buffer_capacity: Count = 1_000_000,
    use_prioritized_replay: bool = False,
    priority_exponent: Fraction | None = None,
    importance_exponent: Fraction | None = None,
    backbone: str = "mlp",
    hidden_size: Count = 256,
    num_layers: Count = 2,
    activation: Literal["tanh", "relu"] = "relu",
    actor_learning_rate: PositiveFloat = 3e-4,
    critic_learning_rate: PositiveFloat = 3e-4,
    learning_rate_schedule: Annealing = "constant",
    clip_grad_norm: PositiveFloat | None = None,
    discount: Fraction = 0.99,
    num_critic_networks: Count = 2,
    soft_target_update_rate: Fraction = 0.005,
    actor_update_period: Count = 2,
    exploration_noise: NonNegativeFloat = 0.1,
    target_noise: NonNegativeFloat = 0.2,
    target_noise_clip: NonNegativeFloat = 0.5,
) -> Recipe:
    """The pieces of a TD3 run.

    Args:
        env_name, env_kwargs, num_envs, vectorization, max_episode_steps, wrappers: see
            `EnvFactory`; the actions are a Box.
        total_steps, total_episodes: the budget, one or the other; 300 000 steps if neither.
        random_steps, training_starts, updates_per_step, batch_size: see `TrainerSettings`.
        replay_buffer_capacity, use_prioritized_replay, priority_exponent, importance_exponent: see
            `ReplaySettings`.
        backbone, hidden_size, num_layers, activation: of actor and critics, see
            `NetworkSettings`.
        actor_learning_rate, critic_learning_rate: of Adam.
        learning_rate_schedule: `linear` falls to 0 over `total_steps`.
        clip_grad_norm, discount, num_critic_networks, soft_target_update_rate,
        actor_update_period, exploration_noise, target_noise, target_noise_clip: see `TD3`; noise is
            in units of the action range [-1, 1].

    Raises:
        ConfigError: two settings contradict each other.
    """
    total_steps, total_episodes = resolve_budget(total_steps, total_episodes, 300_000)
    check_training_starts(training_starts, total_steps)
    schedule = annealed(learning_rate_schedule, 1.0, total_steps, "learning_rate_schedule")
    replay = ReplaySettings(
        replay_buffer_capacity,
        use_prioritized_replay,
        priority_exponent,
        importance_exponent,
        batch_size,
    )
    networks = NetworkSettings(backbone, num_layers, hidden_size, activation)
    envs = EnvFactory(env_name, env_kwargs or {}, max_episode_steps, wrappers, vectorization)
    envs.check_replay()

    def make_actor(observation_shape: tuple[int, ...], action_dim: int) -> nn.Module:
        body = networks.make_backbone(observation_shape)
        return DeterministicPolicy(body, DeterministicHead(body.feature_size, action_dim))

    def make_agent(envs: VectorEnv) -> TD3:
        return TD3(
            observation_shape(envs, env_name),
            continuous_action_dim(envs, env_name, "TD3"),
            make_actor=make_actor,
            make_critic=networks.make_state_action_critics,
            make_actor_optimizer=partial(make_adam, learning_rate=actor_learning_rate),
            make_critic_optimizer=partial(make_adam, learning_rate=critic_learning_rate),
            learning_rate_schedule=schedule,
            discount=discount,
            num_critic_networks=num_critic_networks,
            soft_target_update_rate=soft_target_update_rate,
            actor_update_period=actor_update_period,
            exploration_noise=exploration_noise,
            target_noise=target_noise,
            target_noise_clip=target_noise_clip,
            clip_grad_norm=clip_grad_norm,
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
        resolved={**replay.resolved, "total_steps": total_steps},
    )
