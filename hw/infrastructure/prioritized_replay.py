"""Prioritised experience replay: surprising transitions are replayed more often.

Schaul et al. 2016, "Prioritized Experience Replay", arXiv 1511.05952, the proportional variant.
Deviations: importance weights are normalised by the largest of the batch, not of the buffer.
Shapes: B batch, * the shape of one observation.
"""

import math
from typing import Any, NoReturn

import numpy as np

from hw.infrastructure.errors import UserError
from hw.infrastructure.replay_buffer import ReplayBuffer
from hw.infrastructure.sum_tree import SumTree


class PrioritizedReplayBuffer(ReplayBuffer):
    """The last `capacity` transitions, drawn in proportion to their priorities.

    Transition i is drawn with probability P(i) = p_i / sum_k p_k. Its priority p_i is the largest
    so far (1 at first) when it is inserted, so that it is soon seen once; and what `priorities`
    makes of its TD error after each update that used it.

    Args:
        capacity, seed, num_stacked_frames, n_step: see `ReplayBuffer`.
        priority_exponent: alpha >= 0; 0 draws uniformly.
        priority_epsilon: eps > 0, added to every |TD error|, so that none is never drawn again.
    """

    kind = "prioritized"

    def __init__(
        self,
        capacity: int,
        seed: int = 0,
        num_stacked_frames: int = 1,
        n_step: int = 1,
        *,
        priority_exponent: float,
        priority_epsilon: float,
    ):
        super().__init__(capacity, seed, num_stacked_frames, n_step)
        if priority_exponent < 0.0:
            raise ValueError(f"priority_exponent must be at least 0, got {priority_exponent}")
        if priority_epsilon <= 0.0 or priority_epsilon**priority_exponent == 0.0:
            raise ValueError(f"priority_epsilon is too small: {priority_epsilon}")
        self.priority_exponent = priority_exponent
        self.priority_epsilon = priority_epsilon
        self.max_priority = 1.0
        self.tree: SumTree | None = None  # leaf = slot
        self.first_in_tree = 0  # the transitions first_in_tree .. end_in_tree - 1 have a priority
        self.end_in_tree = 0
        self.sampled_numbers: np.ndarray | None = None  # of the last sample, (B,)

    def sample(self, batch_size: int, importance_exponent: float) -> dict[str, np.ndarray]:
        """Draw transitions in proportion to their priorities, with replacement.

        Args:
            batch_size: B.
            importance_exponent: beta, see `importance_weights`.

        Returns:
            what `ReplayBuffer.sample` returns, and weights (B,) float32.

        Raises:
            UserError: the buffer is empty.
        """
        self._check_filled()
        self._update_tree()
        slots = self.tree.find(self.stratified_positions(batch_size))
        probabilities = self.tree.leaves[slots] / self.tree.total
        self.sampled_numbers = self._numbers_in(slots)
        batch = self._read(self.sampled_numbers)
        batch["weights"] = self.importance_weights(probabilities, importance_exponent)
        return batch

    def stratified_positions(self, batch_size: int) -> np.ndarray:
        """One position in each of B equal segments of the tree's total, drawn uniformly within it.

            u_b = (b + r_b) / B * sum_k p_k,    r_b ~ Uniform[0, 1),    b = 0 .. B - 1

        So the draws cover the priorities more evenly than independent ones, and each transition is
        still drawn B P(i) times in expectation (Schaul et al. 2016, appendix B.2.1).

        Args:
            batch_size: B.

        Returns:
            (B,) float64, ascending. The r_b are, in this order, those of
            `self.generator.random(B)`. (b + r_b) / B may round to 1.
        """
        fractions = np.arange(batch_size) + self.generator.random(batch_size)
        return fractions * self.tree.total / batch_size

    def importance_weights(
        self, probabilities: np.ndarray, importance_exponent: float
    ) -> np.ndarray:
        """Weights that undo, where beta is 1, the bias of drawing some transitions more often.

            w_i = (N P(i))^-beta / max_j (N P(j))^-beta         (Schaul et al. 2016, section 3.4)

        with N = len(self), the transitions that can be drawn, and the maximum over this batch, not
        over the buffer: the largest weight of every batch is 1. N cancels, being in both powers; it
        stands here because it does in the paper.

        Args:
            probabilities: P(i) of the batch, (B,), above 0.
            importance_exponent: beta in [0, 1]; 0 makes every weight 1.

        Returns:
            (B,) float32 in [0, 1]: 0 only by rounding.
        """
        weights = (len(self) * probabilities) ** -importance_exponent
        return (weights / weights.max(initial=0.0)).astype(np.float32)

    def priorities(self, td_errors: np.ndarray) -> np.ndarray:
        """How much each transition deserves to be drawn, by how wrong it was.

            p_i = (|delta_i| + eps)^alpha       (Schaul et al. 2016, section 3.3)

        Args:
            td_errors: delta (B,), of either sign.

        Returns:
            (B,) float64.
        """
        magnitudes = np.abs(td_errors, dtype=np.float64)
        magnitudes += self.priority_epsilon
        return np.power(magnitudes, self.priority_exponent, out=magnitudes)

    def update_priorities(self, td_errors: np.ndarray) -> None:
        """Give the transitions of the last sample the priorities of their new TD errors.

        One that has been overwritten since then is left alone. Of one that the sample holds more
        than once, the last TD error counts.

        Args:
            td_errors: (B,), in the sample's order.

        Raises:
            ValueError: a TD error or its priority is not finite, and nothing was changed; or there
                are not as many as transitions were sampled.
        """
        if self.sampled_numbers is None or np.shape(td_errors) != self.sampled_numbers.shape:
            num_sampled = "no" if self.sampled_numbers is None else len(self.sampled_numbers)
            raise ValueError(
                f"td_errors has shape {np.shape(td_errors)}; the last sample has "
                f"{num_sampled} transitions"
            )
        numbers, priorities = self.sampled_numbers, self.priorities(np.asarray(td_errors))
        largest = priorities.max(initial=self.max_priority)
        if not math.isfinite(largest):
            self._fail_for_priority(td_errors, priorities)
        self._update_tree()
        is_held = numbers >= self.first_in_tree
        if np.count_nonzero(is_held) < len(numbers):
            numbers, priorities = numbers[is_held], priorities[is_held]
            largest = priorities.max(initial=self.max_priority)
        self.tree.set(numbers % self.capacity, priorities)
        self.max_priority = float(largest)

    def num_bytes(
        self,
        observation_shape: tuple[int, ...],
        observation_dtype: np.dtype,
        action_shape: tuple[int, ...],
        action_dtype: np.dtype,
    ) -> int:
        """See `ReplayBuffer`; the tree comes on top."""
        return SumTree.num_bytes(self.capacity) + super().num_bytes(
            observation_shape, observation_dtype, action_shape, action_dtype
        )

    def state_dict(self) -> dict[str, Any]:
        """See `ReplayBuffer`; the tree's sums follow from its leaves."""
        state = super().state_dict() | {
            "priority_exponent": self.priority_exponent,
            "max_priority": self.max_priority,
            "sampled_numbers": self.sampled_numbers,
        }
        if self.tree is not None:
            self._update_tree()
            state["priorities"] = self.tree.leaves[self._used()]
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `ReplayBuffer`."""
        super().load_state_dict(state)
        self.max_priority = state["max_priority"]
        self.sampled_numbers = state["sampled_numbers"]
        self.first_in_tree, self.end_in_tree = self._oldest(), self.num_inserted
        if "priorities" in state:
            self.tree.set(np.arange(len(state["priorities"])), state["priorities"])
        else:
            self.tree = None

    def _update_tree(self) -> None:
        """Let the tree know what was inserted, and what can no longer be read, since last time."""
        first, end = self._oldest(), self.num_inserted
        if (first, end) == (self.first_in_tree, self.end_in_tree):
            return
        # Of a transition that a newer one has overwritten, the slot is the newer one's.
        forgotten = np.arange(max(self.first_in_tree, end - self.capacity), first)
        self.tree.set(forgotten % self.capacity, 0.0)
        new = np.arange(max(first, self.end_in_tree), end)
        self.tree.set(new % self.capacity, self.max_priority)
        self.first_in_tree, self.end_in_tree = first, end

    def _numbers_in(self, slots: np.ndarray) -> np.ndarray:
        """Numbers of the transitions that are in these slots now."""
        newest = self.num_inserted - 1
        return newest - (newest - slots) % self.capacity

    def _allocate(
        self,
        observation_shape: tuple[int, ...],
        observation_dtype: np.dtype,
        action_shape: tuple[int, ...],
        action_dtype: np.dtype,
    ) -> None:
        super()._allocate(observation_shape, observation_dtype, action_shape, action_dtype)
        self.tree = SumTree(self.capacity)
        self.first_in_tree = self.end_in_tree = 0

    def _check_saved(self, state: dict[str, Any]) -> None:
        super()._check_saved(state)
        if state["priority_exponent"] != self.priority_exponent:
            raise UserError(
                f"the saved replay buffer has priority_exponent {state['priority_exponent']}, "
                f"this one {self.priority_exponent}"
            )

    def _fail_for_priority(self, td_errors: np.ndarray, priorities: np.ndarray) -> NoReturn:
        row = int(np.argmin(np.isfinite(priorities)))
        slot = self.sampled_numbers[row] % self.capacity
        raise ValueError(
            f"td_errors[{row}], of the transition in slot {slot}, is {td_errors[row]}: "
            f"its priority would be {priorities[row]}"
        )
