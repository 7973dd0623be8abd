"""A binary tree of partial sums: change leaves, or find them by their share, in log2 steps.

Shapes: B batch, L leaves.
"""

from typing import Any

import numpy as np

# Both only make `set` faster, and are optional there. It may recompute a level whole that has at
# most DENSE nodes for each changed leaf; and numpy shifts by an array sooner than by a number.
DENSE = 16
ONE = np.array(1)


class SumTree:
    """Non-negative numbers x_0 .. x_{L-1} and the sums over them, in one flat array.

    Node 1 is the root, node i has the children 2i and 2i + 1, and leaf l is node L + l; entry 0 is
    unused. L is the next power of two from `num_leaves`, and all leaves begin at 0:

        sums[L + l] = x_l,        sums[i] = sums[2i] + sums[2i + 1]   for 1 <= i < L

    Args:
        num_leaves: at least so many.
    """

    def __init__(self, num_leaves: int):
        self.num_levels = (num_leaves - 1).bit_length()
        self.num_leaves = 2**self.num_levels
        self._bind(np.zeros(2 * self.num_leaves, np.float64))

    def _bind(self, sums: np.ndarray) -> None:
        """Take this array, and views of it."""
        self.sums = sums
        self.children = sums.reshape(-1, 2)  # row i, the sums of node i's children
        # Views of the children's sums and the sums of each level, from the leaves' parents up.
        self.levels = []
        for depth in reversed(range(self.num_levels)):
            level = slice(2**depth, 2 ** (depth + 1))
            left, right = self.children[level].T
            self.levels.append((left, right, sums[level]))

    def __getstate__(self) -> dict[str, Any]:
        return {"num_leaves": self.num_leaves, "num_levels": self.num_levels, "sums": self.sums}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A copy's views are of its own array."""
        self.num_leaves, self.num_levels = state["num_leaves"], state["num_levels"]
        self._bind(state["sums"])

    @staticmethod
    def num_bytes(num_leaves: int) -> int:
        """Bytes of a tree with so many leaves."""
        return 2 * 2 ** (num_leaves - 1).bit_length() * np.dtype(np.float64).itemsize

    @property
    def leaves(self) -> np.ndarray:
        """The numbers (L,): a view, to be read only."""
        return self.sums[self.num_leaves :]

    @property
    def total(self) -> float:
        """The sum of all leaves."""
        return float(self.sums[1])

    def set(self, leaves: np.ndarray, values: np.ndarray | float) -> None:
        """Give leaves new values, and recompute the sums above them: x_l <- value.

        Every sum is computed anew from its two children, level by level, and never changed by a
        difference, so that rounding errors do not pile up.

        Args:
            leaves: (B,) integers in [0, L); B may be 0. Where one occurs twice, the last value
                counts.
            values: (B,) or one for all; not negative. A leaf may become 0.
        """
        if len(leaves) == 0:
            return
        nodes = leaves + self.num_leaves
        self.sums[nodes] = values
        widest = DENSE * len(nodes)
        for left_column, right_column, level in self.levels:
            if len(level) <= widest:
                np.add(left_column, right_column, level)
            else:
                np.right_shift(nodes, ONE, nodes)
                left, right = self.children.take(nodes, 0).T
                self.sums[nodes] = left + right

    def find(self, positions: np.ndarray) -> np.ndarray:
        """The leaf in whose stretch of the total each position lies.

        Leaves laid end to end, each as long as its value, cover [0, total). Position u lies in leaf

            l = min { l : x_0 + ... + x_l > u }

        which a walk from the root finds: go left if u is below the left child's sum; otherwise
        subtract that sum from u and go right. A leaf of value 0 is never found, even where rounding
        has put u at or beyond the end of a subtree, or of the whole tree.

        Args:
            positions: (B,), before rounding in [0, total); the total is above 0. Left as they are.

        Returns:
            leaves (B,) int64.
        """
        remaining = np.array(positions, np.float64)
        nodes = np.ones(remaining.shape, np.int64)
        for _ in range(self.num_levels):
            left, right = self.children.take(nodes, axis=0).T
            goes_right = np.logical_and(remaining >= left, right)
            remaining -= left * goes_right
            nodes += nodes
            nodes += goes_right
        return nodes - self.num_leaves
