"""What differs between the domains beside their factors: the camera, the goals, what the task writes into the model."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import mujoco
import numpy as np

from swm.envs.dmc.goals import Goal, PoseGoal, TargetGoal

POSE_RADIUS = 0.3
"""Largest difference of joints (rad), height (m) and tilt (rad) at which a robot has taken a pose."""
JOINT_RADIUS = 0.05
"""Largest difference of a joint of the reacher (rad) in the joint-space task."""
UPRIGHT = float(np.deg2rad(8))
"""Largest angle from upright at which the pendulum's task gives reward, in rad."""
POLE_RADIUS, CART_RADIUS = float(np.arccos(0.995)), 0.25
"""Largest angle (rad) and distance from the centre (m) at which the cart-pole's sparse tasks give reward."""
BALL_RADIUS = float(np.sqrt(0.01**2 - 0.001**2))
"""Distance in the plane (m) of the manipulator's ball from its target, 1 mm behind it, up to which the reward is 1."""
_CART_SPREAD = 1.2
_MOTION = 1.5
"""Seconds of random controls that lead from a start to the goal of a robot that walks."""


@dataclass(frozen=True, kw_only=True)
class Domain:
    """One domain."""

    make_goal: Callable[[mujoco.MjModel, str], Goal]
    """The rule of goals, from the compiled model and the name of the task."""
    camera: int = 0
    """Index of the camera."""
    scratch_fields: tuple[str, ...] = ()
    """Fields of the model that the tasks write."""
    body: tuple[str, ...] = ()
    """The joints of the robot's own, where other things are in the state too: what ``proprio`` holds."""


def _robot(ignored: tuple[str, ...], model: mujoco.MjModel, task: str) -> Goal:
    return PoseGoal(model, radius=lambda _: POSE_RADIUS, ignored=ignored, motion=_MOTION)


def _reacher(model: mujoco.MjModel, task: str) -> Goal:
    if task == "joints":
        return PoseGoal(model, radius=lambda _: JOINT_RADIUS)
    sizes = model.geom("target").id, model.geom("finger").id
    return TargetGoal(
        model,
        radius=lambda m: float(m.geom_size[sizes, 0].sum()),
        point=("geom", "finger"),
        target=("geom", "target"),
        axes=(0, 1),
        movable=("shoulder", "wrist"),
    )


def _finger(model: mujoco.MjModel, task: str) -> Goal:
    if task == "spin":
        return PoseGoal(model, radius=lambda _: POSE_RADIUS)
    return TargetGoal(
        model,
        radius=_site_radius(model),
        point=("site", "tip"),
        target=("site", "target"),
        axes=(0, 2),
        movable=("hinge",),
    )


def _site_radius(model: mujoco.MjModel) -> Callable[[mujoco.MjModel], float]:
    target = model.site("target").id
    return lambda m: float(m.site_size[target, 0])


def _acrobot(model: mujoco.MjModel, task: str) -> Goal:
    radius = _site_radius(model)
    return TargetGoal(model, radius=radius, point=("site", "tip"), target=("site", "target"), axes=(0, 2), movable=())


def _manipulator(model: mujoco.MjModel, task: str) -> Goal:
    return TargetGoal(
        model,
        radius=lambda _: BALL_RADIUS,
        point=("site", "ball"),
        target=("body", "target_ball"),
        axes=(0, 2),
        movable=("ball_x", "ball_z"),
    )


def _pendulum(model: mujoco.MjModel, task: str) -> Goal:
    return PoseGoal(model, radius=lambda _: UPRIGHT, fixed=[0.0])


def _cartpole(model: mujoco.MjModel, task: str) -> Goal:
    parts = ({"slider": POLE_RADIUS / CART_RADIUS}, {"hinge_1": 1.0})
    spread = [_CART_SPREAD, 0.0] if task.startswith("balance") else None
    return PoseGoal(model, radius=lambda _: POLE_RADIUS, parts=parts, fixed=[0.0, 0.0], spread=spread)


def _ball_in_cup(model: mujoco.MjModel, task: str) -> Goal:
    parts = tuple({f"ball_{axis}": 1.0, f"cup_{axis}": -1.0} for axis in "xz")
    target, ball = model.site("target").id, model.geom("ball").id
    height = model.body("cup").pos[2] + model.site_pos[target, 2] - model.body("ball").pos[2]
    return PoseGoal(
        model,
        radius=lambda m: float(m.site_size[target, 0] - m.geom_size[ball, 0]),
        parts=parts,
        fixed=[0.0, 0.0, 0.0, float(height)],
    )


_ARM = ("arm_root", "arm_shoulder", "arm_elbow", "arm_wrist", "finger", "fingertip", "thumb", "thumbtip")

DOMAINS: dict[str, Domain] = {
    "humanoid": Domain(make_goal=partial(_robot, ())),
    "cheetah": Domain(make_goal=partial(_robot, ("rootx",))),
    "hopper": Domain(make_goal=partial(_robot, ("rootx",))),
    "reacher": Domain(make_goal=_reacher, scratch_fields=("geom_size", "geom_pos"), body=("shoulder", "wrist")),
    "walker": Domain(make_goal=partial(_robot, ("rootx",))),
    "acrobot": Domain(make_goal=_acrobot, scratch_fields=("site_pos", "site_size")),
    "pendulum": Domain(make_goal=_pendulum),
    "cartpole": Domain(make_goal=_cartpole),
    "ball_in_cup": Domain(make_goal=_ball_in_cup, body=("cup_x", "cup_z")),
    "finger": Domain(
        make_goal=_finger,
        scratch_fields=("site_pos", "site_size", "site_rgba", "dof_damping"),
        body=("proximal", "distal"),
    ),
    "manipulator": Domain(make_goal=_manipulator, scratch_fields=("body_pos", "body_quat", "geom_size"), body=_ARM),
    "quadruped": Domain(make_goal=partial(_robot, ()), camera=2),
}
"""Every domain."""
