"""The contract of every environment: pictures and state, factors at reset, exact states, goals, success."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, SupportsFloat

import gymnasium
import numpy as np
from gymnasium import spaces

from swm.core.errors import InvalidValueError, ShapeError, UnknownNameError
from swm.core.factors import FactorSpace, Variation
from swm.core.protocols import Array

MIN_IMAGE_SIZE, MAX_IMAGE_SIZE = 16, 1024
_OPTIONS = ("variation",)


def check_image_size(image_size: Any) -> tuple[int, int]:
    """Return `image_size` as (height, width) in pixels.

    Args:
        image_size: one integer for a square picture, or (height, width); each from 16 to 1024.

    Raises:
        InvalidValueError: it is anything else.
    """
    pair = tuple(image_size) if isinstance(image_size, (tuple, list)) else (image_size, image_size)
    whole = all(isinstance(side, (int, np.integer)) and not isinstance(side, bool) for side in pair)
    if len(pair) != 2 or not whole or not all(MIN_IMAGE_SIZE <= side <= MAX_IMAGE_SIZE for side in pair):
        raise InvalidValueError(
            f"image_size is {image_size!r}; it must be an integer or (height, width), "
            f"each from {MIN_IMAGE_SIZE} to {MAX_IMAGE_SIZE} pixels."
        )
    return int(pair[0]), int(pair[1])


def check_actions(actions: Any, shape: tuple[int, ...]) -> Array:
    """Return `actions` as float64.

    Raises:
        ShapeError: the shape is not `shape`.
        InvalidValueError: an entry is not a finite number.
    """
    try:
        array = np.asarray(actions, np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidValueError(f"action: expected numbers of shape {shape}, got {actions!r}.") from error
    if array.shape != shape:
        raise ShapeError("action", shape, array.shape)
    if not np.isfinite(array).all():
        raise InvalidValueError(f"action: expected finite numbers, got {array.tolist()}.")
    return array


class FactoredEnv(gymnasium.Env[dict[str, Array], Array], ABC):
    """An environment with factors of variation, exact states, goals and its own success predicate.

    `reset(options={"variation": request})` takes every request of `FactorSpace.resolve`; the values
    hold for that episode alone. The info of reset and step has

    - ``variation``: the `Variation`, every factor's value as the reset drew it,
    - ``goal``: the goal state, float64 of shape (G,),
    - ``success``: the environment's predicate, a bool, never the same thing as ``terminated``,
    - ``distance``: the distance to the goal, a float in the environment's unit.

    Actions outside the action space are clipped to it; actions of a wrong shape or with a number
    that is not finite are refused before anything moves.

    A subclass sets the spaces and `factors` and defines the abstract members.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 - as in gymnasium
    factors: ClassVar[FactorSpace]
    state_names: ClassVar[tuple[str, ...]]
    """Names of the components of ``observation["state"]``."""
    goal_names: ClassVar[tuple[str, ...]]
    """Names of the components of a goal state."""
    observation_space: spaces.Dict  # type: ignore[assignment]
    action_space: spaces.Box
    goal_space: spaces.Box
    """The goal states, float64 of shape (G,)."""

    def __init__(self, image_size: int | tuple[int, int], render_mode: str | None = "rgb_array") -> None:
        """Check what all environments take.

        Args:
            image_size: pixels of a square picture, or (height, width).
            render_mode: ``"rgb_array"`` or None.

        Raises:
            InvalidValueError: `image_size` is not allowed.
            UnknownNameError: `render_mode` is not one of the metadata's.
        """
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise UnknownNameError("render_mode", render_mode, self.metadata["render_modes"])
        self.render_mode = render_mode
        self.image_size = check_image_size(image_size)
        self._variation: Variation | None = None

    # ---------------------------------------------------------------------- what a subclass defines

    @abstractmethod
    def _begin(self, variation: Variation, seed: int) -> None:
        """Begin an episode; everything random in it is a function of `seed`."""

    @abstractmethod
    def _advance(self, action: Array) -> tuple[float, bool]:
        """Take one step with a valid action; return the reward and whether the episode terminates."""

    @abstractmethod
    def _observe(self) -> dict[str, Array]:
        """Fresh arrays for every component of the observation space."""

    @abstractmethod
    def _goal(self) -> tuple[Array, bool, float]:
        """The goal state (a fresh array), whether it is reached, and the distance to it."""

    @abstractmethod
    def get_state(self) -> Array:
        """Everything that decides the rest of the episode, float64: same state, same actions, same steps."""

    @abstractmethod
    def set_state(self, state: Array) -> None:
        """Continue from `state`, as `get_state` gave it, within the running episode's factors."""

    @abstractmethod
    def sample_goal(self, rng: np.random.Generator) -> Array:
        """Draw a goal state that the running episode's factors allow; does not set it."""

    @abstractmethod
    def set_goal(self, goal: Array) -> None:
        """Make `goal` the goal of the running episode; the drawn `Variation` stays what it was.

        Args:
            goal: a goal state (G,), or a state as `get_state` or the observation gives it.
        """

    @abstractmethod
    def goal_state(self) -> Array:
        """A state for `set_state` in which the agent has reached the goal and is at rest."""

    @abstractmethod
    def goal_pixels(self) -> Array:
        """What the environment would show at its goal: (height, width, 3) uint8."""

    # -------------------------------------------------------------------------- what all of them do

    @property
    def variation(self) -> Variation:
        """Every factor's value in the running episode.

        Raises:
            InvalidValueError: no episode has begun.
        """
        self._check_begun()
        assert self._variation is not None
        return self._variation

    def _check_begun(self) -> None:
        if self._variation is None:
            raise InvalidValueError("no episode has begun: call reset() first.")

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Array], dict[str, Any]]:
        """Begin a new episode.

        Args:
            seed: the episode's seed, which also reseeds `np_random`; None draws one integer from
                `np_random` as the episode's seed.
            options: ``{"variation": request}``, see `FactorSpace.resolve`.

        Raises:
            UnknownNameError: an option or a factor does not exist.
            InvalidValueError: a factor's value is out of range or the values exclude each other.
        """
        for key in options or {}:
            if key not in _OPTIONS:
                raise UnknownNameError("option of reset()", key, _OPTIONS)
        super().reset(seed=seed)
        if seed is None:
            seed = int(self.np_random.integers(np.iinfo(np.int64).max))
        variation = self.factors.resolve((options or {}).get("variation"), seed)
        self._begin(variation, seed)
        self._variation = variation
        return self._observe(), self._info()

    def step(self, action: Array) -> tuple[dict[str, Array], SupportsFloat, bool, bool, dict[str, Any]]:
        """Take one step with `action`, clipped to the action space.

        Raises:
            InvalidValueError: the action has a wrong shape or is not finite, or no episode has begun.
        """
        self._check_begun()
        valid = check_actions(action, self.action_space.shape)
        reward, terminated = self._advance(np.clip(valid, self.action_space.low, self.action_space.high))
        return self._observe(), reward, terminated, False, self._info()

    def render(self) -> Array | None:
        """The current picture, (height, width, 3) uint8; None without a render mode."""
        self._check_begun()
        return self._observe()["pixels"] if self.render_mode else None

    def observe(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """The current observation and info, for example after `set_state` or `set_goal`."""
        return self._observe(), self._info()

    def _info(self) -> dict[str, Any]:
        goal, success, distance = self._goal()
        return {"variation": self.variation, "goal": goal, "success": success, "distance": distance}
