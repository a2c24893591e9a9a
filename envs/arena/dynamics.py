"""How the agent moves: first-order velocity, exact swept collisions, and slides along walls."""

import numpy as np

from swm.core.protocols import Array
from swm.envs.arena.geometry import Obstacles, push_out

_NEAR = 1e-6
"""Motions that stay this far from all obstacles meet none, whatever the rounding; in world units."""


def velocity(old: Array, command: Array, speed: Array, drag: Array) -> Array:
    """The velocity of the step: ``(1 - drag) old + drag speed command``.

    Args:
        old: (N, 2), world units per step.
        command: (N, 2), in [-1, 1].
        speed: (N,), world units per step.
        drag: (N,), in (0, 1].
    """
    share = drag[:, None]
    new: Array = (1 - share) * old + share * speed[:, None] * command
    return new


def move(position: Array, displacement: Array, obstacles: Obstacles) -> tuple[Array, Array]:
    """Move N centres along straight lines; at a contact the rest of the step slides along the face.

    The sweep is exact: no displacement is long enough to pass through a wall. A contact takes away
    the component of the motion that points into the face, for the rest of the step.

    Args:
        position: (N, 2), outside every obstacle.
        displacement: (N, 2), of any length.
        obstacles: of the N episodes.

    Returns:
        The new centres (N, 2), outside every obstacle, and which components were stopped, (N, 2).
    """
    end = position + displacement
    stopped = np.zeros(end.shape, np.bool_)
    rows = np.flatnonzero(_may_touch(position, end, obstacles))
    if len(rows):
        end[rows], stopped[rows] = _slide(position[rows], displacement[rows], obstacles[rows])
    return end, stopped


def _may_touch(position: Array, end: Array, obstacles: Obstacles) -> Array:
    """Whether the box around each motion comes near an obstacle; the other motions are free."""
    low, high = np.minimum(position, end) - _NEAR, np.maximum(position, end) + _NEAR
    border = np.minimum(low - obstacles.floor, obstacles.ceiling - high).min(axis=1)
    walls = np.maximum(obstacles.low - high[:, None], low[:, None] - obstacles.high).max(axis=2).min(axis=1)
    near: Array = np.minimum(border, walls) <= 0
    return near


def _slide(position: Array, rest: Array, obstacles: Obstacles) -> tuple[Array, Array]:
    stopped = np.zeros(rest.shape, np.bool_)
    for _ in range(2):  # each contact stops one of the two components
        time, axis, face = _first_contact(position, rest, obstacles)
        hit = np.flatnonzero(axis >= 0)
        position = position + time[:, None] * rest
        position[hit, axis[hit]] = face[hit]
        position = push_out(position, obstacles)
        if not len(hit):
            break
        rest = (1 - time[:, None]) * rest
        rest[hit, axis[hit]] = 0.0
        stopped[hit, axis[hit]] = True
    return position, stopped


def _first_contact(position: Array, motion: Array, obstacles: Obstacles) -> tuple[Array, Array, Array]:
    """When, along which axis and at which coordinate each centre first touches something.

    Returns:
        time (N,) as a fraction of `motion`, 1 without contact; axis (N,), -1 without contact; face (N,).
    """
    forward, still = motion > 0, motion == 0
    edge = np.where(forward, obstacles.ceiling, obstacles.floor)
    near = np.where(forward[:, None], obstacles.low, obstacles.high)
    far = np.where(forward[:, None], obstacles.high, obstacles.low)
    point, step = position[:, None], motion[:, None]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        border = np.where(still, np.inf, (edge - position) / motion)
        enter = (near - point) / step
        leave = (far - point) / step
    beside = still[:, None] & ((point <= obstacles.low) | (point >= obstacles.high))
    enter = np.where(still[:, None], np.where(beside, np.inf, -np.inf), enter)
    leave = np.where(still[:, None], np.inf, leave)
    first = enter.max(axis=2)
    first = np.where((first >= 0) & (first < leave.min(axis=2)), first, np.inf)
    rows = np.arange(len(position))
    piece = first.argmin(axis=1)
    wall_axis = enter[rows, piece].argmax(axis=1)
    border_axis = border.argmin(axis=1)
    wall_time, border_time = first[rows, piece], border[rows, border_axis]
    by_wall = wall_time <= border_time
    time = np.where(by_wall, wall_time, border_time)
    axis = np.where(by_wall, wall_axis, border_axis)
    face = np.where(by_wall, near[rows, piece, axis], edge[rows, axis])
    return np.minimum(time, 1.0), np.where(time <= 1.0, axis, -1), face
