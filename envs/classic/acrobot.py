"""swm/Acrobot-v0."""

from dataclasses import dataclass

import numpy as np
from gymnasium import spaces

from swm.core.factors import Factor, FactorSpace, Variation
from swm.core.protocols import Array
from swm.envs.classic.base import ClassicEnv
from swm.envs.classic.factors import BLACK, WHITE, color, geometric, physical, size, start
from swm.envs.classic.geometry import angle_of, draw_rectangle, wrap
from swm.envs.drawing import Canvas

MAX_SPEED = np.array([4 * np.pi, 9 * np.pi])
"""The largest angular velocities of the two joints, rad/s."""
SUCCESS_DISTANCE = 0.2
_MARGIN = 0.2
"""What the picture shows around the arm's reach, in m."""


def _links() -> tuple[Factor, ...]:
    found: list[Factor] = []
    for name, which in (("upper", "first"), ("lower", "second")):
        found += [
            geometric(f"{name}.length", 0.5, 1.5, 1.0, "m", f"length of the {which} link"),
            physical(f"{name}.mass", 0.5, 1.5, 1.0, "kg", f"mass of the {which} link"),
            physical(f"{name}.center", 0.25, 0.75, 0.5, "", f"centre of mass of the {which} link, as a share of it"),
            physical(f"{name}.inertia", 0.5, 1.5, 1.0, "kg m²", f"moment of inertia of the {which} link"),
            start(f"{name}.angle", (-1.0, 1.0), (-0.1, 0.1), "rad", f"angle of the {which} joint at the start"),
            start(f"{name}.velocity", (-1.0, 1.0), (-0.1, 0.1), "rad/s", f"velocity of the {which} joint at the start"),
            color(f"{name}.color", (0, 204, 204), f"colour of the {which} link"),
        ]
    return tuple(found)


FACTORS = FactorSpace(
    (
        physical("world.gravity", 4.9, 14.7, 9.8, "m/s²", "acceleration of gravity"),
        physical("world.timestep", 0.1, 0.3, 0.2, "s", "time that one step takes"),
        color("background.color", WHITE, "colour of the background"),
        *_links(),
        size("link.thickness", 0.12, 0.36, 0.2, "m", "thickness of both links as they are drawn"),
        physical("elbow.torque", 0.5, 1.5, 1.0, "N m", "torque of an action, to either side"),
        physical("elbow.friction", 0.0, 0.1, 0.0, "N m s/rad", "viscous friction of the second joint"),
        physical("shoulder.friction", 0.0, 0.2, 0.0, "N m s/rad", "viscous friction of the first joint"),
        color("joint.color", (204, 204, 0), "colour of both joints"),
        geometric("line.height", 0.2, 0.9, 0.5, "", "height of the line above the shoulder, as a share of the reach"),
        color("line.color", BLACK, "colour of the line"),
    )
)
"""Every factor of swm/Acrobot-v0."""


