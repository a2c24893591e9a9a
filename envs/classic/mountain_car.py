"""swm/MountainCar-v0 and swm/MountainCarContinuous-v0."""

import math
from typing import Any

import numpy as np
from gymnasium import spaces

from swm.core.factors import Factor, FactorSpace, Variation
from swm.core.protocols import Array
from swm.core.spaces import ActionSpace, scalar
from swm.envs.classic.base import ClassicEnv
from swm.envs.classic.factors import BLACK, WHITE, color, physical, size, start
from swm.envs.classic.geometry import draw_rectangle
from swm.envs.drawing import Canvas

LEFT, RIGHT = -1.2, 0.6
"""The ends of the valley; the left one is a wall that the car does not bounce off."""
FASTEST = 0.105
"""The largest of all speed limits, per step."""
SUCCESS_DISTANCE = 0.05
_VIEW, _HALF = (-0.3, 0.65), 1.1
_CAR = np.array([0.13, 0.065])
"""Half of the car's length and height as it is drawn."""


def make_factors(force: float, flag: float) -> FactorSpace:
    """The factors, with the defaults in which the two environments differ."""
    drawn = (
        color("background.color", WHITE, "colour of the background"),
        color("hill.color", BLACK, "colour of the hill's outline"),
        size("hill.thickness", 0.02, 0.1, 0.035, "", "thickness of the hill's outline"),
        color("car.color", BLACK, "colour of the car"),
        size("car.size", 0.6, 1.8, 1.0, "", "size of the car as it is drawn, relative to the default"),
        color("wheel.color", (128, 128, 128), "colour of the wheels"),
        color("flag.color", (204, 204, 0), "colour of the flag"),
        size("flag.height", 0.15, 0.45, 0.28, "", "height of the flag's pole"),
    )
    where = Factor(
        name="flag.position",
        kind="task",
        space=scalar(0.3, 0.55),
        default=flag,
        summary="where the flag stands: the goal, and where the episode terminates",
    )
    return FactorSpace(
        (
            physical("world.gravity", 0.00125, 0.00375, 0.0025, "per step²", "acceleration down the steepest slope"),
            start("car.position", (-1.1, 0.2), (-0.6, -0.4), "", "where the car starts", default=-0.5),
            start("car.velocity", (-0.05, 0.05), (0.0, 0.0), "per step", "velocity of the car at the start"),
            physical("car.force", force / 2, 1.5 * force, force, "per step²", "acceleration by a full push"),
            physical("car.max_speed", 0.04, FASTEST, 0.07, "per step", "speed that the car never exceeds"),
            physical("car.drag", 0.0, 0.01, 0.0, "", "share of the velocity that is lost each step"),
            where,
            *drawn,
        )
    )


