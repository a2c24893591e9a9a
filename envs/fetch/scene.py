"""What the experts of the Fetch tasks see, and the motions that they share."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from swm.core.protocols import Array
from swm.core.spaces import Value
from swm.envs.fetch.task import FOLLOWS, OBJECT_SIZE, TABLE_HEIGHT, Task

_JOINTS = 15
"""Positions of the robot's joints, before those of the object."""
_PASSING = 0.045
"""How far above an object the gripper passes over it, in m."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What an expert sees of one environment: places in m, velocity in m/s, the episode's factors."""

    grip: Array
    opening: float
    """Between the fingers, in m."""
    thing: Array
    """Place of the object, (3,); in ``reach`` there is none."""
    velocity: Array
    goal: Array
    factors: Mapping[str, Value]
    friction: float
    """Between object and table, by default."""

    @property
    def braking(self) -> float:
        """How much an object that slides loses of its speed, in m/s²."""
        return self.friction * float(self.factors["object.friction"] * self.factors["gravity.magnitude"])

    @property
    def stride(self) -> float:
        """How far the gripper moves in one step of a full action."""
        return FOLLOWS * float(self.factors["agent.speed"])

    @property
    def size(self) -> float:
        """Half of the edge of the box, or the radius of the puck, in m."""
        return OBJECT_SIZE * float(self.factors["object.size"])

    @property
    def missing(self) -> float:
        """Between object and goal, in m."""
        return float(np.linalg.norm(self.goal - self.thing))

    def straight(self, place: Array) -> Array:
        """The action (4,) that brings the gripper to `place` (3,) on a straight line as fast as it goes."""
        move = (place - self.grip) / self.stride
        return np.append(move / max(1.0, np.abs(move).max()), 0.0)

    def towards(self, place: Array, fingers: float = 0.0) -> Array:
        """The action (4,) that brings the gripper to `place` as fast as it goes."""
        return np.append(np.clip((place - self.grip) / self.stride, -1.0, 1.0), fingers)


def see(task: Task, state: Array, proprio: Array, goal: Array, factors: Mapping[str, Value]) -> Scene:
    """The scene of one environment, from its observation."""
    velocity = 2 * _JOINTS + 7
    return Scene(
        grip=proprio[:3],
        opening=float(proprio[3:5].sum()),
        thing=state[_JOINTS : _JOINTS + 3],
        velocity=state[velocity : velocity + 3],
        goal=goal,
        factors=factors,
        friction=task.friction,
    )


def around(scene: Scene, place: Array, height: float, tolerance: float) -> Array:
    """The action on the way to `place` (2,) at `height`: straight, or over the object where it stands in the way."""
    high = TABLE_HEIGHT + 2 * scene.size + _PASSING
    way, offset = place - scene.grip[:2], scene.thing[:2] - scene.grip[:2]
    missing = float(np.linalg.norm(way))
    nearest = np.clip(offset @ way / max(missing**2, 1e-12), 0.0, 1.0) * way
    room = min(1.5 * scene.size + 0.022, float(np.linalg.norm(place - scene.thing[:2])) - 1e-3)
    free = float(np.linalg.norm(nearest - offset)) > room
    if free or missing < tolerance:
        return scene.straight(np.append(place, height))
    if scene.grip[2] < high - 0.02:
        return scene.straight(np.append(scene.grip[:2], high))
    return scene.straight(np.append(place, high))
