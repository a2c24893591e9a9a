"""How the scripted expert of the scene brings the cube, the drawer, the window and the buttons into a given state."""

import numpy as np

from swm.core.protocols import Array
from swm.envs.ogbench.skills import (
    CLOSED,
    GRASPS,
    HALF_OPEN,
    OPEN,
    Skill,
    View,
    half,
    pick_and_place,
    reach,
    squeeze,
    travel,
)

LOWEST_TRAVEL = 0.24
"""Height of the effector above the buttons and the open drawer, in m."""
_BUTTONS = np.array([[0.58, -0.05, 0.125], [0.58, 0.05, 0.121]])
"""Tops of the buttons that are not pressed, in m."""
_PRESS = 0.03
"""How far below its top a button is pressed, in m."""
_HANDLES = np.array([[0.33, -0.24, 0.08], [0.286, 0.225, 0.237]])
"""Handles of the closed drawer and the closed window, in m."""
_DIRECTIONS = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0]])
"""How the handles move with the joints."""
_TURNS = (0.0, np.pi / 2)
"""How the gripper is turned to take the handles between its fingers, in rad."""
_ABOVE = 0.31
"""Height of the effector above the handle of the window, in m."""
_DRAWER, _WINDOW = 0, 1
_OPEN_DRAWER = -0.16
_IN_DRAWER = -0.2
"""A goal of the cube with a lower y lies in the drawer, in m."""
_FROM_FRONT = 0.01
"""How far behind its goal the cube is put into the drawer, away from the front, in m."""
_SOLVED = 0.025
_OVER = 0.09
"""The handle of the window is in the way of a cube nearer than this in the plane, in m."""


def arrange(view: View, place: Array, yaw: float, slides: Array, flags: Array) -> Skill:
    """Do what remains to be done, in an order in which it can be done, until all is done.

    Args:
        view: what the expert sees.
        place: goal of the cube (3,), in m.
        yaw: orientation of the cube at its goal, in rad.
        slides: goals of drawer and window, in m.
        flags: goals of the buttons.
    """
    tries = 0
    while True:
        wrong = np.abs(view.slides - slides) > _SOLVED
        if not _cube_is_there(view, place):
            yield from _bring_cube(view, place, yaw, GRASPS[tries % len(GRASPS)])
            tries += 1
        elif wrong.any():
            yield from _slide(view, int(wrong.argmax()), slides[wrong.argmax()])
        elif (view.flags != flags).any():
            yield from _press(view, int((view.flags != flags).argmax()))
        else:
            return


def random_scene(rng: np.random.Generator) -> tuple[Array, float, Array, Array]:
    """A state of the scene to bring about: the arguments of `arrange`."""
    place = np.append(rng.uniform((0.3, -0.07), (0.45, 0.16)), 0.02)
    slides = rng.uniform((_OPEN_DRAWER, 0.0), (0.0, 0.2))
    return place, float(rng.uniform(-np.pi, np.pi)), slides, rng.integers(2, size=2).astype(np.float64)


def _inside(view: View, place: Array) -> Array:
    """Where a place in the closed drawer is now."""
    where: Array = place + _DIRECTIONS[_DRAWER] * view.slides[_DRAWER]
    return where


def _cube_is_there(view: View, place: Array) -> bool:
    where = _inside(view, place) if place[1] < _IN_DRAWER else place
    return bool(np.linalg.norm(view.cubes[0] - where) < _SOLVED + _FROM_FRONT * (place[1] < _IN_DRAWER))


def _bring_cube(view: View, place: Array, yaw: float, turn: float | None) -> Skill:
    """Put the cube to its place, through the open drawer if it lies there; first move the window's handle away."""
    over = _HANDLES[_WINDOW] + _DIRECTIONS[_WINDOW] * view.slides[_WINDOW]
    if min(np.linalg.norm(over[:2] - spot[:2]) for spot in (view.cubes[0], place)) < _OVER:
        middle = (view.cubes[0, 0] + place[0]) / 2
        yield from _slide(view, _WINDOW, 0.2 if middle < _HANDLES[_WINDOW, 0] + 0.1 else 0.0)
    elif place[1] >= _IN_DRAWER:
        yield from pick_and_place(view, 0, place, yaw, turn)
    elif abs(view.slides[_DRAWER] - _OPEN_DRAWER) > _SOLVED:
        yield from _slide(view, _DRAWER, _OPEN_DRAWER)
    else:
        yield from pick_and_place(view, 0, _inside(view, place) - (0.0, _FROM_FRONT, 0.0), yaw, np.pi / 2)


def _slide(view: View, which: int, goal: float) -> Skill:
    """Take the handle of the drawer or the window and move it until its joint is at `goal`; first unlock it."""
    if not view.flags[which]:
        yield from _press(view, which)

    def handle() -> tuple[Array, float]:
        turned = view.yaw + half(_TURNS[which] - view.yaw)
        return _HANDLES[which] + _DIRECTIONS[which] * view.slides[which], turned

    height = _ABOVE if which == _WINDOW else LOWEST_TRAVEL
    yield from travel(view, handle, HALF_OPEN, height=height)
    yield from reach(view, handle, HALF_OPEN, within=0.012, patience=25)
    yield from squeeze(view, CLOSED, steps=6)
    offset = view.effector - handle()[0]

    def along() -> tuple[Array, float]:
        return _HANDLES[which] + _DIRECTIONS[which] * goal + offset, handle()[1]

    for action in reach(view, along, CLOSED, within=0.004, patience=40):
        if abs(view.slides[which] - goal) < 0.006:
            break
        yield action
    yield from squeeze(view, OPEN, steps=6)
    place = view.effector.copy()
    yield from reach(view, lambda: (np.append(place[:2], height), view.yaw), OPEN, within=0.03, patience=20)


def _press(view: View, button: int) -> Skill:
    """Press a button until its state changes."""
    before = view.flags[button]
    top = _BUTTONS[button]
    yield from travel(view, lambda: (top, view.yaw), CLOSED, height=LOWEST_TRAVEL)
    for action in reach(view, lambda: (top - (0.0, 0.0, _PRESS), view.yaw), CLOSED, within=0.0, patience=20):
        if view.flags[button] != before:
            break
        yield action
    yield from reach(view, lambda: (np.append(top[:2], LOWEST_TRAVEL), view.yaw), CLOSED, within=0.03, patience=20)
