"""Pictures of N arenas, drawn at the resolution that was asked for.

Walls, doors and border are drawn once per episode as exact area averages. Discs are drawn on top,
anti-aliased over one pixel, by touching only the pixels around them.
"""

from collections.abc import Mapping

import numpy as np

from swm.core.protocols import Array
from swm.envs.two_room.geometry import SIZE, door_edges

COLORS = ("border.color", "wall.color", "door.color", "background.color")


def _overlap(low: Array, high: Array, size: int) -> Array:
    """Share of each of `size` cells of the arena that the intervals [low, high] (N,) cover: (N, size)."""
    edges = np.linspace(0.0, SIZE, size + 1)
    covered = np.minimum(high[:, None], edges[1:]) - np.maximum(low[:, None], edges[:-1])
    share: Array = np.maximum(covered, 0.0) / (SIZE / size)
    return share.astype(np.float32)


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
    inner_x, inner_y = (_overlap(edge, SIZE - edge, size)[..., None] for size in (width, height))
    wall_x = _overlap(centre - half, centre + half, width)[..., None]
    door_y = np.sum([_overlap(begin[:, i], end[:, i], height) for i in range(begin.shape[1])], axis=0)
    border, wall, door, floor = (values[name][:, None].astype(np.float32) for name in COLORS)
    across = (inner_x * (floor - border) + wall_x * (wall - floor)).reshape(len(edge), 1, -1)
    door_across = (wall_x * (door - wall)).reshape(len(edge), 1, -1)
    picture = inner_y * across
    picture += door_y[..., None] * door_across
    picture = picture.reshape(-1, height, width, 3)
    picture += border[:, None]
    rounded: Array = np.rint(picture, out=picture).astype(np.uint8)
    return rounded


def draw_discs(pictures: Array, centre: Array, radius: Array, color: Array, opacity: Array | None = None) -> None:
    """Draw one disc into each picture, in place.

    Args:
        pictures: (N, height, width, 3) uint8, contiguous.
        centre: (N, 2), world units.
        radius: (N,), world units; the discs lie inside the arena.
        color: (N, 3), 0 to 255.
        opacity: (N,), 0 to 1; None is 1.
    """
    count, height, width, _ = pictures.shape
    cell_x, cell_y = SIZE / width, SIZE / height
    cell = (cell_x + cell_y) / 2
    columns = _window(centre[:, 0], radius + cell / 2, cell_x, width)
    rows = _window(centre[:, 1], radius + cell / 2, cell_y, height)
    apart_x = (columns + 0.5) * cell_x - centre[:, :1]
    apart_y = (rows + 0.5) * cell_y - centre[:, 1:]
    apart = np.sqrt(apart_y[:, :, None] ** 2 + apart_x[:, None] ** 2)
    share = np.clip(0.5 + (radius[:, None, None] - apart) / cell, 0.0, 1.0)
    if opacity is not None:
        share *= opacity[:, None, None]
    first = np.arange(count)[:, None] * height
    index = ((first + rows) * width)[:, :, None] + columns[:, None]
    flat = pictures.reshape(-1, 3)
    under = flat[index].astype(np.float64)
    over = under + share[..., None] * (color[:, None, None] - under)
    flat[index] = np.rint(over).astype(np.uint8)


def _window(centre: Array, reach: Array, cell: float, size: int) -> Array:
    """Indices of the pixels along one axis within `reach` of `centre` (N,): (N, K), inside the picture."""
    count = min(int(np.ceil(2 * reach.max() / cell)) + 1, size)
    first = np.clip(np.floor((centre - reach) / cell).astype(np.int64), 0, size - count)
    window: Array = first[:, None] + np.arange(count)
    return window
