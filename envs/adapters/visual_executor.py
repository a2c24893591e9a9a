"""An executor with visual factors added to those of its environments."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from swm.core.factors import Request
from swm.core.protocols import Array, Executor, Mask, StepBatch
from swm.envs.adapters.visual import Filter, VisualConfig, as_config, extend, inner_part, split_state
from swm.envs.executors.common import Batch


class VisualExecutor:
    """Implements `swm.core.protocols.Executor` over another executor, for those that make no single environments.

    The episodes are those of `swm.envs.adapters.visual_env.VisualEnv`, to the last bit.
    """

    def __init__(self, executor: Executor, visual: str | Sequence[str] | VisualConfig = "all") -> None:
        """Take over `executor`; arguments as of `VisualEnv`."""
        self.executor, config = executor, as_config(visual)
        self.num_envs = executor.num_envs
        self.observation_space, self.action_space = executor.observation_space, executor.action_space
        self.rendering = executor.rendering
        self.factors = extend(executor.factors, config)
        self._batch = Batch(self.num_envs, self.factors, self.action_space)
        shape = self.observation_space["pixels"].shape
        assert shape is not None
        size = (shape[0], shape[1])
        frames = config.frames(size)
        self._filters = [Filter(config, size, frames) for _ in range(self.num_envs)]
        self._shown = np.zeros((self.num_envs, *shape), np.uint8)

    def reset(self, seeds: Sequence[int], requests: Sequence[Request], mask: Mask | None = None) -> StepBatch:
        """See `Executor.reset`."""
        rows, variations = self._batch.resolve(seeds, requests, mask)
        inner: list[Request] = [None] * self.num_envs
        for row, variation in zip(rows, variations, strict=True):
            inner[row] = inner_part(variation, self.executor.factors)
        step = self.executor.reset(seeds, inner, mask)
        for row, variation in zip(rows, variations, strict=True):
            self._filters[row].begin(variation, int(seeds[row]), step.observation["pixels"][row])
        self._batch.begin(rows, variations)
        return self._show(step, rows)

    def step(self, actions: Array, mask: Mask | None = None) -> StepBatch:
        """See `Executor.step`."""
        step = self.executor.step(actions, mask)
        rows = self._batch.running(mask)
        for row in rows:
            self._filters[row].advance()
        return self._show(step, rows)

    def set_state(self, states: Array, mask: Mask | None = None) -> StepBatch:
        """See `Executor.set_state`; states of `VisualEnv.get_state` in all masked rows, or observed ones."""
        rows = self._batch.running(mask)
        self._batch.states("states", states, rows)
        array = np.asarray(states, np.float64)
        own, effects = split_state(array[rows])
        full = array[:, : own.shape[1]].copy()
        step = self.executor.set_state(full, mask)
        for row, numbers in zip(rows, () if effects is None else effects, strict=effects is not None):
            self._filters[row].state = numbers
        return self._show(step, rows)

    def set_goal(self, goals: Array, mask: Mask | None = None) -> StepBatch:
        """See `Executor.set_goal`."""
        rows = self._batch.running(mask)
        self._batch.states("goals", goals, rows)
        array = np.asarray(goals, np.float64)
        own, _ = split_state(array[rows])
        return self._show(self.executor.set_goal(array[:, : own.shape[1]], mask), rows)

    def goal_pixels(self) -> Array:
        """See `Executor.goal_pixels`; black where no episode has begun."""
        pictures = self.executor.goal_pixels()
        for row in np.flatnonzero(self._batch.begun):
            pictures[row] = self._filters[row](pictures[row])
        return pictures

    def close(self) -> None:
        """Close the executor inside."""
        self.executor.close()

    def _show(self, step: StepBatch, rows: Array) -> StepBatch:
        for row in rows:
            self._shown[row] = self._filters[row](step.observation["pixels"][row])
        observation = {**step.observation, "pixels": self._shown.copy()}
        return replace(step, observation=observation, variation=tuple(self._batch.variation))
