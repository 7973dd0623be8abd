"""Where a replay buffer keeps (observation, next_observation) pairs.

Transitions are numbered from 0 in the order of insertion; number n lives in slot n % capacity.
Shapes: N lanes, B batch, * one observation, S stacked frames.
"""

from typing import Any, Protocol

import numpy as np


class ObservationPairs(Protocol):
    """What a replay buffer asks of a store."""

    shape: tuple[int, ...]
    dtype: np.dtype
    first_readable: int

    def write(
        self,
        number: int,
        observations: np.ndarray,
        next_observations: np.ndarray,
        ended: np.ndarray,
    ) -> None:
        """Store the pairs numbered number .. number + N - 1, one a lane; `ended` is (N,)."""

    def read(
        self, slots: np.ndarray, next_slots: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Observations of `slots` and next observations of `next_slots`, each (B, *).

        Args:
            slots: (B,).
            next_slots: (B,); None means the same slots.
        """

    def state_dict(self, used: slice) -> dict[str, Any]:
        """The content of the used slots."""


class ArrayPairs:
    """Vectors: two arrays.

    Args:
        capacity: number of pairs.
        shape, dtype: of one observation.
    """

    first_readable = 0

    def __init__(self, capacity: int, shape: tuple[int, ...], dtype: np.dtype):
        self.capacity = capacity
        self.shape = tuple(shape)
        self.dtype = np.dtype(dtype)
        self.observations = np.zeros((capacity, *shape), dtype)
        self.next_observations = np.zeros((capacity, *shape), dtype)

    def write(self, number, observations, next_observations, ended) -> None:
        """See `ObservationPairs`."""
        slots = np.arange(number, number + len(observations)) % self.capacity
        self.observations[slots] = observations
        self.next_observations[slots] = next_observations

    def read(
        self, slots: np.ndarray, next_slots: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `ObservationPairs`."""
        next_slots = slots if next_slots is None else next_slots
        return self.observations[slots], self.next_observations[next_slots]

    def state_dict(self, used: slice) -> dict[str, Any]:
        """See `ObservationPairs`."""
        return {
            "observations": self.observations[used],
            "next_observations": self.next_observations[used],
        }

    @classmethod
    def from_state_dict(cls, capacity: int, state: dict[str, Any]) -> "ArrayPairs":
        """A store with this content."""
        observations = state["observations"]
        pairs = cls(capacity, observations.shape[1:], observations.dtype)
        pairs.observations[: len(observations)] = observations
        pairs.next_observations[: len(observations)] = state["next_observations"]
        return pairs


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
        frame_shape = shape if num_stacked_frames == 1 else shape[1:]
        self.ring_size = capacity + 2 * num_stacked_frames
        self.frames = np.zeros((self.ring_size, *frame_shape), np.uint8)
        self.frame_numbers = np.zeros((capacity, 2, num_stacked_frames), np.int64)
        self.last_user = np.full(
            self.ring_size, -1, np.int64
        )  # the newest transition that needs a frame
        self.num_frames = 0
        self.first_readable = 0
        self.lane_stacks: dict[int, list[int]] = {}

    def write(self, number, observations, next_observations, ended) -> None:
        """See `ObservationPairs`."""
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

    def read(
        self, slots: np.ndarray, next_slots: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `ObservationPairs`."""
        numbers = self.frame_numbers[slots]  # (B, 2, S)
        if next_slots is not None:
            numbers[:, 1] = self.frame_numbers[next_slots, 1]
        frames = self.frames[numbers % self.ring_size]  # (B, 2, S, *frame)
        if self.num_stacked_frames == 1:
            frames = frames[:, :, 0]
        return frames[:, 0], frames[:, 1]

    def state_dict(self, used: slice) -> dict[str, Any]:
        """See `ObservationPairs`."""
        return {
            "frames": self.frames[: min(self.num_frames, self.ring_size)],
            "frame_numbers": self.frame_numbers[used],
            "last_user": self.last_user,
            "num_frames": self.num_frames,
            "first_readable": self.first_readable,
            "lane_stacks": self.lane_stacks,
            "shape": list(self.shape),
        }

    @classmethod
    def from_state_dict(cls, capacity: int, state: dict[str, Any]) -> "FramePairs":
        """A store with this content."""
        frames, numbers = state["frames"], state["frame_numbers"]
        pairs = cls(capacity, tuple(state["shape"]), numbers.shape[2])
        pairs.frames[: len(frames)] = frames
        pairs.frame_numbers[: len(numbers)] = numbers
        pairs.last_user[:] = state["last_user"]
        pairs.num_frames = state["num_frames"]
        pairs.first_readable = state["first_readable"]
        pairs.lane_stacks = dict(state["lane_stacks"])
        return pairs

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
