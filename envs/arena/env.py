"""A point agent in an arena, as a Gymnasium environment."""

import numpy as np
from gymnasium import spaces

from swm.core.factors import Variation
from swm.core.protocols import Array
from swm.envs.arena.geometry import SIZE
from swm.envs.arena.rules import Arena
from swm.envs.arena.simulator import STATE_HIGH, STATE_LOW, Simulator
from swm.envs.base import FactoredEnv

_ROW = np.array([0])


def observation_space(image_size: tuple[int, int]) -> spaces.Dict:
    """The observations of one environment at `image_size`, height and width in pixels."""
    pixels = spaces.Box(0, 255, (*image_size, 3), np.uint8)
    return spaces.Dict({"pixels": pixels, "state": spaces.Box(STATE_LOW, STATE_HIGH, dtype=np.float64)})


def action_space() -> spaces.Box:
    """The commanded velocity along x and y, as a share of the agent's speed."""
    return spaces.Box(-1.0, 1.0, (2,), np.float32)


def goal_space() -> spaces.Box:
    """The goal states: x and y."""
    return spaces.Box(0.0, SIZE, (2,), np.float64)


class ArenaEnv(FactoredEnv):
    """One environment of an arena; a subclass has the rules and the documentation."""

    state_names: tuple[str, ...] = ("x", "y", "vx", "vy")
    goal_names: tuple[str, ...] = ("x", "y")

    def __init__(self, arena: Arena, image_size: int | tuple[int, int], render_mode: str | None) -> None:
        """Make the environment.

        Args:
            arena: the rules; a subclass may have set other `factors` for all of its copies.
            image_size: see `FactoredEnv`.
            render_mode: see `FactoredEnv`.
        """
        super().__init__(image_size, render_mode)
        self.observation_space = observation_space(self.image_size)
        self.action_space = action_space()
        self.goal_space = goal_space()
        self._simulator = Simulator(arena, 1, self.image_size)

    def _begin(self, variation: Variation, seed: int) -> None:
        self._simulator.begin(_ROW, [variation], [seed])

    def _advance(self, action: Array) -> tuple[float, bool]:
        return float(self._simulator.step(_ROW, action[None])[0]), False

    def _observe(self) -> dict[str, Array]:
        return {name: value[0] for name, value in self._simulator.observe().items()}

    def _goal(self) -> tuple[Array, bool, float]:
        simulator = self._simulator
        return simulator.goal[0].copy(), bool(simulator.success()[0]), float(simulator.distance()[0])

    def get_state(self) -> Array:
        """x, y, their velocities, the key of the actuator noise and the steps taken: (6,) float64."""
        state: Array = self._simulator.get_state()[0]
        return state

    def set_state(self, state: Array) -> None:
        """Continue from a state of length 6, or 4 to leave the noise as it is.

        Raises:
            InvalidValueError: the length is another, a number is out of range, or the agent would
                lie inside a wall.
        """
        self._check_begun()
        self._simulator.set_state(_ROW, np.asarray(state)[None])

    def sample_goal(self, rng: np.random.Generator) -> Array:
        """Draw a goal from the train range of ``target.position`` until it is clear of the walls."""
        place = self.factors["target.position"]
        while True:
            values = {**self.variation, "target.position": place.sample_train(rng)}
            if all(c.holds(values) for c in self.factors.constraints if "target.position" in c.names):
                return np.array(values["target.position"])

    def set_goal(self, goal: Array) -> None:
        """Set the goal to a position (2,), or to the position of a state (4,) or (6,).

        Raises:
            InvalidValueError: the length is another, or the agent at the goal would lie inside a wall.
        """
        self._check_begun()
        self._simulator.set_goal(_ROW, np.asarray(goal)[None])

    def goal_state(self) -> Array:
        """The agent at the goal, at rest: (4,) float64."""
        self._check_begun()
        return np.concatenate([self._simulator.goal[0], np.zeros(2)])

    def goal_pixels(self) -> Array:
        """The picture with the agent at the goal: (height, width, 3) uint8."""
        self._check_begun()
        pixels: Array = self._simulator.goal_pixels()[0]
        return pixels
