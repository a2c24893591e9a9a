"""Angles and rectangles."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from swm.core.errors import InvalidValueError
from swm.core.protocols import Array


def difference(a: Any, b: Any) -> Any:
    """The turn from angle `b` to angle `a`, in [-pi, pi); numbers or arrays."""
    return ((a - b + np.pi) % (2 * np.pi)) - np.pi


def wrap(angle: float) -> float:
    """The same angle in [-pi, pi], untouched if it lies there."""
    while angle > np.pi:
        angle = angle - 2 * np.pi
    while angle < -np.pi:
        angle = angle + 2 * np.pi
    return angle


def angle_of(cos: float, sin: float) -> float:
    """The angle with this cosine and sine, in [-pi, pi].

    Raises:
        InvalidValueError: no angle has them.
    """
    if abs(np.hypot(cos, sin) - 1.0) > 1e-6:
        raise InvalidValueError(f"state: no angle has the cosine {cos!r} and the sine {sin!r}.")
    return float(np.arctan2(sin, cos))


def rectangle(center: Sequence[float] | Array, half: Sequence[float] | Array, angle: float = 0.0) -> Array:
    """Corners (4, 2) of a rectangle with half sides `half`, turned by `angle` from x towards y, in rad."""
    x = half[0] * np.array([np.cos(angle), np.sin(angle)])
    y = half[1] * np.array([-np.sin(angle), np.cos(angle)])
    corners: Array = np.asarray(center, np.float64) + np.stack([x + y, y - x, -x - y, x - y])
    return corners
