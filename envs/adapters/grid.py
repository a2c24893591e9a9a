"""MiniGrid and BabyAI: the whole grid as state, which the agent's own view shows in part only."""

import numpy as np

from swm.core.protocols import Array
from swm.envs.adapters.backend import AnyEnv, Backend, inner_of

_CELL = ("object", "color", "state")
"""What MiniGrid encodes of a cell, by its own tables."""
_NOTHING = (1, 0, 0)


class GridBackend(Backend):
    """An environment of MiniGrid."""

    def __init__(self, env: AnyEnv, image_size: tuple[int, int]) -> None:
        """Take over `env`."""
        super().__init__(env, image_size)
        self._grid_env = inner_of(env)
        columns, rows = range(self._grid_env.width), range(self._grid_env.height)
        self._names = (
            *("agent.x", "agent.y", "agent.direction"),
            *(f"carried.{part}" for part in _CELL),
            *(f"cell.{x}.{y}.{part}" for x in columns for y in rows for part in _CELL),
        )

    @property
    def state_names(self) -> tuple[str, ...]:
        """Pose of the agent, what it carries, and every cell."""
        return self._names

    def observe(self) -> Array:
        """Pose of the agent, what it carries, and every cell."""
        env = self._grid_env
        carried = _NOTHING if env.carrying is None else env.carrying.encode()
        pose = (*env.agent_pos, env.agent_dir)
        return np.concatenate([pose, carried, env.grid.encode().ravel()]).astype(np.float64)
