"""The factors of the Fetch tasks and the constraints between them."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import mujoco
import numpy as np
from gymnasium import spaces

from swm.core.factors import Constraint, Factor
from swm.core.protocols import Array
from swm.core.spaces import Value, rgb, scalar, vector
from swm.envs.fetch.task import LOWEST, SPEED, TABLE_HEIGHT, Task
from swm.envs.mujoco import appearance, physics, scene
from swm.envs.mujoco.elements import geoms_of
from swm.envs.mujoco.factor import ModelFactor, texture_pixels

_CLEARANCE = 0.1
"""Between the gripper and the object at the start, along the table, in m."""
_TRIVIAL = 0.06
"""Between the goal and what has to reach it at the start, in m."""
_BEYOND = 0.03
"""How far the full range of places goes beyond that in training, in m."""
_EDGE = 0.03
"""Between the centre of an object and the edge of the table, in m."""
_MAX_LIFT, _TRAIN_LIFT = 0.5, 0.45
_ROBOT = "robot0:*"
_BLUE = [f"robot0:{part}_link" for part in ("shoulder_lift", "elbow_flex", "wrist_flex", "torso_fixed", "head_tilt")]
_JOINTS = [f"robot0:{part}_joint" for part in ("shoulder_*", "upperarm_*", "elbow_*", "forearm_*", "wrist_*")]


def make_factors(task: Task, model: mujoco.MjModel, camera: mujoco.MjvCamera) -> tuple[Factor, ...]:
    """The factors of a task, whose defaults are read from its model and camera."""
    thing = _object(task, model) if task.has_object else ()
    return (*_agent(task, model), *thing, *_target(task, model), *_scene(model, camera))


def make_constraints(task: Task) -> tuple[Constraint, ...]:
    """What start and goal must satisfy."""
    goal = ("target.position", "target.height") if task.lifts else ("target.position",)
    if not task.has_object:
        return (
            Constraint(
                ("agent.position", *goal),
                lambda v: bool(np.linalg.norm(v["agent.position"] - target_place(task, v)) >= _TRIVIAL),
                f"the gripper begins at least {_TRIVIAL} m from the goal",
            ),
        )
    return (
        Constraint(
            ("agent.position", "object.position"),
            lambda v: bool(np.linalg.norm(v["agent.position"][:2] - v["object.position"]) >= _CLEARANCE),
            f"the gripper begins at least {_CLEARANCE} m from the object, along the table",
        ),
        Constraint(
            ("object.position", *goal),
            lambda v: bool(np.linalg.norm(object_place(task, v) - target_place(task, v)) >= _TRIVIAL),
            f"the object begins at least {_TRIVIAL} m from the goal",
        ),
    )


def object_place(task: Task, values: Mapping[str, Value]) -> Array:
    """Where the centre of the object begins, resting on the table: (3,) in m."""
    height = TABLE_HEIGHT + float(values["object.size"]) * (task.rest_height - TABLE_HEIGHT)
    return np.array([*values["object.position"], height])


def target_place(task: Task, values: Mapping[str, Value]) -> Array:
    """The goal: (3,) in m."""
    if not task.has_object:
        return np.array(values["target.position"])
    x, y, height = object_place(task, {**values, "object.position": values["target.position"]})
    return np.array([x, y, height + (max(0.0, values["target.height"]) if task.lifts else 0.0)])


def _agent(task: Task, model: mujoco.MjModel) -> tuple[Factor, ...]:
    home, reach = np.array(task.home), np.array([0.1, 0.15, 0.1])
    low = np.maximum(home - reach, [-np.inf, -np.inf, min(home[2], LOWEST)])
    always = (
        appearance.geom_color(model, "agent.color", _BLUE),
        appearance.transparency(model, "agent.transparency", _ROBOT),
        Factor(
            name="agent.position",
            kind="task",
            space=vector(low, home + reach),
            default=home,
            unit="m",
            summary="where the gripper begins, as near as the arm gets",
        ),
        Factor(
            name="agent.speed",
            kind="physical",
            space=scalar(0.02, 0.08),
            default=SPEED,
            unit="m per step",
            summary="how far ahead of the gripper a full action puts its aim",
        ),
        physics.damping(model, "agent.damping", _JOINTS, limits=(0.2, 5.0)),
    )
    return (*always, physics.strength(model, "agent.strength", limits=(0.001, 1.0))) if task.fingers_move else always


def _object(task: Task, model: mujoco.MjModel) -> tuple[Factor, ...]:
    center = np.array(task.home[:2])
    always = (
        appearance.geom_color(model, "object.color", "object0"),
        _size(model),
        Factor(
            name="object.position",
            kind="task",
            default=(center[0], center[1] + 0.12),
            unit="m",
            sampled=True,
            summary="where the object begins",
            **_places(task, model, center, task.object_range),
        ),
        physics.mass(model, "object.mass", "object0", limits=(0.5, 8.0)),
        physics.friction(model, "object.friction", ["object0", *geoms_of(model, "table0")], limits=(0.3, 1.7)),
    )
    if not task.square:
        return always
    turn = Factor(
        name="object.angle",
        kind="task",
        space=scalar(-np.pi / 4, np.pi / 4),
        default=0.0,
        unit="rad",
        summary="how far the box is turned at the start; a square repeats after a quarter turn",
    )
    return (*always, turn)


def _size(model: mujoco.MjModel) -> Factor:
    geom, body = model.geom("object0").id, model.body("object0").id

    def edit(target: mujoco.MjModel, value: float) -> None:
        for field in (target.geom_size, target.geom_rbound, target.geom_aabb):
            field[geom] *= value
        target.body_inertia[body] *= value**2

    return ModelFactor(
        name="object.size",
        kind="geometric",
        space=scalar(0.7, 1.4),
        default=1.0,
        unit="times",
        summary="size of the object, of the same mass",
        edit=edit,
        fields=("geom_size", "geom_rbound", "geom_aabb", "body_inertia"),
    )


def _target(task: Task, model: mujoco.MjModel) -> tuple[Factor, ...]:
    center = np.array(task.home)[: 2 if task.has_object else 3]
    center[0] += task.target_offset
    always = (
        *_marker(model),
        Factor(
            name="target.position",
            kind="task",
            default=(center[0], center[1] - 0.1, *center[2:]),
            unit="m",
            sampled=True,
            summary="goal of the object along the table" if task.has_object else "goal of the gripper",
            **_places(task, model, center, task.target_range),
        ),
    )
    if not task.lifts:
        return always
    lift = Factor(
        name="target.height",
        kind="task",
        space=scalar(-_TRAIN_LIFT, _MAX_LIFT),
        train=spaces.Box(-_TRAIN_LIFT, _TRAIN_LIFT, (), np.float64),
        default=0.0,
        unit="m",
        sampled=True,
        summary="how far the goal is above where the object rests; below 0 it is on the table",
    )
    return (*always, lift)


def _marker(model: mujoco.MjModel) -> tuple[Factor, ...]:
    site, visible = model.site("target0").id, {"target.visible": 1}

    def show(target: mujoco.MjModel, value: int) -> None:
        target.site_rgba[site, 3] = value

    def resize(target: mujoco.MjModel, value: float) -> None:
        target.site_size[site] = value

    return (
        dataclasses.replace(appearance.site_color(model, "target.color", "target0"), requires=visible),
        ModelFactor(
            name="target.radius",
            kind="visual",
            space=scalar(0.01, 0.04),
            default=0.02,
            unit="m",
            requires=visible,
            summary="radius of the goal's marker",
            edit=resize,
            fields=("site_size",),
        ),
        ModelFactor(
            name="target.visible",
            kind="visual",
            space=spaces.Discrete(2),
            default=1,
            summary="whether the goal's marker is drawn",
            edit=show,
            fields=("site_rgba",),
        ),
    )


def _places(task: Task, model: mujoco.MjModel, center: Array, reach: float) -> dict[str, Any]:
    """The full and the train range of places (2,) on the table or (3,) in the air around a centre."""
    low, high = center - reach, center + reach
    if task.has_object:
        body, size = model.body("table0").pos[:2], model.geom(model.body("table0").geomadr[0]).size[:2]
        edges = body - size + _EDGE, body + size - _EDGE
    else:
        edges = np.array([-np.inf, -np.inf, low[2]]), np.full(3, np.inf)
    full = vector(np.maximum(low - _BEYOND, edges[0]), np.minimum(high + _BEYOND, edges[1]))
    return {"space": full, "train": vector(low, high)}


def _scene(model: mujoco.MjModel, camera: mujoco.MjvCamera) -> tuple[Factor, ...]:
    return (
        appearance.geom_color(model, "table.color", geoms_of(model, "table0")),
        appearance.geom_color(model, "floor.color", "floor0"),
        _background(model),
        scene.light_intensity(model),
        scene.light_color(model),
        scene.light_angle(model),
        scene.camera_angle(model, "camera.angle", camera),
        scene.field_of_view(model, "camera.field_of_view", camera),
        physics.gravity(model),
    )


def _background(model: mujoco.MjModel) -> ModelFactor:
    sky = int(np.flatnonzero(model.tex_type == int(mujoco.mjtTexture.mjTEXTURE_SKYBOX))[0])
    default = np.rint(texture_pixels(model, sky).mean(axis=0))

    def edit(target: mujoco.MjModel, value: Array) -> None:
        pixels = texture_pixels(target, sky)
        pixels[...] = np.clip(pixels + (value - default), 0, 255)

    return ModelFactor(
        name="background.color",
        kind="visual",
        space=rgb(),
        default=default,
        summary="mean colour of the background",
        edit=edit,
        fields=(),
        textures=(sky,),
    )
