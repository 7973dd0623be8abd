"""Draws a grid world, with numpy alone.

Shapes are drawn from their signed distance, in pixels: below 0 inside, above 0 outside. Coordinates
(y, x) are in pixels, from the top left corner.
"""

from collections.abc import Collection, Sequence

import numpy as np

Position = tuple[int, int]

PICTURE_SIZE = 512  # pixels of a side, about
PAPER = (250, 248, 244)
FLOOR = (236, 231, 222)
WALL = (74, 78, 89)
START = (205, 197, 182)
GOAL = (72, 161, 111)
WAY = (240, 178, 88)
AGENT = (48, 98, 168)


def draw(
    size: int,
    walls: Collection[Position],
    start: Position,
    goal: Position,
    path: Sequence[Position],
) -> np.ndarray:
    """A picture (height, width, 3) uint8.

    Args:
        size: rows and columns.
        walls: cells that are filled.
        start, goal: cells that are marked.
        path: the way so far; its last cell is where the agent is.
    """
    cell = max(PICTURE_SIZE // size // 2 * 2, 8)  # even, as video encoders want it
    picture = np.empty((cell * size, cell * size, 3))
    picture[:] = PAPER
    for row in range(size):
        for column in range(size):
            position = (row, column)
            colour = WALL if position in walls else GOAL if position == goal else FLOOR
            _fill(picture, cell, position, _rounded_square(cell, 0.46 * cell), colour)
    _fill(picture, cell, start, _ring(cell, 0.3 * cell, 0.05 * cell), START)
    _fill(picture, cell, goal, _ring(cell, 0.3 * cell, 0.05 * cell), PAPER)
    for before, after in sorted(
        {tuple(sorted(pair)) for pair in zip(path, path[1:], strict=False)}
    ):
        _draw_way(picture, cell, before, after)
    _fill(picture, cell, path[-1], _disc(cell, 0.25 * cell), PAPER)
    _fill(picture, cell, path[-1], _disc(cell, 0.21 * cell), AGENT)
    return picture.round().astype(np.uint8)


def _draw_way(picture: np.ndarray, cell: int, before: Position, after: Position) -> None:
    """A line between the centres of two neighbouring cells, with round ends."""
    rows, columns = (slice(a, b + 1) for a, b in zip(before, after, strict=True))
    part = picture[_pixels(rows, cell), _pixels(columns, cell)]
    height, width = part.shape[:2]
    y, x = np.ogrid[0.5:height, 0.5:width]
    half = cell / 2
    nearest_y, nearest_x = np.clip(y, half, height - half), np.clip(x, half, width - half)
    _blend(part, np.hypot(y - nearest_y, x - nearest_x) - 0.07 * cell, WAY)


def _fill(
    picture: np.ndarray,
    cell: int,
    position: Position,
    distance: np.ndarray,
    colour: tuple[int, int, int],
) -> None:
    rows, columns = (slice(x, x + 1) for x in position)
    _blend(picture[_pixels(rows, cell), _pixels(columns, cell)], distance, colour)


def _blend(part: np.ndarray, distance: np.ndarray, colour: tuple[int, int, int]) -> None:
    """Paint `part` (H, W, 3) where `distance` (H, W) is negative, with a soft edge of a pixel."""
    cover = np.clip(0.5 - distance, 0.0, 1.0)[..., None]
    part += cover * (np.array(colour) - part)


def _pixels(cells: slice, cell: int) -> slice:
    return slice(cells.start * cell, cells.stop * cell)


def _from_centre(cell: int) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.ogrid[0.5:cell, 0.5:cell]
    return y - cell / 2, x - cell / 2


def _disc(cell: int, radius: float) -> np.ndarray:
    return np.hypot(*_from_centre(cell)) - radius


def _ring(cell: int, radius: float, half_width: float) -> np.ndarray:
    return np.abs(_disc(cell, radius)) - half_width


def _rounded_square(cell: int, half: float) -> np.ndarray:
    corner = 0.2 * half
    y, x = (np.abs(d) - (half - corner) for d in _from_centre(cell))
    return np.hypot(np.maximum(y, 0), np.maximum(x, 0)) + np.minimum(np.maximum(y, x), 0) - corner
