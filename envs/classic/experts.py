"""Scripted experts of the classic control environments: feedback laws that know the episode's physics."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from swm.core.errors import InvalidValueError
from swm.core.factors import Variation
from swm.core.protocols import Array, Mask, StepBatch
from swm.core.seeding import make_rng
from swm.core.spaces import ActionSpace, action_shape, sample_action
from swm.envs.classic.geometry import difference


class ClassicExpert(ABC):
    """Implements `swm.core.protocols.Policy`: a feedback law, and random actions now and then.

    Everything random in an episode is a function of its seed: it does not depend on the other
    environments. A subclass names the action space and the law.
    """

    needs_goal_pixels = False
    action_space: ActionSpace

    def __init__(self, *, random_prob: float = 0.1, random_steps: int = 5) -> None:
        """Set how far it strays; ``random_prob=0`` is the oracle.

        Args:
            random_prob: probability per step that a uniformly random action begins.
            random_steps: steps for which a random action is held.

        Raises:
            InvalidValueError: a number is out of range.
        """
        if not 0 <= random_prob <= 1 or random_steps < 1:
            raise InvalidValueError(
                f"random_prob={random_prob!r}, random_steps={random_steps!r}: "
                "random_prob must be in [0, 1], random_steps at least 1."
            )
        self.random_prob, self.random_steps = random_prob, random_steps
        self._laws: dict[int, Any] = {}
        self._rngs: dict[int, np.random.Generator] = {}
        self._held: dict[int, tuple[int, Array]] = {}

    @abstractmethod
    def _law(self, variation: Variation) -> Any:
        """What the law needs of the episode's factors."""

    @abstractmethod
    def _act(self, law: Any, state: Array, goal: Array) -> Any:
        """The action in a state, as `_law` was for the episode."""

    def describe(self) -> dict[str, Any]:
        """Name and parameters."""
        return {"name": type(self).__name__, "random_prob": self.random_prob, "random_steps": self.random_steps}

    def begin(self, step: StepBatch, seeds: Sequence[int], mask: Mask, goal_pixels: Array | None) -> None:
        """See `Policy.begin`."""
        for row in np.flatnonzero(mask).tolist():
            self._laws[row] = self._law(step.variation[row])
            self._rngs[row] = make_rng(int(seeds[row]), "policy", type(self).__name__)
            self._held.pop(row, None)

    def act(self, step: StepBatch, mask: Mask) -> Array:
        """See `Policy.act`."""
        actions = np.zeros((len(mask), *action_shape(self.action_space)), self.action_space.dtype)
        for row in np.flatnonzero(mask).tolist():
            wanted = self._act(self._laws[row], step.observation["state"][row], step.goal[row])
            actions[row] = self._stray(row, wanted)
        return actions

    def _stray(self, row: int, wanted: Any) -> Any:
        """Hold a random action now and then."""
        if self.random_prob == 0:
            return wanted
        rng = self._rngs[row]
        starts = rng.random() < self.random_prob
        if starts and row not in self._held:
            self._held[row] = self.random_steps, sample_action(self.action_space, rng)
        if row not in self._held:
            return wanted
        left, action = self._held.pop(row)
        if left > 1:
            self._held[row] = left - 1, action
        return action


class CartPoleExpert(ClassicExpert):
    """Pushes to the side that a linear-quadratic regulator about the upright pole asks for."""

    action_space = spaces.Discrete(2)
    _REACH = 0.4
    """The regulator sees the goal no farther away than this, in m, so that it does not drop the pole for it."""

    def _law(self, variation: Variation) -> Array:
        return lqr_gain(*cart_pole_linear(variation), np.diag([2.0, 0.5, 10.0, 0.5]), 1e-3)

    def _act(self, law: Array, state: Array, goal: Array) -> Any:
        error = state.copy()
        error[0] = np.clip(state[0] - goal[0], -self._REACH, self._REACH)
        return int(law @ error < 0)


