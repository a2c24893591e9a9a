"""The factors of PushT and the constraints between them."""

from collections.abc import Callable, Mapping
from math import pi, tau

import numpy as np
from gymnasium import spaces

from swm.core.factors import Constraint, Factor, FactorSpace
from swm.core.spaces import Value, rgb, scalar, vector
from swm.envs.push_t import geometry
from swm.envs.push_t.goal import RADIUS, errors
from swm.envs.push_t.shapes import DISC, SHAPES, TEE, place

GOAL_VISIBLE = 0
"""Whether the goal's marker is drawn by default.

It is not, as in the two-room task: a marker that differs between episodes and stands still in each
is the easiest thing to predict, and takes a joint-embedding model's attention from what moves
(arXiv 2211.10831). The green T in the pictures of earlier versions is the same in every episode.
"""
MAX_START_SPEED = 300.0
_MARKER = {"goal.visible": 1}
_WEDGE = pi / 8
_GAP = 3.0
"""Least distance of block and agent from each other and from the walls, in px."""


def _agent() -> tuple[Factor, ...]:
    return (
        Factor(name="agent.color", kind="visual", space=rgb(), default=(65, 105, 225), summary="colour of the agent"),
        Factor(
            name="agent.scale",
            kind="geometric",
            space=scalar(20, 60),
            default=40.0,
            unit="px",
            summary="size of the agent: 0.375 of it is a disc's radius, and the width of a T's bar and stem",
        ),
        Factor(
            name="agent.shape",
            kind="geometric",
            space=spaces.Discrete(len(SHAPES)),
            default=DISC,
            summary="disc, L, T, Z, square, I, small T or plus",
        ),
        Factor(
            name="agent.angle",
            kind="geometric",
            space=scalar(0, tau),
            default=0.0,
            unit="rad",
            requires={"agent.shape": TEE},
            summary="how the agent is turned; nothing turns it later",
        ),
        _position("agent.position", (256.0, 400.0), (30.0, 482.0), (50.0, 450.0), "where the agent starts"),
        Factor(
            name="agent.velocity",
            kind="task",
            space=vector([-MAX_START_SPEED] * 2, [MAX_START_SPEED] * 2),
            default=(0.0, 0.0),
            unit="px/s",
            summary="velocity with which the agent starts",
        ),
        Factor(
            name="agent.reach",
            kind="physical",
            space=scalar(50, 150),
            default=100.0,
            unit="px",
            summary="how far from the agent a full action puts its target, along each axis",
        ),
        Factor(
            name="agent.stiffness",
            kind="physical",
            space=scalar(25, 225),
            default=100.0,
            unit="1/s^2",
            summary="gain of the agent's controller; its damping stays critical",
        ),
    )


def _block() -> tuple[Factor, ...]:
    return (
        Factor(name="block.color", kind="visual", space=rgb(), default=(119, 136, 153), summary="colour of the block"),
        Factor(
            name="block.scale",
            kind="geometric",
            space=scalar(20, 45),
            default=30.0,
            unit="px",
            summary="size of the block: the width of a T's bar and stem",
        ),
        Factor(
            name="block.shape",
            kind="geometric",
            space=spaces.Discrete(len(SHAPES) - 1, start=1),
            default=TEE,
            summary="L, T, Z, square, I, small T or plus; the goal takes the same shape",
        ),
        _position("block.position", (300.0, 200.0), (60.0, 452.0), (100.0, 400.0), "where the block's origin starts"),
        _angle("block.angle", "how the block is turned at the start"),
        Factor(
            name="block.friction",
            kind="physical",
            space=scalar(0, 1),
            default=0.0,
            summary="coefficient of friction between the block and what it touches",
        ),
        Factor(
            name="block.inertia",
            kind="physical",
            space=scalar(0.25, 4),
            default=1.0,
            summary="moment of inertia as a multiple of the original's: more of it turns less",
        ),
        Factor(
            name="block.slide",
            kind="physical",
            space=scalar(0, 0.3),
            default=0.0,
            unit="s",
            summary="time in which a block that nothing pushes loses 63 percent of its speed; 0 stops it at once",
        ),
    )


