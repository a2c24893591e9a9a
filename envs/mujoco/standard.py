"""The factors that suit any model: what it has, what shows and what acts."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator

import mujoco
import numpy as np

from swm.core.errors import InvalidValueError
from swm.core.factors import Factor
from swm.core.protocols import Array
from swm.envs.mujoco import appearance, physics, probe, scene, start
from swm.envs.mujoco.elements import element_names
from swm.envs.mujoco.factor import ModelFactor

_SIDES = frozenset(
    (
        *("left", "right", "front", "back", "fore", "hind", "l", "r", "f", "b", "fl", "fr", "bl", "br"),
        *("aux", "visual", "collision", "geom", "link"),
    )
)
"""Words that do not count in a name."""
_found: dict[bytes, tuple[Factor, ...]] = {}
_KEPT = 8
_MANY = 16
"""Groups of bodies or colours beyond this many become one group."""


def standard_factors(
    model: mujoco.MjModel,
    camera: mujoco.MjvCamera,
    begin: Callable[[mujoco.MjData], None],
    frame_skip: int,
) -> tuple[Factor, ...]:
    """Physics, colours, lights, camera and start of a model, with ranges from its own values.

    A physical factor is tried out and left out where it does not change the motion. A colour is
    left out where the camera does not see its surface at the start. What was found for the last
    few models is kept for their next copies.

    Args:
        model: the compiled model; it is the same again afterwards.
        camera: the camera of the pictures, fixed or free.
        begin: writes a start into data.
        frame_skip: time steps of the model per step of the environment.
    """
    data = mujoco.MjData(model)
    begin(data)
    key = _fingerprint(model, data, camera, frame_skip)
    if key not in _found:
        while len(_found) >= _KEPT:
            del _found[next(iter(_found))]
        _found[key] = _find(model, data, camera, begin, frame_skip)
    return _found[key]


def _find(
    model: mujoco.MjModel,
    data: mujoco.MjData,
    camera: mujoco.MjvCamera,
    begin: Callable[[mujoco.MjData], None],
    frame_skip: int,
) -> tuple[Factor, ...]:
    mujoco.mj_forward(model, data)
    seen, background = probe.visible_geoms(model, data, camera)
    tried = probe.moving(model, list(_physical(model)), begin, frame_skip)
    made = [*tried, *_surfaces(model, seen), *_surroundings(model, camera, background)]
    made += [start.position_noise(), start.velocity_noise()]
    return tuple({factor.name: factor for factor in reversed(made)}.values())[::-1]


def _fingerprint(model: mujoco.MjModel, data: mujoco.MjData, camera: mujoco.MjvCamera, frame_skip: int) -> bytes:
    """What decides the outcome."""
    content = np.empty(mujoco.mj_sizeModel(model), np.uint8)
    mujoco.mj_saveModel(model, None, content)
    view = (camera.type, camera.fixedcamid, camera.distance, camera.azimuth, camera.elevation, *camera.lookat)
    rest = np.array([frame_skip, *view, *data.qpos, *data.qvel], np.float64)
    return hashlib.sha256(content.tobytes() + rest.tobytes()).digest()


def _physical(model: mujoco.MjModel) -> Iterator[ModelFactor]:
    moved = np.flatnonzero((model.body_weldid > 0) & (model.body_mass > 0))
    names = element_names(model, "body")
    joints = element_names(model, "joint")
    if model.opt.gravity.any():
        yield physics.gravity(model)
        # a slack tendon is drawn as it hangs, so that the first picture would tell the direction of gravity
        if not (model.tendon_limited.astype(bool) & (model.tendon_range[:, 0] == 0)).any():
            yield physics.gravity_tilt(model)
    yield from _made(lambda: physics.friction(model, "contact.friction"))
    for group, bodies in _grouped(names, moved).items():
        yield physics.mass(model, f"{group}.mass", bodies)
    for make, field, word in (
        (physics.damping, model.dof_damping, "damping"),
        (physics.stiffness, model.jnt_stiffness[model.dof_jntid], "stiffness"),
        (physics.armature, model.dof_armature, "armature"),
        (physics.friction_loss, model.dof_frictionloss, "friction_loss"),
    ):
        having = [joints[joint] for joint in np.unique(model.dof_jntid[field > 0])]
        if having:
            yield make(model, f"joints.{word}", having)
    yield from _made(lambda: physics.strength(model, "actuators.strength"))


def _surfaces(model: mujoco.MjModel, seen: frozenset[int]) -> Iterator[ModelFactor]:
    names = element_names(model, "geom")
    bodies = [element_names(model, "body")[body] for body in model.geom_bodyid]
    plane = model.geom_type == int(mujoco.mjtGeom.mjGEOM_PLANE)
    owners = ["floor" if flat else body for flat, body in zip(plane, bodies, strict=True)]
    owners = [names[geom] if owner == "world" else owner for geom, owner in enumerate(owners)]
    for group, members in _grouped(owners, sorted(seen), elements=names).items():
        yield appearance.geom_color(model, f"{group}.color", members)
    floors = [geom for geom in sorted(seen) if plane[geom] and model.geom_matid[geom] >= 0]
    if floors:
        material = element_names(model, "material")[model.geom_matid[floors[0]]]
        texture = _texture(model, int(model.geom_matid[floors[0]]))
        if texture is not None:
            yield from _made(lambda: appearance.pattern_colors(model, "floor.pattern", texture))
            yield from _made(lambda: appearance.pattern_size(model, "floor.pattern.size", material))


def _texture(model: mujoco.MjModel, material: int) -> str | None:
    role = int(mujoco.mjtTextureRole.mjTEXROLE_RGB)
    texture = int(model.mat_texid[material].reshape(-1)[role])
    return element_names(model, "texture")[texture] if texture >= 0 else None


def _surroundings(model: mujoco.MjModel, camera: mujoco.MjvCamera, background: bool) -> Iterator[Factor]:
    skies = np.flatnonzero(model.tex_type == int(mujoco.mjtTexture.mjTEXTURE_SKYBOX))
    if background and len(skies):
        sky = element_names(model, "texture")[skies[0]]
        yield from _made(lambda: appearance.pattern_colors(model, "sky", sky))
    lights = [name for name, on in zip(element_names(model, "light"), model.light_active, strict=True) if on]
    yield from _made(lambda: scene.light_intensity(model))
    yield from _made(lambda: scene.light_color(model))
    if lights:
        yield from _made(lambda: scene.light_angle(model, lights=lights))
        yield from _made(lambda: scene.light_position(model, lights=lights))
    fixed = camera.type == mujoco.mjtCamera.mjCAMERA_FIXED.value
    which = element_names(model, "camera")[camera.fixedcamid] if fixed else camera
    yield scene.camera_angle(model, "camera.angle", which)
    yield scene.field_of_view(model, "camera.field_of_view", which)


def _made(make: Callable[[], Factor | Iterable[Factor]]) -> Iterator[ModelFactor]:
    """The factors of a constructor, or none where the constructor finds that they would do nothing."""
    try:
        made = make()
    except InvalidValueError:
        return
    for factor in made if isinstance(made, tuple) else (made,):
        assert isinstance(factor, ModelFactor)
        yield factor


def _grouped(
    names: Iterable[str], members: Iterable[int] | Array, elements: Iterable[str] | None = None
) -> dict[str, tuple[str, ...]]:
    """Group -> elements: those whose names differ in numbers and sides alone belong together.

    Args:
        names: what decides the group of each element.
        members: indices of the elements that count.
        elements: what each element is called; None is `names`.
    """
    names = tuple(names)
    elements = names if elements is None else tuple(elements)
    groups: dict[str, list[str]] = {}
    for member in members:
        groups.setdefault(_stem(names[member]), []).append(elements[member])
    if len(groups) > _MANY:
        return {"all": tuple(element for group in groups.values() for element in group)}
    return {group: tuple(group_elements) for group, group_elements in groups.items()}


def _stem(name: str) -> str:
    """A name without numbers and sides: ``"left_upper_arm"`` and ``"right_upper_arm"`` are ``"upper_arm"``."""
    words = [word for word in re.split(r"[^a-z]+", re.sub(r"\d+", "", name.lower())) if word]
    kept = [word for word in words if word not in _SIDES]
    return "_".join(kept or words or ["part"])
