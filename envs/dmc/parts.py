"""Factors that the domains of DeepMind Control need beyond the toolkit's library."""

from typing import Any

import mujoco
import numpy as np
from gymnasium import spaces

from swm.core.factors import Factor, Kind
from swm.core.protocols import Array
from swm.core.spaces import rgb, scalar
from swm.envs.mujoco.elements import Names, dofs_of, select
from swm.envs.mujoco.factor import Edit, ModelFactor, texture_pixels

_RIGID, _STOPPING = 1e6, 1e8
"""Inertia of a rotor (kg·m²) at which no force here moves a joint, and damping (N·m·s/rad) that stops it in 10 ms.

Damping alone would do, but at the inertia of a limb it makes contacts unstable.
"""
_SHAPES = (int(mujoco.mjtGeom.mjGEOM_SPHERE), int(mujoco.mjtGeom.mjGEOM_BOX), int(mujoco.mjtGeom.mjGEOM_CYLINDER))
_HIDDEN_GROUP, _FIRST_HIDDEN_GROUP = 5, 3
TARGET_RADIUS = "target.radius"


def locked(model: mujoco.MjModel, name: str, joints: Names) -> ModelFactor:
    """Whether joints stay where the episode begins, whatever pulls at them."""
    rows = dofs_of(model, joints)

    def edit(target: mujoco.MjModel, value: int) -> None:
        if value:
            target.dof_armature[rows], target.dof_damping[rows] = _RIGID, _STOPPING

    return _switch(
        name, "physical", edit, ("dof_armature", "dof_damping"), 0, "whether the joint is locked (1) or moves (0)"
    )


def visible(model: mujoco.MjModel, name: str, kind: str, element: str) -> ModelFactor:
    """Whether a geom or site is drawn."""
    row, field = int(select(model, kind, element)[0]), f"{kind}_group"
    drawn = int(getattr(model, field)[row]) < _FIRST_HIDDEN_GROUP

    def edit(target: mujoco.MjModel, value: int) -> None:
        getattr(target, field)[row] = 0 if value else _HIDDEN_GROUP

    return _switch(name, "visual", edit, (field,), int(drawn), "whether it is drawn (1) or not (0)")


def _switch(name: str, kind: Kind, edit: Edit, fields: tuple[str, ...], default: int, summary: str) -> ModelFactor:
    space = spaces.Discrete(2)
    return ModelFactor(name=name, kind=kind, space=space, default=default, summary=summary, edit=edit, fields=fields)


def shape(model: mujoco.MjModel, name: str, kind: str, element: str, requires: dict[str, Any]) -> ModelFactor:
    """The shape that a geom or site that touches nothing is drawn in."""
    row, field = int(select(model, kind, element)[0]), f"{kind}_type"

    def edit(target: mujoco.MjModel, value: int) -> None:
        getattr(target, field)[row] = _SHAPES[value]

    return ModelFactor(
        name=name,
        kind="visual",
        space=spaces.Discrete(3),
        default=0,
        requires=requires,
        summary="shape: sphere (0), box (1) or cylinder (2)",
        edit=edit,
        fields=(field,),
    )


def target_radius(model: mujoco.MjModel, kind: str, element: str, requires: dict[str, Any]) -> Factor:
    """The radius of the target; the environment applies it after dm_control has set its own."""
    default = float(getattr(model, f"{kind}_size")[int(select(model, kind, element)[0]), 0])
    return Factor(
        name=TARGET_RADIUS,
        kind="geometric",
        space=scalar(0.6 * default, 2.0 * default),
        default=default,
        requires=requires,
        unit="m",
        summary="radius of the target",
    )


def pole_length(model: mujoco.MjModel, name: str, body: str, limits: tuple[float, float]) -> ModelFactor:
    """The length of a massless pole in m, whose mass sits at its end (`limb_length` is for poles with mass)."""
    row = int(select(model, "body", body)[0])
    geoms = np.flatnonzero(model.geom_bodyid == row)
    capsules = geoms[model.geom_type[geoms] == int(mujoco.mjtGeom.mjGEOM_CAPSULE)]
    default = float(2 * model.geom_size[capsules[0], 1])

    def edit(target: mujoco.MjModel, value: float) -> None:
        target.geom_size[capsules, 1] = value / 2
        target.geom_pos[geoms] *= value / default
        target.body_ipos[row] *= value / default

    return ModelFactor(
        name=name,
        kind="geometric",
        space=scalar(*limits),
        default=default,
        unit="m",
        summary="length of the pole",
        edit=edit,
        fields=("geom_size", "geom_pos", "body_ipos"),
    )


def string_length(model: mujoco.MjModel, name: str, limits: tuple[float, float]) -> ModelFactor:
    """The length of the first tendon, a string that is drawn slack where it is."""

    def edit(target: mujoco.MjModel, value: float) -> None:
        target.tendon_range[0, 1] = value

    return ModelFactor(
        name=name,
        kind="geometric",
        space=scalar(*limits),
        default=float(model.tendon_range[0, 1]),
        unit="m",
        summary="length of the string",
        edit=edit,
        fields=("tendon_range",),
    )


def sky_color(model: mujoco.MjModel, name: str, texture: str) -> ModelFactor:
    """The colour of the sky at the horizon; towards the zenith it gets black, and the stars are tinted."""
    row = int(select(model, "texture", texture)[0])
    rows = texture_pixels(model, row).reshape(-1, int(model.tex_width[row]), 3)
    default = np.median(rows[::8], axis=1).max(axis=0)

    def edit(target: mujoco.MjModel, value: Array) -> None:
        pixels = texture_pixels(target, row)
        levels = np.arange(256)[:, None] * (value / default)
        tables = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
        for channel in range(3):
            pixels[:, channel] = tables[pixels[:, channel], channel]

    return ModelFactor(
        name=name,
        kind="visual",
        space=rgb(),
        default=default,
        summary="colour of the sky at the horizon",
        edit=edit,
        fields=(),
        textures=(row,),
    )