@dataclass(frozen=True, kw_only=True)
class Arm:
    """What the motion needs of the factors, with the names of the equations."""

    inertia: tuple[float, float]
    mass2: float
    length1: float
    center1: float
    center2: float
    moment1: float
    """m1 lc1^2"""
    coupling: float
    """m2 l1 lc2"""
    weight1: float
    """(m1 lc1 + m2 l1) g"""
    weight2: float
    """m2 lc2 g"""
    friction: tuple[float, float]
    """Of shoulder and elbow."""

    @classmethod
    def of(cls, values: Variation) -> "Arm":
        """Derive them."""
        m1, m2, l1 = values["upper.mass"], values["lower.mass"], values["upper.length"]
        lc1, lc2 = values["upper.center"] * l1, values["lower.center"] * values["lower.length"]
        gravity = values["world.gravity"]
        return cls(
            inertia=(values["upper.inertia"], values["lower.inertia"]),
            mass2=m2,
            length1=l1,
            center1=lc1,
            center2=lc2,
            moment1=m1 * lc1**2,
            coupling=m2 * l1 * lc2,
            weight1=(m1 * lc1 + m2 * l1) * gravity,
            weight2=m2 * lc2 * gravity,
            friction=(values["shoulder.friction"], values["elbow.friction"]),
        )

    def derivative(self, state: Array, torque: float) -> Array:
        """Time derivative of angles and velocities under a torque at the elbow: (4,)."""
        angle1, angle2, speed1, speed2 = state
        inertia1, inertia2 = self.inertia
        cos2, sin2 = np.cos(angle2), np.sin(angle2)
        own = self.center2**2
        d1 = self.moment1 + self.mass2 * (self.length1**2 + own + 2 * self.length1 * self.center2 * cos2)
        d1 = d1 + inertia1 + inertia2
        d2 = self.mass2 * (own + self.length1 * self.center2 * cos2) + inertia2
        phi2 = self.weight2 * np.cos(angle1 + angle2 - np.pi / 2.0)
        phi1 = -self.coupling * speed2**2 * sin2 - 2 * self.coupling * speed2 * speed1 * sin2
        phi1 = phi1 + self.weight1 * np.cos(angle1 - np.pi / 2) + phi2 + self.friction[0] * speed1
        push = torque - self.friction[1] * speed2
        turn = push + d2 / d1 * phi1 - self.coupling * speed1**2 * sin2 - phi2
        acceleration2 = turn / (self.mass2 * own + inertia2 - d2**2 / d1)
        acceleration1 = -(d2 * acceleration2 + phi1) / d1
        return np.array([speed1, speed2, acceleration1, acceleration2])

    def integrate(self, state: Array, torque: float, step: float) -> Array:
        """One step of the classical Runge-Kutta method: (4,), before wrapping and clipping."""
        k1 = self.derivative(state, torque)
        k2 = self.derivative(state + step / 2.0 * k1, torque)
        k3 = self.derivative(state + step / 2.0 * k2, torque)
        k4 = self.derivative(state + step * k3, torque)
        moved: Array = state + step / 6.0 * (k1 + 2 * k2 + 2 * k3 + k4)
        return moved


