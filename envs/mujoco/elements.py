"""The elements of a compiled model by name: bodies, geoms, joints and so on, chosen by names or patterns."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

import mujoco
import numpy as np

from swm.core.errors import UnknownNameError
from swm.core.protocols import Array

Names = str | Sequence[str]
"""A name or a pattern (``*`` any text, ``?`` any character), or several of them."""

_COUNTS = {
    "body": "nbody",
    "joint": "njnt",
    "geom": "ngeom",
    "site": "nsite",
    "camera": "ncam",
    "light": "nlight",
    "texture": "ntex",
    "material": "nmat",
    "actuator": "nu",
}


def element_names(model: mujoco.MjModel, kind: str) -> tuple[str, ...]:
    """The name of each element of a kind, in the order of the model.

    A geom without a name is called after its body, ``"torso/0"`` for the first geom of the torso;
    another element without a name after its kind, ``"light0"``.
    """
    element = getattr(mujoco.mjtObj, f"mjOBJ_{kind.upper()}").value
    names = []
    for index in range(getattr(model, _COUNTS[kind])):
        name = mujoco.mj_id2name(model, element, index)
        if not name and kind == "geom":
            body = int(model.geom_bodyid[index])
            name = f"{element_names(model, 'body')[body]}/{index - model.body_geomadr[body]}"
        names.append(name or f"{kind}{index}")
    return tuple(names)


def select(model: mujoco.MjModel, kind: str, names: Names) -> Array:
    """The indices (n,) of the elements that names or patterns mean, ascending, at least one.

    Args:
        model: the compiled model.
        kind: ``"body"``, ``"joint"``, ``"geom"``, ``"site"``, ``"camera"``, ``"light"``, ``"texture"``,
            ``"material"`` or ``"actuator"``.
        names: what to select.

    Raises:
        UnknownNameError: a name or pattern means no element.
    """
    known = element_names(model, kind)
    chosen: set[int] = set()
    for pattern in (names,) if isinstance(names, str) else names:
        found = [index for index, name in enumerate(known) if name == pattern or fnmatchcase(name, pattern)]
        if not found:
            raise UnknownNameError(f"{kind} of the model", pattern, known)
        chosen.update(found)
    return np.array(sorted(chosen))


def geoms_of(model: mujoco.MjModel, bodies: Names) -> tuple[str, ...]:
    """The names of the geoms of some bodies, for the constructors that take geoms."""
    chosen = select(model, "body", bodies)
    names = element_names(model, "geom")
    return tuple(names[index] for index in np.flatnonzero(np.isin(model.geom_bodyid, chosen)))


def dofs_of(model: mujoco.MjModel, joints: Names) -> Array:
    """The degrees of freedom (n,) of some joints."""
    return np.flatnonzero(np.isin(model.dof_jntid, select(model, "joint", joints)))
