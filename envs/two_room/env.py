"""swm/TwoRoom-v0."""

import numpy as np
from gymnasium import spaces

from swm.core.factors import Variation
from swm.core.protocols import Array
from swm.envs.base import FactoredEnv
from swm.envs.two_room.factors import FACTORS
from swm.envs.two_room.geometry import SIZE
from swm.envs.two_room.simulator import STATE_HIGH, STATE_LOW, Simulator

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


class TwoRoomEnv(FactoredEnv):
    """Move a disc through the door of a wall to a goal in one of two rooms.

    ## Description
    The arena is a square of 224 by 224 world units, x to the right and y down, whatever the
    resolution of the pictures. A wall with one to three doors parts it into two rooms. The agent
    is drawn as a disc and collides as the square that bounds the disc; contacts are swept exactly,
    so it passes through no wall at any speed and slides along what it touches. The velocity
    follows the command as ``v' = (1 - drag) v + drag speed action``; with the default drag of 1 the
    agent moves exactly as commanded. Everything is drawn directly at `image_size`.

    ## Action Space
    ``Box(-1, 1, (2,), float32)``: the commanded velocity along x and y as a share of
    ``agent.speed``. Actions outside are clipped. ``agent.actuator_noise`` is added after the
    clipping, and the sum is clipped again.

    ## Observation Space
    | component | shape | dtype | content | unit |
    |---|---|---|---|---|
    | ``pixels`` | (height, width, 3) | uint8 | the arena from above, RGB | - |
    | ``state`` [0:2] | (4,) | float64 | position x, y of the agent's centre, 0 to 224 | world units |
    | ``state`` [2:4] | | float64 | velocity x, y, -10 to 10; 0 along an axis after a contact | world units per step |

    `get_state` appends the key of the actuator noise and the number of steps taken, float64 of
    shape (6,). The goal state is the position x, y, float64 of shape (2,).

    ## Rewards
    Minus the distance from agent to goal after the step, in widths of the arena.

    ## Starting State
    Start and goal are drawn apart from each other in [42, 182]^2, clear of the walls and at least
    32 world units from each other; the agent is at rest.

    ## Episode End
    Never terminates: ``info["success"]`` is true while the agent is less than 16 world units from
    the goal. Truncation is left to the caller; ``gymnasium.make`` truncates after 200 steps.

    ## Arguments
    ``image_size``: pixels of a square picture or (height, width), default 64.
    ``render_mode``: ``"rgb_array"`` (default) or None.

    ## Factors
    21 factors in the groups ``agent``, ``target``, ``wall``, ``door``, ``border`` and
    ``background``; `factors` has their ranges. Every reset draws ``agent.position`` and
    ``target.position``.

    ## Version History
    - v0: first version.
    """

    factors = FACTORS
    state_names: tuple[str, ...] = ("x", "y", "vx", "vy")
    goal_names: tuple[str, ...] = ("x", "y")

    def __init__(self, image_size: int | tuple[int, int] = 64, render_mode: str | None = "rgb_array") -> None:
        """Make the environment; see the class for the arguments."""
        super().__init__(image_size, render_mode)
        self.observation_space = observation_space(self.image_size)
        self.action_space = action_space()
        self.goal_space = goal_space()
        self._simulator = Simulator(1, self.image_size)

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
        while True:
            values = {**self.variation, "target.position": FACTORS["target.position"].sample_train(rng)}
            if all(c.holds(values) for c in FACTORS.constraints if "target.position" in c.names):
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
