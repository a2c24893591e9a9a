"""The rows of the environments that are made discrete, in the table of environments."""

from dataclasses import replace
from typing import Any

from swm.envs.piecewise.rows import ROWS as PIECEWISE
from swm.envs.point_maze.rows import ROWS as POINT_MAZE
from swm.envs.push_t.rows import ROWS as PUSH_T
from swm.envs.row import EnvRow
from swm.envs.two_room.rows import ROWS as TWO_ROOM

_INSIDE = {**TWO_ROOM, **POINT_MAZE, **PIECEWISE, **PUSH_T}


def _row(env: str, actions: str, levels: tuple[int, ...], noop: Any, **differences: Any) -> EnvRow:
    """The row of `env` with the actions of a codebook."""
    kwargs = {"env": env, "actions": actions, "levels": levels}
    return replace(
        _INSIDE[env],
        target="swm.envs.quantize:Quantized",
        native="swm.envs.quantize:QuantizedExecutor" if _INSIDE[env].native else None,
        expert="swm.envs.quantize:QuantizedExpert",
        kwargs=kwargs,
        expert_kwargs=kwargs,
        noop=noop,
        summary=f"{env} with discrete actions: {actions}, {' by '.join(map(str, levels))}.",
        **differences,
    )


ROWS = {
    "swm/TwoRoomDiscrete-v0": _row("swm/TwoRoom-v0", "joint", (5, 5), 12),
    "swm/PointMazeUDiscrete-v0": _row("swm/PointMazeU-v0", "joint", (3, 3), 4, nightly=True),
    "swm/PushTDiscrete-v0": _row("swm/PushT-v0", "polar", (16, 16), 0, nightly=True),
    "swm/PiecewiseDiscrete-v0": _row("swm/Piecewise-v0", "polar", (16, 16), 0, nightly=True),
}
