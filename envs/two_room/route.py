"""Shortest ways through the doors, for N agents at once.

For the agent's centre the two rooms are convex and the wall is a band that only the doors cross.
Points are turned into (across, along) the wall, so that one derivation covers both directions of
the wall.
"""

from collections.abc import Mapping

import numpy as np

from swm.core.protocols import Array
from swm.envs.arena.geometry import SIZE
from swm.envs.two_room.geometry import door_edges

_CLEARANCE = 1.0
"""How far a way stays from the sides of a door where there is room, in world units."""
_EXACT = 1e-6
"""Distances below this one count as none."""


def next_point(position: Array, goal: Array, values: Mapping[str, Array]) -> tuple[Array, Array]:
    """The next corner of the shortest way from `position` to `goal`, and the length of that way.

    Args:
        position: centres of the agents, (N, 2), free.
        goal: where they go, (N, 2), free.
        values: stacked factors of `geometry.SHAPE`.

    Returns:
        Points (N, 2) that a straight free line reaches, and lengths (N,), in world units.
    """
    vertical = (values["wall.axis"] == 1)[:, None]
    here = np.where(vertical, position, position[:, ::-1])
    there = np.where(vertical, goal, goal[:, ::-1])
    reach = values["wall.thickness"] / 2 + values["agent.radius"]
    low, high = values["wall.position"] - reach, values["wall.position"] + reach
    room, goal_room = _side(here, low, high), _side(there, low, high)
    point, length = there.copy(), np.linalg.norm(there - here, axis=1)
    parted = np.flatnonzero((room != goal_room) | (room == 0))
    if len(parted):
        band, passages = np.stack([low, high], axis=1)[parted], _passages(values)[parted]
        point[parted], length[parted] = _through_doors(here[parted], there[parted], band, passages)
    return np.where(vertical, point, point[:, ::-1]), length


def _side(point: Array, low: Array, high: Array) -> Array:
    """The room of each point: -1 or 1, and 0 within the wall's band."""
    return np.where(point[:, 0] <= low + _EXACT, -1, np.where(point[:, 0] >= high - _EXACT, 1, 0))


def _passages(values: Mapping[str, Array]) -> Array:
    """Where a centre fits through each door, along the wall: (N, 3, 2); NaN where there is no door."""
    begin, end = door_edges(values)
    radius = values["agent.radius"][:, None]
    passages = np.stack([begin + radius, end - radius], axis=2)
    return np.where((begin < SIZE)[..., None], passages, np.nan)


def _through_doors(here: Array, there: Array, band: Array, passages: Array) -> tuple[Array, Array]:
    """The next point and the length of the shortest way that uses a door, in (across, along).

    Through each door the way is here - enter - leave - there, where enter and leave lie on the
    faces of the band, or are the end of the way itself where that lies within the door.
    """
    slack = np.minimum(_CLEARANCE, (passages[..., 1] - passages[..., 0]) / 2)
    begin, end = passages[..., 0] + slack, passages[..., 1] - slack
    inside, goal_inside = (((p[:, 0] > band[:, 0]) & (p[:, 0] < band[:, 1]))[:, None] for p in (here, there))
    here3, there3 = (
        np.broadcast_to(here[:, None], (*begin.shape, 2)),
        np.broadcast_to(there[:, None], (*begin.shape, 2)),
    )
    enter_at, leave_at = (np.clip(p[:, :1], band[:, :1], band[:, 1:]) for p in (here, there))

    def leave_from(start: Array) -> Array:
        along = np.clip(_crossing(start, there3, leave_at), begin, end)
        return _points(leave_at, np.where(goal_inside, there3[..., 1], along))

    ahead = np.where(inside, here3[..., 1], _crossing(here3, leave_from(here3), enter_at))
    enter = _points(enter_at, np.where(inside, ahead, np.clip(ahead, begin, end)))
    leave = leave_from(enter)
    length = sum(np.linalg.norm(b - a, axis=2) for a, b in ((here3, enter), (enter, leave), (leave, there3)))
    usable = ~np.isnan(begin)
    for within, along in ((inside, here3[..., 1]), (goal_inside, there3[..., 1])):
        usable &= ~within | ((along > passages[..., 0] - _EXACT) & (along < passages[..., 1] + _EXACT))
    length = np.where(usable, length, np.inf)
    rows, door = np.arange(len(here)), length.argmin(axis=1)
    turns = np.abs(enter[..., 1] - ahead) > _EXACT
    point = np.where(turns[..., None], enter, leave)[rows, door]
    # in one door with the goal in another: first leave by the nearer face
    nearer = np.where(2 * here[:, 0] < band.sum(axis=1), band[:, 0], band[:, 1])
    stuck = np.isinf(length[rows, door])
    return np.where(stuck[:, None], _points(nearer, here[:, 1]), point), length[rows, door]


def _points(across: Array, along: Array) -> Array:
    return np.stack(np.broadcast_arrays(across, along), axis=-1)


def _crossing(start: Array, end: Array, across: Array) -> Array:
    """Where the lines from `start` to `end` (N, 3, 2) meet the coordinate `across`, along the wall."""
    span = end[..., 0] - start[..., 0]
    share = np.where(span == 0, 0.0, (across - start[..., 0]) / np.where(span == 0, 1.0, span))
    crossing: Array = start[..., 1] + share * (end[..., 1] - start[..., 1])
    return crossing
