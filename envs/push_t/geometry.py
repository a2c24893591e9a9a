"""Distances between a point and a union of convex polygons, and the outlines of agent and block."""

from collections.abc import Mapping, Sequence

import numpy as np

from swm.core.protocols import Array
from swm.core.spaces import Value
from swm.envs.push_t.shapes import DISC, SHAPES, place

SIZE = 512.0
"""Width and height of the picture, in px: the environment's unit of length."""
WALL_LOW, WALL_HIGH, WALL_RADIUS = 5.0, 506.0, 2.0
"""The walls' middles and half of their thickness."""
AGENT_UNIT = 0.375
"""Radius of a disc, and unit of the other agents' coordinates, per ``agent.scale``."""


def block_outline(values: Mapping[str, Value]) -> tuple[Array, ...]:
    """The polygons of the block about its origin, unturned: each (P, 2), in px."""
    return tuple(part * values["block.scale"] for part in SHAPES[values["block.shape"]].outline)


def agent_outline(values: Mapping[str, Value]) -> tuple[Array, ...]:
    """The polygons of the agent about its position, turned; empty for a disc."""
    shape, unit = SHAPES[values["agent.shape"]], AGENT_UNIT * values["agent.scale"]
    return tuple(place((part - shape.center) * unit, 0.0, 0.0, values["agent.angle"]) for part in shape.outline)


def agent_radius(values: Mapping[str, Value]) -> float:
    """The radius of the smallest disc about the agent's position that holds the agent."""
    if values["agent.shape"] == DISC:
        return float(AGENT_UNIT * values["agent.scale"])
    return max(float(np.hypot(*part.T).max()) for part in agent_outline(values))


def edges(parts: Sequence[Array]) -> Array:
    """All edges of polygons: (E, 2, 2), start and end."""
    return np.concatenate([np.stack([part, np.roll(part, -1, axis=0)], axis=1) for part in parts])


def nearest(points: Array, sides: Array) -> tuple[Array, Array]:
    """From each point to the nearest place on any of the edges.

    Args:
        points: (..., 2).
        sides: (E, 2, 2).

    Returns:
        The vectors from there to the points (..., 2), and their lengths (...).
    """
    start, axis = sides[:, 0], sides[:, 1] - sides[:, 0]
    square = (axis * axis).sum(axis=1)
    flat = points.reshape(-1, 2)
    share = flat @ (axis / square[:, None]).T - (start * axis).sum(axis=1) / square
    share = np.minimum(np.maximum(share, 0.0), 1.0)
    x = flat[:, :1] - start[:, 0] - share * axis[:, 0]
    y = flat[:, 1:] - start[:, 1] - share * axis[:, 1]
    gaps = x * x + y * y
    rows, best = np.arange(len(flat)), gaps.argmin(axis=1)
    away = np.stack([x[rows, best], y[rows, best]], axis=1)
    return away.reshape(points.shape), np.sqrt(gaps[rows, best]).reshape(points.shape[:-1])


def inside(point: Array, parts: Sequence[Array]) -> bool:
    """Whether a point (2,) lies in any of the convex polygons."""
    for part in parts:
        ahead = np.roll(part, -1, axis=0) - part
        turn = ahead[:, 0] * (point[1] - part[:, 1]) - ahead[:, 1] * (point[0] - part[:, 0])
        if (turn >= 0).all() or (turn <= 0).all():
            return True
    return False


def within_walls(points: Array, margin: float) -> bool:
    """Whether points (P, 2) keep at least `margin` from the faces of the walls."""
    low, high = WALL_LOW + WALL_RADIUS + margin, WALL_HIGH - WALL_RADIUS - margin
    return bool((points >= low).all() and (points <= high).all())


def apart(point: Array, parts: Sequence[Array], gap: float) -> bool:
    """Whether a point (2,) is at least `gap` away from a union of convex polygons."""
    return not inside(point, parts) and float(nearest(point, edges(parts))[1]) >= gap
