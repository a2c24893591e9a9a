"""Factors that the domains of DeepMind Control need beyond the toolkit's library."""

from typing import Any

import mujoco
import numpy as np
from gymnasium import spaces

from swm.core.factors import Factor, Kind
from swm.core.protocols import Array
from swm.core.spaces import rgb, scalar
from swm.envs.mujoco.elements import Names, dofs_of, select
from swm.envs.mujoco.factor import ModelFactor, texture_pixels

_RIGID = 1e6
"""Inertia of a joint's rotor (kg·m²) at which no force here moves it; damping as large makes contacts unstable."""
_SHAPES = (int(mujoco.mjtGeom.mjGEOM_SPHERE), int(mujoco.mjtGeom.mjGEOM_BOX), int(mujoco.mjtGeom.mjGEOM_CYLINDER))
_HIDDEN_GROUP, _FIRST_HIDDEN_GROUP = 5, 3
TARGET_RADIUS = "target.radius"


def locked(model: mujoco.MjModel, name: str, joints: Names) -> ModelFactor:
    """Whether joints stay where the episode begins, whatever pulls at them."""
    rows = dofs_of(model, joints)

    def edit(target: mujoco.MjModel, value: int) -> None:
        if value:
            target.dof_armature[rows] = _RIGID

    return _switch(name, "physical", edit, "dof_armature", 0, "whether the joint is locked (1) or moves (0)")


def visible(model: mujoco.MjModel, name: str, kind: str, element: str) -> ModelFactor:
    """Whether a geom or site is drawn."""
    row, field = int(select(model, kind, element)[0]), f"{kind}_group"
    drawn = int(getattr(model, field)[row]) < _FIRST_HIDDEN_GROUP

    def edit(target: mujoco.MjModel, value: int) -> None:
        getattr(target, field)[row] = 0 if value else _HIDDEN_GROUP

    return _switch(name, "visual", edit, field, int(drawn), "whether it is drawn (1) or not (0)")


def _switch(name: str, kind: Kind, edit: Any, field: str, default: int, summary: str) -> ModelFactor:
    space = spaces.Discrete(2)
    return ModelFactor(name=name, kind=kind, space=space, default=default, summary=summary, edit=edit, fields=(field,))


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


def size(model: mujoco.MjModel, name: str, geom: str, limits: tuple[float, float]) -> ModelFactor:
    """The radius of a ball; its mass stays."""
    row = int(select(model, "geom", geom)[0])

    def edit(target: mujoco.MjModel, value: float) -> None:
        target.geom_size[row, 0] = value

    return ModelFactor(
        name=name,
        kind="geometric",
        space=scalar(*limits),
        default=float(model.geom_size[row, 0]),
        unit="m",
        summary="radius; the mass stays",
        edit=edit,
        fields=("geom_size", "geom_rbound", "geom_aabb"),
    )


def length(model: mujoco.MjModel, name: str, bodies: Names, limits: tuple[float, float]) -> ModelFactor:
    """The length of links made of capsules, as a multiple: they and what hangs on them move outwards, masses stay."""
    links = select(model, "body", bodies)
    geoms = np.flatnonzero(np.isin(model.geom_bodyid, links))
    capsules = geoms[model.geom_type[geoms] == int(mujoco.mjtGeom.mjGEOM_CAPSULE)]
    children = np.flatnonzero(np.isin(model.body_parentid, links))
    sites = np.flatnonzero(np.isin(model.site_bodyid, links))

    def edit(target: mujoco.MjModel, value: float) -> None:
        target.geom_size[capsules, 1] *= value
        target.geom_rbound[capsules] *= value
        for field, rows in (("geom_pos", geoms), ("body_pos", children), ("site_pos", sites), ("body_ipos", links)):
            getattr(target, field)[rows] *= value
        for link in links:
            _widen(target.body_inertia[link], value)

    fields = ("geom_size", "geom_rbound", "geom_aabb", "geom_pos", "body_pos", "site_pos", "body_ipos", "body_inertia")
    return ModelFactor(
        name=name,
        kind="geometric",
        space=scalar(*limits),
        default=1.0,
        unit="times",
        summary="length, as a multiple; masses stay",
        edit=edit,
        fields=fields,
    )


def _widen(inertia: Array, value: float) -> None:
    """Scale the two larger principal moments (3,) of a slender body whose length is multiplied by `value`."""
    inertia[np.argsort(inertia)[1:]] *= value**2


def string_length(model: mujoco.MjModel, name: str, limits: tuple[float, float]) -> ModelFactor:
    """The length of the first tendon, which is a string."""

    def edit(target: mujoco.MjModel, value: float) -> None:
        target.tendon_range[0, 1] = value

    return ModelFactor(
        name=name,
        kind="physical",
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
