"""What a config factory returns: the pieces of a run, not yet made."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gymnasium.vector import VectorEnv

from hw.agents.base_agent import BaseAgent
from hw.envs.make_env import EnvFactory
from hw.infrastructure.trainer import Buffer


def nothing_to_resolve(envs: VectorEnv) -> dict[str, Any]:
    """No setting's default depends on the environment."""
    return {}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The pieces of a run and its budget.

    Args:
        envs: makes the environments.
        make_agent: environments -> agent for their spaces.
        make_buffer: seed -> buffer of the kind that the agent collects into.
        num_envs: to train on.
        total_steps, total_episodes, random_steps, training_starts, updates_per_step, batch_size,
        importance_schedule: see `TrainerSettings`.
        num_gradient_steps: about how many optimizer steps the run makes; 0 if that is not known.
        resolved: settings whose default depends on others, with the value they came to.
        resolve: environments -> settings whose default depends on the environment, likewise.
    """

    envs: EnvFactory
    make_agent: Callable[[VectorEnv], BaseAgent]
    make_buffer: Callable[[int], Buffer]
    num_envs: int
    total_steps: int | None
    total_episodes: int | None
    random_steps: int = 0
    training_starts: int = 0
    updates_per_step: float = 0.0
    batch_size: int = 0
    importance_schedule: Callable[[int], float] | None = None
    num_gradient_steps: int
    resolved: dict[str, Any]
    resolve: Callable[[VectorEnv], dict[str, Any]] = nothing_to_resolve
