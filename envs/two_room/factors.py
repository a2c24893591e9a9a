"""The factors of the two-room task and the constraints between them."""

from collections.abc import Mapping
from itertools import pairwise

from gymnasium import spaces

from swm.core.factors import Constraint, Factor, FactorSpace
from swm.core.spaces import Value, rgb, scalar, shift_every_component, vector
from swm.envs.arena.factors import agent, border, floor, places_apart, places_free, target
from swm.envs.arena.geometry import SIZE
from swm.envs.arena.rules import MAX_SPEED
from swm.envs.two_room import geometry

SUCCESS_DISTANCE = 16.0
"""The goal is reached when the agent's centre is nearer to it than this, in world units."""
_PLACES = {"full": (21.0, 203.0), "train": (42.0, 182.0)}
_RADIUS = (4.0, 12.0, 7.0)
_DOOR_MARGIN = 1.5
_DOOR_GAP = 4.0


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


def _doors_apart(values: Mapping[str, Value]) -> bool:
    half, border = values["door.width"], values["border.thickness"]
    doors = sorted(values["door.position"][: values["door.number"]])
    inside = border <= doors[0] - half and doors[-1] + half <= SIZE - border
    return bool(inside and all(b - a >= 2 * half + _DOOR_GAP for a, b in pairwise(doors)))


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
    *places_free(geometry.SHAPE, geometry.obstacles, "neither wall nor border"),
    places_apart(2 * SUCCESS_DISTANCE),
)

FACTORS = FactorSpace(
    (
        *agent(radius=_RADIUS, speed=(2, MAX_SPEED, 5.0), start=(60.0, 150.0), **_PLACES),
        *target(radius=_RADIUS, goal=(164.0, 150.0), **_PLACES),
        *_wall(),
        *_door(),
        *border(),
        floor(),
    ),
    _CONSTRAINTS,
)
"""Every factor of swm/TwoRoom-v0."""
