"""What the executors share: masks, checked requests, and the rows that were shown last."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from swm.core.errors import InvalidValueError, ShapeError
from swm.core.factors import FactorSpace, Request, Variation
from swm.core.protocols import Array, Mask, StepBatch
from swm.core.spaces import ActionSpace, action_shape, check_actions
from swm.envs.base import FactoredEnv

Layout = dict[str, tuple[tuple[int, ...], np.dtype[Any]]]


def layout(env: FactoredEnv, num_envs: int) -> Layout:
    """Name -> shape and dtype of the arrays that hold what `num_envs` copies of `env` show."""
    per_env: dict[str, tuple[tuple[int, ...], Any]] = {
        "reward": ((), np.float64),
        "terminated": ((), np.bool_),
        "truncated": ((), np.bool_),
        "success": ((), np.bool_),
        "distance": ((), np.float64),
        "goal": (env.goal_space.shape, np.float64),
    }
    for name, space in env.observation_space.spaces.items():
        assert space.shape is not None
        per_env[f"observation/{name}"] = (space.shape, space.dtype)
    return {name: ((num_envs, *shape), np.dtype(dtype)) for name, (shape, dtype) in per_env.items()}


def write_row(arrays: Mapping[str, Array], row: int, observation: Mapping[str, Array], info: Mapping[str, Any]) -> None:
    """Write what one environment shows into row `row`; reward and end of episode become 0."""
    for name, value in observation.items():
        arrays[f"observation/{name}"][row] = value
    for name in ("success", "distance", "goal"):
        arrays[name][row] = info[name]
    for name in ("reward", "terminated", "truncated"):
        arrays[name][row] = 0


def write_step(arrays: Mapping[str, Array], row: int, step: tuple[Any, Any, bool, bool, Mapping[str, Any]]) -> None:
    """Write what `FactoredEnv.step` returned into row `row`."""
    observation, reward, terminated, truncated, info = step
    write_row(arrays, row, observation, info)
    arrays["reward"][row] = reward
    arrays["terminated"][row] = terminated
    arrays["truncated"][row] = truncated


def check_count(name: str, count: object) -> int:
    """Return `count` if it is a positive integer.

    Raises:
        InvalidValueError: it is not.
    """
    if not isinstance(count, (int, np.integer)) or isinstance(count, bool) or count < 1:
        raise InvalidValueError(f"{name} is {count!r}; it must be an integer of at least 1.")
    return int(count)


class Batch:
    """The checks and the bookkeeping of one executor of `num_envs` environments."""

    def __init__(self, num_envs: int, factors: FactorSpace, action_space: ActionSpace) -> None:
        """Begin with no episode in any environment.

        Raises:
            InvalidValueError: `num_envs` is not a positive integer.
        """
        self.num_envs = check_count("num_envs", num_envs)
        self.factors, self.action_space = factors, action_space
        self.variation = [factors.default()] * self.num_envs
        self.begun = np.zeros(self.num_envs, np.bool_)

    def rows(self, mask: Mask | None) -> Array:
        """The indices that `mask` chooses.

        Raises:
            ShapeError: the mask is not a boolean array of shape (N,).
        """
        if mask is None:
            return np.arange(self.num_envs)
        mask = np.asarray(mask)
        if mask.shape != (self.num_envs,) or mask.dtype != np.bool_:
            raise ShapeError("mask", f"bool of shape ({self.num_envs},)", f"{mask.dtype} of shape {mask.shape}")
        return np.flatnonzero(mask)

    def running(self, mask: Mask | None) -> Array:
        """The indices that `mask` chooses, all of which must be in an episode.

        Raises:
            InvalidValueError: one of them has not been reset.
        """
        rows = self.rows(mask)
        if not self.begun[rows].all():
            missing = rows[~self.begun[rows]].tolist()
            raise InvalidValueError(f"no episode has begun in the environments {missing}: reset them first.")
        return rows

    def resolve(
        self, seeds: Sequence[int], requests: Sequence[Request], mask: Mask | None
    ) -> tuple[Array, list[Variation]]:
        """Turn the requests of the masked rows into exact values, before any environment changes.

        Raises:
            ShapeError: `seeds` or `requests` are not one per environment.
            InvalidValueError: a request cannot be met; the message names the environment.
        """
        rows = self.rows(mask)
        for name, given in (("seeds", seeds), ("requests", requests)):
            if len(given) != self.num_envs:
                raise ShapeError(f"{name} of reset()", f"one per environment, {self.num_envs}", len(given))
        return rows, [self.factors.resolve(requests[row], seeds[row]) for row in rows]

    def begin(self, rows: Array, variations: Sequence[Variation]) -> None:
        """Note that episodes with `variations` have begun in `rows`."""
        for row, variation in zip(rows, variations, strict=True):
            self.variation[row] = variation
        self.begun[rows] = True

    def actions(self, actions: Array, rows: Array) -> Array:
        """Check the actions (N, A) or (N,) of `rows`: (n, A) float64, clipped, or int64.

        Raises:
            InvalidValueError: the shape is wrong or an action in `rows` is not allowed.
        """
        shape = (self.num_envs, *action_shape(self.action_space))
        if np.shape(actions) != shape:
            raise ShapeError("actions of step()", shape, np.shape(actions))
        return check_actions(self.action_space, np.asarray(actions)[rows], len(rows))

    def states(self, what: str, given: Array, rows: Array) -> Array:
        """Check that `given` is (N, anything) and return its `rows` as float64.

        Raises:
            ShapeError: it is not one vector per environment.
        """
        array = np.asarray(given, np.float64)
        if array.ndim != 2 or len(array) != self.num_envs:
            raise ShapeError(what, f"one vector for each of {self.num_envs} environments", array.shape)
        return array[rows]

    def step_batch(self, arrays: Mapping[str, Array]) -> StepBatch:
        """Copy `arrays`, laid out as `layout` says, into what the caller may keep."""
        copies = {name: np.array(value) for name, value in arrays.items()}
        observation = {name.partition("/")[2]: copies.pop(name) for name in list(copies) if "/" in name}
        return StepBatch(observation=observation, variation=tuple(self.variation), **copies)
