"""An arena as axis-aligned rectangles, for N episodes at once.

World coordinates: x to the right, y down, both from 0 to `SIZE`. The agent collides as the square
that bounds its disc, so its centre moves among the obstacles grown by its radius.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from swm.core.protocols import Array
from swm.core.spaces import Value

SIZE = 224.0
"""Side of the square arena, in world units."""
OUTSIDE = -4 * SIZE
"""A coordinate that no agent reaches."""


def stack(variations: Sequence[Mapping[str, Value]], names: Sequence[str] | None = None) -> dict[str, Array]:
    """Stack the values of `names` (None: all) over N variations: factor name -> (N, ...)."""
    names = tuple(variations[0]) if names is None else names
    return {name: np.array([variation[name] for variation in variations]) for name in names}


@dataclass(frozen=True, kw_only=True)
class Obstacles:
    """What the agent's centre must stay out of, for N episodes."""

    low: Array
    """Low corners of the grown pieces of wall, (N, K, 2), K at least 1; unused pieces lie outside the arena."""
    high: Array
    """Their high corners, (N, K, 2)."""
    floor: Array
    """Low corner of the box that the border leaves, (N, 2)."""
    ceiling: Array
    """Its high corner, (N, 2)."""

    def __getitem__(self, rows: slice | Array) -> "Obstacles":
        return Obstacles(low=self.low[rows], high=self.high[rows], floor=self.floor[rows], ceiling=self.ceiling[rows])

    def with_pieces(self, count: int) -> "Obstacles":
        """The same with `count` pieces at least; those that are added lie outside the arena."""
        missing = count - self.low.shape[1]
        if missing <= 0:
            return self
        width = ((0, 0), (0, missing), (0, 0))
        low, high = (np.pad(corner, width, constant_values=OUTSIDE) for corner in (self.low, self.high))
        return Obstacles(low=low, high=high, floor=self.floor, ceiling=self.ceiling)


def grow(walls: Array, border: Array, radius: Array) -> Obstacles:
    """Grow the walls and the border by the agent's radius.

    Args:
        walls: (N, K, 4): x_low, y_low, x_high, y_high of each piece.
        border: thickness of the border, (N,).
        radius: of the agent, (N,).
    """
    if not walls.shape[1]:
        walls = np.full((len(walls), 1, 4), OUTSIDE)
    margin = np.repeat((border + radius)[:, None], 2, axis=1)
    return Obstacles(
        low=walls[:, :, :2] - radius[:, None, None],
        high=walls[:, :, 2:] + radius[:, None, None],
        floor=margin,
        ceiling=SIZE - margin,
    )


def depth_inside(position: Array, obstacles: Obstacles) -> Array:
    """How deep centres `position` (N, 2) lie inside a wall or the border: (N,), 0 or less if they do not."""
    point = position[:, None]
    walls = np.minimum(point - obstacles.low, obstacles.high - point).min(axis=2).max(axis=1)
    border = np.maximum(obstacles.floor - position, position - obstacles.ceiling).max(axis=1)
    depth: Array = np.maximum(walls, border)
    return depth


def push_out(position: Array, obstacles: Obstacles) -> Array:
    """Put each centre that lies inside an obstacle onto the nearest face; exact for small depths.

    Args:
        position: (N, 2), inside by no more than rounding.
        obstacles: of the N episodes.
    """
    position = np.clip(position, obstacles.floor, obstacles.ceiling)
    point = position[:, None]
    inside = ((point > obstacles.low) & (point < obstacles.high)).all(axis=2)
    for row, piece in np.argwhere(inside):
        faces = np.stack([obstacles.low[row, piece], obstacles.high[row, piece]])
        side, axis = np.unravel_index(np.argmin(np.abs(faces - position[row])), (2, 2))
        position[row, axis] = faces[side, axis]
    return position
