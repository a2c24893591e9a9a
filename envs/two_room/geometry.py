"""The arena as axis-aligned rectangles, for N episodes at once.

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
SHAPE = (
    "agent.radius",
    "wall.axis",
    "wall.thickness",
    "wall.position",
    "door.number",
    "door.width",
    "door.position",
    "border.thickness",
)
"""The factors that decide where the agent can be."""


def stack(variations: Sequence[Mapping[str, Value]], names: Sequence[str] = SHAPE) -> dict[str, Array]:
    """Stack the values of `names` over N variations: factor name -> (N, ...)."""
    return {name: np.array([variation[name] for variation in variations]) for name in names}


def door_edges(values: Mapping[str, Array]) -> tuple[Array, Array]:
    """Where the doors begin and end along the wall.

    Args:
        values: stacked factors of `SHAPE`.

    Returns:
        Two arrays (N, 3), in order along the wall; both are `SIZE` or beyond where there is no door.
    """
    half = values["door.width"][:, None]
    used = np.arange(3) < values["door.number"][:, None]
    centre = np.sort(np.where(used, values["door.position"], SIZE + half), axis=1)
    return centre - half, centre + half


def rectangles(values: Mapping[str, Array]) -> Array:
    """The pieces of the wall between the doors.

    Args:
        values: stacked factors of `SHAPE`.

    Returns:
        (N, 4, 4) float64: x_low, y_low, x_high, y_high of each piece. Unused pieces lie outside the
        arena or have no area.
    """
    begin, end = door_edges(values)
    edge = np.zeros((len(begin), 1))
    low, high = np.hstack([edge, end]), np.hstack([begin, edge + SIZE])
    half = values["wall.thickness"] / 2
    near = np.broadcast_to((values["wall.position"] - half)[:, None], low.shape)
    far = np.broadcast_to((values["wall.position"] + half)[:, None], low.shape)
    vertical = (values["wall.axis"] == 1)[:, None, None]
    return np.where(vertical, np.stack([near, low, far, high], axis=2), np.stack([low, near, high, far], axis=2))


@dataclass(frozen=True, kw_only=True)
class Obstacles:
    """What the agent's centre must stay out of, for N episodes."""

    low: Array
    """Low corners of the grown pieces of wall, (N, 4, 2)."""
    high: Array
    """Their high corners, (N, 4, 2)."""
    floor: Array
    """Low corner of the box that the border leaves, (N, 2)."""
    ceiling: Array
    """Its high corner, (N, 2)."""

    def __getitem__(self, rows: slice | Array) -> "Obstacles":
        return Obstacles(low=self.low[rows], high=self.high[rows], floor=self.floor[rows], ceiling=self.ceiling[rows])


def obstacles(values: Mapping[str, Array]) -> Obstacles:
    """Grow the walls and the border by the agent's radius.

    Args:
        values: stacked factors of `SHAPE`.
    """
    radius = values["agent.radius"][:, None]
    walls = rectangles(values)
    margin = np.repeat(values["border.thickness"][:, None] + radius, 2, axis=1)
    return Obstacles(
        low=walls[:, :, :2] - radius[:, None],
        high=walls[:, :, 2:] + radius[:, None],
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
