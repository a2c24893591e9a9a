"""Drawing N arenas at the resolution that was asked for: area averages and discs.

What stands still in an episode is drawn once, as exact area averages. Discs are drawn on top,
anti-aliased over one pixel, by touching only the pixels around them.
"""

import numpy as np

from swm.core.protocols import Array
from swm.envs.arena.geometry import SIZE

_PIXEL = np.dtype("V3")
"""The three colours of a pixel as one item, which NumPy moves faster."""


def overlap(low: Array, high: Array, size: int) -> Array:
    """Share of each of `size` cells of the arena that the intervals [low, high] (N,) cover: (N, size) float32."""
    edges = np.linspace(0.0, SIZE, size + 1)
    covered = np.minimum(high[:, None], edges[1:]) - np.maximum(low[:, None], edges[:-1])
    share: Array = np.maximum(covered, 0.0) / (SIZE / size)
    return share.astype(np.float32)


def weave(weights: Array, lines: Array) -> Array:
    """Draw a picture whose lines are sums of a few lines; equal neighbours are computed once.

    Args:
        weights: (height, K) float32: how much of each of the `lines` a line of the picture has.
        lines: (K, width, 3) float32.

    Returns:
        (height, width, 3) uint8.
    """
    first = np.flatnonzero(np.append(True, (weights[1:] != weights[:-1]).any(axis=1)))
    drawn = np.zeros((len(first), *lines.shape[1:]), np.float32)
    for weight, line in zip(weights[first].T, lines, strict=True):
        used = np.flatnonzero(weight)
        drawn[used] += weight[used, None, None] * line
    copies = np.diff(np.append(first, len(weights)))
    return np.repeat(np.rint(drawn).astype(np.uint8), copies, axis=0)


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
    share = (apart_y**2)[:, :, None] + (apart_x**2)[:, None]
    np.sqrt(share, out=share)
    np.subtract(radius[:, None, None], share, out=share)
    share /= cell
    share += 0.5
    if opacity is not None:
        share = np.clip(share, 0.0, 1.0) * opacity[:, None, None]
    hit = np.flatnonzero(share > 0)  # the discs touch only a part of their windows
    share = np.minimum(share.take(hit), 1.0)[:, None]
    index = (((np.arange(count)[:, None] * height + rows) * width)[:, :, None] + columns[:, None]).take(hit)
    row = hit // (rows.shape[1] * columns.shape[1])
    flat = pictures.reshape(-1, 3).view(_PIXEL)[:, 0]
    under = flat.take(index).view(np.uint8).reshape(-1, 3).astype(np.float64)
    over = color.astype(np.float64).take(row, axis=0)
    over -= under
    over *= share
    over += under
    flat[index] = np.rint(over, out=over).astype(np.uint8).view(_PIXEL)[:, 0]


def _window(centre: Array, reach: Array, cell: float, size: int) -> Array:
    """Indices of the pixels along one axis within `reach` of `centre` (N,): (N, K), inside the picture."""
    count = min(int(np.ceil(2 * reach.max() / cell)) + 1, size)
    first = np.clip(np.floor((centre - reach) / cell).astype(np.int64), 0, size - count)
    window: Array = first[:, None] + np.arange(count)
    return window
