"""N episodes in NumPy arrays; the single environment is N = 1 of the same code."""

from collections.abc import Mapping, Sequence

import numpy as np

from swm.core.errors import InvalidValueError, ShapeError
from swm.core.protocols import Array
from swm.core.seeding import derive_seed
from swm.core.spaces import Value
from swm.envs.arena import counter_rng, dynamics, geometry, render
from swm.envs.arena.geometry import SIZE, Obstacles
from swm.envs.arena.rules import MAX_SPEED, Arena

STATE_LOW = np.array([0.0, 0.0, -MAX_SPEED, -MAX_SPEED])
STATE_HIGH = np.array([SIZE, SIZE, MAX_SPEED, MAX_SPEED])
_KEY_BITS = 52
_ROUNDING = 1e-3
"""A state may lie this deep inside a wall, as after a passage through float32; it is put onto the face."""


class Simulator:
    """State, factors and pictures of N episodes.

    Methods take `rows`: a slice or an integer array that says which episodes they change.
    """

    def __init__(self, arena: Arena, count: int, image_size: tuple[int, int]) -> None:
        """Make `count` episodes that have yet to begin.

        Args:
            arena: the rules.
            count: the number N of episodes.
            image_size: height and width of the pictures.
        """
        self.arena, self.count, self.image_size = arena, count, image_size
        self.position = np.zeros((count, 2))
        self.velocity = np.zeros((count, 2))
        self.key = np.zeros(count, np.int64)
        self.time = np.zeros(count, np.int64)
        self.goal = np.zeros((count, 2))
        self.values = geometry.stack([arena.factors.default()] * count)
        self.obstacles = arena.obstacles(self.values)
        self._arena = np.zeros((count, *image_size, 3), np.uint8)
        self._scene = self._arena.copy()
        """The arena with the goal's marker."""

    def begin(self, rows: Array, variations: Sequence[Mapping[str, Value]], seeds: Sequence[int]) -> None:
        """Begin new episodes in `rows`, with one variation and one seed for each."""
        new = geometry.stack(variations, tuple(self.arena.factors))
        for name, value in new.items():
            self.values[name][rows] = value
        self._assign(rows, self.arena.obstacles(new))
        self.position[rows] = new["agent.position"]
        self.velocity[rows] = 0.0
        self.key[rows] = [derive_seed(seed, "actuator_noise") >> (63 - _KEY_BITS) for seed in seeds]
        self.time[rows] = 0
        self._arena[rows] = self.arena.draw(new, self.image_size)
        self._place_goal(rows, new["target.position"])

    def _assign(self, rows: Array, new: Obstacles) -> None:
        count = max(new.low.shape[1], self.obstacles.low.shape[1])
        self.obstacles, new = self.obstacles.with_pieces(count), new.with_pieces(count)
        for name in ("low", "high", "floor", "ceiling"):
            getattr(self.obstacles, name)[rows] = getattr(new, name)

    def step(self, rows: Array | slice, actions: Array) -> Array:
        """Take one step in `rows` with `actions` (n, 2) in [-1, 1]; return the rewards (n,)."""
        values, command = self.values, actions
        spread = values["agent.actuator_noise"][rows]
        if spread.any():
            drawn = counter_rng.normal(self.key[rows], self.time[rows], 2)
            command = np.clip(actions + spread[:, None] * drawn, -1.0, 1.0)
        speed, drag = values["agent.speed"][rows], values["agent.drag"][rows]
        velocity = dynamics.velocity(self.velocity[rows], command, speed, drag)
        displacement = velocity
        if self.arena.drift is not None:
            motion = {name: values[name][rows] for name in self.arena.motion}
            displacement = velocity + self.arena.drift(motion, self.position[rows])
        position, stopped = dynamics.move(self.position[rows], displacement, self.obstacles[rows])
        self.position[rows] = position
        self.velocity[rows] = np.where(stopped, 0.0, velocity)
        self.time[rows] += 1
        return self.arena.reward(self.distance()[rows])

    def distance(self) -> Array:
        """From agent to goal, (N,), in world units."""
        apart = self.position - self.goal
        distance: Array = np.sqrt(apart[:, 0] ** 2 + apart[:, 1] ** 2)
        return distance

    def success(self) -> Array:
        """Whether the goal is reached, (N,)."""
        reached: Array = self.distance() < self.arena.success_distance
        return reached

    def observe(self) -> dict[str, Array]:
        """``pixels`` (N, height, width, 3) uint8 and ``state`` (N, 4) float64, fresh arrays."""
        return {"pixels": self.pixels(), "state": np.hstack([self.position, self.velocity])}

    def pixels(self) -> Array:
        """What the episodes show: (N, height, width, 3) uint8."""
        return self._with_agent(self._scene.copy(), self.position)

    def goal_pixels(self) -> Array:
        """What they would show with the agent at the goal."""
        return self._with_agent(self._scene.copy(), self.goal)

    def _with_agent(self, pictures: Array, position: Array) -> Array:
        render.draw_discs(pictures, position, self.values["agent.radius"], self.values["agent.color"])
        return pictures

    def get_state(self) -> Array:
        """Position, velocity, key of the actuator noise and steps taken: (N, 6) float64."""
        return np.column_stack([self.position, self.velocity, self.key, self.time]).astype(np.float64)

    def set_state(self, rows: Array, states: Array) -> None:
        """Continue in `rows` from `states` (n, 6), or (n, 4) to leave the noise as it is.

        Raises:
            InvalidValueError: a state has the wrong length, is out of range, or lies inside a wall.
        """
        states = _check_rows("state", states, rows, (4, 6))
        if not ((states[:, :4] >= STATE_LOW) & (states[:, :4] <= STATE_HIGH)).all():
            raise InvalidValueError(
                f"state {states.tolist()}: x and y must lie in [0, {SIZE:g}], "
                f"the velocities in [-{MAX_SPEED:g}, {MAX_SPEED:g}]."
            )
        counters = states[:, 4:]
        if (counters != np.floor(counters)).any() or (counters < 0).any() or (counters >= 2.0**_KEY_BITS).any():
            raise InvalidValueError(
                f"state {states.tolist()}: noise key and step must be integers below 2**{_KEY_BITS}."
            )
        self.position[rows] = self._free(rows, states[:, :2], "state")
        self.velocity[rows] = states[:, 2:4]
        if states.shape[1] == 6:
            self.key[rows], self.time[rows] = states[:, 4], states[:, 5]

    def set_goal(self, rows: Array, goals: Array) -> None:
        """Move the goals of `rows` to `goals` (n, 2), or to the positions of states (n, 4) or (n, 6).

        Raises:
            InvalidValueError: a goal has the wrong length, is not finite, or lies inside a wall.
        """
        goals = _check_rows("goal", goals, rows, (2, 4, 6))
        self._place_goal(rows, self._free(rows, goals[:, :2], "goal"))

    def _free(self, rows: Array, position: Array, what: str) -> Array:
        obstacles = self.obstacles[rows]
        if (geometry.depth_inside(position, obstacles) > _ROUNDING).any():
            raise InvalidValueError(
                f"{what}: an agent at {position.tolist()} would lie inside a wall or the border; choose free positions."
            )
        return geometry.push_out(position, obstacles)

    def _place_goal(self, rows: Array, goal: Array) -> None:
        self.goal[rows] = goal
        scene = self._arena[rows]
        visible = self.values["target.visible"][rows].astype(np.float64)
        if visible.any():
            color, radius = self.values["target.color"][rows], self.values["target.radius"][rows]
            render.draw_discs(scene, goal, radius, color, visible)
        self._scene[rows] = scene


def _check_rows(what: str, given: Array, rows: Array, lengths: tuple[int, ...]) -> Array:
    array = np.asarray(given, np.float64)
    if array.ndim != 2 or len(array) != len(rows) or array.shape[1] not in lengths:
        allowed = " or ".join(str((len(rows), length)) for length in lengths)
        raise ShapeError(f"{what}s", allowed, array.shape)
    if not np.isfinite(array).all():
        raise InvalidValueError(f"{what}: expected finite numbers, got {array.tolist()}.")
    return array
