"""Schedules: a number as a function of the environment step. They keep no state."""

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter


@dataclass(frozen=True)
class ConstantSchedule:
    """Always `value`."""

    value: float

    def __call__(self, step: int) -> float:
        """The value at this step."""
        return self.value


@dataclass(frozen=True)
class PiecewiseSchedule:
    """Linear between (step, value) points, constant before the first and after the last.

    Args:
        points: at least one, steps increasing.
    """

    points: Sequence[tuple[int, float]]

    def __post_init__(self):
        steps = [step for step, _ in self.points]
        if not steps or any(a >= b for a, b in zip(steps[:-1], steps[1:], strict=True)):
            raise ValueError(f"the steps of a schedule must increase, got {steps}")

    def __call__(self, step: int) -> float:
        """The value at this step.

        Between two neighbouring points (s_i, v_i) and (s_{i+1}, v_{i+1}) it moves in proportion to
        the part of the way from s_i to s_{i+1} that has been made; at a point it is that point's
        value. Before the first point it is the first value, after the last the last.

        Args:
            step: environment steps so far, 0 or more.

        Returns:
            a float, also where a point's value is an int.
        """
        index = bisect.bisect_right(self.points, step, key=itemgetter(0))
        if index == 0 or index == len(self.points):
            return float(self.points[max(index - 1, 0)][1])
        (start, first), (end, last) = self.points[index - 1 : index + 1]
        return first + (last - first) * (step - start) / (end - start)


def linear_schedule(
    start: float, end: float, num_steps: int, first_step: int = 0
) -> PiecewiseSchedule:
    """From `start` at `first_step` to `end` so many steps later, constant before and after."""
    return PiecewiseSchedule(((first_step, start), (first_step + num_steps, end)))
