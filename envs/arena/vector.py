"""N environments of one arena, stepped and drawn in one NumPy call."""

from collections.abc import Sequence

import numpy as np

from swm.core.factors import Request
from swm.core.protocols import Array, Mask, StepBatch
from swm.envs.arena.env import action_space, observation_space
from swm.envs.arena.rules import Arena
from swm.envs.arena.simulator import Simulator
from swm.envs.base import check_image_size
from swm.envs.executors.common import Batch


class ArenaVector:
    """Implements `swm.core.protocols.Executor` natively; its episodes are those of N `ArenaEnv`."""

    def __init__(self, arena: Arena, num_envs: int, image_size: int | tuple[int, int] = 64) -> None:
        """Make the environments.

        Args:
            arena: the rules.
            num_envs: how many.
            image_size: pixels of square pictures, or (height, width).
        """
        size = check_image_size(image_size)
        self.factors = arena.factors
        self.observation_space, self.action_space = observation_space(size), action_space()
        self._batch = Batch(num_envs, arena.factors, self.action_space)
        self.num_envs = self._batch.num_envs
        self.rendering: dict[str, str] = {}
        self._simulator = Simulator(arena, self.num_envs, size)
        self._reward = np.zeros(self.num_envs)

    def reset(self, seeds: Sequence[int], requests: Sequence[Request], mask: Mask | None = None) -> StepBatch:
        """See `Executor.reset`."""
        rows, variations = self._batch.resolve(seeds, requests, mask)
        if len(rows):
            self._simulator.begin(rows, variations, [int(seeds[row]) for row in rows])
        self._batch.begin(rows, variations)
        return self._show(rows)

    def step(self, actions: Array, mask: Mask | None = None) -> StepBatch:
        """See `Executor.step`."""
        rows = self._batch.running(mask)
        valid = self._batch.actions(actions, rows)
        if len(rows):
            self._reward[rows] = self._simulator.step(slice(None) if len(rows) == self.num_envs else rows, valid)
        return self._show()

    def set_state(self, states: Array, mask: Mask | None = None) -> StepBatch:
        """See `Executor.set_state`."""
        rows = self._batch.running(mask)
        self._simulator.set_state(rows, self._batch.states("states", states, rows))
        return self._show(rows)

    def set_goal(self, goals: Array, mask: Mask | None = None) -> StepBatch:
        """See `Executor.set_goal`."""
        rows = self._batch.running(mask)
        self._simulator.set_goal(rows, self._batch.states("goals", goals, rows))
        return self._show(rows)

    def goal_pixels(self) -> Array:
        """See `Executor.goal_pixels`; black where no episode has begun."""
        pictures = self._simulator.goal_pixels()
        pictures[~self._batch.begun] = 0
        return pictures

    def close(self) -> None:
        """Nothing to release."""

    def _show(self, changed: Array | tuple[()] = ()) -> StepBatch:
        """What all environments show; the rows `changed` otherwise than by a step have reward 0."""
        if len(changed):
            self._reward[changed] = 0.0
        simulator, begun = self._simulator, self._batch.begun
        observation, distance = simulator.observe(), simulator.distance()
        if not begun.all():
            observation["pixels"][~begun] = 0
        return StepBatch(
            observation=observation,
            reward=self._reward.copy(),
            terminated=np.zeros(self.num_envs, np.bool_),
            truncated=np.zeros(self.num_envs, np.bool_),
            success=(distance < simulator.arena.success_distance) & begun,
            distance=distance,
            goal=simulator.goal.copy(),
            variation=tuple(self._batch.variation),
        )
