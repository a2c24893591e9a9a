"""The factors of the manipulation environments and the constraints between them."""

from collections.abc import Mapping, Sequence

import mujoco
import numpy as np
from gymnasium import spaces

from swm.core.factors import Constraint, Factor
from swm.core.protocols import Array
from swm.core.spaces import Value, rgb, scalar, shift_box, shift_rgb, vector
from swm.envs.mujoco import appearance, physics, scene
from swm.envs.mujoco.elements import geoms_of
from swm.envs.mujoco.factor import ModelFactor
from swm.envs.ogbench.places import HALF, Column, Places, distances

Bounds = tuple[Sequence[float], Sequence[float]]
"""The lowest and the highest value of each component."""

MOVED = 0.08
"""In each episode some object starts at least this far from its goal, in m: twice the distance of success."""
APART = 0.085
"""Between the centres of cubes, in m: so that the largest ones do not touch, however they are turned."""
_NOISE = 0.01
"""OGBench's noise of the start positions in its evaluation tasks, in m."""
_YAW, _YAW_TRAIN = np.pi / 4, 0.6
"""A cube looks the same after a quarter turn: these are all orientations, and most of them."""
_TARGET_ALPHA = 0.3


def arm_factors(model: mujoco.MjModel, full: Bounds, train: Bounds) -> list[Factor]:
    """What varies about the arm; `full` and `train` bound where the effector starts, in m."""
    turn = 0.9 * np.pi
    return [
        Factor(
            name="agent.start_position",
            kind="task",
            space=vector(*full),
            train=vector(*train),
            default=np.mean(train, axis=0),
            sampled=True,
            unit="m",
            summary="where the effector starts",
        ),
        Factor(
            name="agent.start_yaw",
            kind="task",
            space=scalar(-np.pi, np.pi),
            train=scalar(-turn, turn),
            default=0.0,
            sampled=True,
            unit="rad",
            summary="how the gripper is turned at the start",
        ),
        appearance.material_color(model, "agent.color", ("ur5e/lightblue", "ur5e/linkgray")),
        appearance.transparency(model, "agent.transparency", geoms_of(model, "ur5e/*"), limits=(0.0, 0.9)),
        appearance.material_color(model, "gripper.color", ("ur5e/robotiq/black", "ur5e/robotiq/pad_gray")),
        physics.strength(model, "agent.strength", "ur5e/[!r]*", limits=(0.3, 1.5)),
        physics.strength(model, "gripper.strength", "ur5e/robotiq/*", limits=(0.4, 2.0)),
    ]


def cube_factors(places: Places, model: mujoco.MjModel, full: Bounds, train: Bounds) -> list[Factor]:
    """What varies about the cubes; `full` and `train` bound their places in the plane, in m."""
    count, geoms, targets = places.count, _geoms(model, "object_{}"), _geoms(model, "target_object_{}")
    shape = () if count == 1 else (count,)
    colors = np.rint(255 * model.geom_rgba[geoms, :3])

    def color(target: mujoco.MjModel, value: Array) -> None:
        target.geom_rgba[geoms, :3] = target.geom_rgba[targets, :3] = np.reshape(value, (count, 3)) / 255

    def show(target: mujoco.MjModel, value: int) -> None:
        target.geom_rgba[targets, 3] = _TARGET_ALPHA * value

    return [
        ModelFactor(
            name="cube.color",
            kind="visual",
            space=rgb() if count == 1 else spaces.Box(0, 255, (count, 3), np.uint8),
            default=np.reshape(colors, (*shape, 3)),
            shift=None if count == 1 else _shift_colors,
            summary="colour of each cube and of its target",
            edit=color,
            fields=("geom_rgba",),
        ),
        _size(model, count),
        physics.mass(model, "cube.mass", "object_[0-9]", limits=None if count > 1 else (0.04, 0.3)),
        *_placement("start", places, places.start, full, train),
        *_placement("goal", places, places.goal, full, train),
        ModelFactor(
            name="target.visible",
            kind="visual",
            space=spaces.Discrete(2),
            default=0,
            summary="whether the cubes' targets are drawn, as transparent cubes",
            edit=show,
            fields=("geom_rgba",),
        ),
    ]


def world_factors(model: mujoco.MjModel) -> list[Factor]:
    """What varies about the world around."""
    return [
        physics.gravity(model),
        physics.friction(model, "contact.friction", limits=(0.3, 2.0)),
        *appearance.pattern_colors(model, "floor", "grid"),
        scene.light_intensity(model),
        scene.camera_angle(model, "camera.angle", "front_pixels"),
    ]


