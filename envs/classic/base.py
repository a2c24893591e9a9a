"""What the classic control environments share: a short state, shapes on a background, goals of few numbers."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from swm.core.errors import InvalidValueError, ShapeError
from swm.core.factors import Variation
from swm.core.protocols import Array
from swm.core.spaces import ActionSpace
from swm.envs.base import FactoredEnv
from swm.envs.drawing import Canvas


class ClassicEnv(FactoredEnv):
    """An environment whose whole state is a few numbers and whose motion is one formula.

    A subclass names the factors, says where an episode starts, how a state moves, what it looks
    like, and how far it is from a goal. The motion is that of Gymnasium's environment of the same
    name, to the last bit while every factor has its default.
    """

    success_radius: float
    """The goal is reached below this distance."""

    def __init__(
        self,
        image_size: int | tuple[int, int],
        render_mode: str | None,
        *,
        action_space: ActionSpace,
        state_high: Sequence[float] | Array,
        goal_low: Sequence[float] | Array,
        goal_high: Sequence[float] | Array,
        state_low: Sequence[float] | Array | None = None,
    ) -> None:
        """Set the spaces.

        Args:
            image_size: pixels of a square picture, or (height, width).
            render_mode: ``"rgb_array"``, or None for black pictures.
            action_space: the actions.
            state_high: largest ``observation["state"]``.
            goal_low: smallest goal state.
            goal_high: largest goal state.
            state_low: smallest ``observation["state"]``; None is minus the largest.
        """
        super().__init__(image_size, render_mode)
        high = np.asarray(state_high, np.float64)
        low = -high if state_low is None else np.asarray(state_low, np.float64)
        self.action_space = action_space
        self.observation_space = spaces.Dict(
            {
                "pixels": spaces.Box(0, 255, (*self.image_size, 3), np.uint8),
                "state": spaces.Box(low, high, dtype=np.float64),
            }
        )
        self.goal_space = spaces.Box(
            np.asarray(goal_low, np.float64), np.asarray(goal_high, np.float64), dtype=np.float64
        )
        self._state: Array = np.zeros(0)
        self._target: Array = np.zeros(0)
        self._backdrop: Canvas | None = None

    # ---------------------------------------------------------------------- what a subclass defines

    @abstractmethod
    def _prepare(self, values: Variation) -> tuple[Array, Array]:
        """Derive what the motion needs from the factors; return the first state and the goal."""

    @abstractmethod
    def _move(self, state: Array, action: Array) -> tuple[Array, float, bool]:
        """The state after one step, its reward, and whether the episode terminates."""

    @abstractmethod
    def _distance(self, state: Array, goal: Array) -> float:
        """How far a state is from a goal."""

    @abstractmethod
    def _state_at(self, goal: Array) -> Array:
        """The state of rest at a goal."""

    @abstractmethod
    def _goal_of(self, state: Array) -> Array:
        """The goal that a state is at."""

    @abstractmethod
    def _draw_backdrop(self) -> Canvas:
        """Draw what stands still during an episode."""

    @abstractmethod
    def _draw(self, canvas: Canvas, state: Array) -> None:
        """Draw what moves."""

    def _shown(self, state: Array) -> Array:
        """What ``observation["state"]`` shows of a state."""
        return state.copy()

    def _hidden(self, shown: Array) -> Array:
        """The state that shows `shown`."""
        return shown

    # -------------------------------------------------------------------------- what all of them do

    def _begin(self, variation: Variation, seed: int) -> None:
        self._values = variation
        self._state, self._target = self._prepare(variation)
        self._backdrop = None

    def _advance(self, action: Array) -> tuple[float, bool]:
        self._state, reward, terminated = self._move(self._state, action)
        return reward, terminated

    def _observe(self) -> dict[str, Array]:
        return {"pixels": self._picture(self._state), "state": self._shown(self._state)}

    def _picture(self, state: Array) -> Array:
        if self.render_mode is None:
            return np.zeros((*self.image_size, 3), np.uint8)
        if self._backdrop is None:
            self._backdrop = self._draw_backdrop()
        canvas = self._backdrop.copy()
        self._draw(canvas, state)
        return canvas.pixels()

    def _view(self, center: Sequence[float], half: float, color: Array) -> Canvas:
        """A canvas that shows at least the square around `center`, y up, in true proportions."""
        height, width = self.image_size
        x, y = half * max(width / height, 1.0), half * max(height / width, 1.0)
        low, high = (center[0] - x, center[1] + y), (center[0] + x, center[1] - y)
        return Canvas(self.image_size, low, high, color)

    def _goal(self) -> tuple[Array, bool, float]:
        distance = self._distance(self._state, self._target)
        return self._target.copy(), distance < self.success_radius, distance

    def get_state(self) -> Array:
        """Everything that decides the rest of the episode, float64."""
        self._check_begun()
        return self._state.copy()

    def set_state(self, state: Array) -> None:
        """Continue from a state of `get_state` or of the observation.

        Raises:
            InvalidValueError: the length is another, or a number is not finite or out of range.
        """
        self._check_begun()
        self._state = self._read_state("state", self._vector("state", state))

    def set_goal(self, goal: Array) -> None:
        """Set the goal to a goal state, or to what a state reaches.

        Raises:
            InvalidValueError: the length is another, or a number is not finite or out of range.
        """
        self._check_begun()
        vector = self._vector("goal", goal)
        if len(vector) != len(self.goal_names):
            vector = self._goal_of(self._read_state("goal", vector))
        if not self.goal_space.contains(vector):
            raise InvalidValueError(f"goal: {vector.tolist()} is outside {self.goal_space}.")
        self._target = vector
        self._backdrop = None

    def goal_state(self) -> Array:
        """The state of rest at the goal, as `get_state` has it."""
        self._check_begun()
        return self._state_at(self._target)

    def goal_pixels(self) -> Array:
        """What the environment shows at its goal: (height, width, 3) uint8."""
        self._check_begun()
        return self._picture(self._state_at(self._target))

    def _vector(self, what: str, given: Any) -> Array:
        try:
            vector = np.array(given, np.float64)
        except (TypeError, ValueError) as error:
            raise InvalidValueError(f"{what}: expected a vector of numbers, got {given!r}.") from error
        if vector.ndim != 1 or not np.isfinite(vector).all():
            raise InvalidValueError(f"{what}: expected a vector of finite numbers, got {given!r}.")
        return vector

    def _read_state(self, what: str, vector: Array) -> Array:
        """A state in the form of `get_state`, from either form."""
        lengths = (len(self._state), len(self.state_names))
        if len(vector) not in lengths:
            raise ShapeError(what, " or ".join(f"({length},)" for length in dict.fromkeys(lengths)), vector.shape)
        state = vector if len(vector) == lengths[0] else self._hidden(vector)
        if not self.observation_space["state"].contains(self._shown(state)):
            raise InvalidValueError(f"{what}: {vector.tolist()} is outside {self.observation_space['state']}.")
        return state
