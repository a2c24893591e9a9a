"""Flat shapes drawn at any resolution, with smooth edges, straight into small pictures.

A shape is the signed distance to its outline. A pixel takes the shape's colour by the share that
the shape covers of it, estimated from the distance at its centre, so that one scene looks the same
at every size. Only the pixels near a shape are touched.
"""

from collections.abc import Callable, Sequence
from typing import Self

import numpy as np

from swm.core.protocols import Array

Distance = Callable[[Array, Array], Array]
"""Signed distance in world units at x, y (arrays of one shape): negative inside."""


class Canvas:
    """A picture of a rectangle of the world."""

    def __init__(self, image_size: tuple[int, int], low: Sequence[float], high: Sequence[float], color: Array) -> None:
        """Fill the picture with one colour.

        Args:
            image_size: height and width in pixels.
            low: world x and y at the picture's left and top edge; a y above that of `high` means y up.
            high: world x and y at the right and bottom edge.
            color: (3,) uint8.
        """
        height, width = image_size
        self._scale = np.array([(high[0] - low[0]) / width, (high[1] - low[1]) / height])
        self._low, self._size = np.asarray(low, np.float64), np.array([width, height])
        self._pixel = float(np.abs(self._scale).mean())
        self._picture = np.empty((height, width, 3), np.uint8)
        self._picture[:] = color

    def copy(self) -> Self:
        """Another canvas that shows the same, for drawing on top of what stands still."""
        twin = type(self).__new__(type(self))
        twin._scale, twin._low, twin._size, twin._pixel = self._scale, self._low, self._size, self._pixel
        twin._picture = self._picture.copy()
        return twin

    def pixels(self) -> Array:
        """The picture: (height, width, 3) uint8, the caller's to keep."""
        return self._picture.copy()

    def disc(self, center: Sequence[float], radius: float, color: Array, alpha: float = 1.0) -> None:
        """Draw a disc."""
        x, y = center
        self.fill(lambda u, v: np.hypot(u - x, v - y) - radius, [center], radius, color, alpha)

    def capsule(self, start: Sequence[float], end: Sequence[float], radius: float, color: Array) -> None:
        """Draw a line with round ends, `radius` to each side."""
        a, axis = np.asarray(start, np.float64), np.subtract(end, start)
        length = max(float(axis @ axis), 1e-12)

        def distance(u: Array, v: Array) -> Array:
            along = np.clip(((u - a[0]) * axis[0] + (v - a[1]) * axis[1]) / length, 0.0, 1.0)
            gap: Array = np.hypot(u - a[0] - along * axis[0], v - a[1] - along * axis[1]) - radius
            return gap

        self.fill(distance, [start, end], radius, color)

    def polygons(self, parts: Sequence[Array], color: Array, alpha: float = 1.0) -> None:
        """Draw the union of convex polygons (each (P, 2), in either order); parts should overlap, not only touch."""
        window = self._window(np.concatenate(parts), 0.0)
        if window is None:
            return
        x, y, rows, columns = window
        normals, offsets, starts = _half_planes(parts)
        across = (normals[:, :1] * x - offsets[:, None]).astype(np.float32)
        gaps = across[:, None, :] + (normals[:, 1:] * y).astype(np.float32)[:, :, None]
        distance = np.maximum.reduceat(gaps, starts, axis=0).min(axis=0)
        self._blend(rows, columns, distance, color, alpha)

    def fill(
        self,
        distance: Distance,
        points: Sequence[Sequence[float]] | Array,
        margin: float,
        color: Array,
        alpha: float = 1.0,
    ) -> None:
        """Draw the shape of a signed distance.

        Args:
            distance: the shape.
            points: the shape lies within `margin` of the box around these, (P, 2).
            margin: in world units.
            color: (3,), 0 to 255.
            alpha: opacity, 0 to 1.
        """
        window = self._window(points, margin)
        if window is None:
            return
        x, y, rows, columns = window
        u, v = np.broadcast_arrays(x[None, :], y[:, None])
        self._blend(rows, columns, distance(u, v), color, alpha)

    def _window(
        self, points: Sequence[Sequence[float]] | Array, margin: float
    ) -> tuple[Array, Array, slice, slice] | None:
        """World x and y of the centres of the pixels near `points`, and which rows and columns they are."""
        corners = (np.asarray(points, np.float64) - self._low) / self._scale
        reach = margin / np.abs(self._scale) + 1.0
        left, top = np.maximum(np.floor(corners.min(axis=0) - reach), 0).astype(int).tolist()
        right, bottom = np.minimum(np.ceil(corners.max(axis=0) + reach), self._size).astype(int).tolist()
        if left >= right or top >= bottom:
            return None
        x = self._low[0] + (np.arange(left, right) + 0.5) * self._scale[0]
        y = self._low[1] + (np.arange(top, bottom) + 0.5) * self._scale[1]
        return x, y, slice(top, bottom), slice(left, right)

    def _blend(self, rows: slice, columns: slice, distance: Array, color: Array, alpha: float) -> None:
        cover = np.clip(0.5 - distance / self._pixel, 0.0, 1.0).astype(np.float32)[..., None] * np.float32(alpha)
        window = self._picture[rows, columns]
        window[...] = np.rint(window + cover * (np.asarray(color, np.float32) - window))


def _half_planes(parts: Sequence[Array]) -> tuple[Array, Array, Array]:
    """Outward unit normals (E, 2) and offsets (E,) of convex polygons' edges, and where each polygon begins."""
    ends = [np.roll(part, -1, axis=0) for part in parts]
    middles = [np.broadcast_to(np.mean(part, axis=0), np.shape(part)) for part in parts]
    points, middle = np.concatenate(parts).astype(np.float64), np.concatenate(middles)
    edges = np.concatenate(ends) - points
    normals = np.stack([edges[:, 1], -edges[:, 0]], axis=1) / np.hypot(edges[:, 0], edges[:, 1])[:, None]
    normals *= np.sign(np.einsum("ek,ek->e", normals, points - middle))[:, None]
    starts = np.cumsum([0, *(len(part) for part in parts[:-1])])
    return normals, np.einsum("ek,ek->e", normals, points), starts
