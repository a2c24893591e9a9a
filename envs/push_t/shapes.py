"""The shapes of block and agent: convex parts, centre of gravity, moment of inertia, symmetry.

Coordinates are in units of the shape's scale, in a frame whose origin is what the environment calls
the position. The origin of a T is the middle of the top of its bar, not its centre of gravity.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from swm.core.protocols import Array

Polygon = tuple[tuple[float, float], ...]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A union of convex polygons, or a disc."""

    name: str
    parts: tuple[Polygon, ...]
    """What collides; empty for a disc."""
    moments: tuple[int, ...] = ()
    """The parts whose moments of inertia add up to the shape's, each at unit mass."""
    looks: tuple[Polygon, ...] = ()
    """The same shape as polygons that overlap, so that pictures show no seams; empty if `parts` will do."""
    symmetry: int = 1
    """Turns by ``2 pi / symmetry`` about the centre of gravity map the shape onto itself."""

    @cached_property
    def center(self) -> Array:
        """The centre of gravity: the mean of the parts' centres, (2,)."""
        center: Array = np.mean([_centroid(part) for part in self.parts] or [np.zeros(2)], axis=0)
        return center

    @cached_property
    def outline(self) -> tuple[Array, ...]:
        """The polygons to draw, each (P, 2)."""
        return tuple(np.array(part) for part in self.looks or self.parts)


def _box(left: float, top: float, right: float, bottom: float) -> Polygon:
    return ((left, top), (left, bottom), (right, bottom), (right, top))


def _centroid(part: Polygon) -> Array:
    x, y = np.array(part).T
    cross = x * np.roll(y, -1) - np.roll(x, -1) * y
    moments = [((c + np.roll(c, -1)) * cross).sum() for c in (x, y)]
    centroid: Array = np.array(moments) / (3 * cross.sum())
    return centroid


SHAPES: tuple[Shape, ...] = (
    Shape(name="o", parts=(), symmetry=0),
    Shape(
        name="L",
        parts=(_box(0, 0, 1, 2), _box(0, -1, 2, 0)),
        moments=(0, 1),
        looks=(_box(0, -1, 1, 2), _box(0, -1, 2, 0)),
    ),
    Shape(
        name="T",
        parts=(_box(-2, 0, 2, 1), _box(-0.5, 1, 0.5, 4)),
        moments=(0, 0),
        looks=(_box(-2, 0, 2, 1), _box(-0.5, 0, 0.5, 4)),
    ),
    Shape(
        name="Z",
        parts=(_box(0, 0, 2, 1), _box(-1, -1, 1, 0)),
        moments=(0, 1),
        looks=(_box(0, 0, 2, 1), _box(-1, -1, 1, 0), _box(0, -1, 1, 1)),
        symmetry=2,
    ),
    Shape(name="square", parts=(_box(-1, -1, 1, 1),), moments=(0,), symmetry=4),
    Shape(name="I", parts=(_box(-0.5, -2, 0.5, 2),), moments=(0,), symmetry=2),
    Shape(
        name="small_tee",
        parts=(_box(-1.5, 0, 1.5, 1), _box(-0.5, 1, 0.5, 2)),
        moments=(0, 1),
        looks=(_box(-1.5, 0, 1.5, 1), _box(-0.5, 0, 0.5, 2)),
    ),
    Shape(
        name="+",
        parts=(_box(-1.5, -0.5, 1.5, 0.5), _box(-0.5, 0.5, 0.5, 1.5), _box(-0.5, -1.5, 0.5, -0.5)),
        moments=(0, 0, 0),
        looks=(_box(-1.5, -0.5, 1.5, 0.5), _box(-0.5, -1.5, 0.5, 1.5)),
        symmetry=4,
    ),
)
"""The index is the value of ``agent.shape`` and ``block.shape``; as in diffusion policy (T) and stable-worldmodel."""
DISC = 0
TEE = 2


def place(points: Array, x: float, y: float, angle: float) -> Array:
    """Turn `points` (P, 2) by `angle` in rad about the origin and move the origin to `x`, `y`."""
    sine, cosine = np.sin(angle), np.cos(angle)
    placed: Array = points @ np.array([[cosine, sine], [-sine, cosine]]) + (x, y)
    return placed
