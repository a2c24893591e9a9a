"""The scripted expert of the piecewise arena: straight to the goal, against the pushes."""

from typing import Any

from swm.core.protocols import Array
from swm.envs.arena.expert import ArenaExpert
from swm.envs.piecewise.env import make_arena


class PiecewiseExpert(ArenaExpert):
    """Goes in a straight line and takes away from each command what the zone will add."""

    def __init__(self, grid_n: int = 2, **exploration: Any) -> None:
        """See `ArenaExpert` and `PiecewiseEnv` for the arguments."""
        super().__init__(make_arena(grid_n), **exploration)

    def _next_point(self, rows: Array, position: Array) -> Array:
        aim: Array = self._aim[rows]
        return aim
