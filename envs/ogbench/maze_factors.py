"""The factors of the mazes and the constraints between them."""

from collections.abc import Mapping
from dataclasses import replace

import mujoco
import numpy as np
from gymnasium import spaces

from swm.core.factors import Constraint, Factor
from swm.core.protocols import Array
from swm.core.spaces import Value, scalar, vector
from swm.envs.mujoco import appearance, physics, scene
from swm.envs.mujoco.factor import ModelFactor

UNIT, WALL = 4.0, 2.0
"""Side of a cell and height of its walls, in m."""
_NOISE, _REACH = 1.0, 1.2
"""OGBench's noise around the centre of a cell, and the farthest from there that is clear of the walls, in m."""
_HELD_OUT = 5
"""One cell of so many is kept out of training as a start, and another one as a goal."""


def place_factors(cells: Array, start: int | None, goal: int | None) -> list[Factor]:
    """Start and goal: cells, by their number in `cells` (C, 2), and offsets from their centres.

    Args:
        cells: row and column of each free cell.
        start: the cell of a task, or None where each episode draws its own.
        goal: the same for the goal.
    """
    count = len(cells)

    def cell(name: str, given: int | None, held_out: int, usual: int, summary: str) -> Factor:
        drawn = tuple(index for index in range(count) if index % _HELD_OUT != held_out)
        return Factor(
            name=name,
            kind="task",
            space=spaces.Discrete(count),
            train=drawn if given is None else (given,),
            default=drawn[usual] if given is None else given,
            sampled=given is None,
            summary=f"{summary}, by its number: free cells row by row",
        )

    def offset(name: str, noise: float, summary: str) -> Factor:
        return Factor(
            name=name,
            kind="task",
            space=vector([-_REACH] * 2, [_REACH] * 2),
            train=vector([-noise] * 2, [noise] * 2),
            default=(0.0, 0.0),
            sampled=True,
            unit="m",
            summary=f"{summary}, from the centre of its cell",
        )

    return [
        cell("agent.start_cell", start, 1, 0, "the cell of the start"),
        offset("agent.start_offset", _NOISE, "where the agent starts"),
        cell("goal.cell", goal, 3, -1, "the cell of the goal"),
        offset("goal.offset", _NOISE if goal is None else 0.0, "where the goal is"),
    ]


def look_factors(model: mujoco.MjModel, camera: mujoco.MjvCamera) -> list[Factor]:
    """How agent, walls, floor, target, light and camera look."""
    walls = np.array([row for row in range(model.ngeom) if model.geom(row).name.startswith("block_")])
    target = model.geom("target").id
    visible = {"target.visible": 1}

    def show(edited: mujoco.MjModel, value: int) -> None:
        edited.geom_rgba[target, 3] = value

    def widen(edited: mujoco.MjModel, value: float) -> None:
        edited.geom_size[target, 0] = value

    def raise_walls(edited: mujoco.MjModel, value: float) -> None:
        edited.geom_size[walls, 2] = edited.geom_pos[walls, 2] = edited.geom_aabb[walls, 5] = value / 2
        edited.geom_rbound[walls] = np.linalg.norm(edited.geom_size[walls], axis=1)

    return [
        appearance.material_color(model, "agent.color", "self"),
        appearance.material_color(model, "wall.color", "wall"),
        ModelFactor(
            name="wall.height",
            kind="geometric",
            space=scalar(1.0, 4.0),
            default=WALL,
            unit="m",
            summary="height of the walls",
            edit=raise_walls,
            fields=("geom_size", "geom_pos", "geom_aabb", "geom_rbound"),
        ),
        *appearance.pattern_colors(model, "floor", "grid"),
        replace(appearance.geom_color(model, "target.color", "target"), requires=visible),
        ModelFactor(
            name="target.visible",
            kind="visual",
            space=spaces.Discrete(2),
            default=0,
            summary="whether the goal is drawn",
            edit=show,
            fields=("geom_rgba",),
        ),
        ModelFactor(
            name="target.radius",
            kind="visual",
            space=scalar(0.3, 1.5),
            default=0.5,
            unit="m",
            requires=visible,
            summary="radius of the goal's disc; success does not depend on it",
            edit=widen,
            fields=("geom_size",),
        ),
        scene.light_intensity(model),
        scene.camera_angle(model, "camera.angle", camera, degrees=5.0),
    ]


def point_factors(model: mujoco.MjModel) -> list[Factor]:
    """The body of the point and how it moves."""
    ball = model.geom("pointbody").id
    box = model.body_bvhadr[model.geom_bodyid[ball]]
    height = float(model.geom_size[ball, 0])

    def resize(edited: mujoco.MjModel, value: float) -> None:
        edited.geom_size[ball, 0] = edited.geom_rbound[ball] = edited.geom_pos[ball, 2] = value
        edited.geom_aabb[ball, 3:] = value
        edited.bvh_aabb[box] = [0.0, 0.0, value - height, value, value, value]

    return [
        ModelFactor(
            name="agent.radius",
            kind="geometric",
            space=scalar(0.4, 0.78),
            default=0.7,
            unit="m",
            summary="radius of the agent",
            edit=resize,
            fields=("geom_size", "geom_rbound", "geom_pos", "geom_aabb", "bvh_aabb"),
        ),
        Factor(
            name="agent.speed",
            kind="physical",
            space=scalar(0.5, 1.5),
            default=1.0,
            unit="times",
            summary="how far an action moves the agent, as a multiple of OGBench's 0.2 m",
        ),
        Factor(
            name="agent.drift",
            kind="physical",
            space=vector([-0.05] * 2, [0.05] * 2),
            default=(0.0, 0.0),
            unit="m per step",
            summary="a wind that moves the agent along x and y each step",
        ),
    ]


def ant_factors(model: mujoco.MjModel) -> list[Factor]:
    """The body of the ant and the physics that it walks by."""
    return [
        physics.mass(model, "agent.mass", "*"),
        physics.gear(model, "agent.gear", limits=(0.5, 1.5)),
        physics.damping(model, "agent.damping", ("hip_*", "ankle_*")),
        physics.friction(model, "contact.friction", limits=(0.3, 2.0)),
        physics.gravity(model),
    ]


def places_differ() -> Constraint:
    """Start and goal lie in different cells."""

    def holds(values: Mapping[str, Value]) -> bool:
        return bool(values["agent.start_cell"] != values["goal.cell"])

    return Constraint(("agent.start_cell", "goal.cell"), holds, "start and goal lie in different cells")
