"""The scripted expert of PushT: one straight push after the other until the block is at its goal."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot
from typing import Any

import numpy as np

from swm.core.factors import Variation
from swm.core.protocols import Array, Mask, StepBatch
from swm.core.seeding import make_rng
from swm.envs.push_t import planner, route
from swm.envs.push_t.contact import BlockModel
from swm.envs.push_t.factors import FACTORS, GOAL_FREE, goal_pose
from swm.envs.push_t.geometry import SIZE
from swm.envs.push_t.goal import RADIUS
from swm.envs.push_t.planner import Push
from swm.envs.push_t.simulator import response
from swm.envs.straying import check_straying

_NEAR, _NEAR_ANGLE = 8.0, 0.12
"""The block has arrived below these, in px and rad; well within the success distance."""
_FAR, _FAR_ANGLE = 13.0, 0.25
"""A block that has arrived is pushed again beyond these."""
_TRAVEL_SPEED, _PUSH_SPEED = 30.0, 16.0
"""The agent's way per step, px."""
_RETHINK = 5
"""Steps after which a push is planned anew."""
_PATIENCE = 40
"""Steps after which a push that could not begin is given up."""
_BEGUN = 4.0
"""A push begins when the agent is this near to its start, px."""


@dataclass
class _Pilot:
    """What the expert knows of one episode."""

    values: Variation
    model: BlockModel
    by_target: float
    """How far the agent gets in a step per unit of action, px."""
    by_velocity: float
    """How far it gets per unit of velocity, s."""
    rng: np.random.Generator
    aim: Array
    """Where block and agent are to go, a goal (5,)."""
    first: bool = True
    """Whether the aim is the episode's goal: only then must the agent get to its place too."""
    arrived: bool = False
    """Whether the block is where it should be."""
    push: Push | None = None
    pushing: bool = False
    age: int = 0
    """Steps since the push was planned, or since it began."""
    random_action: Array | None = None
    held: int = 0
    """Steps for which the random action is still held."""


class PushTExpert:
    """Implements `swm.core.protocols.Policy` from the state and the factors alone.

    It tries every place around the block and several directions in a model of the contact, takes the
    push that brings the block nearest to its goal, and plans again every few steps. When the block
    is at its goal, the agent goes to its own place around the block; then on to random goals, so
    that long episodes stay varied. Everything random in an episode is a function of its seed: it
    does not depend on the other environments.
    """

    needs_goal_pixels = False

    def __init__(
        self, *, noise: float = 0.1, random_prob: float = 0.02, random_steps: int = 5, wander: bool = True
    ) -> None:
        """Set how far it strays; ``noise=0, random_prob=0, wander=False`` is the oracle.

        Args:
            noise: standard deviation of the noise added to each component of the action.
            random_prob: probability per step that a uniformly random action begins.
            random_steps: steps for which a random action is held.
            wander: whether to go on to random goals once at the goal; otherwise it stays there.

        Raises:
            InvalidValueError: a number is out of range.
        """
        check_straying(noise, random_prob, random_steps)
        self.noise, self.random_prob, self.random_steps, self.wander = noise, random_prob, random_steps, wander
        self._pilots: dict[int, _Pilot] = {}

    def describe(self) -> dict[str, Any]:
        """Name and parameters."""
        return {
            "name": "PushTExpert",
            "noise": self.noise,
            "random_prob": self.random_prob,
            "random_steps": self.random_steps,
            "wander": self.wander,
        }

    def begin(self, step: StepBatch, seeds: Sequence[int], mask: Mask, goal_pixels: Array | None) -> None:
        """See `Policy.begin`."""
        for row in np.flatnonzero(mask).tolist():
            values = step.variation[row]
            by_target, by_velocity = response(values["agent.stiffness"])
            self._pilots[row] = _Pilot(
                values=values,
                model=BlockModel.of(values),
                by_target=by_target * values["agent.reach"],
                by_velocity=by_velocity,
                rng=make_rng(int(seeds[row]), "policy", "PushTExpert"),
                aim=step.goal[row].copy(),
            )

    def act(self, step: StepBatch, mask: Mask) -> Array:
        """See `Policy.act`."""
        actions = np.zeros((len(mask), 2), np.float32)
        for row in np.flatnonzero(mask).tolist():
            pilot, state = self._pilots[row], step.observation["state"][row]
            if self.wander:
                _look_further(pilot, state)
            actions[row] = self._explore(pilot, _steer(pilot, state))
        return actions

    def _explore(self, pilot: _Pilot, action: Array) -> Array:
        """Hold random actions now and then, and add noise."""
        if self.random_prob > 0:
            starts, *drawn = pilot.rng.random(3).tolist()
            if pilot.held == 0 and starts < self.random_prob:
                pilot.random_action, pilot.held = 2 * np.array(drawn) - 1, self.random_steps
            if pilot.held > 0 and pilot.random_action is not None:
                action, pilot.held = pilot.random_action, pilot.held - 1
        if self.noise > 0:
            action = action + self.noise * pilot.rng.standard_normal(2)
        return np.clip(action, -1.0, 1.0)


