"""The scripted expert of mazes: the shortest way by cells, with its corners cut where that is free."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from swm.core.protocols import Array
from swm.core.spaces import Value
from swm.envs.arena.expert import ArenaExpert
from swm.envs.arena.geometry import Obstacles, stack
from swm.envs.point_maze import walls
from swm.envs.point_maze.env import make_arena
from swm.envs.point_maze.layouts import centres, toward

_LOOK_AHEAD = 8
"""Cells of the way among which it looks for the farthest that a free straight line reaches."""


class PointMazeExpert(ArenaExpert):
    """Goes to the farthest cell in sight on a shortest way from cell to cell."""

    def __init__(self, maze: str = "u", **exploration: Any) -> None:
        """See `ArenaExpert` and `PointMazeEnv` for the arguments."""
        self._maze = maze
        super().__init__(make_arena(maze), **exploration)

    def _make_room(self, count: int) -> None:
        super()._make_room(count)
        self._blocked = walls.cells_of(self._maze, self._values)
        self._obstacles = self.arena.obstacles(self._values)
        most = max(blocked.size for blocked in self._blocked)
        self._centres = np.full((count, most, 2), np.inf)
        """Centres of the free cells of each episode."""
        self._following = np.zeros((count, most), np.int64)
        """The cell after each cell on the way to the cell of the aim."""
        self._aim_cell = np.full(count, -1)

    def _remember(self, rows: Array, variations: Sequence[Mapping[str, Value]]) -> None:
        super()._remember(rows, variations)
        self._obstacles = self.arena.obstacles(self._values)
        new = walls.cells_of(self._maze, stack(variations, self.arena.shape))
        missing = max(blocked.size for blocked in new) - self._centres.shape[1]
        if missing > 0:
            self._centres = np.pad(self._centres, ((0, 0), (0, missing), (0, 0)), constant_values=np.inf)
            self._following = np.pad(self._following, ((0, 0), (0, missing)))
        self._aim_cell[rows] = -1
        for row, blocked in zip(rows.tolist(), new, strict=True):
            self._blocked[row] = blocked
            self._centres[row] = np.inf
            self._centres[row, : blocked.size][~blocked.ravel()] = centres(len(blocked))[~blocked.ravel()]

    def _next_point(self, rows: Array, position: Array) -> Array:
        aim = self._aim[rows]
        goal = self._cell(rows, aim)
        for row, cell in zip(rows.tolist(), goal.tolist(), strict=True):
            if self._aim_cell[row] != cell:
                blocked = self._blocked[row]
                following = toward(blocked.tobytes(), len(blocked), divmod(cell, len(blocked)))
                self._following[row, : blocked.size], self._aim_cell[row] = following, cell
        cell, points = self._cell(rows, position), []
        for _ in range(_LOOK_AHEAD):
            cell = self._following[rows, cell]
            points.append(np.where((cell == goal)[:, None], aim, self._centres[rows, cell]))
        way = np.stack(points, axis=1)
        free = in_sight(position, way, self._obstacles[rows])
        free[:, 0] = True  # there it slides at worst
        farthest = _LOOK_AHEAD - 1 - free[:, ::-1].argmax(axis=1)
        point: Array = way[np.arange(len(rows)), farthest]
        return point

    def _cell(self, rows: Array, position: Array) -> Array:
        """The free cells nearest to positions (n, 2)."""
        cell: Array = np.abs(self._centres[rows] - position[:, None]).max(axis=2).argmin(axis=1)
        return cell


def in_sight(position: Array, points: Array, obstacles: Obstacles) -> Array:
    """Whether the agent can go straight from `position` (N, 2) to each of `points` (N, M, 2): (N, M)."""
    motion = points - position[:, None]
    step = np.where(motion == 0, 1e-12, motion)[:, :, None]
    start = position[:, None, None]
    a, b = (obstacles.low[:, None] - start) / step, (obstacles.high[:, None] - start) / step
    enter = np.minimum(a, b).max(axis=3)
    leave = np.maximum(a, b).min(axis=3)
    hit: Array = (np.maximum(enter, 0.0) < np.minimum(leave, 1.0) - 1e-9).any(axis=2)
    seen: Array = ~hit
    return seen
