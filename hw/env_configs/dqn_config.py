"""Deep Q-learning: which pieces and numbers."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

from gymnasium.vector import VectorEnv
from torch import nn

from hw.agents.dqn_agent import DQN
from hw.env_configs.budget import (
    annealed,
    check_training_starts,
    num_replay_updates,
    resolve_budget,
    resolve_target_update,
)
from hw.env_configs.networks import NetworkSettings, make_adam
from hw.env_configs.recipe import Recipe
from hw.env_configs.replay import ReplaySettings
from hw.env_configs.schedule import PiecewiseSchedule
from hw.env_configs.setting_types import (
    Annealing,
    Count,
    Fraction,
    Natural,
    Points,
    PositiveFloat,
    Vectorization,
    Wrappers,
)
from hw.env_configs.spaces import num_discrete_actions, observation_shape
from hw.envs.make_env import EnvFactory
from hw.infrastructure.errors import ConfigError
from hw.networks.action_value_critic import ActionValueCritic
from hw.networks.heads import ActionValueHead, DuelingHead


def dqn_config(
    *,
    env_name: str,
    env_kwargs: Mapping[str, Any] | None = None,
    num_envs: Count = 1,
    vectorization: Vectorization = "sync",
    max_episode_steps: Count | None = None,
    wrappers: Wrappers = (),
    total_steps: Count | None = None,
    total_episodes: Count | None = None,
    random_steps: Natural = 0,
    training_starts: Natural = 1000,
    updates_per_step: PositiveFloat = 1.0,
    batch_size: Count = 128,
    replay_buffer_capacity: Count = 100_000,
    use_prioritized_replay: bool = False,
    priority_exponent: Fraction | None = None,
    importance_exponent: Fraction | None = None,
    n_step: Count = 1,
    backbone: str = "mlp",
    hidden_size: Count = 128,
    num_layers: Natural = 2,
    activation: Literal["tanh", "relu"] = "relu",
    use_dueling: bool = False,
    learning_rate: PositiveFloat = 5e-4,
    learning_rate_schedule: Annealing = "constant",
    clip_grad_norm: PositiveFloat | None = 10.0,
    discount: Fraction = 0.99,
    use_double_q: bool = True,
    use_soft_target_update: bool = False,
    target_update_period: Count | None = None,
    soft_target_update_rate: Fraction | None = None,
    exploration_schedule: Points = ((0, 1.0), (10_000, 0.05)),
) -> Recipe:
    """The pieces of a run of deep Q-learning.

    Args:
        env_name, env_kwargs, num_envs, vectorization, max_episode_steps, wrappers: see
            `EnvFactory`; the actions are Discrete.
        total_steps, total_episodes: the budget, one or the other; 100 000 steps if neither.
        random_steps, training_starts, updates_per_step, batch_size: see `TrainerSettings`.
        replay_buffer_capacity, use_prioritized_replay, priority_exponent, importance_exponent: see
            `ReplaySettings`.
        n_step: steps that a target looks ahead before it bootstraps.
        backbone, hidden_size, num_layers, activation: of the network, see `NetworkSettings`.
        use_dueling: separate streams for the state's value and the actions' advantages.
        learning_rate: of Adam.
        learning_rate_schedule: `linear` falls to 0 over `total_steps`.
        use_soft_target_update: tau = `soft_target_update_rate` (0.005 if not given) after each
            update, or else a copy every `target_update_period` steps (1000 if not given).
        exploration_schedule: [[step, epsilon], ...], linear in between.
        clip_grad_norm, discount, use_double_q: see `DQN`.

    Raises:
        ConfigError: two settings contradict each other.
    """
    total_steps, total_episodes = resolve_budget(total_steps, total_episodes, 100_000)
    check_training_starts(training_starts, total_steps)
    schedule = annealed(learning_rate_schedule, 1.0, total_steps, "learning_rate_schedule")
    target_update_period, soft_target_update_rate = resolve_target_update(
        use_soft_target_update,
        target_update_period,
        soft_target_update_rate,
        default_period=1000,
        default_rate=0.005,
    )
    exploration = _exploration(exploration_schedule)
    replay = ReplaySettings(
        replay_buffer_capacity,
        use_prioritized_replay,
        priority_exponent,
        importance_exponent,
        batch_size,
        n_step,
    )
    networks = NetworkSettings(backbone, num_layers, hidden_size, activation)
    envs = EnvFactory(env_name, env_kwargs or {}, max_episode_steps, wrappers, vectorization)
    envs.check_replay()

    def make_critic(observation_shape: tuple[int, ...], num_actions: int) -> nn.Module:
        body = networks.make_backbone(observation_shape)
        if use_dueling:
            return ActionValueCritic(body, DuelingHead(body.feature_size, num_actions, activation))
        return ActionValueCritic(body, ActionValueHead(body.feature_size, num_actions))

    def make_agent(envs: VectorEnv) -> DQN:
        return DQN(
            observation_shape(envs, env_name),
            num_discrete_actions(envs, env_name, "deep Q-learning"),
            make_critic=make_critic,
            make_critic_optimizer=partial(make_adam, learning_rate=learning_rate),
            learning_rate_schedule=schedule,
            exploration_schedule=exploration,
            discount=discount,
            use_double_q=use_double_q,
            target_update_period=target_update_period,
            soft_target_update_rate=soft_target_update_rate,
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
        resolved={
            **replay.resolved,
            "total_steps": total_steps,
            "target_update_period": target_update_period,
            "soft_target_update_rate": soft_target_update_rate,
        },
    )


def _exploration(points: Points) -> PiecewiseSchedule:
    if not all(0.0 <= epsilon <= 1.0 for _, epsilon in points):
        raise ConfigError(f"epsilon lies in [0, 1], got {points}", key="exploration_schedule")
    try:
        return PiecewiseSchedule([(step, epsilon) for step, epsilon in points])
    except ValueError as error:
        raise ConfigError(str(error), key="exploration_schedule") from error
