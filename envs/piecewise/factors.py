"""The factors of the piecewise arena and the constraints between them."""

import colorsys
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from gymnasium import spaces

from swm.core.factors import Constraint, Factor, FactorSpace
from swm.core.spaces import Value, rgb, vector
from swm.envs.arena.factors import agent, border, floor, places_apart, places_free, target
from swm.envs.arena.rules import MAX_SPEED
from swm.envs.piecewise import zones

SUCCESS_DISTANCE = 16.0
"""The goal is reached when the agent's centre is nearer to it than this, in world units."""
MAX_BIAS = 4.0
"""The largest push along each axis, in world units per step."""
_BIAS = 2.0
_RESERVE = 0.5
"""How much faster than every push the agent is at least, so that it can go anywhere."""
_RADIUS = (4.0, 12.0, 7.0)
_PLACES = {"full": (21.0, 203.0), "train": (42.0, 182.0)}


@lru_cache
def make_factors(grid_n: int) -> FactorSpace:
    """Every factor of an arena of `grid_n` by `grid_n` zones: 14 + 2 grid_n^2 of them."""
    return FactorSpace(
        (
            *agent(radius=_RADIUS, speed=(_BIAS + _RESERVE, MAX_SPEED, 5.0), start=(60.0, 150.0), **_PLACES),
            *target(radius=_RADIUS, goal=(164.0, 150.0), **_PLACES),
            *border(),
            floor(),
            Factor(
                name="zones.visible",
                kind="visual",
                space=spaces.Discrete(2),
                default=0,
                summary="whether the floor of each zone has the zone's colour (1) or that of the background (0)",
            ),
            *_biases(grid_n),
            *_colors(grid_n),
        ),
        (
            *places_free(zones.SHAPE, zones.obstacles, "no border"),
            places_apart(2 * SUCCESS_DISTANCE),
            _faster_than_every_push(grid_n),
        ),
    )


def _biases(grid_n: int) -> tuple[Factor, ...]:
    """Pushes of one strength, in directions that divide the circle evenly."""
    angles = 2 * np.pi * np.arange(grid_n**2) / grid_n**2
    return tuple(
        Factor(
            name=f"zones.bias_{index}",
            kind="physical",
            space=vector([-MAX_BIAS] * 2, [MAX_BIAS] * 2),
            default=np.round(_BIAS * np.array([np.cos(angle), np.sin(angle)]), 12) + 0.0,
            unit="world units per step",
            summary=f"what zone {index} adds to each step that begins in it; zones count from the top left, row by row",
        )
        for index, angle in enumerate(angles)
    )


def _colors(grid_n: int) -> tuple[Factor, ...]:
    """Light colours whose hues divide the circle evenly."""
    count = grid_n**2
    return tuple(
        Factor(
            name=f"zones.color_{index}",
            kind="visual",
            space=rgb(),
            default=np.rint(255 * np.array(colorsys.hls_to_rgb(index / count, 0.82, 0.55))),
            requires={"zones.visible": 1},
            summary=f"colour of the floor of zone {index}",
        )
        for index in range(count)
    )


def _faster_than_every_push(grid_n: int) -> Constraint:
    names = zones.bias_names(grid_n)

    def holds(values: Mapping[str, Value]) -> bool:
        strongest = max(float(np.abs(values[name]).max()) for name in names)
        return bool(values["agent.speed"] >= strongest + _RESERVE)

    return Constraint(
        ("agent.speed", *names),
        holds,
        f"the agent can go against every push: agent.speed is at least each component of each bias + {_RESERVE:g}",
    )
