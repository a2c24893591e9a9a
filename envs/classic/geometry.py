"""Angles and rectangles."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from swm.core.errors import InvalidValueError
from swm.core.protocols import Array
from swm.envs.drawing import Canvas


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


def draw_rectangle(
    canvas: Canvas, center: Sequence[float] | Array, half: Sequence[float] | Array, angle: float, color: Array
) -> None:
    """Draw a rectangle with half sides `half`, turned by `angle` from x towards y, in rad."""
    (x, y), (width, height), cos, sin = center, half, float(np.cos(angle)), float(np.sin(angle))

    def distance(u: Array, v: Array) -> Array:
        u, v = u - x, v - y
        gap: Array = np.maximum(np.abs(cos * u + sin * v) - width, np.abs(cos * v - sin * u) - height)
        return gap

    reach_x = abs(cos) * width + abs(sin) * height
    reach_y = abs(sin) * width + abs(cos) * height
    canvas.fill(distance, [(x - reach_x, y - reach_y), (x + reach_x, y + reach_y)], 0.0, color)
