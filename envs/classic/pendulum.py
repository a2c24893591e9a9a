"""swm/Pendulum-v0."""

from collections.abc import Mapping

import numpy as np
from gymnasium import spaces

from swm.core.factors import Constraint, Factor, FactorSpace, Variation
from swm.core.protocols import Array
from swm.core.spaces import Value, scalar
from swm.envs.classic.base import ClassicEnv
from swm.envs.classic.factors import BLACK, WHITE, color, geometric, marker, physical, size, start
from swm.envs.classic.geometry import angle_of, difference, draw_rectangle
from swm.envs.drawing import Canvas

FASTEST = 12.0
"""The largest of all speed limits, rad/s."""
SUCCESS_DISTANCE = 0.15
SPEED_WEIGHT = 0.2
"""How many rad one rad/s of speed counts in the distance."""


def _apart(values: Mapping[str, Value]) -> bool:
    turned = abs(difference(values["rod.angle"], values["target.angle"]))
    return bool(max(turned, SPEED_WEIGHT * abs(values["rod.velocity"])) >= 2 * SUCCESS_DISTANCE)


FACTORS = FactorSpace(
    (
        physical("world.gravity", 5.0, 15.0, 10.0, "m/s²", "acceleration of gravity"),
        physical("world.timestep", 0.025, 0.1, 0.05, "s", "time that one step takes"),
        color("background.color", WHITE, "colour of the background"),
        start("rod.angle", (-np.pi, np.pi), (-2.8, 2.8), "rad", "angle at the start, from upright", default=2.8),
        start("rod.velocity", (-4.0, 4.0), (-1.0, 1.0), "rad/s", "angular velocity at the start"),
        physical("rod.mass", 0.5, 1.5, 1.0, "kg", "mass of the rod"),
        geometric("rod.length", 0.5, 1.5, 1.0, "m", "length of the rod"),
        physical("rod.max_speed", 4.0, FASTEST, 8.0, "rad/s", "angular velocity that the rod never exceeds"),
        color("rod.color", (204, 77, 77), "colour of the rod"),
        size("rod.thickness", 0.12, 0.4, 0.2, "m", "thickness of the rod as it is drawn"),
        physical("hub.torque", 1.0, 4.0, 2.0, "N m", "torque of the largest action"),
        physical("hub.friction", 0.0, 0.3, 0.0, "N m s/rad", "viscous friction of the hub"),
        color("hub.color", BLACK, "colour of the hub"),
        Factor(
            name="target.angle",
            kind="task",
            space=scalar(-np.pi, np.pi),
            default=0.0,
            unit="rad",
            summary="angle of the goal, from upright; the reward measures angles from it too",
        ),
        *marker("whether a dot beyond the rod's end shows the goal (1) or not (0)"),
    ),
    (
        Constraint(
            ("rod.angle", "rod.velocity", "target.angle"),
            _apart,
            f"the start is at a distance of at least {2 * SUCCESS_DISTANCE:g} rad from the goal",
        ),
    ),
)
"""Every factor of swm/Pendulum-v0."""


