"""The scripted expert of the point mazes: from cell to cell along the shortest way."""

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from swm.core.protocols import Array, Mask, StepBatch
from swm.core.seeding import make_rng
from swm.envs.ogbench.build import copy_maze
from swm.envs.ogbench.straying import Stray, Straying

_STEP = 0.2
"""How far a full action moves the point, in m."""
_ARRIVED = 0.3
"""An aim is reached below this distance, in m; well within the success distance."""
_NEIGHBOURS = ((-1, 0), (1, 0), (0, -1), (0, 1))


class PointMazeExpert:
    """Implements `swm.core.protocols.Policy` from the position, the goal and the factors of motion.

    Once at the goal it goes on to random places, so that long episodes stay varied. Everything
    random is a function of the episode's seed and of what happened in the episode.
    """

    needs_goal_pixels = False

    def __init__(
        self, *, maze: str, noise: float = 0.3, random_prob: float = 0.03, random_steps: int = 5, wander: bool = True
    ) -> None:
        """Set how far it strays; ``noise=0, random_prob=0, wander=False`` is the oracle.

        Args:
            maze: the environment's map.
            noise: standard deviation of the noise added to each component of the action.
            random_prob: probability per step that a uniformly random action begins.
            random_steps: steps for which a random action is held.
            wander: whether to go on to random places once at the goal; otherwise it stays there.

        Raises:
            InvalidValueError: a number is out of range.
        """
        self.maze = maze
        self.straying = Straying(noise=noise, random_prob=random_prob, random_steps=random_steps, wander=wander)
        self._map = Map(maze)
        self._rng: dict[int, np.random.Generator] = {}
        self._stray: dict[int, Stray] = {}
        self._aim: dict[int, Array] = {}

    def describe(self) -> dict[str, Any]:
        """Name and parameters."""
        return {"name": "PointMazeExpert", "maze": self.maze, **self.straying.describe()}

    def begin(self, step: StepBatch, seeds: Sequence[int], mask: Mask, goal_pixels: Array | None) -> None:
        """See `Policy.begin`."""
        for row in np.flatnonzero(mask).tolist():
            self._rng[row] = make_rng(int(seeds[row]), "policy", "PointMazeExpert")
            self._aim[row], self._stray[row] = step.goal[row].copy(), Stray(self.straying, self._rng[row])

    def act(self, step: StepBatch, mask: Mask) -> Array:
        """See `Policy.act`."""
        actions = np.zeros((len(mask), 2), np.float32)
        for row in np.flatnonzero(mask).tolist():
            position, values = step.observation["state"][row, :2], step.variation[row]
            if self.straying.wander and np.linalg.norm(position - self._aim[row]) < _ARRIVED:
                self._aim[row] = self._map.random_place(self._rng[row])
            wanted = self._map.next_point(position, self._aim[row]) - position
            action = (wanted - values["agent.drift"]) / (_STEP * values["agent.speed"])
            actions[row] = self._stray[row](action / max(1.0, np.abs(action).max()))
        return actions


class Map:
    """The cells of a maze and the shortest ways between them."""

    def __init__(self, maze: str) -> None:
        """Read OGBench's map of this name."""
        self._original = copy_maze("point", maze)
        self._free = self._original.maze_map == 0
        self._cells = np.argwhere(self._free)
        self._ways: dict[tuple[int, int], Array] = {}

    def next_point(self, position: Array, aim: Array) -> Array:
        """Where to go next on the shortest way from `position` to `aim`, both (2,) in m."""
        here, there = self._cell(position), self._cell(aim)
        if here == there:
            return aim
        if there not in self._ways:
            self._ways[there] = self._steps_to(there)
        steps = self._ways[there]
        after = min(self._around(here), key=lambda cell: steps[cell])
        return np.array(self._original.ij_to_xy(after), np.float64) if after != there else self._enter(here, there, aim)

    def _enter(self, here: tuple[int, int], there: tuple[int, int], aim: Array) -> Array:
        """The centre of the last cell, moved towards the aim along the way of entering it."""
        center = np.array(self._original.ij_to_xy(there), np.float64)
        along = 0 if here[0] == there[0] else 1
        center[along] = aim[along]
        return center

    def random_place(self, rng: np.random.Generator) -> Array:
        """A place (2,) near the centre of a free cell."""
        cell = self._cells[rng.integers(len(self._cells))]
        return np.array(self._original.ij_to_xy(cell), np.float64) + rng.uniform(-1.0, 1.0, 2)

    def _cell(self, position: Array) -> tuple[int, int]:
        """The free cell that `position` lies in, or is nearest to."""
        cell: tuple[int, int] = self._original.xy_to_ij(position)
        if self._free[cell]:
            return cell
        centers = np.array([self._original.ij_to_xy(each) for each in self._cells])
        row, column = self._cells[np.linalg.norm(centers - position, axis=1).argmin()]
        return int(row), int(column)

    def _around(self, cell: tuple[int, int]) -> list[tuple[int, int]]:
        near = [(cell[0] + row, cell[1] + column) for row, column in _NEIGHBOURS]
        return [each for each in near if self._free[each]]

    def _steps_to(self, goal: tuple[int, int]) -> Array:
        """The number of cells on the shortest way from each cell to `goal`, infinite in walls."""
        steps = np.full(self._free.shape, np.inf)
        steps[goal] = 0
        queue = deque([goal])
        while queue:
            cell = queue.popleft()
            for near in self._around(cell):
                if np.isinf(steps[near]):
                    steps[near] = steps[cell] + 1
                    queue.append(near)
        return steps
