"""Factors of what surrounds a model: lights, shadows, cameras."""

from typing import Any

import mujoco
import numpy as np
from gymnasium import spaces

from swm.core.errors import InvalidValueError
from swm.core.factors import Factor
from swm.core.protocols import Array
from swm.core.spaces import rgb, vector
from swm.envs.mujoco.elements import Names, select
from swm.envs.mujoco.factor import CameraFactor, ModelFactor
from swm.envs.mujoco.scaling import Limits, multiple, number

_DIFFUSE = ("light_diffuse", "light_ambient", "light_specular")
_HEADLIGHT = tuple(f"vis.headlight.{part}" for part in ("ambient", "diffuse", "specular"))


def light_intensity(
    model: mujoco.MjModel, name: str = "light.intensity", lights: Names = "*", *, limits: Limits = (0.3, 1.5)
) -> ModelFactor:
    """The brightness of lights as a multiple; all lights of the model (``"*"``) include the headlight."""
    rows = select(model, "light", lights) if model.nlight or lights != "*" else np.zeros(0, int)
    head = lights == "*" and bool(model.vis.headlight.active)
    if not head and not model.light_active[rows].any():
        raise InvalidValueError(f"factor {name!r}: no light among {lights!r} is on.")

    def edit(target: mujoco.MjModel, value: float) -> None:
        for field in _DIFFUSE:
            getattr(target, field)[rows] *= value
        for part in ("ambient", "diffuse", "specular") if head else ():
            getattr(target.vis.headlight, part)[:] *= value

    fields = (*_DIFFUSE, *(_HEADLIGHT if head else ()))
    summary = "brightness of the lights, as a multiple"
    return multiple(name, "visual", edit, fields, limits=limits, train=None, summary=summary)


def light_color(model: mujoco.MjModel, name: str = "light.color", lights: Names = "*") -> ModelFactor:
    """The colour of the diffuse light of lights; with ``"*"`` also of the headlight."""
    rows = select(model, "light", lights) if model.nlight or lights != "*" else np.zeros(0, int)
    head = lights == "*" and bool(model.vis.headlight.active)
    default = np.array(model.light_diffuse[rows[0]] if len(rows) else model.vis.headlight.diffuse)

    def edit(target: mujoco.MjModel, value: Array) -> None:
        target.light_diffuse[rows] = value / 255
        if head:
            bright = np.max(target.vis.headlight.diffuse)
            target.vis.headlight.diffuse[:] = bright * value / 255

    return ModelFactor(
        name=name,
        kind="visual",
        space=rgb(),
        default=np.rint(default * 255).clip(0, 255),
        summary="colour of the lights",
        edit=edit,
        fields=("light_diffuse", *(_HEADLIGHT[1:2] if head else ())),
    )


def light_position(
    model: mujoco.MjModel, name: str = "light.position", lights: Names = "*", *, reach: float = 1.0
) -> ModelFactor:
    """How far lights are moved without turning them, (3,) in m up to `reach` along each axis.

    Raises:
        InvalidValueError: all of them are directional, as the sun is, whose place does not matter.
    """
    rows = select(model, "light", lights)
    if (model.light_type[rows] == int(mujoco.mjtLightType.mjLIGHT_DIRECTIONAL)).all():
        raise InvalidValueError(f"factor {name!r}: the lights {lights!r} are directional; vary their angle instead.")

    def edit(target: mujoco.MjModel, value: Array) -> None:
        target.light_pos[rows] += value

    return ModelFactor(
        name=name,
        kind="visual",
        space=vector([-reach] * 3, [reach] * 3),
        default=(0.0, 0.0, 0.0),
        unit="m",
        summary="offset of the lights",
        edit=edit,
        fields=("light_pos",),
    )


def light_angle(
    model: mujoco.MjModel, name: str = "light.angle", lights: Names = "*", *, degrees: float = 40.0
) -> ModelFactor:
    """The direction of lights, turned about the world's x and y axes by up to `degrees` each: (2,) in degrees."""
    rows = select(model, "light", lights)

    def edit(target: mujoco.MjModel, value: Array) -> None:
        target.light_dir[rows] = target.light_dir[rows] @ _turn(value).T

    return ModelFactor(
        name=name,
        kind="visual",
        space=vector([-degrees] * 2, [degrees] * 2),
        default=(0.0, 0.0),
        unit="degrees",
        summary="direction of the lights, turned about the x and y axes",
        edit=edit,
        fields=("light_dir",),
    )


def shadow(model: mujoco.MjModel, name: str = "light.shadow", lights: Names = "*") -> ModelFactor:
    """Whether lights cast shadows; acts in the preset ``"full"`` alone, since ``"fast"`` has none."""
    rows = select(model, "light", lights)

    def edit(target: mujoco.MjModel, value: int) -> None:
        target.light_castshadow[rows] = value

    return ModelFactor(
        name=name,
        kind="visual",
        space=spaces.Discrete(2),
        default=int(model.light_castshadow[rows].any()),
        summary="whether the lights cast shadows (1) or not (0)",
        edit=edit,
        fields=("light_castshadow",),
    )


