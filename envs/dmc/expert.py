"""Scripted experts: joint control of the reacher, energy control of the swing-ups."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from swm.core.protocols import Array, Mask, StepBatch
from swm.core.seeding import make_rng
from swm.envs.straying import check_straying


class Controller(ABC):
    """Implements `swm.core.protocols.Policy` by a feedback law, with exploration.

    Everything random in an episode is a function of its seed and of the number of steps taken: it
    does not depend on the other environments.
    """

    needs_goal_pixels = False
    num_actions: int

    def __init__(self, *, noise: float = 0.3, random_prob: float = 0.03, random_steps: int = 8) -> None:
        """Set how far it strays; ``noise=0, random_prob=0`` is the oracle.

        Args:
            noise: standard deviation of the noise added to each component of the action.
            random_prob: probability per step that a uniformly random action begins.
            random_steps: steps for which a random action is held.

        Raises:
            InvalidValueError: a number is out of range.
        """
        check_straying(noise, random_prob, random_steps)
        self.noise, self.random_prob, self.random_steps = noise, random_prob, random_steps
        self._rngs: dict[int, np.random.Generator] = {}
        self._held: dict[int, tuple[int, Array]] = {}
        """Row -> for how many more steps a random action is held, and the action."""

    @abstractmethod
    def command(self, state: Array, goal: Array) -> Array:
        """The action for one observed state and goal: (A,), clipped afterwards."""

    def describe(self) -> dict[str, Any]:
        """Name and parameters."""
        parameters = {"noise": self.noise, "random_prob": self.random_prob, "random_steps": self.random_steps}
        return {"name": type(self).__name__, **parameters}

    def begin(self, step: StepBatch, seeds: Sequence[int], mask: Mask, goal_pixels: Array | None) -> None:
        """See `Policy.begin`."""
        for row in np.flatnonzero(mask).tolist():
            self._rngs[row] = make_rng(int(seeds[row]), "policy", type(self).__name__)
            self._held[row] = (0, np.zeros(self.num_actions))

    def act(self, step: StepBatch, mask: Mask) -> Array:
        """See `Policy.act`."""
        actions = np.zeros((len(mask), self.num_actions), np.float32)
        for row in np.flatnonzero(mask).tolist():
            actions[row] = self._explore(row, self.command(step.observation["state"][row], step.goal[row]))
        return np.clip(actions, -1.0, 1.0)

    def _explore(self, row: int, command: Array) -> Array:
        rng, (left, action) = self._rngs[row], self._held[row]
        if left == 0 and rng.random() < self.random_prob:
            left, action = self.random_steps, rng.uniform(-1.0, 1.0, self.num_actions)
        self._held[row] = max(left - 1, 0), action
        chosen = action if left > 0 else np.clip(command, -1.0, 1.0)
        explored: Array = chosen + self.noise * rng.normal(size=self.num_actions)
        return explored


def _wrap(angle: float) -> float:
    """The same angle from -pi to pi."""
    return float((angle + np.pi) % (2 * np.pi) - np.pi)


class Reach(Controller):
    """Drives both joints of the reacher to the pose of the goal; the shoulder takes the short way round."""

    num_actions = 2
    _STIFFNESS, _DAMPING = np.array([4.0, 1.5]), np.array([0.4, 0.06])

    def command(self, state: Array, goal: Array) -> Array:
        """See `Controller.command`."""
        error = np.array([_wrap(goal[0] - state[0]), goal[1] - state[1]])
        torque: Array = self._STIFFNESS * error - self._DAMPING * state[2:4]
        return torque


class PendulumSwingUp(Controller):
    """Brings the pendulum's energy to that of rest at the top, and holds it there.

    Source: Astrom and Furuta, "Swinging up a pendulum by energy control", Automatica 36 (2000).
    """

    num_actions = 1
    _INERTIA, _WEIGHT = 0.251, 9.81 * 0.5
    """Of the default model: kg·m² and the torque of gravity at the horizontal, N·m."""

    def command(self, state: Array, goal: Array) -> Array:
        """See `Controller.command`."""
        angle, speed = _wrap(state[0]), state[1]
        excess = 0.5 * self._INERTIA * speed**2 + self._WEIGHT * (np.cos(angle) - 1.0)
        push = -20.0 * angle - 4.0 * speed
        if abs(angle) < 0.4 and abs(push) < 6.0:
            return np.array([push])
        return np.array([np.sign(speed) if excess < 0.05 else -np.sign(speed) * (excess > 0.3)])


class CartPole(Controller):
    """Swings the pole up by its energy while the cart stays near the middle, then balances at the goal's place.

    Source: Astrom and Furuta, as above; the balance is a linear-quadratic regulator of the default
    model.
    """

    num_actions = 1
    _LENGTH, _GRAVITY, _SPARE = 0.5, 9.81, 0.4
    """Half of the pole in m, gravity in m/s², and the energy per mass beyond rest at the top in J/kg."""

    def __init__(self, *, noise: float = 0.3, random_prob: float = 0.03, random_steps: int = 8) -> None:
        """See `Controller`."""
        super().__init__(noise=noise, random_prob=random_prob, random_steps=random_steps)
        self._gain = _balance_gain()

    def command(self, state: Array, goal: Array) -> Array:
        """See `Controller.command`."""
        place, angle, speed, turn = state[0], _wrap(state[1]), state[2], state[3]
        if abs(angle) < 0.6 and abs(turn) < 4.0:
            force: Array = -self._gain @ np.array([np.clip(place - goal[0], -0.8, 0.8), angle, speed, turn])
            return force
        inertia = 4 / 3 * self._LENGTH**2
        excess = 0.5 * inertia * turn**2 + self._GRAVITY * self._LENGTH * (np.cos(angle) - 1.0) - self._SPARE
        swing = np.clip(3.0 * excess * np.sign(turn * np.cos(angle)), -0.8, 0.8)
        return np.array([swing - 0.5 * place - 0.1 * speed])


def _balance_gain() -> Array:
    """The gain (1, 4) of the regulator of place, angle and their rates, for actions of full force 10 N."""
    cart, pole, length, gravity, force, dt = 1.0, 0.1, 0.5, 9.81, 10.0, 0.01
    mass = np.array([[cart + pole, pole * length], [pole * length, 4 / 3 * pole * length**2]])
    pull = np.linalg.solve(mass, np.array([[0.0, 0.0], [0.0, pole * gravity * length]]))
    push = np.linalg.solve(mass, np.array([[force], [0.0]]))
    a = np.eye(4) + dt * np.block([[np.zeros((2, 2)), np.eye(2)], [pull, np.zeros((2, 2))]])
    b = dt * np.concatenate([np.zeros((2, 1)), push])
    cost, value = np.diag([1.0, 4.0, 0.2, 0.2]), np.eye(4)
    for _ in range(4000):
        gain = np.linalg.solve(1.0 + b.T @ value @ b, b.T @ value @ a)
        value = cost + a.T @ value @ (a - b @ gain)
    return gain
