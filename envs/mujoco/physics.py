"""Factors of a model's physics, each a line in an environment's list of factors.

One element has its value in its own unit; a group has a multiple of the model's values. Ranges are
0.5 to 2 times the model's value unless `limits` says otherwise; `train` is the range in training,
None the default alone.
"""

import mujoco
import numpy as np

from swm.core.errors import InvalidValueError
from swm.core.spaces import vector
from swm.envs.mujoco.elements import Names, dofs_of, select
from swm.envs.mujoco.factor import ModelFactor
from swm.envs.mujoco.scaling import Limits, multiple, number, scaled_field


def gravity(model: mujoco.MjModel, *, limits: Limits = None, train: Limits = None) -> ModelFactor:
    """The magnitude of gravity in m/s², downward as in the model.

    Raises:
        InvalidValueError: the model has no gravity.
    """
    size = float(np.linalg.norm(model.opt.gravity))
    if size == 0:
        raise InvalidValueError("factor 'gravity.magnitude': the model has no gravity.")

    def edit(target: mujoco.MjModel, value: float) -> None:
        target.opt.gravity[:] *= value / np.linalg.norm(target.opt.gravity)

    return number(
        "gravity.magnitude",
        "physical",
        edit,
        ("opt.gravity",),
        default=size,
        limits=(0.5 * size, 1.5 * size) if limits is None else limits,
        train=train,
        unit="m/s²",
        summary="magnitude of gravity",
    )


def gravity_tilt(model: mujoco.MjModel, *, degrees: float = 10.0) -> ModelFactor:
    """The direction of gravity, turned about the world's x and y axes by up to `degrees` each: (2,) in degrees."""

    def edit(target: mujoco.MjModel, value: np.ndarray) -> None:
        for axis, angle in zip(np.eye(3)[:2], np.radians(value), strict=True):
            quaternion, turned = np.empty(4), np.empty(3)
            mujoco.mju_axisAngle2Quat(quaternion, axis, angle)
            mujoco.mju_rotVecQuat(turned, np.array(target.opt.gravity), quaternion)
            target.opt.gravity[:] = turned

    return ModelFactor(
        name="gravity.tilt",
        kind="physical",
        space=vector([-degrees] * 2, [degrees] * 2),
        default=(0.0, 0.0),
        unit="degrees",
        summary="gravity turned about the x and y axes, as on a slope",
        edit=edit,
        fields=("opt.gravity",),
    )


def friction(
    model: mujoco.MjModel, name: str, geoms: Names = "*", *, limits: Limits = None, train: Limits = None
) -> ModelFactor:
    """The sliding friction of geoms, and of the explicit contact pairs of two of them.

    MuJoCo takes the larger friction of two geoms in contact: to make a floor slippery, select what
    stands on it too.
    """
    rows = select(model, "geom", geoms)
    pairs = np.flatnonzero(np.isin(model.pair_geom1, rows) & np.isin(model.pair_geom2, rows))
    if not len(pairs):
        return scaled_field(
            model, name, "geom_friction", rows, columns=(0,), limits=limits, train=train, unit="", summary="friction"
        )

    def edit(target: mujoco.MjModel, value: float) -> None:
        target.geom_friction[rows, 0] *= value
        target.pair_friction[pairs, :2] *= value

    fields = ("geom_friction", "pair_friction")
    return multiple(name, "physical", edit, fields, limits=limits, train=train, summary="friction, as a multiple")


def mass(
    model: mujoco.MjModel, name: str, bodies: Names = "*", *, limits: Limits = None, train: Limits = None
) -> ModelFactor:
    """The mass of bodies in kg; their inertia follows, as if their density changed.

    Raises:
        InvalidValueError: a body has no mass.
    """
    rows = _massive(model, name, bodies)
    fields = ("body_mass", "body_inertia")

    def scale(target: mujoco.MjModel, factor: float) -> None:
        target.body_mass[rows] *= factor
        target.body_inertia[rows] *= factor

    if len(rows) > 1:
        summary = "mass and inertia, as a multiple"
        return multiple(name, "physical", scale, fields, limits=limits, train=train, summary=summary)

    def put(target: mujoco.MjModel, value: float) -> None:
        scale(target, value / float(target.body_mass[rows[0]]))
        target.body_mass[rows] = value

    default = float(model.body_mass[rows[0]])
    limits = (0.5 * default, 2.0 * default) if limits is None else limits
    return number(name, "physical", put, fields, default=default, limits=limits, train=train, unit="kg", summary="mass")