def _look_further(pilot: _Pilot, state: Array) -> None:
    """Once at the aim, draw another one."""
    if not pilot.arrived or (pilot.first and hypot(*(state[:2] - pilot.aim[:2])) > RADIUS / 2):
        return
    pilot.first = pilot.arrived = False
    names = ("goal.agent", "goal.position", "goal.angle")
    for _ in range(100):
        values = {**pilot.values, **{name: FACTORS[name].sample_train(pilot.rng) for name in names}}
        if GOAL_FREE.holds(values):
            pilot.aim = goal_pose(values)
            return


def _steer(pilot: _Pilot, state: Array) -> Array:
    """The action of the oracle."""
    model, agent = pilot.model, state[:2]
    pose, goal = model.gravity(state[2:5]), model.gravity(pilot.aim[2:5])
    apart, angle = planner.gap(pose, goal, model.turn)
    near, near_angle = (_FAR, _FAR_ANGLE) if pilot.arrived else (_NEAR, _NEAR_ANGLE)
    pilot.arrived = bool(apart < near and angle < near_angle)
    if pilot.arrived:
        pilot.push = None
        return _go(pilot, state, route.next_point(model, pose, agent, pilot.aim[:2]), _TRAVEL_SPEED)
    _keep_or_drop(pilot, agent)
    if pilot.push is None:
        pilot.push, pilot.pushing, pilot.age = planner.best_push(model, pose, agent, goal), False, 0
    if pilot.push is None:  # no push helps: another one from another place may
        return _go(pilot, state, agent + _TRAVEL_SPEED * pilot.rng.standard_normal(2), _TRAVEL_SPEED)
    push = pilot.push
    if not pilot.pushing and hypot(*(agent - push.start)) < _BEGUN:
        pilot.pushing, pilot.age = True, 0
    if not pilot.pushing:
        return _go(pilot, state, route.next_point(model, pose, agent, push.start), _TRAVEL_SPEED)
    gone = float((agent - push.start) @ push.direction)
    return _go(pilot, state, push.start + push.direction * min(gone + _PUSH_SPEED, push.length), 2 * _PUSH_SPEED)


def _keep_or_drop(pilot: _Pilot, agent: Array) -> None:
    """Drop a push that is over, or that is to be planned anew."""
    pilot.age += 1
    push = pilot.push
    if push is None:
        return
    over = pilot.pushing and float((agent - push.start) @ push.direction) >= push.length - 1.0
    if over or pilot.age > (_RETHINK if pilot.pushing else _PATIENCE):
        pilot.push = None


def _go(pilot: _Pilot, state: Array, target: Array, speed: float) -> Array:
    """The action after which the agent is at `target` (2,), or `speed` px nearer to it."""
    way = np.clip(target, 0.0, SIZE) - state[:2]
    way = way * min(1.0, speed / max(hypot(*way), 1e-9))
    action = (way - pilot.by_velocity * state[5:7]) / pilot.by_target
    limited: Array = action / max(1.0, float(np.abs(action).max()))
    return limited
