"""The scripted expert of the two-room task: through the best door to the goal."""

from typing import Any

from swm.core.protocols import Array
from swm.envs.arena.expert import ArenaExpert
from swm.envs.two_room import geometry, route
from swm.envs.two_room.env import ARENA


class TwoRoomExpert(ArenaExpert):
    """Takes the shortest way through any of the doors, at any place and direction of the wall."""

    def __init__(self, **exploration: Any) -> None:
        """See `ArenaExpert` for the arguments."""
        super().__init__(ARENA, **exploration)

    def _next_point(self, rows: Array, position: Array) -> Array:
        values = {name: self._values[name][rows] for name in geometry.SHAPE}
        point, _ = route.next_point(position, self._aim[rows], values)
        return point
