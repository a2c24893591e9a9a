"""swm/CartPole-v0."""

import numpy as np
from gymnasium import spaces

from swm.core.factors import Constraint, FactorSpace, Variation
from swm.core.protocols import Array
from swm.envs.classic.base import ClassicEnv
from swm.envs.classic.factors import BLACK, WHITE, color, geometric, marker, physical, size, start
from swm.envs.classic.geometry import draw_rectangle
from swm.envs.drawing import Canvas

X_LIMIT, ANGLE_LIMIT = 2.4, 12 * 2 * np.pi / 360
"""The episode terminates beyond this position, in m, or angle, in rad."""
SUCCESS_DISTANCE = 0.1
_APART = 0.3
_CART = np.array([0.3, 0.18])
"""Half of the cart's width and height, in m, as it is drawn."""

FACTORS = FactorSpace(
    (
        physical("world.gravity", 4.9, 14.7, 9.8, "m/s²", "acceleration of gravity"),
        physical("world.timestep", 0.01, 0.04, 0.02, "s", "time that one step takes"),
        color("background.color", WHITE, "colour of the background"),
        color("track.color", BLACK, "colour of the track"),
        start("cart.position", (-1.0, 1.0), (-0.05, 0.05), "m", "where the cart starts"),
        start("cart.velocity", (-0.5, 0.5), (-0.05, 0.05), "m/s", "velocity of the cart at the start"),
        physical("cart.mass", 0.5, 1.5, 1.0, "kg", "mass of the cart"),
        physical("cart.force", 5.0, 15.0, 10.0, "N", "force of a push, to either side"),
        physical("cart.friction", 0.0, 2.0, 0.0, "N s/m", "viscous friction between cart and track"),
        color("cart.color", BLACK, "colour of the cart"),
        size("cart.size", 0.6, 1.6, 1.0, "", "size of the cart as it is drawn, relative to the default"),
        start("pole.angle", (-0.15, 0.15), (-0.05, 0.05), "rad", "angle of the pole at the start, from upright"),
        start("pole.velocity", (-0.5, 0.5), (-0.05, 0.05), "rad/s", "angular velocity of the pole at the start"),
        geometric(
            "pole.length", 0.25, 0.75, 0.5, "m", "half of the pole's length: from the axle to its centre of mass"
        ),
        physical("pole.mass", 0.05, 0.5, 0.1, "kg", "mass of the pole"),
        physical("pole.friction", 0.0, 0.05, 0.0, "N m s/rad", "viscous friction in the axle"),
        color("pole.color", (202, 152, 101), "colour of the pole"),
        size("pole.thickness", 0.08, 0.26, 0.14, "m", "thickness of the pole as it is drawn"),
        color("axle.color", (129, 132, 203), "colour of the axle"),
        start("target.position", (-1.8, 1.8), (-1.0, 1.0), "m", "where the cart shall stand", default=0.5),
        *marker("whether a mark below the track shows the goal (1) or not (0)"),
    ),
    (
        Constraint(
            ("cart.position", "target.position"),
            lambda values: bool(abs(values["cart.position"] - values["target.position"]) >= _APART),
            f"start and goal are at least {_APART:g} m apart",
        ),
    ),
)
"""Every factor of swm/CartPole-v0."""