class MountainCarExpert(ClassicExpert):
    """Pushes along the velocity, which adds energy at every step, until the car passes the goal."""

    action_space: ActionSpace = spaces.Discrete(3)

    def _law(self, variation: Variation) -> None:
        return None

    def _act(self, law: Any, state: Array, goal: Array) -> Any:
        return 2 if state[1] >= 0 else 0


class MountainCarContinuousExpert(MountainCarExpert):
    """Pushes fully along the velocity, until the car passes the goal."""

    action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)

    def _act(self, law: Any, state: Array, goal: Array) -> Any:
        return np.array([1.0 if state[1] >= 0 else -1.0])


class PendulumExpert(ClassicExpert):
    """Swings to the energy that the rod has at rest at the goal, and holds it there if the motor can.

    The swing-up follows Astrom and Furuta, "Swinging up a pendulum by energy control" (2000).
    """

    action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)

    def _law(self, variation: Variation) -> tuple[float, ...]:
        length = variation["rod.length"]
        lever = 3.0 / (variation["rod.mass"] * length**2)
        return 3 * variation["world.gravity"] / (2 * length), lever, variation["hub.torque"], variation["hub.friction"]

    def _act(self, law: tuple[float, ...], state: Array, goal: Array) -> Any:
        fall, lever, strength, friction = law
        angle, speed = np.arctan2(state[1], state[0]), state[2]
        off = difference(angle, goal[0])
        hold = -fall * np.sin(goal[0])
        wanted = hold - fall * np.cos(goal[0]) * off - 20.0 * off - 8.0 * speed
        near = abs(off) < 0.6 and abs(speed) < 3.0 and abs(hold) <= lever * strength
        if not near:
            missing = fall * (np.cos(goal[0]) - np.cos(angle)) - speed**2 / 2
            wanted = 20.0 * missing * (speed if speed != 0 else 1.0)
        torque = wanted / lever + friction * speed
        return np.array([np.clip(torque / strength, -1.0, 1.0)])


class AcrobotExpert(ClassicExpert):
    """Turns the elbow the way it turns, which adds energy at every step, until the tip is above the line."""

    action_space = spaces.Discrete(3)

    def _law(self, variation: Variation) -> None:
        return None

    def _act(self, law: Any, state: Array, goal: Array) -> Any:
        return 2 if state[5] >= 0 else 0


def cart_pole_linear(variation: Variation) -> tuple[Array, Array]:
    """The cart-pole about its upright rest: the next state is ``a @ state + b force``."""
    total = variation["pole.mass"] + variation["cart.mass"]
    length, share = variation["pole.length"], variation["pole.mass"] / total
    inertia = length * (4 / 3 - share)
    drag, axle = variation["cart.friction"] / total, variation["pole.friction"]
    hinge = axle / (variation["pole.mass"] * length)
    turn = np.array([0.0, drag, variation["world.gravity"], -hinge]) / inertia
    slide = np.array([0.0, -drag, 0.0, 0.0]) - share * length * turn
    rates = np.stack([np.array([0.0, 1.0, 0.0, 0.0]), slide, np.array([0.0, 0.0, 0.0, 1.0]), turn])
    push = np.array([0.0, (1 + share * length / inertia) / total, 0.0, -1 / (total * inertia)])
    step = variation["world.timestep"]
    return np.eye(4) + step * rates, step * push


def lqr_gain(a: Array, b: Array, state_cost: Array, action_cost: float, iterations: int = 400) -> Array:
    """The gain k (n,) of the discrete-time regulator ``action = -k @ state``, by iterating Riccati's equation.

    Args:
        a: (n, n).
        b: (n,), one action.
        state_cost: (n, n).
        action_cost: positive.
        iterations: steps of the iteration from `state_cost`.
    """
    value, gain = state_cost, np.zeros(len(a))
    for _ in range(iterations):
        gain = (b @ value @ a) / (action_cost + b @ value @ b)
        value = state_cost + a.T @ value @ (a - np.outer(b, gain))
    return gain
