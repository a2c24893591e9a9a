"""The factors that all arenas have, and the constraints on places."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

from swm.core.factors import Constraint, Factor
from swm.core.spaces import Value, rgb, scalar, vector
from swm.envs.arena.geometry import Obstacles, depth_inside, stack
from swm.envs.arena.rules import Values

TARGET_VISIBLE = 0
"""Whether the goal's marker is drawn by default.

It is not: a marker that stands still for a whole episode is the easiest thing to predict, and a
joint-embedding model then loses sight of the agent (arXiv 2211.10831 has the reason).
"""
_MARKER = {"target.visible": 1}
_KEPT_SHAPES = 256

Bounds = tuple[float, float]


def agent(
    *,
    radius: tuple[float, float, float],
    speed: tuple[float, float, float],
    start: tuple[float, float],
    **where: Bounds,
) -> tuple[Factor, ...]:
    """The factors of the agent.

    Args:
        radius: lowest, highest and default, in world units.
        speed: lowest, highest and default, in world units per step.
        start: default start.
        where: `full` and `train` range of both coordinates of the start.
    """
    return (
        Factor(name="agent.color", kind="visual", space=rgb(), default=(220, 50, 47), summary="colour of the agent"),
        Factor(
            name="agent.radius",
            kind="geometric",
            space=scalar(*radius[:2]),
            default=radius[2],
            unit="world units",
            summary="radius of the agent's disc; it collides as the square that bounds the disc",
        ),
        Factor(
            name="agent.speed",
            kind="physical",
            space=scalar(*speed[:2]),
            default=speed[2],
            unit="world units per step",
            summary="speed that a full action commands along each axis",
        ),
        place("agent.position", "where the episode starts", start, **where),
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


def target(*, radius: tuple[float, float, float], goal: tuple[float, float], **where: Bounds) -> tuple[Factor, ...]:
    """The factors of the goal's marker; the arguments are as those of `agent`."""
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
            space=scalar(*radius[:2]),
            default=radius[2],
            unit="world units",
            requires=_MARKER,
            summary="radius of the goal's marker; success does not depend on it",
        ),
        place("target.position", "where the goal is", goal, **where),
        Factor(
            name="target.visible",
            kind="visual",
            space=spaces.Discrete(2),
            default=TARGET_VISIBLE,
            summary="whether the goal's marker is drawn (1) or not (0)",
        ),
    )


def place(name: str, summary: str, default: tuple[float, float], *, full: Bounds, train: Bounds) -> Factor:
    """A position that every reset draws."""
    return Factor(
        name=name,
        kind="task",
        space=vector([full[0]] * 2, [full[1]] * 2),
        train=vector([train[0]] * 2, [train[1]] * 2),
        default=default,
        sampled=True,
        unit="world units",
        summary=summary,
    )


def floor() -> Factor:
    """The colour of the floor."""
    return Factor(
        name="background.color", kind="visual", space=rgb(), default=(240, 237, 228), summary="colour of the floor"
    )


def border() -> tuple[Factor, ...]:
    """The factors of a border around the arena."""
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
    )


def places_free(
    shape: tuple[str, ...], obstacles: Callable[[Values], Obstacles], walls: str, alone: bool = False
) -> tuple[Constraint, ...]:
    """Start and goal lie where the agent can be.

    Args:
        shape: see `Arena`.
        obstacles: see `Arena`.
        walls: which things the agent touches, in words: "neither wall nor border".
        alone: whether a place that is not free is drawn again alone, not the shape with it: for arenas
            in which every shape has room, and most places are not free.
    """
    kept: dict[tuple[Any, ...], Obstacles] = {}

    def free(name: str) -> Callable[[Mapping[str, Value]], bool]:
        def holds(values: Mapping[str, Value]) -> bool:
            key = tuple([v.tobytes() if isinstance(v := values[part], np.ndarray) else v for part in shape])
            if key not in kept:
                if len(kept) >= _KEPT_SHAPES:
                    kept.clear()
                kept[key] = obstacles(stack([values], shape))
            return not depth_inside(values[name][None], kept[key])[0] > 0

        return holds

    return tuple(
        Constraint(
            (name, "agent.radius", *(part for part in shape if part != "agent.radius")),
            free(name),
            f"an agent at {name} touches {walls}",
            redraw=(name,) if alone else (),
        )
        for name in ("agent.position", "target.position")
    )


def places_apart(distance: float) -> Constraint:
    """Start and goal are at least `distance` from each other, in world units."""
    return Constraint(
        ("agent.position", "target.position"),
        lambda values: bool(np.linalg.norm(values["agent.position"] - values["target.position"]) >= distance),
        f"start and goal are at least {distance:g} units apart",
    )