def _rest() -> tuple[Factor, ...]:
    return (
        Factor(
            name="goal.color",
            kind="visual",
            space=rgb(),
            default=(144, 238, 144),
            requires=_MARKER,
            summary="colour of the goal's marker",
        ),
        Factor(
            name="goal.visible",
            kind="visual",
            space=spaces.Discrete(2),
            default=GOAL_VISIBLE,
            summary="whether the goal's marker is drawn (1) or not (0)",
        ),
        _position("goal.position", (220.0, 260.0), (60.0, 452.0), (100.0, 400.0), "where the block's origin should be"),
        _angle("goal.angle", "how the block should be turned"),
        _position("goal.agent", (100.0, 120.0), (30.0, 482.0), (50.0, 450.0), "where the agent should be"),
        Factor(name="wall.color", kind="visual", space=rgb(), default=(211, 211, 211), summary="colour of the walls"),
        Factor(
            name="background.color", kind="visual", space=rgb(), default=(255, 255, 255), summary="colour of the floor"
        ),
    )


def _position(
    name: str, default: tuple[float, float], full: tuple[float, float], train: tuple[float, float], summary: str
) -> Factor:
    return Factor(
        name=name,
        kind="task",
        space=vector([full[0]] * 2, [full[1]] * 2),
        train=vector([train[0]] * 2, [train[1]] * 2),
        default=default,
        sampled=True,
        unit="px",
        summary=summary,
    )


def _angle(name: str, summary: str) -> Factor:
    """Any angle but those within 22.5 degrees of upright, which are held out."""
    return Factor(
        name=name,
        kind="task",
        space=scalar(0, tau),
        train=spaces.Box(_WEDGE, tau - _WEDGE, (), np.float64),
        default=pi / 4 if name == "goal.angle" else pi,
        sampled=True,
        unit="rad",
        summary=f"{summary}; within 22.5 degrees of upright is held out from training",
    )


def start_pose(values: Mapping[str, Value]) -> Value:
    """Agent x, y, block x, y and angle at the start, (5,)."""
    return np.array([*values["agent.position"], *values["block.position"], values["block.angle"]])


def goal_pose(values: Mapping[str, Value]) -> Value:
    """The same at the goal."""
    return np.array([*values["goal.agent"], *values["goal.position"], values["goal.angle"]])


def _free(pose_of: Callable[[Mapping[str, Value]], Value]) -> Callable[[Mapping[str, Value]], bool]:
    def holds(values: Mapping[str, Value]) -> bool:
        pose, radius = pose_of(values), geometry.agent_radius(values)
        block = [place(part, *pose[2:]) for part in geometry.block_outline(values)]
        return (
            geometry.within_walls(np.concatenate(block), _GAP)
            and geometry.within_walls(pose[:2], radius + _GAP)
            and geometry.apart(pose[:2], block, radius + _GAP)
        )

    return holds


def _unsolved(values: Mapping[str, Value]) -> bool:
    between = errors(start_pose(values), goal_pose(values), SHAPES[values["block.shape"]], values["block.scale"])
    return between.block_distance >= 2 * RADIUS


_SIZES = ("agent.shape", "agent.scale", "agent.angle", "block.shape", "block.scale")
_START, _GOAL = ("agent.position", "block.position", "block.angle"), ("goal.agent", "goal.position", "goal.angle")
START_FREE = Constraint(
    (*_START, *_SIZES), _free(start_pose), "at the start agent and block touch neither each other nor a wall"
)
GOAL_FREE = Constraint(
    (*_GOAL, *_SIZES), _free(goal_pose), "at the goal agent and block touch neither each other nor a wall"
)
UNSOLVED = Constraint(
    ("block.position", "block.angle", "goal.position", "goal.angle", "block.shape", "block.scale"),
    _unsolved,
    f"the block starts at least {2 * RADIUS:g} px or {360 / tau * 2 * pi / 9:g} degrees away from its goal",
)

FACTORS = FactorSpace((*_agent(), *_block(), *_rest()), (START_FREE, GOAL_FREE, UNSOLVED))
"""Every factor of swm/PushT-v0."""
