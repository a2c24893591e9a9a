"""The contract of every environment: pictures and state, factors at reset, exact states, goals, success."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self, SupportsFloat

import gymnasium
import numpy as np
from gymnasium import spaces

from swm.core.errors import InvalidValueError, UnknownNameError
from swm.core.factors import FactorSpace, Variation
from swm.core.protocols import Array
from swm.core.spaces import ActionSpace, check_actions

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


class FactoredEnv(gymnasium.Env[dict[str, Array], Array], ABC):
    """An environment with factors of variation, exact states, goals and its own success predicate.

    `reset(options={"variation": request})` takes every request of `FactorSpace.resolve`; the values
    hold for that episode alone. The info of reset and step has

    - ``variation``: the `Variation`, every factor's value as the reset drew it,
    - ``goal``: the goal state, float64 of shape (G,),
    - ``success``: the environment's predicate, a bool, never the same thing as ``terminated``,
    - ``distance``: the distance to the goal, a float in the environment's unit.

    Actions outside a Box are clipped to it; integers outside a discrete space, actions of a wrong
    shape, and numbers that are not finite are refused before anything moves.

    A copy made by pickle is constructed anew with the same arguments and continues the episode.

    A subclass sets the spaces, `factors` and `state_names`, and defines the abstract members.
    """

    _arguments: tuple[tuple[Any, ...], dict[str, Any]]
    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 - as in gymnasium
    factors: FactorSpace
    state_names: tuple[str, ...]
    """Names of the components of ``observation["state"]``."""
    goal_names: tuple[str, ...]
    """Names of the components of a goal state."""
    observation_space: spaces.Dict  # type: ignore[assignment]
    action_space: ActionSpace  # type: ignore[assignment]
    goal_space: spaces.Box
    """The goal states, float64 of shape (G,)."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Keep the arguments for pickle."""
        env = super().__new__(cls)
        env._arguments = (args, kwargs)
        return env

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
        self._seed = 0

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

    def _truncated(self) -> bool:
        """Whether the environment itself cut the episode off; a step limit is the caller's."""
        return False

    # -------------------------------------------------------------------------- what all of them do

    @property
    def rendering(self) -> Mapping[str, str]:
        """How the pictures are made, where it matters for their bytes; see `Executor.rendering`."""
        return {}

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
        self._variation, self._seed = variation, seed
        return self._observe(), self._info()

    def step(self, action: Array) -> tuple[dict[str, Array], SupportsFloat, bool, bool, dict[str, Any]]:
        """Take one step with `action`, clipped to the action space if that is a Box.

        Raises:
            InvalidValueError: the action has a wrong shape or is not finite, or no episode has begun.
        """
        self._check_begun()
        reward, terminated = self._advance(check_actions(self.action_space, action))
        return self._observe(), reward, terminated, self._truncated(), self._info()

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

    def __reduce__(self) -> tuple[Any, ...]:
        running = None
        if self._variation is not None:
            running = (self._variation, self._seed, self._goal()[0], self.get_state())
        return _restore, (type(self), self._arguments, running, self._np_random, self._np_random_seed)


def _restore(
    cls: type[FactoredEnv],
    arguments: tuple[tuple[Any, ...], dict[str, Any]],
    running: tuple[Variation, int, Array, Array] | None,
    np_random: np.random.Generator | None,
    np_random_seed: int | None,
) -> FactoredEnv:
    """What `FactoredEnv.__reduce__` gave, made again."""
    env = cls(*arguments[0], **arguments[1])
    env._np_random, env._np_random_seed = np_random, np_random_seed
    if running is not None:
        env._variation, env._seed, goal, state = running
        env._begin(env._variation, env._seed)
        env.set_goal(goal)
        env.set_state(state)
    return env
