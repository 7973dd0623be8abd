"""Memory of the last rollout, T vector steps of N lanes, for on-policy learning.

Shapes: T time, N lanes (environments stepped together), * the shape of one observation.
"""

from typing import Any

import numpy as np

from hw.infrastructure.errors import UserError
from hw.infrastructure.replay_buffer import check_lanes, storage_dtype


class RolloutBuffer:
    """T successive vector steps; once it is full, `take` them and begin anew.

    Args:
        num_steps: T, of each lane.
    """

    def __init__(self, num_steps: int):
        if num_steps < 1:
            raise ValueError(f"num_steps must be at least 1, got {num_steps}")
        self.num_steps = num_steps
        self.steps = VectorSteps(num_steps)

    def __len__(self) -> int:
        """Number of vector steps inserted since the last `take`."""
        return len(self.steps)

    @property
    def is_full(self) -> bool:
        """Whether T vector steps are there to be taken."""
        return len(self) == self.num_steps

    def insert(
        self,
        observations: np.ndarray,
        actions: np.ndarray,
        rewards: np.ndarray,
        next_observations: np.ndarray,
        dones: np.ndarray,
        truncateds: np.ndarray,
    ) -> None:
        """Add one vector step; the arguments are those of `VectorSteps.append`.

        Raises:
            ValueError: the buffer is full; or a shape or type differs from the first insert's.
        """
        if self.is_full:
            raise ValueError(f"the rollout of {self.num_steps} steps is full: take it first")
        self.steps.append(observations, actions, rewards, next_observations, dones, truncateds)

    def take(self) -> dict[str, np.ndarray]:
        """The rollout, under the names of `insert`, each (T, N, ...); the buffer begins anew.

        The arrays are the buffer's own memory, which the next insert begins to overwrite: use them
        before it, or copy.

        Raises:
            ValueError: the buffer is not full.
        """
        if not self.is_full:
            raise ValueError(f"the rollout has {len(self)} of its {self.num_steps} steps")
        rollout = self.steps.rows()
        self.steps.drop_first(self.num_steps)
        return rollout

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on as if never interrupted; arrays are views, not copies."""
        return {"num_steps": self.num_steps, "steps": self.steps.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict()`.

        Raises:
            UserError: it was saved with another num_steps.
        """
        check_num_steps(state["num_steps"], self.num_steps)
        self.steps.load_state_dict(state["steps"])


class VectorSteps:
    """Vector steps one after the other: an array (rows, N, ...) for each name.

    Memory is allocated at the first append, from the shapes and types seen there, and doubles when
    it is full. float64 becomes float32; rewards are float32; integers, booleans and uint8 stay.

    Args:
        num_rows: how many to make room for at first.
    """

    def __init__(self, num_rows: int):
        self.num_rows = num_rows
        self.length = 0
        self.arrays: dict[str, np.ndarray] = {}

    def __len__(self) -> int:
        return self.length

    def append(
        self,
        observations: np.ndarray,
        actions: np.ndarray,
        rewards: np.ndarray,
        next_observations: np.ndarray,
        dones: np.ndarray,
        truncateds: np.ndarray,
    ) -> None:
        """Copy one step of N lanes.

        Args:
            observations, next_observations: (N, *).
            actions: (N, ...).
            rewards: (N,).
            dones: (N,), whether the episode terminated.
            truncateds: (N,), whether it was cut off, for instance by a time limit.

        Raises:
            ValueError: a shape or type differs from that of the first append, or N within a step.
        """
        step = {
            "observations": observations,
            "actions": actions,
            "rewards": np.asarray(rewards, np.float32),
            "next_observations": next_observations,
            "dones": np.asarray(dones, np.bool_),
            "truncateds": np.asarray(truncateds, np.bool_),
        }
        arrays = self.arrays or self._empty_arrays(step)
        num_lanes = arrays["rewards"].shape[1]
        for name, array in arrays.items():
            check_lanes(name, step[name], num_lanes, array.shape[2:], array.dtype)
        self.arrays = arrays
        if self.length == len(arrays["rewards"]):
            self._make_room()
        for name, array in self.arrays.items():
            array[self.length] = step[name]
        self.length += 1

    def rows(self) -> dict[str, np.ndarray]:
        """Views of all steps, each (length, N, ...); empty before the first append."""
        return {name: array[: self.length] for name, array in self.arrays.items()}

    def drop_first(self, count: int) -> None:
        """Forget the first steps, and move the others to the front."""
        remaining = self.length - count
        if count and remaining:
            for array in self.arrays.values():
                array[:remaining] = array[count : self.length]
        self.length = remaining

    def state_dict(self) -> dict[str, np.ndarray]:
        """The steps; arrays are views, not copies."""
        return self.rows()

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """Restore `state_dict()`."""
        self.arrays, self.length = {}, 0
        for name, rows in state.items():
            self.length = len(rows)
            self.arrays[name] = np.zeros(
                (max(self.num_rows, len(rows)), *rows.shape[1:]), rows.dtype
            )
            self.arrays[name][: len(rows)] = rows

    def _empty_arrays(self, step: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        like = step | {"next_observations": step["observations"]}
        num_lanes = len(step["rewards"])
        return {
            name: np.zeros((self.num_rows, num_lanes, *value.shape[1:]), storage_dtype(value.dtype))
            for name, value in like.items()
        }

    def _make_room(self) -> None:
        for name, array in self.arrays.items():
            self.arrays[name] = np.concatenate([array, np.zeros_like(array)])


def check_num_steps(saved: int, num_steps: int) -> None:
    """Refuse the state of a buffer of another size.

    Raises:
        UserError: the sizes differ.
    """
    if saved != num_steps:
        raise UserError(f"the saved buffer collects {saved} steps, this one {num_steps}")
