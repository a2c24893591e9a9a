"""Factors of a model's geometry that keep collision, joints, mass and inertia consistent with it.

A body's mass and inertia are computed anew from its geoms at the density that the model has, which
is possible where the model's own inertia came from its geoms at one density; other bodies are
refused.
"""

from collections.abc import Callable
from dataclasses import dataclass

import mujoco
import numpy as np

from swm.core.errors import InvalidValueError
from swm.core.protocols import Array
from swm.envs.mujoco.elements import element_names, select
from swm.envs.mujoco.factor import ModelFactor
from swm.envs.mujoco.scaling import Limits, multiple, number

_TYPE = mujoco.mjtGeom
_SPHERE, _CAPSULE, _ELLIPSOID, _CYLINDER, _BOX = (
    int(kind)
    for kind in (
        _TYPE.mjGEOM_SPHERE,
        _TYPE.mjGEOM_CAPSULE,
        _TYPE.mjGEOM_ELLIPSOID,
        _TYPE.mjGEOM_CYLINDER,
        _TYPE.mjGEOM_BOX,
    )
)
_TOLERANCE = 1e-6
"""Relative error within which a body's inertia counts as that of its geoms."""
_INERTIA = ("body_mass", "body_inertia", "body_ipos", "body_iquat")


def geom_size(
    model: mujoco.MjModel, name: str, geom: str, *, limits: Limits = None, train: Limits = None
) -> ModelFactor:
    """The size of a geom as a multiple, about its centre; the mass and inertia of its body follow.

    Raises:
        InvalidValueError: the geom is a mesh, a plane or a height field, or the inertia of its body
            is not that of its geoms.
    """
    row = _one(model, "geom", geom, name)
    body = int(model.geom_bodyid[row])
    refit = _refit(model, name, body) if body else None

    def edit(target: mujoco.MjModel, value: float) -> None:
        target.geom_size[row] *= value
        if refit is not None:
            refit(target)

    if int(model.geom_type[row]) not in _UNIT_INERTIA:
        raise InvalidValueError(f"factor {name!r}: only primitive geoms can be resized, and {geom!r} is none.")
    fields = ("geom_size", *(_INERTIA if body else ()))
    return multiple(name, "geometric", edit, fields, limits=limits, train=train, summary=f"size of {geom}")


def limb_length(
    model: mujoco.MjModel, name: str, body: str, *, geom: str | None = None, limits: Limits = None, train: Limits = None
) -> ModelFactor:
    """The length of a limb in m, between the centres of the ends of its capsule or cylinder.

    The limb stretches along its axis from the point nearest to the body's origin. What the body
    carries (other geoms, joints, sites, cameras, lights, child bodies) moves along in proportion to
    its place on the limb; mass and inertia follow at the same density. The range is 0.75 to 1.25
    times the model's length unless `limits` says otherwise. An environment whose start touches the
    floor must make room for a longer limb.

    Args:
        model: the compiled model.
        name: the factor's name.
        body: name of the body.
        geom: name of the capsule or cylinder; None takes the body's longest.
        limits: lowest and highest length in m.
        train: the range in training.

    Raises:
        InvalidValueError: the body has no such geom, its inertia is not that of its geoms, or an
            equality constraint holds it, whose anchor would be wrong.
    """
    row = _one(model, "body", body, name)
    limb = _Limb.of(model, name, row, geom)
    refit = _refit(model, name, row)
    held = np.isin(model.eq_obj1id, row) | np.isin(model.eq_obj2id, row)
    if (held & np.isin(model.eq_objtype, int(mujoco.mjtObj.mjOBJ_BODY))).any():
        raise InvalidValueError(f"factor {name!r}: an equality constraint holds {body!r}, so it cannot be stretched.")
    carried = {
        "geom_pos": np.flatnonzero(model.geom_bodyid == row),
        "site_pos": np.flatnonzero(model.site_bodyid == row),
        "cam_pos": np.flatnonzero(model.cam_bodyid == row),
        "light_pos": np.flatnonzero(model.light_bodyid == row),
        "jnt_pos": np.flatnonzero(model.jnt_bodyid == row),
        "body_pos": np.flatnonzero(model.body_parentid == row),
    }
    carried = {field: rows for field, rows in carried.items() if len(rows)}

    def edit(target: mujoco.MjModel, value: float) -> None:
        for field, rows in carried.items():
            places = getattr(target, field)
            places[rows] = limb.move(places[rows], value)
        target.geom_size[limb.geom, 1] = value / 2
        refit(target)

    limits = (0.75 * limb.length, 1.25 * limb.length) if limits is None else limits
    return number(
        name,
        "geometric",
        edit,
        ("geom_size", *carried, *_INERTIA),
        default=limb.length,
        limits=limits,
        train=train,
        unit="m",
        summary=f"length of {body}",
    )


