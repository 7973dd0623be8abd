"""What a config factory returns: the pieces of a run, not yet made."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gymnasium.vector import VectorEnv

from hw.agents.base_agent import BaseAgent
from hw.infrastructure.replay_buffer import ReplayBuffer


@dataclass(frozen=True)
class Recipe:
    """The pieces of a run and its budget.

    Args:
        make_envs: (num_envs, render_mode) -> vector environment that does not reset by itself.
        make_agent: environments -> agent for their spaces.
        make_replay_buffer: seed -> buffer.
        num_envs: to train on.
        total_steps, total_episodes, random_steps, training_starts, updates_per_step, batch_size:
            see `TrainerSettings`.
        resolved: settings whose default depends on others, with the value they came to.
        resolve: environments -> settings whose default depends on the environment, likewise.
    """

    make_envs: Callable[[int, str | None], VectorEnv]
    make_agent: Callable[[VectorEnv], BaseAgent]
    make_replay_buffer: Callable[[int], ReplayBuffer]
    num_envs: int
    total_steps: int | None
    total_episodes: int | None
    random_steps: int
    training_starts: int
    updates_per_step: float
    batch_size: int
    resolved: dict[str, Any]
    resolve: Callable[[VectorEnv], dict[str, Any]]
