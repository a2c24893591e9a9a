"""The rows of the environments that are made discrete, in the table of environments."""

from dataclasses import replace
from typing import Any

from swm.envs.piecewise import rows as piecewise
from swm.envs.point_maze import rows as point_maze
from swm.envs.row import EnvRow
from swm.envs.two_room import rows as two_room

_INSIDE = {**two_room.ROWS, **point_maze.ROWS, **piecewise.ROWS}


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
    "swm/PiecewiseDiscrete-v0": _row("swm/Piecewise-v0", "polar", (16, 16), 0, nightly=True),
}
