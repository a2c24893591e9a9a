"""The zones of the piecewise arena: where the agent can be, how it is pushed there, what they look like."""

from functools import partial

import numpy as np

from swm.core.protocols import Array
from swm.envs.arena.geometry import SIZE, Obstacles, grow
from swm.envs.arena.render import overlap, weave
from swm.envs.arena.rules import Values

SHAPE = ("agent.radius", "border.thickness")
"""The factors that decide where the agent can be."""


def bias_names(grid_n: int) -> tuple[str, ...]:
    """The factors of the zones' pushes, from the top left, row by row."""
    return tuple(f"zones.bias_{index}" for index in range(grid_n**2))


def obstacles(values: Values) -> Obstacles:
    """The border alone; `values` are stacked factors of `SHAPE`."""
    return grow(np.empty((len(values["agent.radius"]), 0, 4)), values["border.thickness"], values["agent.radius"])


def zone_at(position: Array, grid_n: int) -> Array:
    """The zones of the positions (N, 2): (N,) integers."""
    column, row = np.clip((position * (grid_n / SIZE)).astype(np.int64), 0, grid_n - 1).T
    zone: Array = row * grid_n + column
    return zone


def push(values: Values, position: Array, grid_n: int) -> Array:
    """What the zones add to steps that begin at the positions (N, 2), (N, 2)."""
    zone = zone_at(position, grid_n)
    pushes = np.empty_like(position)
    for index, name in enumerate(bias_names(grid_n)):
        here = zone == index
        pushes[here] = values[name][here]
    return pushes


def draw(values: Values, image_size: tuple[int, int], grid_n: int) -> Array:
    """Draw border and floor: each pixel is the sum of the regions' colours by area.

    Args:
        values: all stacked factors.
        image_size: height and width in pixels.
        grid_n: zones along each side.

    Returns:
        (N, height, width, 3) uint8.
    """
    height, width = image_size
    shares = partial(_shares, grid_n=grid_n, border=values["border.thickness"])
    across, down = shares(size=width), shares(size=height)
    floor, edge = values["background.color"].astype(np.float32), values["border.color"].astype(np.float32)
    visible = values["zones.visible"][:, None, None] == 1
    colors = np.stack([values[f"zones.color_{index}"] for index in range(grid_n**2)], axis=1).astype(np.float32)
    colors = np.where(visible, colors, floor[:, None]).reshape(-1, grid_n, grid_n, 3)
    lines = (across[:, None, ..., None] * (colors - edge[:, None, None])[:, :, :, None]).sum(axis=2)
    lines = np.concatenate([lines, np.zeros_like(lines[:, :1])], axis=1) + edge[:, None, None]
    weights = np.concatenate([down, 1 - down.sum(axis=1, keepdims=True)], axis=1).swapaxes(1, 2)
    return np.stack([weave(*each) for each in zip(weights, lines, strict=True)])


def _shares(size: int, grid_n: int, border: Array) -> Array:
    """How much of each of `size` lines of pixels lies in each row of zones, (N, grid_n, size)."""
    edges = np.linspace(0.0, SIZE, grid_n + 1)
    low, high = (np.clip(edge, border[:, None], SIZE - border[:, None]) for edge in (edges[:-1], edges[1:]))
    return np.stack([overlap(low[:, i], high[:, i], size) for i in range(grid_n)], axis=1)
