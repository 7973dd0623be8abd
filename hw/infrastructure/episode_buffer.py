"""Memory of whole episodes, for on-policy learning from complete returns.

Shapes: B steps of several episodes, N lanes (environments stepped together), * one observation.
"""

from typing import Any

import numpy as np

from hw.infrastructure.rollout_buffer import VectorSteps, check_num_steps

FIRST_ROOM = 64  # vector steps


class EpisodeBuffer:
    """Episodes, collected lane by lane; once those that ended hold enough steps, `take` them.

    Args:
        num_steps: so many steps of finished episodes are enough.
    """

    def __init__(self, num_steps: int):
        if num_steps < 1:
            raise ValueError(f"num_steps must be at least 1, got {num_steps}")
        self.num_steps = num_steps
        self.steps = VectorSteps(FIRST_ROOM)
        self.first_rows: np.ndarray | None = None  # (N,), of the episodes under way
        self.finished: list[tuple[int, int, int]] = []  # lane, first row, row after the last
        self.num_finished_steps = 0

    def __len__(self) -> int:
        """Number of steps of finished episodes."""
        return self.num_finished_steps

    @property
    def is_full(self) -> bool:
        """Whether the finished episodes hold `num_steps` steps or more."""
        return len(self) >= self.num_steps

    def insert(
        self,
        observations: np.ndarray,
        actions: np.ndarray,
        rewards: np.ndarray,
        next_observations: np.ndarray,
        dones: np.ndarray,
        truncateds: np.ndarray,
    ) -> None:
        """Add one vector step, also to a full buffer; see `VectorSteps.append`.

        Raises:
            ValueError: a shape or type differs from the first insert's.
        """
        self.steps.append(observations, actions, rewards, next_observations, dones, truncateds)
        if self.first_rows is None:
            self.first_rows = np.zeros(len(rewards), np.int64)
        self.record_ends(dones, truncateds)

    def record_ends(self, dones: np.ndarray, truncateds: np.ndarray) -> None:
        """Note the episodes that end with the row that was appended last.

        An episode ends where its lane terminated or was truncated. For each, in the order of lanes,
        `self.finished` gets one triple more,

            (lane, first row of the episode, row after its last)    all int

        `self.num_finished_steps` grows by its length, and `self.first_rows[lane]` becomes the row
        in which the lane's next episode will begin. Rows count from 0, and there are
        `len(self.steps)` of them. Lanes that go on are left alone. A full buffer makes no
        difference.

        Args:
            dones, truncateds: (N,) of that row; both may be true.
        """
        for lane in np.flatnonzero(np.logical_or(dones, truncateds)).tolist():
            first, end = int(self.first_rows[lane]), len(self.steps)
            self.finished.append((lane, first, end))
            self.num_finished_steps += end - first
            self.first_rows[lane] = end

    def take(self) -> dict[str, np.ndarray]:
        """The finished episodes one after the other, in the order in which they ended.

        That is the order of `self.finished`, whose triples (lane, first row, row after the last)
        say where in `self.steps.rows()`, arrays (rows, N, ...) by name, each episode stands.
        Episodes that ended in the same vector step come in the order of their lanes. The buffer
        forgets what was taken (`_forget_finished`), keeps the unfinished ones, and goes on.

        Returns:
            copies, each (B, ...) with B = len(self), under the names of `insert`'s arguments, which
            `rows()` has too. An episode's last
            row, and no other, has `dones` or `truncateds` set.

        Raises:
            ValueError: the buffer is not full.
        """
        if not self.is_full:
            raise ValueError(f"finished episodes hold {len(self)} of {self.num_steps} steps")
        batch = {
            name: np.concatenate([rows[first:end, lane] for lane, first, end in self.finished])
            for name, rows in self.steps.rows().items()
        }
        self._forget_finished()
        return batch

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on as if never interrupted; arrays are views, not copies."""
        return {
            "num_steps": self.num_steps,
            "steps": self.steps.state_dict(),
            "first_rows": self.first_rows,
            "finished": list(self.finished),
            "num_finished_steps": self.num_finished_steps,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict()`.

        Raises:
            UserError: it was saved with another num_steps.
        """
        check_num_steps(state["num_steps"], self.num_steps)
        self.steps.load_state_dict(state["steps"])
        first_rows = state["first_rows"]
        self.first_rows = None if first_rows is None else first_rows.copy()
        self.finished = list(state["finished"])
        self.num_finished_steps = state["num_finished_steps"]

    def _forget_finished(self) -> None:
        """Drop the rows that no unfinished episode needs, and all notes of finished ones."""
        num_dead_rows = int(self.first_rows.min())
        self.steps.drop_first(num_dead_rows)
        self.first_rows -= num_dead_rows
        self.finished = []
        self.num_finished_steps = 0
