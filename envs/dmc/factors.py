"""The factors of each domain."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import mujoco

from swm.core.factors import Factor
from swm.envs.dmc import parts
from swm.envs.mujoco import appearance, physics, scene, shape
from swm.envs.mujoco.elements import Names, element_names

_WALKING_LIMITS = (0.1, 2.0)
"""Friction as a multiple, from ice on."""


def make_factors(domain: str, task: str, model: mujoco.MjModel, camera: int) -> Sequence[Factor]:
    """All factors of a task.

    Args:
        domain: the domain.
        task: the task, without its target where it has none.
        model: the compiled model, as the task leaves it at the start of an episode.
        camera: index of the camera.
    """
    name = element_names(model, "camera")[camera]
    degrees = 4.0 if domain == "manipulator" else 10.0
    return [
        *_DOMAINS[domain](model, task),
        *appearance.pattern_colors(model, "floor", "grid"),
        scene.light_intensity(model),
        scene.camera_angle(model, "camera.angle", name, degrees=degrees),
    ]


def _gravity(model: mujoco.MjModel) -> tuple[Factor, ...]:
    return physics.gravity(model), physics.gravity_tilt(model)


def _motors(model: mujoco.MjModel, joints: Names = "*") -> tuple[Factor, ...]:
    return physics.strength(model, "agent.strength"), physics.damping(model, "agent.damping", joints)


def _robot(
    masses: dict[str, str], joint: str, model: mujoco.MjModel, joints: Names = "*", floor: bool = True
) -> tuple[Factor, ...]:
    """A robot that walks: factor -> body whose mass it is, and the joint that may be locked."""
    return (
        appearance.material_color(model, "agent.color", "self"),
        *(physics.mass(model, f"{name}.mass", body) for name, body in masses.items()),
        *_motors(model, joints),
        parts.locked(model, f"{joint}.locked", joint),
        physics.friction(model, "floor.friction", limits=_WALKING_LIMITS),
        *_gravity(model),
        parts.sky_color(model, "sky.color", "skybox"),
    )


def _target(model: mujoco.MjModel, kind: str, element: str) -> tuple[Factor, ...]:
    """The looks and the size of a target."""
    shown = parts.visible(model, "target.visible", kind, element)
    needs: dict[str, Any] = {} if shown.default else {"target.visible": 1}
    if kind == "site":
        row = model.site(element).id
        model.site_rgba[row] = model.mat_rgba[model.site_matid[row]]
    paint = appearance.site_color if kind == "site" else appearance.geom_color
    color = paint(model, "target.color", element)
    return (
        replace(color, requires=needs),
        parts.shape(model, "target.shape", kind, element, needs),
        parts.target_radius(model, kind, element, needs),
        shown,
    )


def _humanoid(model: mujoco.MjModel, task: str) -> tuple[Factor, ...]:
    masses = {"torso": "torso", "right_lower_arm": "right_lower_arm", "left_thigh": "left_thigh"}
    return _robot(masses, "left_knee", model, joints=element_names(model, "joint")[1:])


def _cheetah(model: mujoco.MjModel, task: str) -> tuple[Factor, ...]:
    return _robot({"torso": "torso", "bfoot": "bfoot", "fthigh": "fthigh"}, "bfoot", model, joints=["[bf]*"])


def _hopper(model: mujoco.MjModel, task: str) -> tuple[Factor, ...]:
    joints = ["waist", "hip", "knee", "ankle"]
    return _robot({"torso": "torso", "foot": "foot", "thigh": "thigh"}, "ankle", model, joints)


def _walker(model: mujoco.MjModel, task: str) -> tuple[Factor, ...]:
    masses = {"torso": "torso", "left_foot": "left_foot", "right_thigh": "right_thigh"}
    return _robot(masses, "right_knee", model, joints=["right_*", "left_*"])


def _quadruped(model: mujoco.MjModel, task: str) -> tuple[Factor, ...]:
    masses = {"torso": "torso", "hip_front_right": "hip_front_right", "toe_back_left": "toe_back_left"}
    joints = ["yaw_*", "pitch_*", "knee_*", "ankle_*"]
    foot = appearance.material_color(model, "foot.color", "effector")
    return (*_robot(masses, "knee_back_left", model, joints), foot)


def _reacher(model: mujoco.MjModel, task: str) -> tuple[Factor, ...]:
    return (
        appearance.material_color(model, "agent.color", "self"),
        appearance.material_color(model, "finger.color", "effector"),
        appearance.material_color(model, "wall.color", "decoration"),
        physics.mass(model, "arm.mass", "arm"),
        physics.mass(model, "hand.mass", "hand"),
        shape.limb_length(model, "arm.length", "arm"),
        shape.limb_length(model, "hand.length", "hand"),
        *_motors(model),
        parts.locked(model, "wrist.locked", "wrist"),
        physics.gravity_tilt(model, degrees=5.0),
        *(() if task == "joints" else _target(model, "geom", "target")),
    )


def _acrobot(model: mujoco.MjModel, task: str) -> tuple[Factor, ...]:
    return (
        appearance.material_color(model, "agent.color", "self"),
        physics.mass(model, "upper_arm.mass", "upper_arm"),
        physics.mass(model, "lower_arm.mass", "lower_arm"),
        *_motors(model),
        parts.locked(model, "shoulder.locked", "shoulder"),
        *_gravity(model),
        parts.sky_color(model, "sky.color", "skybox"),
        *_target(model, "site", "target"),
    )


def _pendulum(model: mujoco.MjModel, task: str) -> tuple[Factor, ...]:
    return (
        appearance.material_color(model, "agent.color", "self"),
        appearance.material_color(model, "mass.color", "effector"),
        physics.mass(model, "pole.mass", "pole"),
        parts.pole_length(model, "pole.length", "pole", (0.35, 0.65)),
        *_motors(model),
        *_gravity(model),
    )


def _cartpole(model: mujoco.MjModel, task: str) -> tuple[Factor, ...]:
    return (
        appearance.material_color(model, "agent.color", "self"),
        appearance.material_color(model, "rail.color", "decoration"),
        physics.mass(model, "cart.mass", "cart"),
        physics.mass(model, "pole.mass", "pole_1"),
        shape.limb_length(model, "pole.length", "pole_1"),
        physics.strength(model, "agent.strength"),
        physics.damping(model, "cart.damping", "slider", limits=(0.0, 1.0)),
        physics.damping(model, "pole.damping", "hinge_1", limits=(0.0, 0.02)),
        *_gravity(model),
        parts.sky_color(model, "sky.color", "skybox"),
    )


def _ball_in_cup(model: mujoco.MjModel, task: str) -> tuple[Factor, ...]:
    magnitude, tilt = _gravity(model)
    return (
        parts.sky_color(model, "sky.color", "skybox"),
        appearance.material_color(model, "agent.color", "self"),
        appearance.material_color(model, "ball.color", "effector"),
        physics.mass(model, "cup.mass", "cup"),
        physics.mass(model, "ball.mass", "ball"),
        shape.geom_size(model, "ball.size", "ball", limits=(0.6, 1.4)),
        parts.string_length(model, "string.length", (0.29, 0.4)),
        *_motors(model, "cup_*"),
        physics.stiffness(model, "agent.stiffness", "cup_*"),
        magnitude,
        replace(tilt, kind="geometric"),  # a slack string hangs along gravity
        parts.visible(model, "target.visible", "site", "target"),
    )


def _finger(model: mujoco.MjModel, task: str) -> tuple[Factor, ...]:
    own = ["proximal", "distal"]
    return (
        parts.sky_color(model, "sky.color", "skybox"),
        appearance.material_color(model, "agent.color", "self"),
        appearance.material_color(model, "fingertip.color", "effector"),
        appearance.geom_color(model, "spinner.color", ["cap1", "cap2"]),
        physics.mass(model, "proximal.mass", "proximal"),
        physics.mass(model, "distal.mass", "distal"),
        physics.mass(model, "spinner.mass", "spinner"),
        physics.damping(model, "spinner.damping", "hinge"),
        physics.friction(model, "spinner.friction", ["cap1", "cap2", "fingertip"], limits=(0.0, 2.0)),
        *_motors(model, own),
        parts.locked(model, "distal.locked", "distal"),
        *(() if task == "spin" else _target(model, "site", "target")),
    )


def _manipulator(model: mujoco.MjModel, task: str) -> tuple[Factor, ...]:
    arm = ["arm_*", "finger*", "thumb*"]
    return (
        appearance.material_color(model, "agent.color", "self"),
        appearance.geom_color(model, "ball.color", "ball"),
        appearance.material_color(model, "background.color", "background"),
        physics.mass(model, "upper_arm.mass", "upper_arm"),
        physics.mass(model, "hand.mass", "hand"),
        physics.mass(model, "ball.mass", "ball"),
        shape.geom_size(model, "ball.size", "ball", limits=(0.7, 1.3)),
        shape.limb_length(model, "upper_arm.length", "upper_arm"),
        *_motors(model, arm),
        physics.friction(model, "contact.friction", limits=(0.3, 2.0)),
        *_gravity(model),
        *_target(model, "geom", "target_ball"),
    )


_DOMAINS: dict[str, Callable[[mujoco.MjModel, str], tuple[Factor, ...]]] = {
    "humanoid": _humanoid,
    "cheetah": _cheetah,
    "hopper": _hopper,
    "walker": _walker,
    "quadruped": _quadruped,
    "reacher": _reacher,
    "acrobot": _acrobot,
    "pendulum": _pendulum,
    "cartpole": _cartpole,
    "ball_in_cup": _ball_in_cup,
    "finger": _finger,
    "manipulator": _manipulator,
}