@dataclass(frozen=True, kw_only=True)
class _Limb:
    """The axis of a limb in the frame of its body."""

    geom: int
    start: Array
    direction: Array
    length: float
    fixed: float
    """Where on the limb the point is that does not move, from 0 (start) to 1."""

    @classmethod
    def of(cls, model: mujoco.MjModel, name: str, body: int, geom: str | None) -> "_Limb":
        rows = np.flatnonzero(model.geom_bodyid == body)
        rows = rows[np.isin(model.geom_type[rows], (_CAPSULE, _CYLINDER))]
        if geom is not None:
            rows = rows[rows == _one(model, "geom", geom, name)]
        if not len(rows):
            asked = "a capsule or cylinder" if geom is None else f"the capsule or cylinder {geom!r}"
            whose = element_names(model, "body")[body]
            raise InvalidValueError(f"factor {name!r}: the body {whose!r} does not have {asked} to stretch.")
        row = int(rows[np.argmax(model.geom_size[rows, 1])])
        matrix, half = np.empty(9), float(model.geom_size[row, 1])
        mujoco.mju_quat2Mat(matrix, model.geom_quat[row])
        direction = matrix.reshape(3, 3)[:, 2]
        start = model.geom_pos[row] - half * direction
        fixed = float(np.clip(-start @ direction / (2 * half), 0, 1))
        return cls(geom=row, start=start, direction=direction, length=2 * half, fixed=fixed)

    def move(self, places: Array, length: float) -> Array:
        """Where points (n, 3) of the body are when the limb has another length."""
        along = np.clip((places - self.start) @ self.direction / self.length, 0, 1) - self.fixed
        moved: Array = places + (length - self.length) * along[:, None] * self.direction
        return moved


def _one(model: mujoco.MjModel, kind: str, element: str, name: str) -> int:
    rows = select(model, kind, element)
    if len(rows) != 1:
        raise InvalidValueError(f"factor {name!r}: {element!r} means {len(rows)} {kind}s of the model; name one.")
    return int(rows[0])


def _refit(model: mujoco.MjModel, name: str, body: int) -> Callable[[mujoco.MjModel], None]:
    """A function that computes the mass and inertia of a body from its geoms, at the model's density."""
    rows = np.flatnonzero(model.geom_bodyid == body)
    whose = element_names(model, "body")[body]
    if not len(rows) or not np.isin(model.geom_type[rows], list(_UNIT_INERTIA)).all():
        raise InvalidValueError(f"factor {name!r}: the body {whose!r} must consist of primitive geoms.")
    volume, centre, tensor = _solid(model, rows)
    density = float(model.body_mass[body]) / volume
    own = _inertia_tensor(model, body)
    close = np.allclose(own, density * tensor, rtol=_TOLERANCE, atol=_TOLERANCE * np.abs(own).max())
    if not close or not np.allclose(model.body_ipos[body], centre, atol=_TOLERANCE):
        raise InvalidValueError(
            f"factor {name!r}: the inertia of the body {whose!r} is not that of its geoms at one density, "
            "so it cannot follow them; vary its mass instead."
        )

    def refit(target: mujoco.MjModel) -> None:
        new_volume, new_centre, new_tensor = _solid(target, rows)
        target.body_mass[body] = density * new_volume
        target.body_ipos[body] = new_centre
        _put_tensor(target, body, density * new_tensor)

    return refit


