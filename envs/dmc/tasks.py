"""Loading of tasks: dm_control's own, and further ones for its planar robots.

The ideas of the further tasks, not their formulas, are from TD-MPC2 (Hansen et al. 2024, arXiv
2310.16828, appendix on tasks). Each starts like a task of dm_control of the same robot and has a
reward in [0, 1] that is a product of tolerances.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import mujoco

from swm.core.errors import UnknownNameError
from swm.envs.dmc.simulator import Environment, suite, tolerance

Reward = Callable[[Any], float]
"""A reward as a function of dm_control's physics."""
_INFINITY = float("inf")
_HIDDEN_GROUP = 5
_SPIN = 6.0
"""Pitch rate above which a flip is rewarded fully, in rad/s: about one turn per second."""


@dataclass(frozen=True)
class Task:
    """A task that dm_control lacks."""

    start: str
    """The task of dm_control that it starts like."""
    reward: Reward | None
    """None: 1 where the goal is reached, else 0."""
    hidden: str = ""
    """A geom that is not drawn, because it means nothing here."""


def load_task(domain: str, task: str) -> tuple[Environment, Reward | None]:
    """Load dm_control's environment, in an episode, and the reward of the task.

    Raises:
        UnknownNameError: there is no such domain or task.
    """
    known = {(name, own) for name, tasks in SUITE.items() for own in tasks} | set(TASKS)
    if (domain, task) not in known:
        raise UnknownNameError("task of DeepMind Control", f"{domain} {task}", (" ".join(pair) for pair in known))
    added = TASKS.get((domain, task))
    warn = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(lambda _: None)  # dm_control's cheetah has an attribute that MuJoCo calls deprecated
    try:
        loaded = suite.load(domain, added.start if added else task, task_kwargs={"random": 0})
    finally:
        mujoco.set_mju_user_warning(warn)
    if added and added.hidden:
        loaded.physics.named.model.geom_group[added.hidden] = _HIDDEN_GROUP
    loaded.reset()
    return loaded, added.reward if added else loaded.task.get_reward


def _above(value: float, bound: float, margin: float) -> float:
    """1 above `bound`, falling to 0 over `margin` below it."""
    return float(tolerance(float(value), (bound, _INFINITY), margin, "linear", 0.0))


def _below(value: float, bound: float, margin: float) -> float:
    return _above(-value, -bound, margin)


def _height(physics: Any, body: str) -> float:
    return float(physics.named.data.xpos[body, "z"])


def _axis_up(physics: Any, axis: str) -> float:
    """How far the torso's `axis` (``"x"``, ``"z"``) points upwards, from -1 to 1."""
    return float(physics.named.data.xmat["torso", f"z{axis}"])


def _velocity(physics: Any) -> float:
    """Forward velocity of the centre of mass in m/s."""
    return float(physics.named.data.sensordata["torso_subtreelinvel"][0])


def _turning(physics: Any, sign: float) -> float:
    """Pitching forwards (+1) or backwards (-1)."""
    return _above(sign * float(physics.named.data.qvel["rooty"].item()), _SPIN, _SPIN)


# ------------------------------------------------------------------------------------------ walker


def _walk_backward(physics: Any) -> float:
    """Stand, and move backwards at 1 m/s."""
    standing = _above(physics.torso_height(), 1.2, 0.6) * (1 + physics.torso_upright()) / 2
    return float(standing * (1 + 5 * _above(-physics.horizontal_velocity(), 1.0, 1.0)) / 6)


def _arabesque(physics: Any) -> float:
    """Stand on the right foot with the left foot as high as the hips."""
    standing = _above(physics.torso_height(), 1.0, 0.6) * _below(_height(physics, "right_foot"), 0.1, 0.4)
    return standing * (1 + 3 * _above(_height(physics, "left_foot"), 0.9, 0.9)) / 4


def _walker_lie_down(physics: Any) -> float:
    """Lie flat on the floor."""
    flat = 1 - abs(_axis_up(physics, "z"))
    feet = _below(max(_height(physics, "right_foot"), _height(physics, "left_foot")), 0.2, 0.6)
    return float(_below(physics.torso_height(), 0.15, 1.0) * (1 + flat + feet) / 3)


def _walker_legs_up(physics: Any) -> float:
    """Lie on the back with both feet in the air."""
    lying = _below(physics.torso_height(), 0.4, 0.8)
    return lying * _above(min(_height(physics, "right_foot"), _height(physics, "left_foot")), 1.0, 1.0)


def _walker_flip(physics: Any) -> float:
    """Turn over forwards with the torso off the floor."""
    return _turning(physics, 1.0) * _above(physics.torso_height(), 0.8, 0.6)


# ----------------------------------------------------------------------------------------- cheetah


def _run_backward(physics: Any) -> float:
    """Move backwards at 10 m/s."""
    return _above(-_velocity(physics), 10.0, 10.0)


