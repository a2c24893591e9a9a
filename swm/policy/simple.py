"""Policies without a model: uniform noise, nothing at all, and any function."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from swm.core.errors import InvalidValueError, ShapeError
from swm.core.protocols import Array, Mask, StepBatch
from swm.core.seeding import make_rng
from swm.core.spaces import ActionSpace, action_bounds, action_shape, check_actions, sample_action


def check_action_space(space: spaces.Space[Any]) -> spaces.Box:
    """Return `space` if it is one that policies act in.

    Raises:
        InvalidValueError: it is not a Box of real vectors.
    """
    if not isinstance(space, spaces.Box) or len(space.shape) != 1 or not np.issubdtype(space.dtype, np.floating):
        raise InvalidValueError(f"policies act in a floating-point Box of shape (A,), got {space}.")
    return space


def check_any_action_space(space: spaces.Space[Any]) -> ActionSpace:
    """Return `space` if it is one that policies without a model act in.

    Raises:
        InvalidValueError: it is neither a Box of real vectors nor a discrete space.
    """
    if isinstance(space, (spaces.Discrete, spaces.MultiDiscrete)):
        return space
    return check_action_space(space)


class RandomPolicy:
    """Uniform actions; each episode's are a function of its seed alone."""

    needs_goal_pixels = False

    def __init__(self, action_space: ActionSpace) -> None:
        """Make the policy.

        Raises:
            InvalidValueError: the space is neither a bounded floating-point Box of shape (A,) nor discrete.
        """
        self.action_space = check_any_action_space(action_space)
        if isinstance(action_space, spaces.Box) and not action_space.is_bounded():
            raise InvalidValueError(f"uniform actions need a bounded action space, got {action_space}.")
        self._rngs: dict[int, np.random.Generator] = {}

    def begin(self, step: StepBatch, seeds: Sequence[int], mask: Mask, goal_pixels: Array | None) -> None:
        """Start the streams of the masked environments' episodes."""
        for row in np.flatnonzero(mask).tolist():
            self._rngs[row] = make_rng(seeds[row], "policy")

    def act(self, step: StepBatch, mask: Mask) -> Array:
        """Draw an action per masked environment."""
        space = self.action_space
        actions = np.zeros((len(mask), *action_shape(space)), space.dtype)
        for row in np.flatnonzero(mask).tolist():
            actions[row] = sample_action(space, self._rngs[row])
        return actions

    def describe(self) -> dict[str, Any]:
        """Name, JSON-ready."""
        return {"name": "random"}


class NoOpPolicy:
    """The action that does nothing, or the one nearest to it: how far doing nothing goes."""

    needs_goal_pixels = False

    def __init__(self, action_space: ActionSpace, noop: Any = 0) -> None:
        """Make the policy.

        Args:
            action_space: of one environment.
            noop: the action that does nothing, or one number for all its components.

        Raises:
            InvalidValueError: the space is neither a floating-point Box of shape (A,) nor discrete.
        """
        low, high = action_bounds(check_any_action_space(action_space))
        self._action = np.clip(np.broadcast_to(noop, low.shape), low, high).astype(action_space.dtype)

    def begin(self, step: StepBatch, seeds: Sequence[int], mask: Mask, goal_pixels: Array | None) -> None:
        """Do nothing: there is nothing to forget."""

    def act(self, step: StepBatch, mask: Mask) -> Array:
        """Return the same action for every environment."""
        return np.repeat(self._action[None], len(mask), axis=0)

    def describe(self) -> dict[str, Any]:
        """Name, JSON-ready."""
        return {"name": "noop"}


class FunctionPolicy:
    """Any function ``(observation, goal) -> action`` of one environment; actions are clipped to the space.

    The function keeps no memory between calls, or it would mix the episodes of N environments.
    """

    def __init__(
        self,
        function: Callable[[Mapping[str, Array], Array], Array],
        action_space: ActionSpace,
        *,
        name: str = "function",
        goal_pixels: bool = False,
    ) -> None:
        """Wrap `function`.

        Args:
            function: gets one environment's observation (component -> array) and its goal; returns
                the action, shape (A,) or () of a Discrete space.
            action_space: of one environment.
            name: for provenance.
            goal_pixels: whether the goal is its picture (height, width, 3) uint8 rather than the
                goal state (G,).

        """
        self.needs_goal_pixels = goal_pixels
        self.action_space = action_space
        self.name = name
        self._function = function
        self._pictures: dict[int, Array] = {}

    def begin(self, step: StepBatch, seeds: Sequence[int], mask: Mask, goal_pixels: Array | None) -> None:
        """Keep the pictures of the masked environments' goals, if the function wants them."""
        if not self.needs_goal_pixels:
            return
        if goal_pixels is None:
            raise InvalidValueError(f"policy {self.name!r} needs the goals' pictures, but begin() was given None.")
        for row in np.flatnonzero(mask).tolist():
            self._pictures[row] = goal_pixels[row]

    def act(self, step: StepBatch, mask: Mask) -> Array:
        """Call the function for each masked environment.

        Raises:
            ShapeError: the function returned another shape than the action space's.
        """
        space = self.action_space
        actions = np.zeros((len(mask), *action_shape(space)), space.dtype)
        for row in np.flatnonzero(mask).tolist():
            observation = {name: array[row] for name, array in step.observation.items()}
            goal = self._pictures[row] if self.needs_goal_pixels else step.goal[row]
            action = np.asarray(self._function(observation, goal))
            if action.shape != space.shape:
                raise ShapeError(f"action of policy {self.name!r}", space.shape, action.shape)
            actions[row] = check_actions(space, action)
        return actions

    def describe(self) -> dict[str, Any]:
        """Name, JSON-ready."""
        return {"name": self.name}
