"""The wall with its doors as rectangles, for N episodes at once."""

from collections.abc import Mapping

import numpy as np

from swm.core.protocols import Array
from swm.envs.arena.geometry import SIZE, Obstacles, grow

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


def obstacles(values: Mapping[str, Array]) -> Obstacles:
    """What the agent's centre must stay out of; `values` are stacked factors of `SHAPE`."""
    return grow(rectangles(values), values["border.thickness"], values["agent.radius"])
