"""How long a run is, and what is scheduled over it."""

from collections.abc import Callable
from typing import Literal

from hw.env_configs.schedule import ConstantSchedule, linear_schedule
from hw.infrastructure.errors import ConfigError


def resolve_budget(
    total_steps: int | None, total_episodes: int | None, default_steps: int
) -> tuple[int | None, int | None]:
    """The budget in steps or in episodes; `default_steps` if neither is given.

    Raises:
        ConfigError: both are given.
    """
    if total_steps is not None and total_episodes is not None:
        raise ConfigError("a run has either total_steps or total_episodes", key="total_episodes")
    if total_steps is None and total_episodes is None:
        return default_steps, None
    return total_steps, total_episodes


def check_training_starts(training_starts: int, total_steps: int | None) -> None:
    """Refuse a run that would end before it learns."""
    if total_steps is not None and training_starts >= total_steps:
        raise ConfigError(
            f"is {training_starts}, not below total_steps, {total_steps}: nothing would be learned",
            key="training_starts",
        )


def annealed(
    kind: Literal["constant", "linear"],
    start: float,
    total_steps: int | None,
    key: str,
    first_step: int = 0,
) -> Callable[[int], float]:
    """`start` throughout, or falling from it to 0 over `total_steps`.

    Args:
        kind, start, total_steps: as said.
        key: the setting to name in an error.
        first_step: of the first update. An agent that collects a batch before each update begins
            with `start` then, and has something left for its last.

    Raises:
        ConfigError: it should fall, but the budget is not in steps.
    """
    if kind == "constant":
        return ConstantSchedule(start)
    if total_steps is None:
        raise ConfigError("linear needs total_steps", key=key)
    return linear_schedule(start, 0.0, total_steps, first_step)


def resolve_target_update(
    use_soft_target_update: bool,
    target_update_period: int | None,
    soft_target_update_rate: float | None,
    *,
    default_period: int,
    default_rate: float,
) -> tuple[int | None, float | None]:
    """Period and rate of the target networks' updates: one of them, the other is None.

    Raises:
        ConfigError: one is given that belongs to the other kind of update.
    """
    if use_soft_target_update:
        if target_update_period is not None:
            raise ConfigError(
                "belongs to hard updates; remove it, or set use_soft_target_update: false",
                key="target_update_period",
            )
        return None, default_rate if soft_target_update_rate is None else soft_target_update_rate
    if soft_target_update_rate is not None:
        raise ConfigError("needs use_soft_target_update: true", key="soft_target_update_rate")
    return default_period if target_update_period is None else target_update_period, None


def num_replay_updates(
    total_steps: int | None, training_starts: int, updates_per_step: float
) -> int:
    """Updates in a run that learns from a replay buffer; 0 where the budget is in episodes."""
    return 0 if total_steps is None else int((total_steps - training_starts) * updates_per_step)
