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


def derives_constants(fields: Iterable[str]) -> bool:
    """Whether MuJoCo derives constants from one of `fields`, so that `mujoco.mj_setConst` is due after an edit."""
    return not _CONSTANTS.isdisjoint(fields)


class PristineModel:
    """Copies of the fields that factors edit, and of what MuJoCo derives from them."""

    def __init__(self, model: mujoco.MjModel, fields: Iterable[str]) -> None:
        """Copy `fields` of `model`, and all derived constants if one of the fields has any."""
        self.edited = frozenset(fields)
        names = {*self.edited, *(_derived(model) if derives_constants(self.edited) else ())}
        self._values: dict[str, Array | float] = {name: np.copy(read_field(model, name)) for name in sorted(names)}

    def restore(self, model: mujoco.MjModel) -> None:
        """Put every copied field back, bit for bit."""
        for name, value in self._values.items():
            write_field(model, name, value)


def _derived(model: mujoco.MjModel) -> list[str]:
    """The fields that `mujoco.mj_setConst` writes: found by their types rather than listed by hand."""
    prefixes = ("body_", "dof_", "geom_", "jnt_", "site_", "cam_", "light_", "actuator_", "tendon_", "eq_", "flexedge_")
    names = [name for name in dir(model) if name.startswith(prefixes)]
    arrays = {name: value for name in names if isinstance(value := getattr(model, name), np.ndarray)}
    floats = [name for name, value in arrays.items() if value.dtype.kind == "f"]
    return [*floats, "stat.meaninertia", "stat.meanmass", "stat.meansize", "stat.extent", "stat.center"]
