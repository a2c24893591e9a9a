"""N environments in this process, one after the other."""

from collections.abc import Callable, Sequence

import numpy as np

from swm.core.factors import Request
from swm.core.protocols import Array, Mask, StepBatch
from swm.envs.base import FactoredEnv
from swm.envs.executors.common import Batch, layout, write_row, write_step


class InlineExecutor:
    """Implements `swm.core.protocols.Executor` with N environments of this process."""

    def __init__(self, make_env: Callable[[], FactoredEnv], num_envs: int) -> None:
        """Make the environments.

        Args:
            make_env: makes one environment.
            num_envs: how many.
        """
        first = make_env()
        self._batch = Batch(num_envs, first.factors, first.action_space)
        self.num_envs = self._batch.num_envs
        self._envs = [first, *(make_env() for _ in range(self.num_envs - 1))]
        self.observation_space, self.action_space, self.factors = (
            first.observation_space,
            first.action_space,
            first.factors,
        )
        self.rendering = first.rendering
        self._arrays = {name: np.zeros(shape, dtype) for name, (shape, dtype) in layout(first, self.num_envs).items()}

    def reset(self, seeds: Sequence[int], requests: Sequence[Request], mask: Mask | None = None) -> StepBatch:
        """See `Executor.reset`."""
        rows, variations = self._batch.resolve(seeds, requests, mask)
        for row, variation in zip(rows, variations, strict=True):
            observation, info = self._envs[row].reset(seed=int(seeds[row]), options={"variation": variation})
            write_row(self._arrays, row, observation, info)
        self._batch.begin(rows, variations)
        return self._batch.step_batch(self._arrays)

    def step(self, actions: Array, mask: Mask | None = None) -> StepBatch:
        """See `Executor.step`."""
        rows = self._batch.running(mask)
        for row, action in zip(rows, self._batch.actions(actions, rows), strict=True):
            write_step(self._arrays, row, self._envs[row].step(action))
        return self._batch.step_batch(self._arrays)

    def set_state(self, states: Array, mask: Mask | None = None) -> StepBatch:
        """See `Executor.set_state`."""
        rows = self._batch.running(mask)
        for row, state in zip(rows, self._batch.states("states", states, rows), strict=True):
            self._envs[row].set_state(state)
            write_row(self._arrays, row, *self._envs[row].observe())
        return self._batch.step_batch(self._arrays)

    def set_goal(self, goals: Array, mask: Mask | None = None) -> StepBatch:
        """See `Executor.set_goal`."""
        rows = self._batch.running(mask)
        for row, goal in zip(rows, self._batch.states("goals", goals, rows), strict=True):
            self._envs[row].set_goal(goal)
            write_row(self._arrays, row, *self._envs[row].observe())
        return self._batch.step_batch(self._arrays)

    def goal_pixels(self) -> Array:
        """See `Executor.goal_pixels`; black where no episode has begun."""
        pictures = np.zeros_like(self._arrays["observation/pixels"])
        for row in np.flatnonzero(self._batch.begun):
            pictures[row] = self._envs[row].goal_pixels()
        return pictures

    def close(self) -> None:
        """Close the environments."""
        for env in self._envs:
            env.close()