class MountainCarEnv(ClassicEnv):
    """Drive an underpowered car out of a valley, to the flag.

    ## Description
    The mountain car of Moore (1990) and Sutton (1996) with the motion of Gymnasium's MountainCar-v0:
    ``velocity += push force - gravity cos(3 position)``, clipped to ``car.max_speed``, then
    ``position += velocity``, kept between -1.2 and 0.6. ``car.drag``, 0 by default, takes a share of
    the velocity away.

    ## Action Space
    ``Discrete(3)``: push to the left (0), not at all (1), or to the right (2).

    ## Observation Space
    | component | shape | dtype | content | unit |
    |---|---|---|---|---|
    | ``pixels`` | (height, width, 3) | uint8 | the valley, RGB | - |
    | ``state`` [0] | (2,) | float64 | position, -1.2 to 0.6; the bottom is at about -0.52 | - |
    | ``state`` [1] | | float64 | velocity | per step |

    `get_state` is the same vector. The goal state is a position, float64 of shape (1,).

    ## Rewards
    -1 for every step.

    ## Starting State
    At rest at a position from [-0.6, -0.4]; the goal is the flag.

    ## Episode End
    Terminates when the car is at or beyond the flag and does not move back. ``info["success"]``: a
    goal at or beyond the flag is reached by every position at or beyond the flag, any other goal
    below a distance of 0.05. The flag stays when `set_goal` sets another goal.
    ``gymnasium.make`` truncates after 300 steps.

    ## Arguments
    ``image_size``: pixels of a square picture or (height, width), default 64.
    ``render_mode``: ``"rgb_array"`` (default) or None.

    ## Factors
    15 factors in the groups ``world``, ``car``, ``flag``, ``background``, ``hill`` and ``wheel``;
    `factors` has their ranges.

    ## Version History
    - v0: first version.
    """

    factors = make_factors(force=0.001, flag=0.5)
    state_names: tuple[str, ...] = ("position", "velocity")
    goal_names: tuple[str, ...] = ("position",)
    success_radius = SUCCESS_DISTANCE
    _number: type[float] | type[np.float32] = float
    """The precision of the motion."""

    def __init__(self, image_size: int | tuple[int, int] = 64, render_mode: str | None = "rgb_array") -> None:
        """Make the environment; see the class for the arguments."""
        super().__init__(
            image_size,
            render_mode,
            action_space=self._actions(),
            state_low=self._rounded(LEFT, -FASTEST),
            state_high=self._rounded(RIGHT, FASTEST),
            goal_low=self._rounded(LEFT),
            goal_high=self._rounded(RIGHT),
        )

    def _actions(self) -> ActionSpace:
        return spaces.Discrete(3)

    def _rounded(self, *numbers: float) -> Array:
        """Numbers as the motion knows them, float64."""
        return np.array(numbers, self._number).astype(np.float64)

    def _prepare(self, values: Variation) -> tuple[Array, Array]:
        start = self._rounded(values["car.position"], values["car.velocity"])
        flag = self._rounded(values["flag.position"])
        self._flag = float(flag[0])
        return start, flag

    def _move(self, state: Array, action: Array) -> tuple[Array, float, bool]:
        position, velocity = state.tolist()
        moved, terminated = self._drive(position, velocity, int(action) - 1)
        return moved, -1.0, terminated

    def _drive(self, position: Any, velocity: Any, push: Any) -> tuple[Array, bool]:
        """One step, in the arithmetic of the numbers' type: the state, and whether it is at the flag for good."""
        values = self._values
        slope = values["world.gravity"] * math.cos(3 * position)
        velocity = velocity + (push * values["car.force"] - slope) - values["car.drag"] * velocity
        velocity = min(max(velocity, -values["car.max_speed"]), values["car.max_speed"])
        position = min(max(position + velocity, LEFT), RIGHT)
        if position == LEFT and velocity < 0:
            velocity = 0.0
        return self._rounded(position, velocity), bool(position >= self._flag and velocity >= 0)

    def _distance(self, state: Array, goal: Array) -> float:
        if goal[0] < self._flag:
            return float(abs(state[0] - goal[0]))
        return 0.0 if state[0] >= self._flag else float(SUCCESS_DISTANCE + self._flag - state[0])

    def _state_at(self, goal: Array) -> Array:
        return np.array([goal[0], 0.0])

    def _goal_of(self, state: Array) -> Array:
        return state[:1]

    def sample_goal(self, rng: np.random.Generator) -> Array:
        """Draw a position of the valley, up to the flag."""
        return rng.uniform([LEFT], [self._flag])

    def _draw_backdrop(self) -> Canvas:
        values = self._values
        canvas = self._view(_VIEW, _HALF, values["background.color"])
        half = values["hill.thickness"] / 2
        canvas.fill(lambda x, y: _outline(x, y) - half, [(-9.0, 0.1), (9.0, 1.0)], half, values["hill.color"])
        x, foot = self._flag, float(_height(self._flag))
        top = foot + values["flag.height"]
        canvas.capsule((x, foot), (x, top), 0.012, np.array(BLACK))
        corners = np.array([(x, top), (x, top - 0.12), (x + 0.17, top - 0.06)])
        canvas.polygons([corners], values["flag.color"])
        return canvas

    def _draw(self, canvas: Canvas, state: Array) -> None:
        values = self._values
        scale, x = values["car.size"], state[0]
        angle = math.atan(_slope(x))
        along, up = np.array([math.cos(angle), math.sin(angle)]), np.array([-math.sin(angle), math.cos(angle)])
        wheel = 0.055 * scale
        ground = np.array([x, _height(x)]) + (values["hill.thickness"] / 2 + wheel) * up
        body = ground + (wheel * 0.4 + _CAR[1] * scale) * up
        draw_rectangle(canvas, body, scale * _CAR, angle, values["car.color"])
        for side in (-0.55, 0.55):
            canvas.disc((ground + side * scale * _CAR[0] * along).tolist(), wheel, values["wheel.color"])


def _height(x: Any) -> Any:
    """Height of the hill, as Gymnasium draws it."""
    return 0.45 * np.sin(3 * x) + 0.55


def _slope(x: Any) -> Any:
    return 1.35 * np.cos(3 * x)


def _outline(x: Array, y: Array) -> Array:
    """Distance to the hill's outline, to first order."""
    gap: Array = np.abs(y - _height(x)) / np.hypot(1.0, _slope(x))
    return gap


class MountainCarContinuousEnv(MountainCarEnv):
    """Drive an underpowered car out of a valley, to the flag, with any force.

    As `MountainCarEnv`, with the motion of Gymnasium's MountainCarContinuous-v0, which computes in
    single precision: state, start and flag are numbers that float32 has.

    ## Action Space
    ``Box(-1, 1, (1,), float32)``: the push as a share of ``car.force``, which is 0.0015 by default.

    ## Observation Space
    As `MountainCarEnv`.

    ## Rewards
    100 for the step that terminates the episode, minus 0.1 times the squared action for every step.

    ## Starting State
    As `MountainCarEnv`; the flag stands at 0.45.

    ## Episode End
    As `MountainCarEnv`; ``gymnasium.make`` truncates after 999 steps.

    ## Arguments
    As `MountainCarEnv`.

    ## Factors
    As `MountainCarEnv`, with other defaults for ``car.force`` and ``flag.position``.

    ## Version History
    - v0: first version.
    """

    factors = make_factors(force=0.0015, flag=0.45)
    _number = np.float32

    def _actions(self) -> ActionSpace:
        return spaces.Box(-1.0, 1.0, (1,), np.float32)

    def _move(self, state: Array, action: Array) -> tuple[Array, float, bool]:
        position, velocity = state.astype(np.float32)
        push = np.float32(action[0])
        moved, terminated = self._drive(position, velocity, push)
        return moved, (100.0 if terminated else 0.0) - math.pow(push, 2) * 0.1, terminated
