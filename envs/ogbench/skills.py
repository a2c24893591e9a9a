"""What the scripted expert of the manipulation environments can do: each skill is a generator of actions."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from swm.core.protocols import Array

Skill = Iterator[Array]
"""Yields actions (5,); what it looks at has changed when it is asked for the next one."""

OPEN, HALF_OPEN, CLOSED = 0.0, 0.4, 1.0
"""How far the gripper is to be closed."""
GRASPS = (None, 0.0, np.pi / 2)
"""How the gripper is turned in one try after the other, see `pick_and_place`."""
_STEP, _TURN = 0.05, 0.3
"""What a full action commands, in m and rad."""
_GAIN = 2.0
"""The arm covers about half of what is commanded."""
_GRIP_GAIN = 3.0
_CLEAR = 0.12
"""How far above the highest cube the effector travels, in m."""
_LOWEST, _HIGHEST = 0.02, 0.33
"""Heights of the effector, in m."""
_HELD = 0.04
"""A cube farther than this from the effector is not held, in m."""


@dataclass(kw_only=True)
class View:
    """What a skill sees of its environment, written anew before each action."""

    cubes: Array
    """Centres (N, 3), in m."""
    yaws: Array
    """Orientations of the cubes (N,), in rad."""
    half: Array
    """Half sides (N,), in m."""
    effector: Array
    """Position (3,), in m."""
    yaw: float
    """Orientation of the gripper, in rad."""
    closing: float
    """0 for an open gripper, 1 for a closed one."""
    slides: Array
    """Positions of drawer and window, in m; empty without them."""
    flags: Array
    """States of the buttons, 1 for what is unlocked; empty without them."""
    lowest_travel: float
    """Height of the effector at which nothing but cubes is in its way, in m."""


def act(view: View, position: Array, yaw: float, grip: float) -> Array:
    """The action towards a pose of the effector and a closing of the gripper."""
    turn = (yaw - view.yaw + np.pi) % (2 * np.pi) - np.pi
    move = _GAIN * np.append((position - view.effector) / _STEP, turn / _TURN)
    move[:3] /= max(1.0, np.abs(move[:3]).max())
    action: Array = np.clip(np.append(move, _GRIP_GAIN * (grip - view.closing)), -1.0, 1.0)
    return action


def reach(
    view: View, pose: Callable[[], tuple[Array, float]], grip: float, *, within: float = 0.01, patience: int = 60
) -> Skill:
    """Go straight to a pose that may move, until the effector is `within` that distance of it."""
    for _ in range(patience):
        position, yaw = pose()
        turn = (yaw - view.yaw + np.pi) % (2 * np.pi) - np.pi
        if np.linalg.norm(view.effector - position) < within and abs(turn) < 0.1:
            return
        yield act(view, position, yaw, grip)


def travel(
    view: View, pose: Callable[[], tuple[Array, float]], grip: float, *, height: float, within: float = 0.02
) -> Skill:
    """Go up to `height`, then over to above a place that may move."""

    def above() -> tuple[Array, float]:
        position, yaw = pose()
        low = view.effector[2] < height - 0.03
        plane = view.effector[:2] if low else position[:2]
        return np.append(plane, height), yaw

    yield from reach(view, lambda: (above()[0], view.yaw), grip, within=0.03)
    yield from reach(view, above, grip, within=within)


def squeeze(view: View, grip: float, *, steps: int = 10) -> Skill:
    """Close or open the gripper where it is, until its fingers stop."""
    place, yaw = view.effector.copy(), view.yaw
    for step in range(steps):
        before = view.closing
        yield act(view, place, yaw, grip)
        if step >= 2 and abs(view.closing - before) < 0.01:
            return


def pick_and_place(view: View, cube: int, place: Array, yaw: float, turn: float | None = None) -> Skill:
    """Bring a cube to a place; what goes wrong is seen by who asked for it.

    Args:
        view: what the expert sees.
        cube: which cube.
        place: where to, (3,) in m.
        yaw: orientation of the cube there, in rad.
        turn: how the gripper is turned where space is narrow, in rad, as nearly as the cube
            allows; then the cube comes to lie as it may. None takes the shortest way.
    """
    safe = travel_height(view, place)

    def at_cube() -> tuple[Array, float]:
        near = view.yaw + quarter(view.yaws[cube] - view.yaw)
        if turn is not None and abs(half(turn - near)) > np.pi / 4:
            near += np.pi / 2 * np.sign(half(turn - near))
        return np.append(view.cubes[cube, :2], max(view.cubes[cube, 2], _LOWEST)), near

    yield from travel(view, at_cube, OPEN, height=safe)
    yield from reach(view, at_cube, OPEN, within=0.008, patience=30)
    yield from squeeze(view, CLOSED)
    grasped = view.effector.copy()
    yield from reach(view, lambda: (np.append(grasped[:2], safe), view.yaw), CLOSED, within=0.03, patience=20)

    def at_place() -> tuple[Array, float]:
        offset = view.cubes[cube] - view.effector
        return place - offset, view.yaw + (quarter(yaw - view.yaws[cube]) if turn is None else half(turn - view.yaw))

    for skill in (
        travel(view, at_place, CLOSED, height=safe, within=0.012),
        reach(view, at_place, CLOSED, within=0.008, patience=30),
    ):
        for action in skill:
            if np.linalg.norm(view.cubes[cube] - view.effector) > _HELD:
                return
            yield action
    yield from squeeze(view, OPEN)
    released = view.effector.copy()
    yield from reach(view, lambda: (np.append(released[:2], safe), view.yaw), OPEN, within=0.03, patience=15)


def travel_height(view: View, place: Array) -> float:
    """The height of the effector at which a held cube passes over all others."""
    over_cubes = max(view.cubes[:, 2].max(), place[2]) + _CLEAR
    return float(min(max(over_cubes, view.lowest_travel), _HIGHEST))


def half(turn: float) -> float:
    """The smallest turn that looks the same on a gripper, in [-pi / 2, pi / 2]."""
    return float((turn + np.pi / 2) % np.pi - np.pi / 2)


def quarter(turn: float) -> float:
    """The smallest turn that looks the same on a cube, in [-pi / 4, pi / 4]."""
    return float((turn + np.pi / 4) % (np.pi / 2) - np.pi / 4)
