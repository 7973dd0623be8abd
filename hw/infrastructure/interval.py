"""Deciding that something is due every so many steps."""

from typing import Any


class Interval:
    """Reports each crossing of a multiple of `period`, also when steps come several at a time.

    Args:
        period: in steps; None means never.
    """

    def __init__(self, period: int | None):
        self.period = period
        self.num_periods = 0

    def crossed(self, step: int) -> bool:
        """Whether a multiple of the period lies in (step at the last call, step]."""
        if self.period is None:
            return False
        num_periods, self.num_periods = self.num_periods, step // self.period
        return self.num_periods > num_periods

    def state_dict(self) -> dict[str, Any]:
        """How many periods have gone by."""
        return {"num_periods": self.num_periods}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict()`."""
        self.num_periods = state["num_periods"]
