"""swm/PushT-v0."""

from math import tau
from typing import Any

import numpy as np
from gymnasium import spaces

from swm.core.errors import InvalidValueError, ShapeError, UnknownNameError
from swm.core.factors import Variation
from swm.core.protocols import Array
from swm.envs.base import FactoredEnv
from swm.envs.push_t.factors import FACTORS, GOAL_FREE, goal_pose, start_pose
from swm.envs.push_t.geometry import SIZE
from swm.envs.push_t.goal import RADIUS, Errors, errors
from swm.envs.push_t.render import Scene
from swm.envs.push_t.shapes import SHAPES
from swm.envs.push_t.simulator import Simulator, wrap

SUCCESSES = ("pose", "block")
MAX_SPEED = 1000.0
_MAX_BLOCK_SPEED = 1e5
_LOW = np.array([0.0, 0.0, 0.0, 0.0, 0.0, -MAX_SPEED, -MAX_SPEED])
_HIGH = np.array([SIZE, SIZE, SIZE, SIZE, tau, MAX_SPEED, MAX_SPEED])
_GOAL_LENGTH, _STATE_LENGTH, _FULL_LENGTH = 5, 7, 10


class PushTEnv(FactoredEnv):
    """Push a block to a place and an angle with a disc that cannot pull.

    ## Description
    The arena is a square of 512 by 512 px, x to the right and y down, whatever the resolution of the
    pictures. The agent is kinematic: a critically damped controller moves it towards a target, and
    no contact stops it, not even a wall; its centre stays within the picture. The block is a T with
    a bar of 120 by 30 px and a stem of 90 px. It moves only while it is pushed, turns about its
    centre of gravity, and stays within walls along the border. One step is 0.1 s, ten steps of the
    physics. Everything is drawn directly at `image_size`.

    ## Action Space
    ``Box(-1, 1, (2,), float32)``: where the agent's target lies along x and y, relative to the agent
    at the beginning of the step, as a share of ``agent.reach`` (100 px). Actions outside are clipped.

    ## Observation Space
    | component | shape | dtype | content | unit |
    |---|---|---|---|---|
    | ``pixels`` | (height, width, 3) | uint8 | the arena from above, RGB | - |
    | ``state`` [0:2] | (7,) | float64 | x, y of the agent, 0 to 512 | px |
    | ``state`` [2:4] | | float64 | x, y of the block's origin, 0 to 512: the middle of a T's top | px |
    | ``state`` [4] | | float64 | angle of the block, 0 to 2 pi, clockwise in the picture | rad |
    | ``state`` [5:7] | | float64 | velocity x, y of the agent, -1000 to 1000 | px/s |

    With ``block.slide`` at its default of 0 these seven numbers are the whole state. `get_state`
    appends the velocity x, y of the block's centre of gravity and its angular velocity, float64 of
    shape (10,), which are 0 unless the block slides. The goal state is x, y of the agent, x, y and
    angle of the block, float64 of shape (5,).

    ## Rewards
    Minus the distance to the goal after the step, in widths of the arena.

    ## Starting State
    Start and goal are drawn apart from each other: agent in [50, 450]^2, block in [100, 400]^2 at
    any angle but upright within 22.5 degrees; nothing touches, and the block is at least 40 px or
    40 degrees away from its goal. The agent is at rest.

    ## Episode End
    Never terminates. A block is near its goal when the position error is below 20 px and the angle
    error below pi / 9; a symmetric block may be at any angle that looks the same. With
    ``success="pose"`` the position error is that of agent and block together, as in DINO-WM and
    stable-worldmodel: the length of a vector of four numbers. With ``success="block"`` it is the
    block's alone. ``info["success"]`` and ``info["distance"]`` follow the argument;
    ``info["success_pose"]`` and ``info["success_block"]`` are always there. The distance is the
    larger of the position error and the angle error at 20 px per pi / 9, so that success is a
    distance below 20 px. Truncation is left to the caller; ``gymnasium.make`` truncates after 300
    steps.

    ## Arguments
    ``image_size``: pixels of a square picture or (height, width), default 64.
    ``render_mode``: ``"rgb_array"`` (default) or None.
    ``success``: ``"pose"`` (default) or ``"block"``.

    ## Factors
    23 factors in the groups ``agent``, ``block``, ``goal``, ``wall`` and ``background``; `factors`
    has their ranges. Every reset draws the positions and the block's angles of start and goal. There
    is no factor for the block's mass: nothing but the block yields to a force, so it has no effect.

    ## Version History
    - v0: first version.
    """

    factors = FACTORS
    state_names: tuple[str, ...] = ("agent_x", "agent_y", "block_x", "block_y", "block_angle", "agent_vx", "agent_vy")
    goal_names: tuple[str, ...] = ("agent_x", "agent_y", "block_x", "block_y", "block_angle")

    def __init__(
        self,
        image_size: int | tuple[int, int] = 64,
        render_mode: str | None = "rgb_array",
        success: str = "pose",
    ) -> None:
        """Make the environment; see the class for the arguments."""
        super().__init__(image_size, render_mode)
        if success not in SUCCESSES:
            raise UnknownNameError("success", success, SUCCESSES)
        self._success = success
        pixels = spaces.Box(0, 255, (*self.image_size, 3), np.uint8)
        self.observation_space = spaces.Dict({"pixels": pixels, "state": spaces.Box(_LOW, _HIGH, dtype=np.float64)})
        self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.goal_space = spaces.Box(_LOW[:_GOAL_LENGTH], _HIGH[:_GOAL_LENGTH], dtype=np.float64)

    def _begin(self, variation: Variation, seed: int) -> None:
        start = np.zeros(_FULL_LENGTH)
        start[:_GOAL_LENGTH] = _wrapped(start_pose(variation))
        start[_GOAL_LENGTH:_STATE_LENGTH] = variation["agent.velocity"]
        self._shape, self._scale = SHAPES[variation["block.shape"]], variation["block.scale"]
        self._simulator = Simulator(variation, start)
        self._scene = Scene(variation, self.image_size, with_agent=self._success == "pose")
        self._place_goal(goal_pose(variation))

    def _advance(self, action: Array) -> tuple[float, bool]:
        self._simulator.step(action)
        return -self._distance(self._errors()) / SIZE, False

    def _observe(self) -> dict[str, Array]:
        state = np.array(self._simulator.state[:_STATE_LENGTH])
        return {"pixels": self._scene.draw(self._simulator.state), "state": state}

    def _errors(self) -> Errors:
        return errors(self._simulator.state, self._goal_values, self._shape, self._scale)

    def _distance(self, found: Errors) -> float:
        return found.pose_distance if self._success == "pose" else found.block_distance

    def _goal(self) -> tuple[Array, bool, float]:
        distance = self._distance(self._errors())
        return np.array(self._goal_values), distance < RADIUS, distance

    def _info(self) -> dict[str, Any]:
        found = self._errors()
        distance = self._distance(found)
        return {
            "variation": self.variation,
            "goal": np.array(self._goal_values),
            "success": distance < RADIUS,
            "success_pose": found.pose_distance < RADIUS,
            "success_block": found.block_distance < RADIUS,
            "distance": distance,
        }

    def get_state(self) -> Array:
        """The observed state, and the velocities of a block that slides: (10,) float64."""
        self._check_begun()
        return np.array(self._simulator.state)

    def set_state(self, state: Array) -> None:
        """Continue from a state of length 10, or 7 with the block at rest.

        Raises:
            InvalidValueError: the length is another, or a number is out of range.
        """
        self._check_begun()
        given = _checked("state", state, (_STATE_LENGTH, _FULL_LENGTH))
        if (np.abs(given[_STATE_LENGTH:]) > _MAX_BLOCK_SPEED).any():
            raise InvalidValueError(f"state: the block's velocities {given[_STATE_LENGTH:].tolist()} are too large.")
        self._simulator.state[:] = [*given.tolist(), *[0.0] * (_FULL_LENGTH - len(given))]

    def sample_goal(self, rng: np.random.Generator) -> Array:
        """Draw a goal from the train ranges until nothing touches."""
        while True:
            drawn = {n: FACTORS[n].sample_train(rng) for n in ("goal.agent", "goal.position", "goal.angle")}
            values = {**self.variation, **drawn}
            if GOAL_FREE.holds(values):
                return _wrapped(goal_pose(values))

    def set_goal(self, goal: Array) -> None:
        """Set the goal to a goal (5,), or to the poses of a state (7,) or (10,).

        Raises:
            InvalidValueError: the length is another, or a number is out of range.
        """
        self._check_begun()
        given = _checked("goal", goal, (_GOAL_LENGTH, _STATE_LENGTH, _FULL_LENGTH))
        self._place_goal(given[:_GOAL_LENGTH])

    def _place_goal(self, goal: Array) -> None:
        self._goal_values: list[float] = _wrapped(goal).tolist()
        self._scene.set_goal(goal)

    def goal_state(self) -> Array:
        """Agent and block at the goal, at rest: (10,) float64."""
        self._check_begun()
        return np.array([*self._goal_values, *[0.0] * (_FULL_LENGTH - _GOAL_LENGTH)])

    def goal_pixels(self) -> Array:
        """The picture with agent and block at the goal: (height, width, 3) uint8."""
        self._check_begun()
        return self._scene.draw(self._goal_values)


def _wrapped(pose: Array) -> Array:
    wrapped: Array = pose.copy()
    wrapped[4] = wrap(float(pose[4]))
    return wrapped


def _checked(what: str, given: Array, lengths: tuple[int, ...]) -> Array:
    """The vector with its angle wrapped; refused unless it is finite, of an allowed length and in range."""
    vector = np.asarray(given, np.float64)
    if vector.ndim != 1 or len(vector) not in lengths:
        raise ShapeError(what, " or ".join(f"({length},)" for length in lengths), vector.shape)
    if not np.isfinite(vector).all():
        raise InvalidValueError(f"{what}: expected finite numbers, got {vector.tolist()}.")
    vector = _wrapped(vector)
    seen = vector[:_STATE_LENGTH]
    if not ((seen >= _LOW[: len(seen)]) & (seen <= _HIGH[: len(seen)])).all():
        raise InvalidValueError(
            f"{what} {vector.tolist()}: positions must lie in [0, {SIZE:g}], "
            f"the agent's velocities in [-{MAX_SPEED:g}, {MAX_SPEED:g}]."
        )
    return vector
