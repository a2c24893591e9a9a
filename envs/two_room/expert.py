"""The scripted expert of the two-room task: through the best door to the goal."""

from collections.abc import Mapping, Sequence
from typing import Any

from swm.core.protocols import Array
from swm.core.spaces import Value
from swm.envs.arena.expert import ArenaExpert
from swm.envs.two_room import route
from swm.envs.two_room.env import ARENA


class TwoRoomExpert(ArenaExpert):
    """Takes the shortest way through any of the doors, at any place and direction of the wall."""

    def __init__(self, **exploration: Any) -> None:
        """See `ArenaExpert` for the arguments."""
        super().__init__(ARENA, **exploration)

    def _make_room(self, count: int) -> None:
        super()._make_room(count)
        self._doors = route.doors(self._values)

    def _remember(self, rows: Array, variations: Sequence[Mapping[str, Value]]) -> None:
        super()._remember(rows, variations)
        self._doors = route.doors(self._values)

    def _next_point(self, rows: Array, position: Array) -> Array:
        point, _ = route.next_point(position, self._aim[rows], self._doors[rows])
        return point
