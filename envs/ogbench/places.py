"""Where objects begin and where they belong: OGBench's evaluation tasks, and the heights of cubes in stacks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from swm.core.errors import InvalidValueError
from swm.core.protocols import Array

HALF = 0.02
"""Half of a cube's side by default, in m."""
_SAME_COLUMN = 0.03
"""Cubes whose centres are nearer than this in the plane stand on each other, in m."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """Positions of N cubes, some of which may stand on others."""

    position: Array
    """Shape (N, 2), in m."""
    level: Array
    """Shape (N,): how many cubes are below each."""
    base: Array
    """Shape (N,): height of what the lowest cube of the stack stands on, in m."""

    @classmethod
    def of(cls, centers: Array) -> "Column":
        """The layout of cubes of the default size with these centres (N, 3)."""
        below = (distances(centers[:, :2]) < _SAME_COLUMN) & (centers[:, None, 2] > centers[None, :, 2])
        level = below.sum(axis=1)
        return cls(position=centers[:, :2].copy(), level=level, base=centers[:, 2] - HALF * (2 * level + 1))

    def heights(self, position: Array, half: Array) -> Array:
        """Heights (N,) of the centres at `position` (N, 2), for cubes with half sides `half` (N,); in m."""
        below = (distances(position) < _SAME_COLUMN) & (self.level[:, None] > self.level[None, :])
        heights: Array = self.base + half + below @ (2 * half)
        return heights


@dataclass(frozen=True, kw_only=True)
class Places:
    """The start and the goal of a task, or those by default where each episode draws its own."""

    task: int | None
    start: Column
    goal: Column
    others: Mapping[str, Mapping[str, Any]]
    """``"start"`` and ``"goal"`` of the task as OGBench has them, with what else there is than cubes."""

    @property
    def count(self) -> int:
        """The number of cubes."""
        return len(self.start.level)


def make_places(tasks: Sequence[Mapping[str, Any]], task: int | None) -> Places:
    """Read the start and the goal of an evaluation task of OGBench.

    Args:
        tasks: all tasks of a manipulation environment, as OGBench has them.
        task: 1 to 5, or None for random tasks.

    Raises:
        InvalidValueError: there is no such task.
    """
    if task is not None and task not in range(1, len(tasks) + 1):
        raise InvalidValueError(f"task is {task!r}; it must be None or from 1 to {len(tasks)}.")
    info = tasks[(task or 1) - 1]
    if "init_xyzs" in info:
        start, goal = {"block_xyzs": info["init_xyzs"]}, {"block_xyzs": info["goal_xyzs"]}
    else:
        start, goal = info["init"], info["goal"]
    return Places(
        task=task,
        start=Column.of(start["block_xyzs"]),
        goal=Column.of(goal["block_xyzs"]),
        others={"start": start, "goal": goal},
    )


def distances(position: Array) -> Array:
    """Between N cubes at `position` (N, 2): (N, N), in m."""
    apart = position[:, None] - position[None, :]
    distance: Array = np.sqrt((apart**2).sum(axis=-1))
    return distance
