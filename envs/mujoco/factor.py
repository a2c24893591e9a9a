"""A factor that edits a compiled model, and the copy of the model that undoes every edit."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from swm.core.factors import Factor
from swm.core.protocols import Array

Edit = Callable[[mujoco.MjModel, Any], None]
"""Writes a factor's value into a model: ``(model, value)``."""

_CONSTANTS = frozenset(
    (
        *("body_mass", "body_inertia", "body_ipos", "body_iquat", "body_pos", "body_quat", "dof_armature", "geom_pos"),
        *("geom_quat", "geom_size", "jnt_pos", "jnt_axis", "qpos0", "tendon_lengthspring", "site_pos", "site_quat"),
        *("cam_pos", "cam_quat", "light_pos", "light_dir", "actuator_gear"),
    )
)
"""Fields from which `mujoco.mj_setConst` derives others."""


@dataclass(frozen=True, kw_only=True)
class ModelFactor(Factor):
    """A factor of variation that acts by editing fields of the compiled model, without recompiling it.

    Edits run in declared order on a model that every reset restores first, so an edit that scales
    what it finds composes with those before it.
    """

    edit: Edit
    """Writes the value into the model."""
    fields: tuple[str, ...]
    """Every field that `edit` writes, dotted where nested: ``"geom_rgba"``, ``"opt.gravity"``."""
    textures: tuple[int, ...] = ()
    """The textures whose pixels `edit` writes, which are then restored and drawn anew only where they changed."""


@dataclass(frozen=True, kw_only=True)
class CameraFactor(Factor):
    """A factor of variation that acts on the environment's free camera."""

    edit: Callable[[mujoco.MjvCamera, Any], None]
    """Writes the value into the camera."""


def read_field(model: mujoco.MjModel, field: str) -> Any:
    """The value of a dotted field; arrays are views into the model."""
    value: Any = model
    for part in field.split("."):
        value = getattr(value, part)
    return value


def write_field(model: mujoco.MjModel, field: str, value: Any) -> None:
    """Write a dotted field, array or number, in place."""
    owner, _, name = field.rpartition(".")
    target = read_field(model, owner) if owner else model
    if isinstance(getattr(target, name), np.ndarray):
        getattr(target, name)[...] = value
    else:
        setattr(target, name, value)


def texture_pixels(model: mujoco.MjModel, texture: int) -> Array:
    """The pixels of a texture (count, channels) uint8, a view into the model."""
    start, channels = int(model.tex_adr[texture]), int(model.tex_nchannel[texture])
    count = int(model.tex_width[texture]) * int(model.tex_height[texture])
    pixels: Array = model.tex_data[start : start + count * channels].reshape(count, channels)
    return pixels


def derives_constants(fields: Iterable[str]) -> bool:
    """Whether MuJoCo derives constants from one of `fields`, so that `mujoco.mj_setConst` is due after an edit."""
    return not _CONSTANTS.isdisjoint(fields)


class PristineModel:
    """Copies of the fields that factors edit, and of what MuJoCo derives from them."""

    def __init__(self, model: mujoco.MjModel, fields: Iterable[str]) -> None:
        """Copy `fields` of `model`, and all derived constants if one of the fields has any."""
        self.edited = frozenset(fields)
        names = {*self.edited, *(_derived(model) if derives_constants(self.edited) else ())}
        values = {name: read_field(model, name) for name in sorted(names)}
        self._arrays = [(view, view.copy()) for view in values.values() if isinstance(view, np.ndarray) and view.size]
        self._numbers = {name: value for name, value in values.items() if not isinstance(value, np.ndarray)}
        self._textures: dict[int, Array] = {}

    def keep_textures(self, model: mujoco.MjModel, textures: Iterable[int]) -> None:
        """Copy the pixels of textures before they are edited, where that was not done before."""
        for texture in textures:
            self._textures.setdefault(texture, texture_pixels(model, texture).copy())

    def restore_textures(self, model: mujoco.MjModel, textures: Iterable[int]) -> None:
        """Put back the pixels of textures that `keep_textures` saw."""
        for texture in textures:
            texture_pixels(model, texture)[...] = self._textures[texture]

    def restore(self, model: mujoco.MjModel) -> None:
        """Put every copied field of the model that this was made with back, bit for bit."""
        for view, copy in self._arrays:
            view[...] = copy
        for name, number in self._numbers.items():
            write_field(model, name, number)


def _derived(model: mujoco.MjModel) -> list[str]:
    """The fields that `mujoco.mj_setConst` may write: all of the kinds of elements that it touches."""
    kinds = ("body", "dof", "geom", "jnt", "site", "cam", "light", "actuator", "tendon", "eq", "flex", "flexedge")
    prefixes = tuple(f"{kind}_" for kind in (*kinds, "flexvert", "bvh"))
    arrays = [name for name in dir(model) if name.startswith(prefixes) and isinstance(getattr(model, name), np.ndarray)]
    return [*arrays, "qpos0", "qpos_spring", "stat.meaninertia", "stat.meanmass", "stat.meansize", "stat.extent"]