def field_of_view(
    model: mujoco.MjModel, name: str, camera: str | mujoco.MjvCamera, *, limits: Limits = None
) -> ModelFactor:
    """The vertical field of view of a camera in degrees, 0.8 to 1.25 times the model's unless `limits` says so.

    Args:
        model: the compiled model.
        name: the factor's name.
        camera: the name of a camera of the model, or a free camera.
        limits: lowest and highest angle.
    """
    fixed = not isinstance(camera, mujoco.MjvCamera)
    row = int(select(model, "camera", camera)[0]) if fixed else 0
    default = float(model.cam_fovy[row] if fixed else model.vis.global_.fovy)

    def edit(target: mujoco.MjModel, value: float) -> None:
        if fixed:
            target.cam_fovy[row] = value
        else:
            target.vis.global_.fovy = value

    return number(
        name,
        "visual",
        edit,
        ("cam_fovy" if fixed else "vis.global_.fovy",),
        default=default,
        limits=(0.8 * default, 1.25 * default) if limits is None else limits,
        train=None,
        unit="degrees",
        summary="vertical field of view of the camera",
    )


def camera_angle(model: mujoco.MjModel, name: str, camera: str | mujoco.MjvCamera, *, degrees: float = 10.0) -> Factor:
    """Azimuth and elevation of a camera, (2,) in degrees from where it is, up to `degrees` each.

    The camera goes around what it looks at: a free camera around its point, a camera on a body
    around the body, a camera in the world around the point on its axis nearest to the centre of
    the model.
    """
    shape: dict[str, Any] = {
        "name": name,
        "kind": "visual",
        "space": vector([-degrees] * 2, [degrees] * 2),
        "default": (0.0, 0.0),
        "unit": "degrees",
        "summary": "azimuth and elevation of the camera, from its place",
    }
    if isinstance(camera, mujoco.MjvCamera):

        def turn(target: mujoco.MjvCamera, value: Array) -> None:
            target.azimuth += value[0]
            target.elevation += value[1]

        return CameraFactor(**shape, edit=turn)
    row = int(select(model, "camera", camera)[0])
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    mujoco.mj_comPos(model, data)
    mujoco.mj_camlight(model, data)
    body = int(model.cam_bodyid[row])
    place, axes = data.cam_xpos[row].copy(), data.cam_xmat[row].reshape(3, 3).copy()
    frame = data.xmat[body].reshape(3, 3).copy()
    depth = max(float((model.stat.center - place) @ -axes[:, 2]), 0.1 * float(model.stat.extent))
    pivot = data.xpos[body].copy() if body else place - depth * axes[:, 2]

    def orbit(target: mujoco.MjModel, value: Array) -> None:
        turned = _about((0.0, 0.0, 1.0), value[0]) @ _about(axes[:, 0], -value[1])
        local = frame.T @ turned @ (place - pivot) - frame.T @ (place - pivot)
        target.cam_pos[row] += local
        quaternion = np.empty(4)
        mujoco.mju_mat2Quat(quaternion, (frame.T @ turned @ axes).ravel())
        target.cam_quat[row] = quaternion

    return ModelFactor(**shape, edit=orbit, fields=("cam_pos", "cam_quat"))


def camera_position(model: mujoco.MjModel, name: str, camera: str | mujoco.MjvCamera, *, reach: float = 0.1) -> Factor:
    """How far a camera is moved without turning it, (3,) in m up to `reach` along each axis of its body."""
    shape: dict[str, Any] = {
        "name": name,
        "kind": "visual",
        "space": vector([-reach] * 3, [reach] * 3),
        "default": (0.0, 0.0, 0.0),
        "unit": "m",
        "summary": "offset of the camera",
    }
    if isinstance(camera, mujoco.MjvCamera):

        def move(target: mujoco.MjvCamera, value: Array) -> None:
            target.lookat[:] += value

        return CameraFactor(**shape, edit=move)
    row = int(select(model, "camera", camera)[0])

    def shift(target: mujoco.MjModel, value: Array) -> None:
        target.cam_pos[row] += value

    return ModelFactor(**shape, edit=shift, fields=("cam_pos",))


def _about(axis: Any, degrees: float) -> Array:
    """The rotation matrix about an axis."""
    quaternion, matrix = np.empty(4), np.empty(9)
    mujoco.mju_axisAngle2Quat(quaternion, np.asarray(axis, np.float64), float(np.radians(degrees)))
    mujoco.mju_quat2Mat(matrix, quaternion)
    return matrix.reshape(3, 3)


def _turn(degrees: Array) -> Array:
    """The rotation about x, then y."""
    return _about((0.0, 1.0, 0.0), degrees[1]) @ _about((1.0, 0.0, 0.0), degrees[0])
