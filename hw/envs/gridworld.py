"""A grid to walk through: the smallest task on which to see an algorithm at work.

Positions are (row, column); (0, 0) is the top left corner.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.error import DependencyNotInstalled
from gymnasium.spaces import Box, Discrete

from hw.envs.gridworld_picture import draw

Position = tuple[int, int]

MOVES: tuple[Position, ...] = ((-1, 0), (1, 0), (0, -1), (0, 1))  # up, down, left, right
GOAL_REWARD = 10.0
STEP_REWARD = -0.1


class GridWorldEnv(gym.Env):
    """From the top left corner to the bottom right one, by the shortest way.

    Actions: 0 up, 1 down, 2 left, 3 right. A move into a wall or over the border stays in place.
    Rewards: -0.1 for every step but the one that reaches the goal, which pays 10 and terminates the
    episode, so a way of n steps returns 10 - 0.1 (n - 1). Observation: (row, column) / (size - 1),
    (2,) float32. `GridWorld-v0` has a time limit of 100 steps.

    Args:
        render_mode: "ansi" for text, "rgb_array" for a picture, "human" for a window. All show the
            way walked so far.
        size: rows and columns, at least 2.
        walls: positions that cannot be entered.

    Raises:
        ValueError: the size or a wall is none, or the goal cannot be reached.
    """

    metadata = {"render_modes": ["ansi", "rgb_array", "human"], "render_fps": 8}

    def __init__(
        self,
        render_mode: str | None = None,
        size: int = 5,
        walls: Sequence[Sequence[int]] = (),
    ):
        if size < 2:
            raise ValueError(f"size is {size}; it must be at least 2")
        self.render_mode = render_mode
        self.size = size
        self.start: Position = (0, 0)
        self.goal: Position = (size - 1, size - 1)
        self.walls = frozenset(self._checked(wall) for wall in walls)
        self.shortest_path_length()
        self.observation_space = Box(0.0, 1.0, (2,), np.float32)
        self.action_space = Discrete(len(MOVES))
        self.path: list[Position] = [self.start]
        self.window = None
        self.clock = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Back to the start."""
        super().reset(seed=seed)
        self.path = [self.start]
        if self.render_mode == "human":
            self._show()
        return self._observation(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Move."""
        position = self.move(self.path[-1], action)
        self.path.append(position)
        if self.render_mode == "human":
            self._show()
        done = position == self.goal
        return self._observation(), GOAL_REWARD if done else STEP_REWARD, done, False, {}

    def move(self, position: Position, action: int) -> Position:
        """Where `action` leads from `position`: it, where a wall or the border is in the way."""
        row, column = (x + dx for x, dx in zip(position, MOVES[action], strict=True))
        if (row, column) in self.walls or not (0 <= row < self.size and 0 <= column < self.size):
            return position
        return row, column

    def shortest_path_length(self) -> int:
        """Steps from the start to the goal, found by breadth-first search.

        Raises:
            ValueError: there is no way.
        """
        distances = {self.start: 0}
        queue = deque([self.start])
        while queue:
            position = queue.popleft()
            if position == self.goal:
                return distances[position]
            for action in range(len(MOVES)):
                neighbour = self.move(position, action)
                if neighbour not in distances:
                    distances[neighbour] = distances[position] + 1
                    queue.append(neighbour)
        raise ValueError(f"the walls leave no way to the goal {list(self.goal)}")

    def render(self) -> str | np.ndarray | None:
        """Text, a picture (height, width, 3) uint8, or None, as `render_mode` says."""
        if self.render_mode == "ansi":
            return self._text()
        if self.render_mode == "rgb_array":
            return self._picture()
        return None

    def close(self) -> None:
        """Close the window, if there is one."""
        if self.window is not None:
            import pygame

            pygame.display.quit()
            self.window = None

    def _checked(self, wall: Sequence[int]) -> Position:
        position = tuple(wall)
        if len(position) != 2 or not all(
            isinstance(x, int | np.integer) and 0 <= x < self.size for x in position
        ):
            raise ValueError(
                f"wall {list(position)} must be [row, column], each from 0 to {self.size - 1}"
            )
        if position in (self.start, self.goal):
            raise ValueError(f"wall {list(position)} stands on the start or the goal")
        return int(position[0]), int(position[1])

    def _observation(self) -> np.ndarray:
        return np.array(self.path[-1], np.float32) / np.float32(self.size - 1)

    def _text(self) -> str:
        cells = [["."] * self.size for _ in range(self.size)]
        marks = [("#", wall) for wall in self.walls]
        marks += [("*", position) for position in self.path]
        marks += [("S", self.start), ("G", self.goal), ("A", self.path[-1])]
        for mark, (row, column) in marks:
            cells[row][column] = mark
        return "\n".join(" ".join(row) for row in cells) + "\n"

    def _picture(self) -> np.ndarray:
        return draw(self.size, self.walls, self.start, self.goal, self.path)

    def _show(self) -> None:
        """Draw the picture in a window."""
        try:
            import pygame
        except ImportError as error:
            raise DependencyNotInstalled("a window needs pygame: pip install pygame-ce") from error
        picture = self._picture()
        if self.window is None:
            pygame.display.init()
            self.window = pygame.display.set_mode(picture.shape[:2])
            self.clock = pygame.time.Clock()
        pygame.event.pump()
        pygame.surfarray.blit_array(self.window, picture.transpose(1, 0, 2))
        pygame.display.flip()
        self.clock.tick(self.metadata["render_fps"])
