"""In which order the scripted expert moves cubes, and where it puts those that are in the way."""

import numpy as np

from swm.core.protocols import Array
from swm.envs.ogbench.skills import GRASPS, Skill, View, pick_and_place

_SOLVED = 0.03
"""A cube nearer than this to its goal stays where it is, in m; success is at 0.04."""
_ON_TOP = 0.03
"""A cube nearer than this in the plane and higher stands on the other one, in m."""
_ROOM = 0.02
"""A place is occupied if less than this is free between the cubes there, in m."""
_FREE = 0.1
"""How far a place to put a cube aside should be from all others, in m."""
_TRIES = 200


def move_cubes(view: View, places: Array, yaws: Array, low: Array, high: Array, rng: np.random.Generator) -> Skill:
    """Bring all cubes to their places, the lower ones of a stack first.

    Args:
        view: what the expert sees.
        places: goals (N, 3), in m.
        yaws: orientations of the goals (N,), in rad.
        low: lowest x and y of where a cube may be put aside, in m.
        high: highest x and y.
        rng: where to put cubes aside.
    """
    tries = np.zeros(len(places), np.int64)
    while (wrong := np.flatnonzero(np.linalg.norm(view.cubes - places, axis=1) > _SOLVED)).size:
        order = sorted(wrong.tolist(), key=lambda cube: (round(places[cube, 2], 2), cube))
        free = [cube for cube in order if _is_free(view, cube)]
        ready = [cube for cube in free if _may_go(view, cube, places, order)]
        if ready:
            cube, place, yaw = ready[0], places[ready[0]], float(yaws[ready[0]])
        else:
            cube = next((c for c in free if _blocks(view, c, places, order)), _topmost(view, order))
            place, yaw = free_place(view, cube, places, low, high, rng), float(view.yaws[cube])
        yield from pick_and_place(view, cube, place, yaw, GRASPS[tries[cube] % len(GRASPS)])
        tries[cube] += 1


def free_place(view: View, cube: int, places: Array, low: Array, high: Array, rng: np.random.Generator) -> Array:
    """A place (3,) on the table that is clear of all cubes and, if there is room, of all goals."""
    others = np.delete(view.cubes, cube, axis=0)[:, :2]
    best, best_gap = view.cubes[cube, :2], -np.inf
    for _ in range(_TRIES):
        place = rng.uniform(low, high)
        gap = min(
            np.linalg.norm(others - place, axis=1).min(initial=np.inf),
            np.linalg.norm(places[:, :2] - place, axis=1).min(initial=np.inf),
        )
        if gap > best_gap:
            best, best_gap = place, gap
        if gap > _FREE:
            break
    return np.append(best, view.half[cube])


def _is_free(view: View, cube: int) -> bool:
    """Whether nothing stands on the cube."""
    near = np.linalg.norm(view.cubes[:, :2] - view.cubes[cube, :2], axis=1) < _ON_TOP
    return not bool((near & (view.cubes[:, 2] > view.cubes[cube, 2] + 0.01)).any())


def _may_go(view: View, cube: int, places: Array, wrong: list[int]) -> bool:
    """Whether the place of the cube is empty and what it stands on is there."""
    column = np.linalg.norm(places[:, :2] - places[cube, :2], axis=1) < _ON_TOP
    below = column & (places[:, 2] < places[cube, 2] - 0.01)
    if any(below[other] for other in wrong):
        return False
    return not any(
        _occupies(view, other, cube, places) for other in range(len(places)) if other != cube and not below[other]
    )


def _occupies(view: View, other: int, cube: int, places: Array) -> bool:
    near = np.linalg.norm(view.cubes[other, :2] - places[cube, :2])
    return bool(near < view.half[other] + view.half[cube] + _ROOM)


def _blocks(view: View, cube: int, places: Array, wrong: list[int]) -> bool:
    return any(_occupies(view, cube, other, places) for other in wrong if other != cube)


def _topmost(view: View, cubes: list[int]) -> int:
    return max(cubes, key=lambda cube: float(view.cubes[cube, 2]))