class AcrobotEnv(ClassicEnv):
    """Swing the tip of a two-link arm above a line, with a motor at the elbow alone.

    ## Description
    The acrobot of Sutton (1996) with the motion of Gymnasium's Acrobot-v1: the equations of Sutton
    and Barto's book, integrated with one fourth-order Runge-Kutta step; angles are wrapped, angular
    velocities clipped. Viscous friction in both joints is 0 by default. Centres of mass and the line
    scale with the lengths of the links.

    ## Action Space
    ``Discrete(3)``: torque at the elbow of minus ``elbow.torque`` (0), none (1), or plus (2).

    ## Observation Space
    | component | shape | dtype | content | unit |
    |---|---|---|---|---|
    | ``pixels`` | (height, width, 3) | uint8 | arm and line, RGB | - |
    | ``state`` [0:2] | (6,) | float64 | cosine and sine of the first angle, 0 is straight down | - |
    | ``state`` [2:4] | | float64 | cosine and sine of the second angle, 0 is a straight arm | - |
    | ``state`` [4:6] | | float64 | angular velocities of both joints | rad/s |

    `get_state` is both angles, in [-pi, pi], and both angular velocities, float64 of shape (4,).
    The goal state is both angles, float64 of shape (2,).

    ## Rewards
    -1 for every step, 0 for the one that terminates the episode.

    ## Starting State
    All four numbers are drawn from [-0.1, 0.1]; the goal is the upright arm.

    ## Episode End
    Terminates when the tip is above the line. ``info["success"]``: a goal whose tip is above the
    line is reached by every position of the arm whose tip is; any other goal when elbow and tip are
    both less than 0.2 m from where they are at the goal. ``gymnasium.make`` truncates after 500 steps.

    ## Arguments
    ``image_size``: pixels of a square picture or (height, width), default 64.
    ``render_mode``: ``"rgb_array"`` (default) or None.

    ## Factors
    24 factors in the groups ``world``, ``background``, ``upper``, ``lower``, ``link``, ``elbow``,
    ``shoulder``, ``joint`` and ``line``; `factors` has their ranges.

    ## Version History
    - v0: first version.
    """

    factors = FACTORS
    state_names: tuple[str, ...] = ("cos_angle1", "sin_angle1", "cos_angle2", "sin_angle2", "velocity1", "velocity2")
    goal_names: tuple[str, ...] = ("angle1", "angle2")
    success_radius = SUCCESS_DISTANCE

    def __init__(self, image_size: int | tuple[int, int] = 64, render_mode: str | None = "rgb_array") -> None:
        """Make the environment; see the class for the arguments."""
        super().__init__(
            image_size,
            render_mode,
            action_space=spaces.Discrete(3),
            state_high=(1.0, 1.0, 1.0, 1.0, *MAX_SPEED),
            goal_low=(-np.pi, -np.pi),
            goal_high=(np.pi, np.pi),
        )

    def _prepare(self, values: Variation) -> tuple[Array, Array]:
        self._arm = Arm.of(values)
        self._lengths = values["upper.length"], values["lower.length"]
        self._line = values["line.height"] * sum(self._lengths)
        names = ("upper.angle", "lower.angle", "upper.velocity", "lower.velocity")
        return np.array([values[name] for name in names]), np.array([np.pi, 0.0])

    def _move(self, state: Array, action: Array) -> tuple[Array, float, bool]:
        torque = (int(action) - 1) * self._values["elbow.torque"]
        moved = self._arm.integrate(state, torque, self._values["world.timestep"])
        moved[:2] = [wrap(angle) for angle in moved[:2]]
        moved[2:] = np.clip(moved[2:], -MAX_SPEED, MAX_SPEED)
        terminated = self._height(moved) > self._line
        return moved, 0.0 if terminated else -1.0, terminated

    def _height(self, angles: Array) -> float:
        """Height of the tip above the shoulder."""
        upper, lower = self._lengths
        return float(-upper * np.cos(angles[0]) - lower * np.cos(angles[1] + angles[0]))

    def _points(self, angles: Array) -> tuple[Array, Array]:
        """Elbow and tip, x to the right and y up from the shoulder."""
        upper, lower = self._lengths
        both = angles[0] + angles[1]
        elbow = upper * np.array([np.sin(angles[0]), -np.cos(angles[0])])
        return elbow, elbow + lower * np.array([np.sin(both), -np.cos(both)])

    def _distance(self, state: Array, goal: Array) -> float:
        if self._height(goal) > self._line:
            below = self._line - self._height(state)
            return 0.0 if below < 0 else SUCCESS_DISTANCE + below
        gaps = [a - b for a, b in zip(self._points(state), self._points(goal), strict=True)]
        return float(max(np.hypot(*gap) for gap in gaps))

    def _state_at(self, goal: Array) -> Array:
        return np.concatenate([goal, [0.0, 0.0]])

    def _goal_of(self, state: Array) -> Array:
        return state[:2]

    def sample_goal(self, rng: np.random.Generator) -> Array:
        """Draw a position of the arm whose tip is above the line."""
        while True:
            goal = rng.uniform(-np.pi, np.pi, 2)
            if self._height(goal) > self._line:
                return goal

    def _shown(self, state: Array) -> Array:
        cos, sin = np.cos(state[:2]), np.sin(state[:2])
        return np.array([cos[0], sin[0], cos[1], sin[1], state[2], state[3]])

    def _hidden(self, shown: Array) -> Array:
        return np.array([angle_of(*shown[:2]), angle_of(*shown[2:4]), *shown[4:]])

    def _draw_backdrop(self) -> Canvas:
        values = self._values
        canvas = self._view((0.0, 0.0), sum(self._lengths) + _MARGIN, values["background.color"])
        canvas.capsule((-9.0, self._line), (9.0, self._line), 0.025, values["line.color"])
        return canvas

    def _draw(self, canvas: Canvas, state: Array) -> None:
        values = self._values
        half = values["link.thickness"] / 2
        elbow, tip = self._points(state)
        shoulder, both = np.zeros(2), state[0] + state[1]
        for name, begin, end, angle in (("upper", shoulder, elbow, state[0]), ("lower", elbow, tip, both)):
            sides = half, values[f"{name}.length"] / 2
            draw_rectangle(canvas, (begin + end) / 2, sides, angle, values[f"{name}.color"])
            canvas.disc(begin.tolist(), half, values["joint.color"])
