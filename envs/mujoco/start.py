"""Factors of where an episode starts, as noise on positions and velocities."""

import mujoco
import numpy as np

from swm.core.factors import Factor, Variation
from swm.core.spaces import scalar

POSITION, VELOCITY = "start.position_noise", "start.velocity_noise"


def position_noise(*, default: float = 0.0, highest: float = 0.1) -> Factor:
    """The standard deviation of noise on each joint position at the start, in rad or m."""
    return _noise(POSITION, default, highest, "rad, m", "positions")


def velocity_noise(*, default: float = 0.0, highest: float = 0.5) -> Factor:
    """The standard deviation of noise on each joint velocity at the start, in rad/s or m/s."""
    return _noise(VELOCITY, default, highest, "rad/s, m/s", "velocities")


def add_noise(model: mujoco.MjModel, data: mujoco.MjData, variation: Variation, seed: int) -> None:
    """Move the start in `data` by the noise that the variation asks for; quaternions stay of unit length."""
    rng = np.random.default_rng(seed)
    motion, push = rng.normal(size=model.nv), rng.normal(size=model.nv)
    if variation.get(POSITION, 0.0):
        mujoco.mj_integratePos(model, data.qpos, motion, variation[POSITION])
    if variation.get(VELOCITY, 0.0):
        data.qvel[:] += push * variation[VELOCITY]


def _noise(name: str, default: float, highest: float, unit: str, what: str) -> Factor:
    return Factor(
        name=name,
        kind="task",
        space=scalar(0.0, highest),
        default=default,
        unit=unit,
        summary=f"standard deviation of noise on the joint {what} at the start",
    )
