"""Circular memory of transitions for off-policy learning.

Transitions are numbered from 0 in the order of insertion; number m lives in slot m % capacity.
Shapes: N lanes (environments stepped together), B batch, * the shape of one observation.
"""

from typing import Any

import numpy as np

from hw.infrastructure.errors import UserError
from hw.infrastructure.observation_store import ArrayPairs, FramePairs, ObservationPairs


class ReplayBuffer:
    """The last `capacity` transitions, sampled uniformly with replacement.

    Memory is allocated at the first insert, from the shapes and types seen there: float64 becomes
    float32; integers, booleans and uint8 stay. Images (uint8 with two or more axes) are kept frame
    by frame, each frame once: see `FramePairs`.

    Args:
        capacity: number of transitions; the oldest are overwritten.
        seed: of the buffer's own generator.
        num_stacked_frames: length of the leading axis of an image observation that is a stack of
            successive frames; 1 if an observation is a single frame.
        n_step: the most successive steps of an episode that a sample holds, for n-step returns.
            Above 1 every insert must bring the same number of lanes.
    """

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
        self.observation_pairs: ObservationPairs | None = None
        self.actions: np.ndarray | None = None
        self.rewards: np.ndarray | None = None
        self.dones: np.ndarray | None = None
        self.truncateds: np.ndarray | None = None

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
        """
        if np.ndim(reward) == 0:
            observation, next_observation = np.asarray(observation), np.asarray(next_observation)
            observation, next_observation = observation[None], next_observation[None]
            action, reward = np.asarray(action)[None], np.asarray(reward)[None]
            done, truncated = np.asarray(done)[None], np.asarray(truncated)[None]
        num_lanes = len(reward)
        if self.actions is None:
            self._allocate(observation, action)
        self._check(num_lanes, observation, action, next_observation, done)

        slots = np.arange(self.num_inserted, self.num_inserted + num_lanes) % self.capacity
        ended = np.broadcast_to(np.logical_or(done, truncated), (num_lanes,))
        self.observation_pairs.write(self.num_inserted, observation, next_observation, ended)
        self.actions[slots] = action
        self.rewards[slots] = reward
        self.dones[slots] = done
        self.truncateds[slots] = truncated
        self.num_inserted += num_lanes
        self.num_lanes = num_lanes

    def sample(self, batch_size: int) -> dict[str, np.ndarray]:
        """Draw transitions uniformly, with replacement.

        Returns:
            observations (B, *), actions (B, ...), rewards (B,), next_observations (B, *),
            dones (B,), copied out of the buffer.

            With n = n_step above 1, the k <= n steps that begin with the transition drawn: n, or
            fewer where the episode ended before (done or truncated), or where its next step is not
            inserted yet. They make the target

                sum_{j<k} discount^j rewards[:, j] + discount^k (1 - dones) V(next_observations)

            with rewards (B, n), 0 from column k on; next_observations (B, *) and dones (B,), of the
            last of these steps; and one key more, num_steps (B,) int64, which is k.

        Raises:
            UserError: the buffer is empty.
        """
        if len(self) == 0:
            raise UserError("the replay buffer is empty: insert transitions before sampling")
        numbers = self.generator.integers(self._oldest(), self.num_inserted, size=batch_size)
        return self._read(numbers) if self.n_step == 1 else self._read_n_steps(numbers)

    def _read(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        slots = numbers % self.capacity
        observations, next_observations = self.observation_pairs.read(slots)
        return {
            "observations": observations,
            "actions": self.actions[slots],
            "rewards": self.rewards[slots],
            "next_observations": next_observations,
            "dones": self.dones[slots],
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
        last_slots = slots[np.arange(len(slots)), num_steps - 1]
        observations, next_observations = self.observation_pairs.read(slots[:, 0], last_slots)
        return {
            "observations": observations,
            "actions": self.actions[slots[:, 0]],
            "rewards": np.where(is_included, self.rewards[slots], np.float32(0.0)),
            "next_observations": next_observations,
            "dones": self.dones[last_slots],
            "num_steps": num_steps,
        }

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on as if never interrupted; arrays are views, not copies."""
        state = {
            "capacity": self.capacity,
            "n_step": self.n_step,
            "num_inserted": self.num_inserted,
            "num_lanes": self.num_lanes,
            "generator": self.generator.bit_generator.state,
        }
        if self.actions is not None:
            used = slice(0, min(self.num_inserted, self.capacity))
            state["observation_pairs"] = self.observation_pairs.state_dict(used)
            state["actions"] = self.actions[used]
            state["rewards"] = self.rewards[used]
            state["dones"] = self.dones[used]
            state["truncateds"] = self.truncateds[used]
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict()`.

        Raises:
            UserError: it was saved with another capacity or n_step.
        """
        if state["capacity"] != self.capacity:
            raise UserError(
                f"the saved replay buffer holds {state['capacity']}, this one {self.capacity}"
            )
        saved_n_step = state.get("n_step", 1)  # a checkpoint from before there was n_step
        if saved_n_step != self.n_step:
            raise UserError(
                f"the saved replay buffer has n_step {saved_n_step}, this one {self.n_step}"
            )
        self.generator.bit_generator.state = state["generator"]
        self.num_inserted = state["num_inserted"]
        self.num_lanes = state.get("num_lanes")
        if "actions" not in state:
            self.observation_pairs = self.actions = self.rewards = None
            self.dones = self.truncateds = None
            return
        self._allocate_actions(state["actions"])
        used = slice(0, len(state["actions"]))
        self.actions[used] = state["actions"]
        self.rewards[used] = state["rewards"]
        self.dones[used] = state["dones"]
        self.truncateds[used] = state.get("truncateds", False)
        pairs = FramePairs if "frames" in state["observation_pairs"] else ArrayPairs
        self.observation_pairs = pairs.from_state_dict(self.capacity, state["observation_pairs"])

    def _oldest(self) -> int:
        """Number of the oldest transition still held, counting inserts from 0."""
        oldest = max(0, self.num_inserted - self.capacity)
        if self.observation_pairs is not None:
            oldest = max(oldest, self.observation_pairs.first_readable)
        return oldest

    def _allocate(self, observations: np.ndarray, actions: np.ndarray) -> None:
        if observations.dtype == np.uint8 and observations.ndim > 2:
            self.observation_pairs = FramePairs(
                self.capacity, observations.shape[1:], self.num_stacked_frames
            )
        else:
            self.observation_pairs = ArrayPairs(
                self.capacity, observations.shape[1:], storage_dtype(observations.dtype)
            )
        self._allocate_actions(actions)

    def _allocate_actions(self, actions: np.ndarray) -> None:
        dtype = storage_dtype(actions.dtype)
        self.actions = np.zeros((self.capacity, *actions.shape[1:]), dtype)
        self.rewards = np.zeros(self.capacity, np.float32)
        self.dones = np.zeros(self.capacity, np.bool_)
        self.truncateds = np.zeros(self.capacity, np.bool_)

    def _check(self, num_lanes, observation, action, next_observation, done) -> None:
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
        if np.shape(done) != (num_lanes,):
            raise ValueError(f"done has shape {np.shape(done)}; reward has ({num_lanes},)")


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
    return np.dtype(np.float32) if dtype == np.float64 else dtype
