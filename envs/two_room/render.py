"""Pictures of walls, doors and border as exact area averages."""

from collections.abc import Mapping

import numpy as np

from swm.core.protocols import Array
from swm.envs.arena.geometry import SIZE
from swm.envs.arena.render import overlap, weave
from swm.envs.two_room.geometry import door_edges

COLORS = ("border.color", "wall.color", "door.color", "background.color")


def draw_arena(values: Mapping[str, Array], image_size: tuple[int, int]) -> Array:
    """Draw border, wall, doors and floor.

    Args:
        values: stacked factors, those of `geometry.SHAPE` and `COLORS`.
        image_size: height and width in pixels.

    Returns:
        (N, height, width, 3) uint8.
    """
    pictures = np.empty((len(values["wall.axis"]), *image_size, 3), np.uint8)
    for axis in (0, 1):
        rows = np.flatnonzero(values["wall.axis"] == axis)
        if len(rows):
            chosen = {name: value[rows] for name, value in values.items()}
            # a horizontal wall is a vertical one in the transposed picture
            drawn = _draw_vertical(chosen, image_size if axis else image_size[::-1])
            pictures[rows] = drawn if axis else drawn.swapaxes(1, 2)
    return pictures


def _draw_vertical(values: Mapping[str, Array], image_size: tuple[int, int]) -> Array:
    """Draw arenas whose wall is vertical: each pixel is the sum of the regions' colours by area.

    Every region is a product of a set of rows and a set of columns, so that the picture is
    ``border + inner_y (inner_x (floor - border) + wall_x (wall - floor)) + door_y wall_x (door - wall)``.
    """
    height, width = image_size
    edge, centre, half = values["border.thickness"], values["wall.position"], values["wall.thickness"] / 2
    begin, end = door_edges(values)
    inner_x, inner_y = overlap(edge, SIZE - edge, width)[..., None], overlap(edge, SIZE - edge, height)
    wall_x = overlap(centre - half, centre + half, width)[..., None]
    door_y = np.sum([overlap(begin[:, i], end[:, i], height) for i in range(begin.shape[1])], axis=0)
    border, wall, door, floor = (values[name][:, None].astype(np.float32) for name in COLORS)
    across = inner_x * (floor - border) + wall_x * (wall - floor)
    door_across = wall_x * (door - wall)
    weights = np.stack([inner_y, door_y, np.ones_like(door_y)], axis=2)
    lines = np.stack([across, door_across, np.broadcast_to(border, across.shape)], axis=1)
    return np.stack([weave(*each) for each in zip(weights, lines, strict=True)])
