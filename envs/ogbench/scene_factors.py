"""The factors of the scene: those of the cube's environments, and the buttons, the drawer and the window."""

from collections.abc import Mapping
from typing import Any

import mujoco
from gymnasium import spaces

from swm.core.factors import Constraint, Factor
from swm.core.spaces import Value, rgb, scalar
from swm.envs.mujoco import appearance, physics
from swm.envs.ogbench.manipulation_factors import MOVED, moved
from swm.envs.ogbench.places import Places

DRAWER, WINDOW = (-0.16, 0.0), (0.0, 0.2)
"""Joint positions: drawer from open to closed, window from closed to open, in m."""
_NOISE = 0.01
"""OGBench's noise of the start of drawer and window in its evaluation tasks, in m."""
_HELD_OUT = {"start": 3, "goal": 0}
"""The combination of locks that is kept out of training."""


def scene_factors(model: mujoco.MjModel, places: Places) -> list[Factor]:
    """What varies about the buttons, the drawer and the window."""
    return [
        *(factor for which in ("start", "goal") for factor in _openings(which, places)),
        appearance.material_color(model, "drawer.color", "drawer_body"),
        appearance.material_color(model, "window.color", "window_body"),
        Factor(
            name="lock.locked_color",
            kind="visual",
            space=rgb(),
            default=(245, 66, 84),
            summary="colour of a button whose drawer or window is locked, and of that one's handle",
        ),
        Factor(
            name="lock.unlocked_color",
            kind="visual",
            space=rgb(),
            default=(230, 230, 230),
            summary="colour of a button whose drawer or window is not locked, and of that one's handle",
        ),
        physics.friction_loss(model, "slide.friction", ("drawer_slide", "window_slide"), limits=(0.25, 2.5)),
    ]


def _openings(which: str, places: Places) -> tuple[Factor, Factor, Factor]:
    """How drawer and window stand, and which of them are locked, at the start or the goal."""
    given: Mapping[str, Any] | None = None if places.task is None else places.others[which]
    words = f"at the {which}"

    def slide(name: str, bounds: tuple[float, float], key: str) -> Factor:
        low, high = bounds
        if given is None:
            train = scalar(low + 0.01, high) if low < 0 else scalar(low, high - 0.01)
        else:
            noise = _NOISE if which == "start" else 0.0
            train = scalar(max(given[key] - noise, low), min(given[key] + noise, high))
        return Factor(
            name=f"{name}.{which}_position",
            kind="task",
            space=scalar(low, high),
            train=train,
            default=float(train.low if given is None else given[key]),
            sampled=True,
            unit="m",
            summary=f"how the {name} stands {words}: 0 is closed",
        )

    drawn = tuple(code for code in range(4) if code != _HELD_OUT[which])
    code = None if given is None else int(given["button_states"] @ (1, 2))
    locks = Factor(
        name=f"lock.{which}_states",
        kind="task",
        space=spaces.Discrete(4),
        train=drawn if code is None else (code,),
        default=drawn[0] if code is None else code,
        sampled=True,
        summary=f"what is unlocked {words}: 0 nothing, 1 the drawer, 2 the window, 3 both",
    )
    return slide("drawer", DRAWER, "drawer_pos"), slide("window", WINDOW, "window_pos"), locks


def something_moves() -> Constraint:
    """Start and goal differ by more than what counts as success."""
    pairs = ("lock.{}_states", "drawer.{}_position", "window.{}_position")
    ends = tuple((pair.format("start"), pair.format("goal")) for pair in pairs)

    def holds(values: Mapping[str, Value]) -> bool:
        locks, *slides = ((values[start], values[goal]) for start, goal in ends)
        slid = max(abs(start - goal) for start, goal in slides)
        return bool(locks[0] != locks[1] or max(slid, moved(values)) >= MOVED)

    names = ("cube.start_position", "cube.goal_position", *(name for pair in ends for name in pair))
    return Constraint(names, holds, f"a lock differs, or something has at least {MOVED:g} m to go")
