"""Shortest ways through the doors, for N agents at once.

For the agent's centre the two rooms are convex and the wall is a band that only the doors cross.
Points are turned into (across, along) the wall, so that one derivation covers both directions of
the wall.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from swm.core.protocols import Array
from swm.envs.arena.geometry import SIZE
from swm.envs.two_room.geometry import door_edges

_CLEARANCE = 1.0
"""How far a way stays from the sides of a door where there is room, in world units."""
_EXACT = 1e-6
"""Distances below this one count as none."""


@dataclass(frozen=True, kw_only=True)
class Doors:
    """Walls and doors as the centres of N agents meet them."""

    vertical: Array
    """Whether the wall is vertical, (N, 1)."""
    band: Array
    """Where the wall begins and ends, across it, (N, 2)."""
    passages: Array
    """Where a centre fits through each door, along the wall: (N, 3, 2); NaN where there is no door."""

    def __getitem__(self, rows: Array) -> "Doors":
        return Doors(vertical=self.vertical[rows], band=self.band[rows], passages=self.passages[rows])


def doors(values: Mapping[str, Array]) -> Doors:
    """The doors of N episodes; `values` are stacked factors of `geometry.SHAPE`."""
    begin, end = door_edges(values)
    radius = values["agent.radius"][:, None]
    passages = np.stack([begin + radius, end - radius], axis=2)
    reach = values["wall.thickness"] / 2 + values["agent.radius"]
    return Doors(
        vertical=(values["wall.axis"] == 1)[:, None],
        band=np.stack([values["wall.position"] - reach, values["wall.position"] + reach], axis=1),
        passages=np.where((begin < SIZE)[..., None], passages, np.nan),
    )


def next_point(position: Array, goal: Array, doors: Doors) -> tuple[Array, Array]:
    """The next corner of the shortest way from `position` to `goal`, and the length of that way.

    Args:
        position: centres of the agents, (N, 2), free.
        goal: where they go, (N, 2), free.
        doors: of the N episodes.

    Returns:
        Points (N, 2) that a straight free line reaches, and lengths (N,), in world units.
    """
    here = np.where(doors.vertical, position, position[:, ::-1])
    there = np.where(doors.vertical, goal, goal[:, ::-1])
    room, goal_room = _side(here, doors.band), _side(there, doors.band)
    point, length = there.copy(), _distance(there[:, 0] - here[:, 0], there[:, 1] - here[:, 1])
    parted = np.flatnonzero((room != goal_room) | (room == 0))
    if len(parted):
        passages = doors.passages[parted]
        point[parted], length[parted] = _through_doors(here[parted], there[parted], doors.band[parted], passages)
    return np.where(doors.vertical, point, point[:, ::-1]), length


def _side(point: Array, band: Array) -> Array:
    """The room of each point: -1 or 1, and 0 within the wall's band."""
    side: Array = (point[:, 0] >= band[:, 1] - _EXACT).astype(np.int64)
    side[point[:, 0] <= band[:, 0] + _EXACT] = -1
    return side


def _through_doors(here: Array, there: Array, band: Array, passages: Array) -> tuple[Array, Array]:
    """The next point and the length of the shortest way that uses a door, in (across, along).

    Through each door the way is here - enter - leave - there, where enter and leave lie on the
    faces of the band, or are the end of the way itself where that lies within the door.
    """
    slack = np.minimum(_CLEARANCE, (passages[..., 1] - passages[..., 0]) / 2)
    begin, end = passages[..., 0] + slack, passages[..., 1] - slack
    low, high = band[:, :1], band[:, 1:]
    across, along, goal_across, goal_along = here[:, :1], here[:, 1:], there[:, :1], there[:, 1:]
    inside, goal_inside = (across > low) & (across < high), (goal_across > low) & (goal_across < high)
    enter_at, leave_at = _clip(across, low, high), _clip(goal_across, low, high)

    def leave_from(start_across: Array, start_along: Array) -> Array:
        crossing = _crossing(start_across, start_along, goal_across, goal_along, leave_at)
        return np.where(goal_inside, goal_along, _clip(crossing, begin, end))

    guess = leave_from(across, along)
    ahead = np.where(inside, along, _crossing(across, along, leave_at, guess, enter_at))
    enter = np.where(inside, ahead, _clip(ahead, begin, end))
    leave = leave_from(enter_at, enter)
    length = _distance(across - enter_at, along - enter) + _distance(enter_at - leave_at, enter - leave)
    length = length + _distance(leave_at - goal_across, leave - goal_along)
    usable = ~np.isnan(begin)
    for within, where in ((inside, along), (goal_inside, goal_along)):
        usable &= ~within | ((where > passages[..., 0] - _EXACT) & (where < passages[..., 1] + _EXACT))
    length = np.where(usable, length, np.inf)
    rows, door = np.arange(len(here)), length.argmin(axis=1)
    turns = (np.abs(enter - ahead) > _EXACT)[rows, door]
    point = np.where(turns, [enter_at[:, 0], enter[rows, door]], [leave_at[:, 0], leave[rows, door]]).T
    # in one door with the goal in another: first leave by the nearer face
    stuck = np.isinf(length[rows, door])
    if stuck.any():
        nearer = np.where(2 * across < low + high, low, high)
        point = np.where(stuck[:, None], np.hstack([nearer, along]), point)
    return point, length[rows, door]


def _clip(value: Array, low: Array, high: Array) -> Array:
    """`numpy.clip`, with less ado."""
    clipped: Array = np.minimum(np.maximum(value, low), high)
    return clipped


def _distance(across: Array, along: Array) -> Array:
    distance: Array = np.sqrt(across * across + along * along)
    return distance


def _crossing(across: Array, along: Array, to_across: Array, to_along: Array, at: Array) -> Array:
    """Where the lines between two points, coordinates (N, 1 or 3), meet the coordinate `at` (N, 1), along the wall."""
    span = to_across - across
    level = span == 0
    share = np.where(level, 0.0, (at - across) / np.where(level, 1.0, span))
    crossing: Array = along + share * (to_along - along)
    return crossing
