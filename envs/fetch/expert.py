"""The scripted experts of the Fetch tasks, one feedback law each."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from swm.core.errors import UnknownNameError
from swm.core.protocols import Array, Mask, StepBatch
from swm.core.seeding import make_rng
from swm.envs.fetch.scene import Scene, around, see
from swm.envs.fetch.strike import Planner, Strike, staging_place
from swm.envs.fetch.task import LOWEST, STEP_TIME, SUCCESS_DISTANCE, TASKS
from swm.envs.straying import check_straying

_OPEN, _CLOSE = 1.0, -1.0
_SLOW = 0.02
"""Speed of an object that counts as at rest, in m/s."""
_STAGED = 0.015
"""Within which a puck counts as being where it is to be struck, in m."""
_OVER = np.array([0.0, 0.0, 0.1])
"""From a box to where the gripper waits over it, in m."""


def reach(scene: Scene) -> Array:
    """Straight to the goal."""
    return scene.towards(scene.goal)


def push(scene: Scene) -> Array:
    """Over the box to the side away from the goal, down, and along the line to the goal."""
    way = (scene.goal - scene.thing)[:2]
    distance = float(np.linalg.norm(way))
    along = way / max(distance, 1e-9)
    across = np.array([-along[1], along[0]])
    offset = (scene.grip - scene.thing)[:2]
    behind, aside = float(-offset @ along), float(offset @ across)
    if distance < 0.008:
        return np.zeros(4)
    if scene.grip[2] < LOWEST + 0.015 and behind > 0 and abs(aside) < 0.015:
        safe = min(0.7 * distance, STEP_TIME * np.sqrt(1.5 * scene.braking * distance))
        step = min(scene.stride, max(behind - scene.size - 0.02, 0.0) + safe)
        place = scene.grip[:2] + step * along - 0.7 * aside * across
        return scene.towards(np.append(place, LOWEST))
    return around(scene, scene.thing[:2] - (1.25 * scene.size + 0.03) * along, LOWEST, tolerance=0.012)


def pick_and_place(scene: Scene) -> Array:
    """Over the box with open fingers, down, close, and carry it to the goal."""
    offset = scene.thing - scene.grip
    if float(np.linalg.norm(offset[:2])) > 0.015:
        return scene.towards(scene.thing + _OVER, _OPEN)
    if abs(offset[2]) > 0.012:
        return scene.towards(scene.thing, _OPEN)
    if scene.opening > 2 * scene.size + 0.004:
        return np.append(np.zeros(3), _CLOSE)
    return scene.towards(scene.grip + scene.goal - scene.thing, _CLOSE)


LAWS: dict[str, Callable[[Scene], Array]] = {
    "reach": reach,
    "push": push,
    "pick_and_place": pick_and_place,
}
"""Task -> action (4,) for what is seen; ``slide`` is planned instead."""


class FetchExpert:
    """Implements `swm.core.protocols.Policy` from the state and the factors, with exploration.

    Everything random in an episode is a function of its seed and of the number of steps taken: it
    does not depend on the other environments.
    """

    needs_goal_pixels = False

    def __init__(self, task: str, *, noise: float = 0.1, random_prob: float = 0.02, random_steps: int = 4) -> None:
        """Set how far it strays; ``noise=0, random_prob=0`` is the oracle.

        Args:
            task: a key of `swm.envs.fetch.task.TASKS`.
            noise: standard deviation of the noise added to each component of the action.
            random_prob: probability per step that a uniformly random action begins.
            random_steps: steps for which a random action is held.

        Raises:
            UnknownNameError: there is no such task.
            InvalidValueError: a number is out of range.
        """
        if task not in TASKS:
            raise UnknownNameError("task of Fetch", task, TASKS)
        check_straying(noise, random_prob, random_steps)
        self.task, self.noise, self.random_prob, self.random_steps = task, noise, random_prob, random_steps
        self._rngs: dict[int, np.random.Generator] = {}
        self._held: dict[int, tuple[int, Array]] = {}
        """Row -> for how many more steps a random action is held, and the action."""
        self._strikes: dict[int, Strike] = {}
        self._planner: Planner | None = None

    def describe(self) -> dict[str, Any]:
        """Name and parameters."""
        parameters = {"noise": self.noise, "random_prob": self.random_prob, "random_steps": self.random_steps}
        return {"name": "FetchExpert", "task": self.task, **parameters}

    def begin(self, step: StepBatch, seeds: Sequence[int], mask: Mask, goal_pixels: Array | None) -> None:
        """See `Policy.begin`."""
        for row in np.flatnonzero(mask).tolist():
            self._rngs[row] = make_rng(int(seeds[row]), "policy", "FetchExpert")
            self._held[row] = (0, np.zeros(4))
            self._strikes.pop(row, None)

    def act(self, step: StepBatch, mask: Mask) -> Array:
        """See `Policy.act`."""
        actions = np.zeros((len(mask), 4), np.float32)
        for row in np.flatnonzero(mask).tolist():
            state, proprio = step.observation["state"][row], step.observation["proprio"][row]
            scene = see(TASKS[self.task], state, proprio, step.goal[row], step.variation[row])
            command = LAWS[self.task](scene) if self.task in LAWS else self._strike(row, state, scene)
            actions[row] = self._explore(row, command)
        return np.clip(actions, -1.0, 1.0)

    def _strike(self, row: int, state: Array, scene: Scene) -> Array:
        """Follow the planned strike; plan another one when the puck has come to rest elsewhere."""
        strike = self._strikes.get(row)
        if strike is None:
            place = staging_place(scene)
            if np.linalg.norm(place - scene.thing) > _STAGED:
                return push(dataclasses.replace(scene, goal=place))
            if np.linalg.norm(scene.velocity) > _SLOW:
                return np.zeros(4)
        if strike is None or (strike.is_over(scene) and scene.missing > SUCCESS_DISTANCE):
            self._planner = self._planner or Planner()
            strike = self._strikes[row] = self._planner.plan(state, scene.goal, scene.factors)
        return strike.act(scene)

    def _explore(self, row: int, command: Array) -> Array:
        rng, (left, action) = self._rngs[row], self._held[row]
        if left == 0 and rng.random() < self.random_prob:
            left, action = self.random_steps, rng.uniform(-1.0, 1.0, 4)
        self._held[row] = max(left - 1, 0), action
        chosen = action if left > 0 else command
        return chosen + self.noise * rng.normal(size=4)