def _size(model: mujoco.MjModel, count: int) -> ModelFactor:
    geoms, targets = _geoms(model, "object_{}"), _geoms(model, "target_object_{}")
    bodies = model.geom_bodyid[geoms]
    boxes = model.body_bvhadr[bodies]

    def edit(target: mujoco.MjModel, value: Array) -> None:
        half = np.reshape(value, (count, 1))
        scale = half / HALF
        for rows in (geoms, targets):
            target.geom_size[rows] = target.geom_aabb[rows, 3:] = half
            target.geom_rbound[rows] = np.sqrt(3.0) * half[:, 0]
        target.bvh_aabb[boxes, 3:] = half
        target.body_mass[bodies] *= scale[:, 0] ** 3
        target.body_inertia[bodies] *= scale**5

    shape = () if count == 1 else (count,)
    return ModelFactor(
        name="cube.size",
        kind="geometric",
        space=vector(np.full(shape, 0.01), np.full(shape, 0.03)),
        default=np.full(shape, HALF),
        unit="m",
        summary="half of each cube's side; the mass follows",
        edit=edit,
        fields=("geom_size", "geom_aabb", "geom_rbound", "bvh_aabb", "body_mass", "body_inertia"),
    )


def _placement(which: str, places: Places, column: Column, full: Bounds, train: Bounds) -> tuple[Factor, Factor]:
    """Position and yaw of the cubes at the start or the goal; those of a task are its own."""
    count = places.count
    default = column.position.reshape(2) if count == 1 else column.position
    shape = default.shape[:-1]
    low, high = (np.broadcast_to(bound, default.shape) for bound in full)
    if column.base.max() > _NOISE:  # in the drawer
        low, high = default - _NOISE, default + _NOISE
    if places.task is None:
        ranges = vector(*(np.broadcast_to(bound, default.shape) for bound in train))
    else:
        noise = _NOISE if which == "start" else 0.0
        ranges = vector(default - noise, default + noise)
    position = Factor(
        name=f"cube.{which}_position",
        kind="task",
        space=vector(np.minimum(low, ranges.low), np.maximum(high, ranges.high)),
        train=ranges,
        default=default,
        sampled=True,
        shift=None if count == 1 else _shift_one_cube,
        unit="m",
        summary=f"where each cube is at the {which}, x and y",
    )
    turn = 0.0 if places.task is not None and which == "goal" else _YAW_TRAIN
    yaw = Factor(
        name=f"cube.{which}_yaw",
        kind="task",
        space=vector(np.full(shape, -_YAW), np.full(shape, _YAW)),
        train=vector(np.full(shape, -turn), np.full(shape, turn)),
        default=np.zeros(shape),
        sampled=True,
        unit="rad",
        summary=f"how each cube is turned at the {which}",
    )
    return position, yaw


def cube_constraints(places: Places) -> tuple[Constraint, ...]:
    """Cubes do not touch at the start and at the goal, but for those that a task puts together."""

    def clear(which: str, column: Column) -> Constraint:
        pairs, name = ~np.eye(places.count, dtype=np.bool_), f"cube.{which}_position"
        if places.task is not None:
            pairs &= distances(column.position) >= APART
        return Constraint(
            (name,),
            lambda values: bool((distances(values[name])[pairs] >= APART).all()),
            f"the cubes of {name} are at least {APART:g} m apart",
        )

    if places.count == 1:
        return ()
    return clear("start", places.start), clear("goal", places.goal)


def moved(values: Mapping[str, Value]) -> float:
    """How far the cube that moves most has to go, in m."""
    apart = np.asarray(values["cube.start_position"]) - values["cube.goal_position"]
    return float(np.sqrt((apart**2).sum(axis=-1)).max())


def cubes_move() -> Constraint:
    """Some cube starts far from its goal."""
    names = ("cube.start_position", "cube.goal_position")
    return Constraint(names, lambda values: moved(values) >= MOVED, f"some cube has at least {MOVED:g} m to go")


def _geoms(model: mujoco.MjModel, pattern: str) -> Array:
    """The geoms whose names are the pattern with 0, 1 and so on."""
    names = {model.geom(index).name: index for index in range(model.ngeom)}
    return np.array([names[name] for cube in range(len(names)) if (name := pattern.format(cube)) in names])


def _shift_colors(full: spaces.Box, train: spaces.Box, severity: float, rng: np.random.Generator) -> Value:
    """Shift the colour of each cube."""
    rows = [
        (spaces.Box(f, g, dtype=np.uint8), spaces.Box(a, b, dtype=np.uint8))
        for f, g, a, b in zip(full.low, full.high, train.low, train.high, strict=True)
    ]
    return np.stack([shift_rgb(f, t, severity, rng) for f, t in rows])


def _shift_one_cube(full: spaces.Box, train: spaces.Box, severity: float, rng: np.random.Generator) -> Value:
    """Shift the position of one cube, which leaves room for the others."""
    positions = rng.uniform(train.low, train.high)
    cube = rng.integers(len(positions))
    around, within = (vector(space.low[cube], space.high[cube]) for space in (full, train))
    positions[cube] = shift_box(around, within, severity, rng)
    return positions