def density(
    model: mujoco.MjModel,
    name: str,
    bodies: Names = "*",
    *,
    default: float = 1000.0,
    limits: Limits = None,
    train: Limits = None,
) -> ModelFactor:
    """The density of bodies in kg/m³, where `default` is the density that the model was made with."""
    rows = _massive(model, name, bodies)

    def edit(target: mujoco.MjModel, value: float) -> None:
        target.body_mass[rows] *= value / default
        target.body_inertia[rows] *= value / default

    return number(
        name,
        "physical",
        edit,
        ("body_mass", "body_inertia"),
        default=default,
        limits=(0.5 * default, 2.0 * default) if limits is None else limits,
        train=train,
        unit="kg/m³",
        summary="density",
    )


def _massive(model: mujoco.MjModel, name: str, bodies: Names) -> np.ndarray:
    rows = select(model, "body", bodies)
    rows = rows[rows > 0] if bodies == "*" else rows
    without = rows[model.body_mass[rows] == 0]
    massive: np.ndarray = rows[model.body_mass[rows] > 0]
    if not len(massive) or (len(without) and bodies != "*"):
        raise InvalidValueError(f"factor {name!r}: a body among {bodies!r} has no mass.")
    return massive


def damping(
    model: mujoco.MjModel, name: str, joints: Names = "*", *, limits: Limits = None, train: Limits = None
) -> ModelFactor:
    """The damping of joints, N·m·s/rad of hinges and N·s/m of slides."""
    rows = dofs_of(model, joints)
    unit = _joint_unit(model, rows, "s")
    return scaled_field(
        model, name, "dof_damping", rows, limits=limits, train=train, unit=unit, summary="damping of joints"
    )


def stiffness(
    model: mujoco.MjModel, name: str, joints: Names = "*", *, limits: Limits = None, train: Limits = None
) -> ModelFactor:
    """The stiffness of the springs of joints, N·m/rad of hinges and N/m of slides."""
    rows, unit = select(model, "joint", joints), _joint_unit(model, dofs_of(model, joints), "")
    return scaled_field(
        model, name, "jnt_stiffness", rows, limits=limits, train=train, unit=unit, summary="stiffness of joints"
    )


def armature(
    model: mujoco.MjModel, name: str, joints: Names = "*", *, limits: Limits = None, train: Limits = None
) -> ModelFactor:
    """The inertia that a motor's rotor adds to joints, kg·m² of hinges and kg of slides."""
    rows = dofs_of(model, joints)
    return scaled_field(
        model, name, "dof_armature", rows, limits=limits, train=train, unit="kg·m²", summary="armature of joints"
    )


def friction_loss(
    model: mujoco.MjModel, name: str, joints: Names = "*", *, limits: Limits = None, train: Limits = None
) -> ModelFactor:
    """The dry friction of joints, N·m of hinges and N of slides."""
    rows = dofs_of(model, joints)
    return scaled_field(
        model, name, "dof_frictionloss", rows, limits=limits, train=train, unit="N·m", summary="dry friction of joints"
    )


def _joint_unit(model: mujoco.MjModel, dofs: np.ndarray, time: str) -> str:
    slides = model.jnt_type[model.dof_jntid[dofs]] == int(mujoco.mjtJoint.mjJNT_SLIDE)
    top = f"·{time}" if time else ""
    return f"N{top}/m" if slides.all() else f"N·m{top}/rad"


def gear(
    model: mujoco.MjModel, name: str, actuators: Names = "*", *, limits: Limits = None, train: Limits = None
) -> ModelFactor:
    """The gear of actuators: force at the joint per force of the actuator.

    It also scales the length that a servo sees; for servos, `strength` is what is wanted.
    """
    rows = select(model, "actuator", actuators)
    return scaled_field(
        model, name, "actuator_gear", rows, columns=(0,), limits=limits, train=train, unit="", summary="gear"
    )


def strength(
    model: mujoco.MjModel, name: str, actuators: Names = "*", *, limits: Limits = None, train: Limits = None
) -> ModelFactor:
    """The strength of actuators as a multiple: gains, biases and force limits alike.

    A motor gives that many times its force; a servo keeps its target and pulls that many times as
    hard towards it. Commands keep their range.
    """
    rows = select(model, "actuator", actuators)

    def edit(target: mujoco.MjModel, value: float) -> None:
        target.actuator_gainprm[rows, :3] *= value
        target.actuator_biasprm[rows, :3] *= value
        target.actuator_forcerange[rows] *= value

    if (model.actuator_gaintype[rows] == int(mujoco.mjtGain.mjGAIN_MUSCLE)).any():
        raise InvalidValueError(
            f"factor {name!r}: an actuator among {actuators!r} is a muscle, which has no such gain."
        )
    fields = ("actuator_gainprm", "actuator_biasprm", "actuator_forcerange")
    summary = "strength of actuators, as a multiple"
    return multiple(name, "physical", edit, fields, limits=limits, train=train, summary=summary)
