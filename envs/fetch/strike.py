"""Strikes that send the puck of FetchSlide to a place, found by trying them in a copy of the environment."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from swm.core.protocols import Array
from swm.core.spaces import Value
from swm.envs.fetch.scene import Scene, around, see
from swm.envs.fetch.task import LOWEST, TASKS

_FRONT, _SIDE = 0.0135, 0.008
"""From the gripper's centre to the front of one finger, in m: a puck hit by both would be pinched."""
_RUN_UP = 0.65
"""Steps from the start of a strike until the puck is hit: the gripper is then at its fastest."""
_TRAVEL = 0.62
"""How far a full strike sends the puck of the default factors, in m."""
_TURN = 1.8
"""Heading of a strike for the direction in which it sends the puck: it slips along the finger."""
_TRIES, _ROUND = 24, 6
_SPREAD = np.array([0.2, 0.15, 0.002])
"""Standard deviation of heading, speed and side in the first round of tries; it halves from one to the next."""
_CLOSE_ENOUGH = 0.02
_LOW, _HIGH = np.array([-1.0, 0.1, -0.014]), np.array([1.0, 1.0, 0.014])
_STEEPEST, _LONGEST = 0.3, 0.56
"""Direction, in rad from the x axis, and length, in m, of the way that a strike is to send the puck."""
_REACH = 1.2
"""How far along x the gripper can bring the puck, in m."""
_PRECISE = 0.0007
"""How exactly the gripper goes along the line of a strike, in m."""
_STEPS = 60
"""Most environment steps of a try."""
_MOVED, _FAST, _AT_REST = 0.02, 0.12, 0.02
"""A puck that moved so far, in m, or is so fast, in m/s, was hit; below the last it rests."""


@dataclass(frozen=True)
class Strike:
    """A straight strike at a resting puck."""

    puck: Array
    """Where it rests, (2,) in m."""
    heading: float
    """In rad, from the x axis."""
    speed: float
    """The share of a full action."""
    side: float
    """From the line through the puck to the gripper, along y, in m."""

    @property
    def along(self) -> Array:
        """The direction, (2,)."""
        return np.array([np.cos(self.heading), np.sin(self.heading)])

    def is_over(self, scene: Scene) -> bool:
        """Whether the puck was hit and has come to rest."""
        return self.is_hit(scene) and float(np.linalg.norm(scene.velocity)) < _AT_REST

    def is_hit(self, scene: Scene) -> bool:
        """Whether the puck has been hit."""
        moved = float(np.linalg.norm(scene.thing[:2] - self.puck))
        return moved > _MOVED or float(np.linalg.norm(scene.velocity)) > _FAST

    def act(self, scene: Scene) -> Array:
        """Behind the puck, along the line until it is hit, then up and out of the way."""
        if self.is_hit(scene):
            return np.array([0.0, 0.0, 1.0, 0.0])
        rim = self.puck + np.array([0.0, self.side]) - (scene.size + _FRONT) * self.along
        behind = float((rim - scene.grip[:2]) @ self.along)
        aside = (scene.grip[:2] - rim) + behind * self.along
        run_up = _RUN_UP * self.speed * scene.stride
        low = LOWEST + 0.0015
        if scene.grip[2] < low + 0.003 and np.linalg.norm(aside) < _PRECISE and behind < run_up + _PRECISE:
            return np.array([*(self.speed * self.along - aside / scene.stride), 0.0, 0.0])
        return around(scene, rim - run_up * self.along, low, tolerance=0.002)


def staging_place(scene: Scene) -> Array:
    """The place nearest to the puck, (3,), from which one strike can send it to the goal."""
    (x, y, height), (goal_x, goal_y, _) = scene.thing, scene.goal
    x = max(x, min(goal_x - _LONGEST, _REACH))
    most = np.tan(_STEEPEST) * max(goal_x - x, 0.0)
    return np.array([x, np.clip(y, goal_y - most, goal_y + most), height])


class Planner:
    """Finds strikes by trying them, at first around the straight line to the goal, then around the best one."""

    def __init__(self) -> None:
        """Make the copy in which strikes are tried."""
        from swm.envs.fetch.env import FetchEnv

        self._env = FetchEnv("slide", image_size=16, render_mode=None)

    def plan(self, state: Array, goal: Array, factors: Mapping[str, Value]) -> Strike:
        """The strike that brings the puck nearest to `goal` (3,) from an observed `state` with a resting puck."""
        self._env.reset(seed=0, options={"variation": factors})
        rng, puck = np.random.default_rng(0), state[15:17].copy()
        way = goal[:2] - puck
        angle, speed = np.arctan2(way[1], way[0]), np.sqrt(np.linalg.norm(way) / _TRAVEL)
        tried = np.clip([_TURN * angle, speed, np.copysign(_SIDE, angle)], _LOW, _HIGH)
        best, nearest = tried, np.inf
        for trial in range(_TRIES):
            missed = float(np.linalg.norm(self._rest(_strike(puck, tried), state, goal) - goal[:2]))
            if missed < nearest:
                best, nearest = tried, missed
            if nearest < _CLOSE_ENOUGH:
                break
            spread = _SPREAD * 0.5 ** (trial // _ROUND)
            tried = np.clip(best + spread * rng.normal(size=3), _LOW, _HIGH)
        return _strike(puck, best)

    def _rest(self, strike: Strike, state: Array, goal: Array) -> Array:
        """Where the puck comes to rest, (2,)."""
        self._env.set_state(state)
        observation, _ = self._env.observe()
        for _ in range(_STEPS):
            scene = see(TASKS["slide"], observation["state"], observation["proprio"], goal, self._env.variation)
            if strike.is_over(scene):
                break
            observation, *_ = self._env.step(strike.act(scene))
        rest: Array = observation["state"][15:17]
        return rest


def _strike(puck: Array, numbers: Array) -> Strike:
    heading, speed, side = numbers.tolist()
    return Strike(puck, heading, speed, side)