def _solid(model: mujoco.MjModel, rows: Array) -> tuple[float, Array, Array]:
    """Volume, centroid (3,) and inertia (3, 3) about it, at unit density, of geoms of one body in its frame."""
    volumes, tensors = [], []
    for row in rows:
        volume, diagonal = _UNIT_INERTIA[int(model.geom_type[row])](model.geom_size[row])
        matrix = np.empty(9)
        mujoco.mju_quat2Mat(matrix, model.geom_quat[row])
        axes = matrix.reshape(3, 3)
        volumes.append(volume)
        tensors.append(axes @ np.diag(diagonal) @ axes.T)
    weights, places = np.array(volumes), model.geom_pos[rows]
    centre = weights @ places / weights.sum()
    offsets = places - centre
    shifts = [w * (o @ o * np.eye(3) - np.outer(o, o)) for w, o in zip(weights, offsets, strict=True)]
    return float(weights.sum()), centre, np.sum(tensors, axis=0) + np.sum(shifts, axis=0)


def _inertia_tensor(model: mujoco.MjModel, body: int) -> Array:
    axes = _inertia_axes(model, body)
    tensor: Array = axes @ np.diag(model.body_inertia[body]) @ axes.T
    return tensor


def _put_tensor(model: mujoco.MjModel, body: int, tensor: Array) -> None:
    """Write an inertia; the principal axes stay as they are where they still fit."""
    axes = _inertia_axes(model, body)
    turned = axes.T @ tensor @ axes
    diagonal = np.diag(turned)
    if np.abs(turned - np.diag(diagonal)).max() > 1e-12 * diagonal.max():
        diagonal, axes = np.linalg.eigh(tensor)
        axes = axes * np.sign(np.linalg.det(axes))
        mujoco.mju_mat2Quat(model.body_iquat[body], axes.ravel())
    model.body_inertia[body] = diagonal


def _inertia_axes(model: mujoco.MjModel, body: int) -> Array:
    matrix = np.empty(9)
    mujoco.mju_quat2Mat(matrix, model.body_iquat[body])
    return matrix.reshape(3, 3)


def _sphere(size: Array) -> tuple[float, Array]:
    return _ellipsoid(np.full(3, size[0]))


def _ellipsoid(size: Array) -> tuple[float, Array]:
    volume = 4 / 3 * np.pi * np.prod(size)
    return float(volume), volume / 5 * _cross(size)


def _box(size: Array) -> tuple[float, Array]:
    volume = 8 * np.prod(size)
    return float(volume), volume / 3 * _cross(size)


def _cross(size: Array) -> Array:
    squares: Array = size**2
    others: Array = squares.sum() - squares
    return others


def _cylinder(size: Array) -> tuple[float, Array]:
    radius, half = size[:2]
    volume = 2 * np.pi * radius**2 * half
    side = (3 * radius**2 + 4 * half**2) / 12
    return float(volume), volume * np.array([side, side, radius**2 / 2])


def _capsule(size: Array) -> tuple[float, Array]:
    radius, half = size[:2]
    trunk, trunk_inertia = _cylinder(size)
    caps, _ = _sphere(size)
    side = 2 / 5 * radius**2 + 3 / 4 * radius * half + half**2
    return trunk + caps, trunk_inertia + caps * np.array([side, side, 2 / 5 * radius**2])


_UNIT_INERTIA: dict[int, Callable[[Array], tuple[float, Array]]] = {
    _SPHERE: _sphere,
    _CAPSULE: _capsule,
    _ELLIPSOID: _ellipsoid,
    _CYLINDER: _cylinder,
    _BOX: _box,
}
"""Type of geom -> function of its size: volume and principal moments (3,) at unit density."""