class CartPoleEnv(ClassicEnv):
    """Balance a pole on a cart, and bring the cart to a place.

    ## Description
    The cart-pole of Barto, Sutton and Anderson (1983) with the motion of Gymnasium's CartPole-v1:
    explicit Euler steps of the equations that R. V. Florian derives in "Correct equations for the
    dynamics of the cart-pole system" (2005), here with viscous friction, which is 0 by default.

    ## Action Space
    ``Discrete(2)``: push the cart with ``cart.force`` to the left (0) or to the right (1). There is
    no action that does nothing.

    ## Observation Space
    | component | shape | dtype | content | unit |
    |---|---|---|---|---|
    | ``pixels`` | (height, width, 3) | uint8 | the track from -2.6 m to 2.6 m, RGB | - |
    | ``state`` [0] | (4,) | float64 | position of the cart | m |
    | ``state`` [1] | | float64 | velocity of the cart | m/s |
    | ``state`` [2] | | float64 | angle of the pole from upright, clockwise | rad |
    | ``state`` [3] | | float64 | angular velocity of the pole | rad/s |

    `get_state` is the same vector. The goal state is the cart's position and the pole's angle,
    float64 of shape (2,): what a picture shows.

    ## Rewards
    1 for every step, the one that terminates the episode too; 0 for steps from beyond the limits.

    ## Starting State
    All four numbers are drawn from [-0.05, 0.05], the goal from [-1, 1] m with an upright pole, at
    least 0.3 m from the start.

    ## Episode End
    Terminates when the cart is farther than 2.4 m from the middle or the pole more than 12 degrees
    from upright. ``info["success"]`` is true while the cart and the tip of the pole are both less
    than 0.1 m from where they are at the goal. ``gymnasium.make`` truncates after 500 steps.

    ## Arguments
    ``image_size``: pixels of a square picture or (height, width), default 64.
    ``render_mode``: ``"rgb_array"`` (default) or None.

    ## Factors
    22 factors in the groups ``world``, ``background``, ``track``, ``cart``, ``pole``, ``axle`` and
    ``target``; `factors` has their ranges.

    ## Version History
    - v0: first version.
    """

    factors = FACTORS
    state_names: tuple[str, ...] = ("position", "velocity", "angle", "angular_velocity")
    goal_names: tuple[str, ...] = ("position", "angle")
    success_radius = SUCCESS_DISTANCE

    def __init__(self, image_size: int | tuple[int, int] = 64, render_mode: str | None = "rgb_array") -> None:
        """Make the environment; see the class for the arguments."""
        infinite = [np.inf] * 4
        super().__init__(
            image_size,
            render_mode,
            action_space=spaces.Discrete(2),
            state_high=infinite,
            goal_low=[-np.inf] * 2,
            goal_high=infinite[:2],
        )

    def _prepare(self, values: Variation) -> tuple[Array, Array]:
        self._total_mass = values["pole.mass"] + values["cart.mass"]
        self._pole_moment = values["pole.mass"] * values["pole.length"]
        names = ("cart.position", "cart.velocity", "pole.angle", "pole.velocity")
        return np.array([values[name] for name in names]), np.array([values["target.position"], 0.0])

    def _move(self, state: Array, action: Array) -> tuple[Array, float, bool]:
        values = self._values
        _, x_dot, theta, theta_dot = state
        cos, sin = np.cos(theta), np.sin(theta)
        force = values["cart.force"] if action == 1 else -values["cart.force"]
        push = force + self._pole_moment * np.square(theta_dot) * sin - values["cart.friction"] * x_dot
        push = push / self._total_mass
        torque = values["world.gravity"] * sin - cos * push - values["pole.friction"] * theta_dot / self._pole_moment
        inertia = 4.0 / 3.0 - values["pole.mass"] * np.square(cos) / self._total_mass
        theta_ddot = torque / (values["pole.length"] * inertia)
        x_ddot = push - self._pole_moment * theta_ddot * cos / self._total_mass
        moved: Array = state + values["world.timestep"] * np.array([x_dot, x_ddot, theta_dot, theta_ddot])
        terminated = _fallen(moved)
        return moved, float(not (terminated and _fallen(state))), terminated

    def _distance(self, state: Array, goal: Array) -> float:
        length = 2 * self._values["pole.length"]
        cart = state[0] - goal[0]
        across = cart + length * (np.sin(state[2]) - np.sin(goal[1]))
        tip = np.hypot(across, length * (np.cos(state[2]) - np.cos(goal[1])))
        return float(max(abs(cart), tip))

    def _state_at(self, goal: Array) -> Array:
        return np.array([goal[0], 0.0, goal[1], 0.0])

    def _goal_of(self, state: Array) -> Array:
        return state[[0, 2]]

    def sample_goal(self, rng: np.random.Generator) -> Array:
        """Draw a position from the train range of ``target.position``, with an upright pole."""
        return np.array([FACTORS["target.position"].sample_train(rng), 0.0])

    def _draw_backdrop(self) -> Canvas:
        values = self._values
        canvas = self._view((0.0, 1.1), 2.6, values["background.color"])
        canvas.capsule((-9.0, 0.0), (9.0, 0.0), 0.03, values["track.color"])
        if values["target.visible"]:
            x = self._target[0]
            corners = np.array([(x, -0.3), (x - 0.22, -0.7), (x + 0.22, -0.7)])
            canvas.polygons([corners], values["target.color"])
        return canvas

    def _draw(self, canvas: Canvas, state: Array) -> None:
        values = self._values
        x, _, angle, _ = state
        draw_rectangle(canvas, (x, 0.0), values["cart.size"] * _CART, 0.0, values["cart.color"])
        length, half = 2 * values["pole.length"], values["pole.thickness"] / 2
        axle, along = np.array([x, _CART[1] / 2]), np.array([np.sin(angle), np.cos(angle)])
        middle = axle + (length / 2) * along
        draw_rectangle(canvas, middle, (half, length / 2 + half), -angle, values["pole.color"])
        canvas.disc(axle.tolist(), half, values["axle.color"])


def _fallen(state: Array) -> bool:
    """Whether the cart or the pole is beyond its limit."""
    return bool(abs(state[0]) > X_LIMIT or abs(state[2]) > ANGLE_LIMIT)
