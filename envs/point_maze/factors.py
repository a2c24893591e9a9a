"""The factors of grid mazes and the constraints between them."""

from functools import partial
from typing import Any

import numpy as np
from gymnasium import spaces

from swm.core.factors import Factor, FactorSpace
from swm.core.spaces import Value, rgb, scalar
from swm.envs.arena.factors import agent, floor, places_apart, places_free, target
from swm.envs.point_maze import walls
from swm.envs.point_maze.layouts import LAYOUTS, centres

SUCCESS_DISTANCE = 8.0
"""The goal is reached when the agent's centre is nearer to it than this; no wall and agent are so thin together."""
NUM_LAYOUTS, TRAIN_LAYOUTS = 1000, 200
"""How many random mazes there are, and how many of them are for training."""
_APART = 4 * SUCCESS_DISTANCE
_RADIUS = (3.0, 8.0, 5.0)
_SPEED = (2.0, 8.0, 4.0)
_PLACES = {"full": (18.0, 206.0), "train": (26.0, 198.0)}
_ENDS = {"u": ((0, 0), (2, 0)), "medium": ((0, 0), (5, 5)), "large": ((0, 0), (6, 8)), "random": ((0, 0), (8, 8))}
"""Cells of the default start and goal."""
_ROOMS = 5


def shape(name: str) -> tuple[str, ...]:
    """The factors that decide where the agent can be."""
    return ("agent.radius", "wall.thickness", *(factor.name for factor in _maze(name)))


def make_factors(name: str) -> FactorSpace:
    """Every factor of the maze `name`, a key of `LAYOUTS` or ``"random"``."""
    side = len(LAYOUTS[name]) if name in LAYOUTS else 2 * _ROOMS - 1
    start, goal = (tuple(centres(side)[row * side + column].tolist()) for row, column in _ENDS[name])
    return FactorSpace(
        (
            *agent(radius=_RADIUS, speed=_SPEED, start=start, **_PLACES),
            *target(radius=_RADIUS, goal=goal, **_PLACES),
            Factor(name="wall.color", kind="visual", space=rgb(), default=(70, 78, 100), summary="colour of the walls"),
            Factor(
                name="wall.thickness",
                kind="geometric",
                space=scalar(0.4, 1),
                default=0.8,
                unit="cells",
                summary="thickness of the walls; which cells are connected does not depend on it",
            ),
            floor(),
            *_maze(name),
        ),
        (
            *places_free(shape(name), partial(walls.obstacles, name=name), "no wall", alone=True),
            places_apart(_APART),
        ),
    )


def _maze(name: str) -> tuple[Factor, ...]:
    own = _random() if name == "random" else (_count("maze.symmetry", 8, "quarter turns, from 4 on after a mirroring"),)
    return (
        *own,
        _count("maze.openings", 4, "blocked cells between free ones that are opened"),
        _count("maze.closures", 4, "free cells that are blocked; the others stay connected"),
    )


def _random() -> tuple[Factor, ...]:
    return (
        Factor(
            name="maze.layout",
            kind="geometric",
            space=spaces.Discrete(NUM_LAYOUTS),
            train=tuple(range(TRAIN_LAYOUTS)),
            default=0,
            sampled=True,
            shift=_shift_layout,
            summary="number of the maze; those of training are the first ones, the others know no order",
        ),
        Factor(
            name="maze.rooms",
            kind="geometric",
            space=spaces.Discrete(5, start=2),
            default=_ROOMS,
            summary="rooms along each side; the maze has one cell less than twice as many",
        ),
    )


def _count(name: str, values: int, summary: str) -> Factor:
    return Factor(name=name, kind="geometric", space=spaces.Discrete(values), default=0, summary=summary)


def _shift_layout(full: Any, train: Any, severity: float, rng: np.random.Generator) -> Value:
    """Any layout that is not for training: a new maze is new, whatever the severity."""
    return int(rng.integers(TRAIN_LAYOUTS, NUM_LAYOUTS))
