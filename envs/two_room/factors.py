"""The factors of the two-room task and the constraints between them."""

from collections.abc import Callable, Mapping
from itertools import pairwise

import numpy as np
from gymnasium import spaces

from swm.core.factors import Constraint, Factor, FactorSpace
from swm.core.spaces import Value, rgb, scalar, shift_every_component, vector
from swm.envs.two_room import geometry
from swm.envs.two_room.geometry import SIZE

SUCCESS_DISTANCE = 16.0
"""The goal is reached when the agent's centre is nearer to it than this, in world units."""
MAX_SPEED = 10.0
TARGET_VISIBLE = 0
"""Whether the goal's marker is drawn by default.

It is not: a marker that stands still for a whole episode is the easiest thing to predict, and a
joint-embedding model then loses sight of the agent (arXiv 2211.10831 has the reason).
"""
_MARKER = {"target.visible": 1}

_DOOR_MARGIN = 1.5
_DOOR_GAP = 4.0


def _agent() -> tuple[Factor, ...]:
    return (
        Factor(name="agent.color", kind="visual", space=rgb(), default=(220, 50, 47), summary="colour of the agent"),
        Factor(
            name="agent.radius",
            kind="geometric",
            space=scalar(4, 12),
            default=7.0,
            unit="world units",
            summary="radius of the agent's disc; it collides as the square that bounds the disc",
        ),
        Factor(
            name="agent.speed",
            kind="physical",
            space=scalar(2, MAX_SPEED),
            default=5.0,
            unit="world units per step",
            summary="speed that a full action commands along each axis",
        ),
        _place("agent.position", "where the episode starts"),
        Factor(
            name="agent.actuator_noise",
            kind="physical",
            space=scalar(0, 1),
            default=0.0,
            summary="standard deviation of the noise added to each component of the action",
        ),
        Factor(
            name="agent.drag",
            kind="physical",
            space=scalar(0.3, 1),
            default=1.0,
            summary="share of the velocity that the command replaces each step; 1 forgets the old velocity",
        ),
    )


def _target() -> tuple[Factor, ...]:
    return (
        Factor(
            name="target.color",
            kind="visual",
            space=rgb(),
            default=(0, 158, 115),
            requires=_MARKER,
            summary="colour of the goal's marker",
        ),
        Factor(
            name="target.radius",
            kind="visual",
            space=scalar(4, 12),
            default=7.0,
            unit="world units",
            requires=_MARKER,
            summary="radius of the goal's marker; success does not depend on it",
        ),
        _place("target.position", "where the goal is"),
        Factor(
            name="target.visible",
            kind="visual",
            space=spaces.Discrete(2),
            default=TARGET_VISIBLE,
            summary="whether the goal's marker is drawn (1) or not (0)",
        ),
    )


def _wall() -> tuple[Factor, ...]:
    return (
        Factor(name="wall.color", kind="visual", space=rgb(), default=(70, 78, 100), summary="colour of the wall"),
        Factor(
            name="wall.axis",
            kind="geometric",
            space=spaces.Discrete(2),
            default=1,
            summary="direction of the wall: 0 horizontal, 1 vertical",
        ),
        Factor(
            name="wall.thickness",
            kind="geometric",
            space=scalar(6, 40),
            default=10.0,
            unit="world units",
            summary="thickness of the wall",
        ),
        Factor(
            name="wall.position",
            kind="geometric",
            space=scalar(70, 154),
            default=112.0,
            unit="world units",
            summary="centre of the wall, across it",
        ),
    )


def _door() -> tuple[Factor, ...]:
    return (
        Factor(
            name="door.color",
            kind="visual",
            space=rgb(),
            default=(244, 208, 111),
            summary="colour of the floor in the doors",
        ),
        Factor(
            name="door.number",
            kind="geometric",
            space=spaces.Discrete(3, start=1),
            default=1,
            summary="number of doors: the first ones of door.position are used",
        ),
        Factor(
            name="door.width",
            kind="geometric",
            space=scalar(9, 24),
            default=14.0,
            unit="world units",
            summary="half of the width of each door",
        ),
        Factor(
            name="door.position",
            kind="geometric",
            space=vector([32.0] * 3, [192.0] * 3),
            default=(49.0, 112.0, 175.0),
            shift=shift_every_component,
            unit="world units",
            summary="centres of up to three doors, along the wall",
        ),
    )


def _rest() -> tuple[Factor, ...]:
    return (
        Factor(name="border.color", kind="visual", space=rgb(), default=(38, 43, 58), summary="colour of the border"),
        Factor(
            name="border.thickness",
            kind="geometric",
            space=scalar(8, 24),
            default=14.0,
            unit="world units",
            summary="thickness of the border",
        ),
        Factor(
            name="background.color", kind="visual", space=rgb(), default=(240, 237, 228), summary="colour of the floor"
        ),
    )


def _place(name: str, summary: str) -> Factor:
    return Factor(
        name=name,
        kind="task",
        space=vector([21.0, 21.0], [203.0, 203.0]),
        train=vector([42.0, 42.0], [182.0, 182.0]),
        default=(60.0, 150.0) if name == "agent.position" else (164.0, 150.0),
        sampled=True,
        unit="world units",
        summary=summary,
    )


def _doors_apart(values: Mapping[str, Value]) -> bool:
    half, border = values["door.width"], values["border.thickness"]
    doors = sorted(values["door.position"][: values["door.number"]])
    inside = border <= doors[0] - half and doors[-1] + half <= SIZE - border
    return bool(inside and all(b - a >= 2 * half + _DOOR_GAP for a, b in pairwise(doors)))


def _free(place: str) -> Callable[[Mapping[str, Value]], bool]:
    def holds(values: Mapping[str, Value]) -> bool:
        obstacles = geometry.obstacles(geometry.stack([values]))
        return not geometry.depth_inside(values[place][None], obstacles)[0] > 0

    return holds


def _far_apart(values: Mapping[str, Value]) -> bool:
    return bool(np.linalg.norm(values["agent.position"] - values["target.position"]) >= 2 * SUCCESS_DISTANCE)


_CONSTRAINTS = (
    Constraint(
        ("door.number", "door.width", "door.position", "border.thickness"),
        _doors_apart,
        f"doors do not reach into the border and are at least {_DOOR_GAP:g} units apart",
    ),
    Constraint(
        ("agent.radius", "door.width"),
        lambda values: bool(values["door.width"] >= values["agent.radius"] + _DOOR_MARGIN),
        f"the agent fits through the doors: door.width is at least agent.radius + {_DOOR_MARGIN:g}",
    ),
    *(
        Constraint(
            (place, "agent.radius", *(name for name in geometry.SHAPE if name != "agent.radius")),
            _free(place),
            f"an agent at {place} touches neither wall nor border",
        )
        for place in ("agent.position", "target.position")
    ),
    Constraint(
        ("agent.position", "target.position"),
        _far_apart,
        f"start and goal are at least {2 * SUCCESS_DISTANCE:g} units apart",
    ),
)

FACTORS = FactorSpace((*_agent(), *_target(), *_wall(), *_door(), *_rest()), _CONSTRAINTS)
"""Every factor of swm/TwoRoom-v0."""