def _stand_on(side: str, physics: Any) -> float:
    """Raise the other end of the torso until it is upright, on the front (``"f"``) or back (``"b"``) feet."""
    other, sign = ("b", -1.0) if side == "f" else ("f", 1.0)
    lifted = _above(_height(physics, f"{other}foot"), 0.9, 0.9) * _below(_height(physics, f"{side}foot"), 0.2, 0.4)
    return lifted * _above(sign * _axis_up(physics, "x"), 0.9, 1.9)


def _run_on(side: str, physics: Any) -> float:
    """Run forwards on the front (``"f"``) or back (``"b"``) feet alone."""
    lifted = _above(_height(physics, "bfoot" if side == "f" else "ffoot"), 0.5, 0.5)
    return lifted * (1 + 5 * _above(_velocity(physics), 5.0, 5.0)) / 6


def _jump(physics: Any) -> float:
    """Have the torso and all feet high above the floor."""
    feet = min(_height(physics, "ffoot"), _height(physics, "bfoot"))
    return _above(_height(physics, "torso"), 1.2, 0.8) * (1 + 3 * _above(feet, 0.6, 0.6)) / 4


def _cheetah_lie_down(physics: Any) -> float:
    """Lie on the belly with the torso level and still."""
    level = _above(_axis_up(physics, "z"), 0.9, 0.9) * _below(abs(_velocity(physics)), 0.1, 1.0)
    return _below(_height(physics, "torso"), 0.2, 0.5) * level


def _cheetah_legs_up(physics: Any) -> float:
    """Lie on the back with all feet in the air."""
    feet = min(_height(physics, "ffoot"), _height(physics, "bfoot"))
    return _above(-_axis_up(physics, "z"), 0.9, 1.9) * _above(feet, 0.5, 0.5)


def _cheetah_flip(sign: float, physics: Any) -> float:
    """Turn over forwards (+1) or backwards (-1), off the floor."""
    return _turning(physics, sign) * _above(_height(physics, "torso"), 0.6, 0.4)


# ------------------------------------------------------------------------------------------ hopper


def _hop_backward(physics: Any) -> float:
    """Hop backwards at 2 m/s with the torso above the foot."""
    return float(tolerance(physics.height(), (0.6, 2.0))) * _above(-physics.speed(), 2.0, 2.0)


def _hopper_flip(sign: float, physics: Any) -> float:
    """Turn over forwards (+1) or backwards (-1), off the floor."""
    return _turning(physics, sign) * _above(_height(physics, "torso"), 0.6, 0.5)


SUITE: dict[str, tuple[str, ...]] = {
    "humanoid": ("stand", "walk", "run"),
    "cheetah": ("run",),
    "hopper": ("stand", "hop"),
    "reacher": ("easy", "hard"),
    "walker": ("stand", "walk", "run"),
    "acrobot": ("swingup", "swingup_sparse"),
    "pendulum": ("swingup",),
    "cartpole": ("swingup", "swingup_sparse", "balance", "balance_sparse"),
    "ball_in_cup": ("catch",),
    "finger": ("spin", "turn_easy", "turn_hard"),
    "manipulator": ("bring_ball",),
    "quadruped": ("walk", "run"),
}
"""Domain -> its tasks in dm_control that are environments here."""

TASKS: dict[tuple[str, str], Task] = {
    ("reacher", "joints"): Task("hard", None, "target"),
    ("walker", "walk_backward"): Task("walk", _walk_backward),
    ("walker", "arabesque"): Task("stand", _arabesque),
    ("walker", "lie_down"): Task("stand", _walker_lie_down),
    ("walker", "legs_up"): Task("stand", _walker_legs_up),
    ("walker", "flip"): Task("stand", _walker_flip),
    ("cheetah", "run_backward"): Task("run", _run_backward),
    ("cheetah", "stand_front"): Task("run", partial(_stand_on, "f")),
    ("cheetah", "stand_back"): Task("run", partial(_stand_on, "b")),
    ("cheetah", "jump"): Task("run", _jump),
    ("cheetah", "run_front"): Task("run", partial(_run_on, "f")),
    ("cheetah", "run_back"): Task("run", partial(_run_on, "b")),
    ("cheetah", "lie_down"): Task("run", _cheetah_lie_down),
    ("cheetah", "legs_up"): Task("run", _cheetah_legs_up),
    ("cheetah", "flip"): Task("run", partial(_cheetah_flip, 1.0)),
    ("cheetah", "flip_backward"): Task("run", partial(_cheetah_flip, -1.0)),
    ("hopper", "hop_backward"): Task("hop", _hop_backward),
    ("hopper", "flip"): Task("hop", partial(_hopper_flip, 1.0)),
    ("hopper", "flip_backward"): Task("hop", partial(_hopper_flip, -1.0)),
}
"""Domain and task -> what dm_control lacks."""
