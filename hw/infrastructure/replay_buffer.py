"""Circular memory of transitions for off-policy learning.

Transitions are numbered from 0 in the order of insertion; number m lives in slot m % capacity.
Shapes: N lanes (environments stepped together), B batch, * the shape of one observation.
"""

from typing import Any

import numpy as np

from hw.infrastructure.device_mirror import DeviceMirror
from hw.infrastructure.errors import UserError
from hw.infrastructure.memory import check_memory
from hw.infrastructure.observation_store import (
    ArrayPairs,
    FramePairs,
    ObservationPairs,
)
from hw.infrastructure.segments import Rows

FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)


class ReplayBuffer:
    """The last `capacity` transitions, sampled uniformly with replacement.

    A transition is one record, whose parts lie side by side in memory. It is allocated at the first
    insert, from the shapes and types seen there: float64 becomes float32; integers, booleans and
    uint8 stay. Images (uint8 with two or more axes) are kept frame by frame, each frame once: see
    `FramePairs`.

    Args:
        capacity: number of transitions; the oldest are overwritten.
        seed: of the buffer's own generator.
        num_stacked_frames: length of the leading axis of an image observation that is a stack of
            successive frames; 1 if an observation is a single frame.
        n_step: the most successive steps of an episode that a sample holds, for n-step returns.
            Above 1 every insert must bring the same number of lanes.
    """

    kind = "uniform"

    def __init__(self, capacity: int, seed: int = 0, num_stacked_frames: int = 1, n_step: int = 1):
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, got {capacity}")
        if n_step < 1:
            raise ValueError(f"n_step must be at least 1, got {n_step}")
        self.capacity = capacity
        self.num_stacked_frames = num_stacked_frames
        self.n_step = n_step
        self.generator = np.random.default_rng(seed)
        self.num_inserted = 0
        self.num_lanes: int | None = None  # of the last insert
        self.last_layout: tuple[Any, ...] | None = None  # shapes and types of the last insert
        self.observation_pairs: ObservationPairs | None = None
        self.records: np.ndarray | None = None  # (capacity,), and a view of each of its fields:
        self.actions: np.ndarray | None = None
        self.rewards: np.ndarray | None = None
        self.dones: np.ndarray | None = None
        self.truncateds: np.ndarray | None = None
        self.is_mirrored = False
        self.mirror: DeviceMirror | None = None

    def __len__(self) -> int:
        return self.num_inserted - self._oldest()

    def insert(
        self,
        observation: np.ndarray,
        action: np.ndarray,
        reward: np.ndarray | float,
        next_observation: np.ndarray,
        done: np.ndarray | bool,
        truncated: np.ndarray | bool = False,
    ) -> None:
        """Add one transition, or one for each of N lanes.

        Args:
            observation, next_observation: (*) or (N, *).
            action: one action or (N, ...).
            reward: scalar or (N,). A scalar reward means one transition.
            done: whether the episode terminated: scalar or (N,).
            truncated: whether it was cut off, for instance by a time limit: scalar or (N,).

        Raises:
            ValueError: a shape or type differs from that of the first insert; or the number of
                lanes, where n_step is above 1.
            UserError: at the first insert: the machine has not the memory for `capacity` of them.
        """
        reward, done, truncated = np.asarray(reward), np.asarray(done), np.asarray(truncated)
        if reward.ndim == 0:
            observation, next_observation = np.asarray(observation), np.asarray(next_observation)
            observation, next_observation = observation[None], next_observation[None]
            action, reward = np.asarray(action)[None], reward[None]
            done, truncated = done[None], truncated[None]
        num_lanes = len(reward)
        if self.records is None:
            self._allocate(observation.shape[1:], observation.dtype, action.shape[1:], action.dtype)
        self._check(num_lanes, observation, action, next_observation, done, truncated)

        slots = self.next_slots(num_lanes)
        self.observation_pairs.write(
            self.num_inserted, slots, observation, next_observation, done, truncated
        )
        self.actions[slots] = action
        self.rewards[slots] = reward
        self.dones[slots] = done
        self.truncateds[slots] = truncated
        self.num_inserted += num_lanes
        self.num_lanes = num_lanes

    def next_slots(self, num_lanes: int) -> slice | np.ndarray:
        """The slots that the next N transitions go into; nothing is changed.

        They are the transitions numbered num_inserted + i, i = 0 .. N - 1, and number m lives in
        slot m % capacity. So what does not fit at the end goes to the beginning, over the oldest;
        with more lanes than slots a slot occurs twice, and the later transition stays in it.

        Args:
            num_lanes: N, at least 1.

        Returns:
            the slots in the lanes' order, to index an array (capacity, ...) with: (N,) int64, or a
            slice, which copies faster, where they follow one another.
        """
        first = self.num_inserted % self.capacity
        if first + num_lanes <= self.capacity:
            return slice(first, first + num_lanes)
        return np.arange(first, first + num_lanes) % self.capacity

    def sample(self, batch_size: int) -> dict[str, np.ndarray]:
        """Draw transitions uniformly, with replacement, each independently of the others.

        Those that can be drawn are the transitions numbered `_oldest()` .. num_inserted - 1; a
        buffer of images holds fewer than `capacity`. The numbers come from `self.generator` alone,
        and `_read` fetches what they stand for.

        Args:
            batch_size: B, which may be larger than the buffer.

        Returns:
            observations (B, *), actions (B, ...), rewards (B,), next_observations (B, *),
            dones (B,), copied out of the buffer.

            `_read` already does this: with n = n_step above 1, the k <= n steps that begin with the
            transition drawn: n, or fewer where the episode ended before (done or truncated), or
            where its next step is not inserted yet. They make the target

                sum_{j<k} discount^j rewards[:, j] + discount^k (1 - dones) V(next_observations)

            with rewards (B, n), 0 from column k on; next_observations (B, *) and dones (B,), of the
            last of these steps; and one key more, num_steps (B,) int64, which is k.

        Raises:
            UserError: the buffer is empty (`_check_filled`).
        """
        self._check_filled()
        return self._read(
            self.generator.integers(self._oldest(), self.num_inserted, size=batch_size)
        )

    def mirror_on_device(self) -> None:
        """Keep a copy on the device that learns, and gather batches there.

        To be called before the first insert. The same transitions are drawn, and come as tensors.
        Images and n-step returns are read here as before.
        """
        self.is_mirrored = True

    def num_bytes(
        self,
        observation_shape: tuple[int, ...],
        observation_dtype: np.dtype,
        action_shape: tuple[int, ...],
        action_dtype: np.dtype,
    ) -> int:
        """Bytes that `capacity` transitions of these shapes take; nothing is allocated."""
        pairs = self._make_pairs(observation_shape, observation_dtype)
        record = record_dtype(pairs, action_shape, action_dtype)
        return self.capacity * record.itemsize + pairs.num_bytes

    def _read(self, numbers: np.ndarray) -> dict[str, Any]:
        """What `sample` returns, of the transitions with these numbers (B,)."""
        return self._read_one_step(numbers) if self.n_step == 1 else self._read_n_steps(numbers)

    def _read_one_step(self, numbers: np.ndarray) -> dict[str, Any]:
        if self.mirror is not None:
            batch = self.mirror.read(numbers, self.num_inserted)
            del batch["truncateds"]
            return batch
        rows = self.records.take(numbers % self.capacity)
        observations, next_observations = self.observation_pairs.read(rows, rows)
        return {
            "observations": observations,
            "actions": np.ascontiguousarray(rows["actions"]),
            "rewards": np.ascontiguousarray(rows["rewards"]),
            "next_observations": next_observations,
            "dones": np.ascontiguousarray(rows["dones"]),
        }

    def _read_n_steps(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        # Lanes are inserted together, so the step after number m in the same lane is m + N.
        steps = numbers[:, None] + self.num_lanes * np.arange(self.n_step)  # (B, n)
        slots = steps % self.capacity
        ended = self.dones[slots] | self.truncateds[slots]
        has_next = ~ended & (steps + self.num_lanes < self.num_inserted)
        is_included = np.ones(steps.shape, np.bool_)
        is_included[:, 1:] = np.logical_and.accumulate(has_next[:, :-1], axis=1)
        num_steps = is_included.sum(axis=1)
        rows = self.records.take(slots[:, 0])
        last_rows = self.records.take(slots[np.arange(len(slots)), num_steps - 1])
        observations, next_observations = self.observation_pairs.read(rows, last_rows)
        return {
            "observations": observations,
            "actions": np.ascontiguousarray(rows["actions"]),
            "rewards": np.where(is_included, self.rewards[slots], np.float32(0.0)),
            "next_observations": next_observations,
            "dones": np.ascontiguousarray(last_rows["dones"]),
            "num_steps": num_steps,
        }

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on as if never interrupted; arrays are views, not copies."""
        state = {
            "kind": self.kind,
            "capacity": self.capacity,
            "n_step": self.n_step,
            "num_inserted": self.num_inserted,
            "num_lanes": self.num_lanes,
            "generator": self.generator.bit_generator.state,
        }
        if self.records is not None:
            pairs, actions = self.observation_pairs, self.actions
            state["layout"] = [
                *(list(pairs.shape), pairs.dtype.str),
                *(list(actions.shape[1:]), actions.dtype.str),
            ]
            state["observation_pairs"] = pairs.state_dict()
            state["records"] = Rows(
                "records", self._used_records(), self.capacity, self.num_inserted
            )
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict()`.

        Raises:
            UserError: it was saved by another kind of buffer, or with another capacity or n_step;
                or the machine has not the memory.
        """
        self._check_saved(state)
        self.last_layout = None
        self.generator.bit_generator.state = state["generator"]
        self.num_inserted = state["num_inserted"]
        self.num_lanes = state["num_lanes"]
        if "records" not in state:
            self.observation_pairs = self.records = self.actions = self.rewards = None
            self.dones = self.truncateds = self.mirror = None
            return
        observation_shape, observation_dtype, action_shape, action_dtype = state["layout"]
        self._allocate(
            *(tuple(observation_shape), np.dtype(observation_dtype)),
            *(tuple(action_shape), np.dtype(action_dtype)),
        )
        self.observation_pairs.load_state_dict(state["observation_pairs"])
        state["records"].read_into(self._used_records())

    def _used(self) -> slice:
        """The slots that have been written."""
        return slice(0, min(self.num_inserted, self.capacity))

    def _used_records(self) -> np.ndarray:
        """The records that have been written, as (records, bytes of a record)."""
        used = self.records[self._used()]
        return used.view(np.uint8).reshape(len(used), used.itemsize)

    def _oldest(self) -> int:
        """Number of the oldest transition still held, counting inserts from 0."""
        oldest = max(0, self.num_inserted - self.capacity)
        if self.observation_pairs is not None:
            oldest = max(oldest, self.observation_pairs.first_readable)
        return oldest

    def _allocate(
        self,
        observation_shape: tuple[int, ...],
        observation_dtype: np.dtype,
        action_shape: tuple[int, ...],
        action_dtype: np.dtype,
    ) -> None:
        check_memory(
            self.num_bytes(observation_shape, observation_dtype, action_shape, action_dtype)
        )
        pairs = self._make_pairs(observation_shape, observation_dtype)
        self.records = np.zeros(self.capacity, record_dtype(pairs, action_shape, action_dtype))
        pairs.allocate()
        self.observation_pairs = pairs
        self._bind()
        if self.is_mirrored and self.n_step == 1 and isinstance(pairs, ArrayPairs):
            self.mirror = DeviceMirror(self.records)

    def _bind(self) -> None:
        """Make views of the records' fields."""
        columns = {name: self.records[name] for name in self.records.dtype.names}
        self.observation_pairs.bind(columns)
        self.actions, self.rewards = columns["actions"], columns["rewards"]
        self.dones, self.truncateds = columns["dones"], columns["truncateds"]

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A copy's views are of its own records."""
        self.__dict__.update(state)
        if self.records is not None:
            self._bind()

    def _make_pairs(self, shape: tuple[int, ...], dtype: np.dtype) -> ObservationPairs:
        """A store, not allocated yet, for observations of this shape and type."""
        if dtype == np.uint8 and len(shape) > 1:
            return FramePairs(self.capacity, shape, self.num_stacked_frames)
        return ArrayPairs(shape, storage_dtype(dtype))

    def _check_filled(self) -> None:
        if len(self) == 0:
            raise UserError("the replay buffer is empty: insert transitions before sampling")

    def _check_saved(self, state: dict[str, Any]) -> None:
        """Refuse a state that is not this buffer's."""
        if state["kind"] != self.kind:
            raise UserError(f"the saved replay buffer is {state['kind']}, this one {self.kind}")
        if state["capacity"] != self.capacity:
            raise UserError(
                f"the saved replay buffer holds {state['capacity']}, this one {self.capacity}"
            )
        if state["n_step"] != self.n_step:
            raise UserError(
                f"the saved replay buffer has n_step {state['n_step']}, this one {self.n_step}"
            )

    def _check(self, num_lanes, observation, action, next_observation, done, truncated) -> None:
        layout = (
            *(observation.shape, next_observation.shape, action.shape, done.shape, truncated.shape),
            *(observation.dtype, next_observation.dtype, action.dtype, num_lanes),
        )
        if layout == self.last_layout:
            return  # what the last insert brought is known to fit
        if self.n_step > 1 and self.num_lanes not in (None, num_lanes):
            raise ValueError(
                f"{num_lanes} lane(s) after {self.num_lanes}: n-step returns need always as many"
            )
        pairs = self.observation_pairs
        for name, value, shape, dtype in (
            ("observation", observation, pairs.shape, pairs.dtype),
            ("next_observation", next_observation, pairs.shape, pairs.dtype),
            ("action", action, self.actions.shape[1:], self.actions.dtype),
        ):
            check_lanes(name, value, num_lanes, shape, dtype)
        if done.shape != (num_lanes,):
            raise ValueError(f"done has shape {done.shape}; reward has ({num_lanes},)")
        if truncated.shape not in ((), (num_lanes,)):
            raise ValueError(f"truncated has shape {truncated.shape}; reward has ({num_lanes},)")
        self.last_layout = layout


def record_dtype(
    pairs: ObservationPairs, action_shape: tuple[int, ...], action_dtype: np.dtype
) -> np.dtype:
    """Layout of one transition: the store's fields, action, reward, done, truncated."""
    fields = [
        *pairs.fields,
        ("actions", storage_dtype(np.dtype(action_dtype)), tuple(action_shape)),
        ("rewards", np.float32),
        ("dones", np.bool_),
        ("truncateds", np.bool_),
    ]
    return np.dtype(fields, align=True)


def check_lanes(
    name: str, value: np.ndarray, num_lanes: int, shape: tuple[int, ...], dtype: np.dtype
) -> None:
    """Refuse what a buffer has no place for.

    Args:
        name: of the argument, for the message.
        value: what is to be inserted.
        num_lanes: N, the length that its first axis should have.
        shape, dtype: of one lane of it, as stored.

    Raises:
        ValueError: it has another shape, or would be stored in another type.
    """
    if value.shape != (num_lanes, *shape) or storage_dtype(value.dtype) != dtype:
        raise ValueError(
            f"{name} is {value.dtype} of shape {value.shape}; this buffer holds "
            f"{dtype}, and {num_lanes} lane(s) of it have shape {(num_lanes, *shape)}"
        )


def storage_dtype(dtype: np.dtype) -> np.dtype:
    """float64 is stored as float32; every other type as it is."""
    return FLOAT32 if dtype == FLOAT64 else dtype