class PendulumEnv(ClassicEnv):
    """Swing a rod up and hold it upright, with a motor too weak to lift it at once.

    ## Description
    The motion of Gymnasium's Pendulum-v1: a semi-implicit Euler step of a uniform rod that turns
    about its end, ``speed += (3 g / (2 l) sin(angle) + 3 / (m l^2) torque) dt``, clipped to
    ``rod.max_speed``, then ``angle += speed dt``. Viscous friction is 0 by default. Gymnasium's
    picture also shows the last torque as an arrow; this one shows the state alone.

    ## Action Space
    ``Box(-1, 1, (1,), float32)``: the torque, counter-clockwise, as a share of ``hub.torque``, which
    is 2 N m by default.

    ## Observation Space
    | component | shape | dtype | content | unit |
    |---|---|---|---|---|
    | ``pixels`` | (height, width, 3) | uint8 | the rod, RGB | - |
    | ``state`` [0:2] | (3,) | float64 | cosine and sine of the angle, 0 is upright, counter-clockwise | - |
    | ``state`` [2] | | float64 | angular velocity, -12 to 12 | rad/s |

    `get_state` is the angle, which counts whole turns, and the angular velocity, float64 of shape
    (2,); so is the goal state.

    ## Rewards
    ``-(angle^2 + 0.1 velocity^2 + 0.001 torque^2)`` before the step, the angle in [-pi, pi] from
    ``target.angle``.

    ## Starting State
    An angle from [-2.8, 2.8] rad and an angular velocity from [-1, 1] rad/s, at a distance of at
    least 0.3 rad from the goal, which is at rest at ``target.angle``. (Gymnasium draws the angle
    from the whole circle; here the part around straight down is held out.)

    ## Episode End
    Never terminates. ``info["success"]`` is true while the angle is less than 0.15 rad, and the
    angular velocity less than 0.75 rad/s, from that of the goal. The distance is the larger of the
    two in rad, a velocity of 1 rad/s counted as 0.2 rad. ``gymnasium.make`` truncates after 200 steps.

    ## Arguments
    ``image_size``: pixels of a square picture or (height, width), default 64.
    ``render_mode``: ``"rgb_array"`` (default) or None.

    ## Factors
    16 factors in the groups ``world``, ``background``, ``rod``, ``hub`` and ``target``; `factors`
    has their ranges.

    ## Version History
    - v0: first version.
    """

    factors = FACTORS
    state_names: tuple[str, ...] = ("cos_angle", "sin_angle", "velocity")
    goal_names: tuple[str, ...] = ("angle", "velocity")
    success_radius = SUCCESS_DISTANCE

    def __init__(self, image_size: int | tuple[int, int] = 64, render_mode: str | None = "rgb_array") -> None:
        """Make the environment; see the class for the arguments."""
        super().__init__(
            image_size,
            render_mode,
            action_space=spaces.Box(-1.0, 1.0, (1,), np.float32),
            state_high=(1.0, 1.0, FASTEST),
            goal_low=(-np.inf, -FASTEST),
            goal_high=(np.inf, FASTEST),
        )

    def _prepare(self, values: Variation) -> tuple[Array, Array]:
        self._fall = 3 * values["world.gravity"] / (2 * values["rod.length"])
        self._lever = 3.0 / (values["rod.mass"] * values["rod.length"] ** 2)
        self._torque = np.float32(values["hub.torque"])
        start = np.array([values["rod.angle"], values["rod.velocity"]])
        return start, np.array([values["target.angle"], 0.0])

    def _move(self, state: Array, action: Array) -> tuple[Array, float, bool]:
        values = self._values
        angle, speed = state
        torque = np.float32(action[0]) * self._torque  # in single precision, as Gymnasium has it
        off = difference(angle, values["target.angle"])
        cost = off**2 + 0.1 * speed**2 + 0.001 * torque**2
        turn = self._fall * np.sin(angle) + self._lever * torque - self._lever * values["hub.friction"] * speed
        speed = np.clip(speed + turn * values["world.timestep"], -values["rod.max_speed"], values["rod.max_speed"])
        return np.array([angle + speed * values["world.timestep"], speed]), float(-cost), False

    def _distance(self, state: Array, goal: Array) -> float:
        return float(max(abs(difference(state[0], goal[0])), SPEED_WEIGHT * abs(state[1] - goal[1])))

    def _state_at(self, goal: Array) -> Array:
        return goal.copy()

    def _goal_of(self, state: Array) -> Array:
        return state

    def sample_goal(self, rng: np.random.Generator) -> Array:
        """Draw an angle of the whole circle, at rest."""
        return np.array([rng.uniform(-np.pi, np.pi), 0.0])

    def _shown(self, state: Array) -> Array:
        return np.array([np.cos(state[0]), np.sin(state[0]), state[1]])

    def _hidden(self, shown: Array) -> Array:
        return np.array([angle_of(*shown[:2]), shown[2]])

    def _draw_backdrop(self) -> Canvas:
        values = self._values
        canvas = self._view((0.0, 0.0), 1.85, values["background.color"])
        if values["target.visible"]:
            angle, _ = self._target
            reach = values["rod.length"] + values["rod.thickness"] / 2 + 0.14
            canvas.disc((-reach * np.sin(angle), reach * np.cos(angle)), 0.1, values["target.color"])
        return canvas

    def _draw(self, canvas: Canvas, state: Array) -> None:
        values = self._values
        angle, length, half = state[0], values["rod.length"], values["rod.thickness"] / 2
        end = length * np.array([-np.sin(angle), np.cos(angle)])
        draw_rectangle(canvas, end / 2, (half, length / 2), angle, values["rod.color"])
        canvas.disc((0.0, 0.0), half, values["rod.color"])
        canvas.disc(end.tolist(), half, values["rod.color"])
        canvas.disc((0.0, 0.0), 0.06, values["hub.color"])
