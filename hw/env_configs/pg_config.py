"""Policy gradients: which pieces and numbers."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

from gymnasium.vector import VectorEnv
from torch import nn

from hw.agents.pg_agent import PolicyGradient
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
from hw.infrastructure.episode_buffer import EpisodeBuffer
from hw.infrastructure.errors import ConfigError
from hw.networks.mlp_policy import NetworkPolicy
from hw.networks.state_value_critic import StateValueCritic


def pg_config(
    *,
    env_name: str,
    env_kwargs: Mapping[str, Any] | None = None,
    num_envs: Count = 1,
    vectorization: Vectorization = "sync",
    max_episode_steps: Count | None = None,
    wrappers: Wrappers = (),
    total_steps: Count | None = None,
    total_episodes: Count | None = None,
    batch_size: Count = 1000,
    backbone: str = "mlp",
    hidden_size: Count = 64,
    num_layers: Natural = 2,
    activation: Literal["tanh", "relu"] = "tanh",
    state_dependent_std: bool = False,
    fixed_std: PositiveFloat | None = None,
    initial_std: PositiveFloat | None = None,
    actor_learning_rate: PositiveFloat = 5e-3,
    critic_learning_rate: PositiveFloat = 5e-3,
    learning_rate_schedule: Annealing = "constant",
    clip_grad_norm: PositiveFloat | None = None,
    discount: Fraction = 0.99,
    use_reward_to_go: bool = False,
    use_baseline: bool = False,
    gae_lambda: Fraction | None = None,
    normalize_advantages: bool = False,
    num_critic_updates: Count = 5,
    entropy_coefficient: NonNegativeFloat = 0.0,
    advantage_histogram_period: Count = 10,
) -> Recipe:
    """The pieces of a run of policy gradients.

    Args:
        env_name, env_kwargs, num_envs, vectorization, max_episode_steps, wrappers: see
            `EnvFactory`; the actions are Discrete or a Box. Of several environments, episodes that
            are under way at an update end under the next policy, so that one is the best.
        total_steps, total_episodes: the budget, one or the other; 100 000 steps if neither.
        batch_size: least number of steps in an update, which takes whole episodes.
        backbone, hidden_size, num_layers, activation: of policy and baseline, see
            `NetworkSettings`.
        state_dependent_std, fixed_std, initial_std: the policy's standard deviation is computed
            from the state, or fixed, or learned for each action component from `initial_std` on (1
            if not given).
        actor_learning_rate, critic_learning_rate: of Adam.
        learning_rate_schedule: `linear` falls over `total_steps` from the first batch on.
        use_baseline: subtract a learned V(s) from the returns.
        clip_grad_norm, discount, use_reward_to_go, gae_lambda, normalize_advantages,
        num_critic_updates, entropy_coefficient, advantage_histogram_period: see `PolicyGradient`.

    Raises:
        ConfigError: two settings contradict each other.
    """
    total_steps, total_episodes = resolve_budget(total_steps, total_episodes, 100_000)
    if gae_lambda is not None and not (use_baseline and use_reward_to_go):
        raise ConfigError("needs use_baseline: true and use_reward_to_go: true", key="gae_lambda")
    initial_std = check_std(state_dependent_std, fixed_std, initial_std)
    schedule = annealed(
        learning_rate_schedule, 1.0, total_steps, "learning_rate_schedule", batch_size
    )
    networks = NetworkSettings(backbone, num_layers, hidden_size, activation)
    envs = EnvFactory(
        env_name,
        env_kwargs or {},
        max_episode_steps,
        wrappers,
        vectorization,
        clip_actions=True,
    )

    def make_actor(
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
        return NetworkPolicy(body, head)

    def make_critic(observation_shape: tuple[int, ...]) -> nn.Module:
        return StateValueCritic(networks.make_backbone(observation_shape))

    def make_agent(envs: VectorEnv) -> PolicyGradient:
        size, discrete = action_size(envs, env_name, "policy gradients")
        return PolicyGradient(
            observation_shape(envs, env_name),
            size,
            make_actor=partial(make_actor, discrete=discrete),
            make_critic=make_critic if use_baseline else None,
            make_actor_optimizer=partial(make_adam, learning_rate=actor_learning_rate),
            make_critic_optimizer=partial(make_adam, learning_rate=critic_learning_rate),
            learning_rate_schedule=schedule,
            discount=discount,
            use_reward_to_go=use_reward_to_go,
            gae_lambda=gae_lambda,
            normalize_advantages=normalize_advantages,
            num_critic_updates=num_critic_updates,
            entropy_coefficient=entropy_coefficient,
            clip_grad_norm=clip_grad_norm,
            advantage_histogram_period=advantage_histogram_period,
        )

    return Recipe(
        envs=envs,
        make_agent=make_agent,
        make_buffer=lambda seed: EpisodeBuffer(batch_size),
        num_envs=num_envs,
        total_steps=total_steps,
        total_episodes=total_episodes,
        num_gradient_steps=0,  # batches differ in length, and each length is compiled anew
        resolved={"total_steps": total_steps, "initial_std": initial_std},
    )
