"""Where a replay buffer keeps (observation, next_observation) pairs.

Transitions are numbered from 0 in the order of insertion; number n lives in slot n % capacity. A
buffer keeps one record a slot. Vectors stand in the record itself, so that a sample reads each
transition from one place in memory; images stand apart, each frame once.
Shapes: N lanes, B batch, * one observation, S stacked frames.
"""

import math
from typing import Any, Protocol

import numpy as np

from hw.infrastructure.segments import Rows

Field = tuple[str, np.dtype, tuple[int, ...]]


class ObservationPairs(Protocol):
    """What a replay buffer asks of a store.

    `fields` are the (name, dtype, shape) that the store wants in each record, and `num_bytes` what
    it takes besides. Nothing is allocated before `allocate`.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    fields: list[Field]
    num_bytes: int
    first_readable: int

    def allocate(self) -> None:
        """Take `num_bytes` of memory."""

    def bind(self, columns: dict[str, np.ndarray]) -> None:
        """Hold on to the records' columns, views (capacity, ...) of them."""

    def write(
        self,
        number: int,
        slots: slice | np.ndarray,
        observations: np.ndarray,
        next_observations: np.ndarray,
        done: np.ndarray,
        truncated: np.ndarray,
    ) -> None:
        """Store the pairs numbered number .. number + N - 1, one a lane.

        Args:
            slots: theirs, (N,) or a slice.
            done, truncated: whether the episode ended there; (N,), truncated perhaps ().
        """

    def read(self, rows: np.ndarray, last_rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Observations of `rows` and next observations of `last_rows`, each (B, *).

        Args:
            rows, last_rows: copies of records, (B,).
        """

    def state_dict(self) -> dict[str, Any]:
        """What stands outside the records."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict()`, after `allocate` and `bind`."""


class ArrayPairs:
    """Vectors: both observations are fields of the record.

    Args:
        shape, dtype: of one observation.
    """

    first_readable = 0
    num_bytes = 0

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype):
        self.shape = tuple(shape)
        self.dtype = np.dtype(dtype)
        self.fields = [
            ("observations", self.dtype, self.shape),
            ("next_observations", self.dtype, self.shape),
        ]

    def allocate(self) -> None:
        """See `ObservationPairs`."""

    def bind(self, columns: dict[str, np.ndarray]) -> None:
        """See `ObservationPairs`."""
        self.observations = columns["observations"]
        self.next_observations = columns["next_observations"]

    def write(self, number, slots, observations, next_observations, done, truncated) -> None:
        """See `ObservationPairs`."""
        self.observations[slots] = observations
        self.next_observations[slots] = next_observations

    def read(self, rows: np.ndarray, last_rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `ObservationPairs`."""
        return (
            np.ascontiguousarray(rows["observations"]),
            np.ascontiguousarray(last_rows["next_observations"]),
        )

    def state_dict(self) -> dict[str, Any]:
        """See `ObservationPairs`."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `ObservationPairs`."""


class FramePairs:
    """Images: a ring of frames, each kept once, and the frame numbers that make up each pair.

    The next observation of one step is the observation of the following one, and successive stacks
    share all but one frame, so a step adds a single frame. An episode's first observation shares
    nothing with what came before in its lane, however that ended. The ring has room for `capacity`
    frames and two stacks more, and so holds a little under `capacity` transitions: an episode
    spends one frame on its start.

    Args:
        capacity: number of pairs.
        shape: of one observation: (S, *frame), or one frame if `num_stacked_frames` is 1.
        num_stacked_frames: S.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, capacity: int, shape: tuple[int, ...], num_stacked_frames: int = 1):
        if num_stacked_frames > 1 and shape[0] != num_stacked_frames:
            raise ValueError(
                f"observations of shape {tuple(shape)} are no stacks of {num_stacked_frames} frames"
            )
        self.capacity = capacity
        self.shape = tuple(shape)
        self.num_stacked_frames = num_stacked_frames
        self.frame_shape = self.shape if num_stacked_frames == 1 else self.shape[1:]
        self.ring_size = capacity + 2 * num_stacked_frames
        self.fields = [("frame_numbers", np.dtype(np.int64), (2, num_stacked_frames))]
        last_user_bytes = np.dtype(np.int64).itemsize
        self.num_bytes = self.ring_size * (math.prod(self.frame_shape) + last_user_bytes)
        self.num_frames = 0
        self.first_readable = 0
        self.lane_stacks: dict[int, list[int]] = {}

    def bind(self, columns: dict[str, np.ndarray]) -> None:
        """See `ObservationPairs`."""
        self.frame_numbers = columns["frame_numbers"]

    def allocate(self) -> None:
        """See `ObservationPairs`."""
        self.frames = np.zeros((self.ring_size, *self.frame_shape), np.uint8)
        # The newest transition that needs a frame.
        self.last_user = np.full(self.ring_size, -1, np.int64)

    def write(self, number, slots, observations, next_observations, done, truncated) -> None:
        """See `ObservationPairs`."""
        ended = np.logical_or(done, truncated)
        for lane in range(len(observations)):
            stack, next_stack = observations[lane], next_observations[lane]
            if self.num_stacked_frames == 1:
                stack, next_stack = stack[None], next_stack[None]
            current = self.lane_stacks.pop(lane, None)
            if current is None or not self._still_holds(current, stack):
                current = self._append_all(stack)
            following = self._append_next(current, stack, next_stack)
            self.frame_numbers[(number + lane) % self.capacity] = current, following
            self.last_user[self._slots(current + following)] = number + lane
            if not ended[lane]:
                self.lane_stacks[lane] = following

    def read(self, rows: np.ndarray, last_rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `ObservationPairs`."""
        return (
            self._stacks(rows["frame_numbers"][:, 0]),
            self._stacks(last_rows["frame_numbers"][:, 1]),
        )

    def state_dict(self) -> dict[str, Any]:
        """See `ObservationPairs`."""
        return {
            "frames": Rows("frames", self._used_frames(), self.ring_size, self.num_frames),
            "last_user": self.last_user,
            "num_frames": self.num_frames,
            "first_readable": self.first_readable,
            "lane_stacks": self.lane_stacks,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `ObservationPairs`."""
        self.num_frames = state["num_frames"]
        state["frames"].read_into(self._used_frames())
        self.last_user[:] = state["last_user"]
        self.first_readable = state["first_readable"]
        self.lane_stacks = dict(state["lane_stacks"])

    def _used_frames(self) -> np.ndarray:
        """The frames that have been written, (frames, bytes of a frame)."""
        used = self.frames[: min(self.num_frames, self.ring_size)]
        return used.reshape(len(used), math.prod(self.frame_shape))

    def _stacks(self, frame_numbers: np.ndarray) -> np.ndarray:
        """The observations (B, *) that these frames (B, S) make up."""
        frames = self.frames.take(frame_numbers % self.ring_size, axis=0)  # (B, S, *frame)
        return frames.reshape(len(frames), *self.shape)

    def _slots(self, frame_numbers: list[int]) -> list[int]:
        return [number % self.ring_size for number in frame_numbers]

    def _still_holds(self, numbers: list[int], stack: np.ndarray) -> bool:
        """Whether these frames are the stack's, also after the next stack has been appended."""
        oldest_kept = self.num_frames + self.num_stacked_frames - self.ring_size
        return numbers[0] >= oldest_kept and np.array_equal(
            self.frames[self._slots(numbers)], stack
        )

    def _append(self, frame: np.ndarray) -> int:
        slot = self.num_frames % self.ring_size
        self.first_readable = max(self.first_readable, int(self.last_user[slot]) + 1)
        self.last_user[slot] = -1
        self.frames[slot] = frame
        self.num_frames += 1
        return self.num_frames - 1

    def _append_all(self, stack: np.ndarray) -> list[int]:
        """Append a stack's frames; the first frame that a reset repeats is kept once."""
        numbers: list[int] = []
        for index, frame in enumerate(stack):
            repeated = index > 0 and np.array_equal(frame, stack[index - 1])
            numbers.append(numbers[-1] if repeated else self._append(frame))
        return numbers

    def _append_next(self, current: list[int], stack: np.ndarray, next_stack: np.ndarray):
        if np.array_equal(next_stack[:-1], stack[1:]):
            return [*current[1:], self._append(next_stack[-1])]
        return self._append_all(next_stack)
