"""Flat shapes drawn at any resolution, with smooth edges, straight into small pictures.

A shape is the signed distance to its outline. A pixel takes the shape's colour by the share that
the shape covers of it, estimated from the distance at its centre, so that one scene looks the same
at every size. Only the pixels near a shape are touched.
"""

from collections.abc import Callable, Sequence

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
        self._picture = np.empty((height, width, 3), np.float32)
        self._picture[:] = color

    def copy(self) -> "Canvas":
        """A canvas of its own with the same picture, to draw on a background more than once."""
        other = object.__new__(Canvas)
        other.__dict__.update(self.__dict__, _picture=self._picture.copy())
        return other

    def pixels(self) -> Array:
        """The picture: (height, width, 3) uint8, the caller's to keep."""
        return np.rint(self._picture).astype(np.uint8)

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
        edges = [_half_planes(np.asarray(part, np.float64)) for part in parts]

        def distance(u: Array, v: Array) -> Array:
            gaps = [np.max([u * n[0] + v * n[1] - d for n, d in planes], axis=0) for planes in edges]
            nearest: Array = np.min(gaps, axis=0)
            return nearest

        self.fill(distance, np.concatenate(parts), 0.0, color, alpha)

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
        corners = (np.asarray(points, np.float64) - self._low) / self._scale
        reach = margin / np.abs(self._scale) + 1.0
        first = np.clip(np.floor(corners.min(axis=0) - reach), 0, self._size).astype(int)
        last = np.clip(np.ceil(corners.max(axis=0) + reach), 0, self._size).astype(int)
        if (first >= last).any():
            return
        x = self._low[0] + (np.arange(first[0], last[0]) + 0.5) * self._scale[0]
        y = self._low[1] + (np.arange(first[1], last[1]) + 0.5) * self._scale[1]
        u, v = np.broadcast_arrays(x[None, :], y[:, None])
        cover = np.clip(0.5 - distance(u, v) / self._pixel, 0.0, 1.0) * alpha
        window = self._picture[first[1] : last[1], first[0] : last[0]]
        window += cover[..., None].astype(np.float32) * (np.asarray(color, np.float32) - window)


def _half_planes(points: Array) -> list[tuple[Array, float]]:
    """Outward unit normals and offsets of a convex polygon's edges."""
    edges = np.roll(points, -1, axis=0) - points
    normals = np.stack([edges[:, 1], -edges[:, 0]], axis=1) / np.linalg.norm(edges, axis=1, keepdims=True)
    offsets = np.sum(normals * points, axis=1)
    outward = np.sign(offsets - normals @ points.mean(axis=0))
    return list(zip(normals * outward[:, None], (offsets * outward).tolist(), strict=True))


def rectangle(center: Sequence[float], half: Sequence[float], angle: float = 0.0) -> Array:
    """Corners (4, 2) of a rectangle with half sides `half`, turned by `angle` from x towards y, in rad."""
    x = half[0] * np.array([np.cos(angle), np.sin(angle)])
    y = half[1] * np.array([-np.sin(angle), np.cos(angle)])
    corners: Array = np.asarray(center, np.float64) + np.stack([x + y, y - x, -x - y, x - y])
    return corners
