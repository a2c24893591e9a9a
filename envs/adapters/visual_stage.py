"""What the groups of visual effects share: their factors, an episode's facts, random numbers, painting.

A group is a module with `FACTORS` and ``prepare(values, episode) -> Stage | None``; None is no effect.
Sizes and places are shares of the picture's side, so that pictures of all sizes show the same.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from swm.core.factors import Factor
from swm.core.protocols import Array
from swm.core.seeding import derive_seed
from swm.core.spaces import Value, scalar
from swm.envs.adapters.linear import EIGHTHS
from swm.envs.arena import counter_rng

PREFIX = "visual."
Values = Mapping[str, Value]
"""Factor name without the prefix -> value."""
Stage = Callable[[Array, int], Array]
"""Turns a picture in eighths, (3, height, width) float32, at a step into another; may write to what it is given."""


@dataclass(frozen=True, kw_only=True)
class Episode:
    """What the effects of one episode depend on besides the factors' values."""

    key: int
    """All random numbers derive from it; below 2**52."""
    key_color: Array
    """(3,) uint8: the colour that a background replaces."""
    image_size: tuple[int, int]
    frames: Array | None
    """What to put behind the scene, (T, height, width, 3) uint8 at `image_size`; None is a random pattern."""

    def uniform(self, purpose: str, count: int, step: int = 0) -> Array:
        """Numbers in [0, 1), (count,) float64, a function of the episode, the purpose and the step."""
        key, counter = np.array([derive_seed(self.key, purpose)]), np.array([step])
        numbers: Array = counter_rng.uniform(key, counter, count)[0]
        return numbers


def strength(name: str, high: float, summary: str, unit: str = "") -> Factor:
    """A visual factor from 0, which has no effect, to `high`."""
    return real(name, 0.0, high, 0.0, summary, unit)


def real(name: str, low: float, high: float, default: float, summary: str, unit: str = "") -> Factor:
    """A visual factor of one real number, without effect at its default."""
    return Factor(
        name=PREFIX + name, kind="visual", space=scalar(low, high), default=default, summary=summary, unit=unit
    )


def paint(picture: Array, center: Array, side: float, color: Array) -> None:
    """Paint a square with edges parallel to the picture's; `center` is x, y, all as shares of the picture's sides."""
    (height, width), (x, y) = picture.shape[1:], center
    top, rows = _cover(height, y - side / 2, y + side / 2)
    left, columns = _cover(width, x - side / 2, x + side / 2)
    window = picture[:, top : top + len(rows), left : left + len(columns)]
    cover = (rows[:, None] * columns).astype(np.float32)
    window += np.rint(cover * (np.rint(color * EIGHTHS).astype(np.float32)[:, None, None] - window))


def _cover(size: int, low: float, high: float) -> tuple[int, Array]:
    """The first of the pixels that the interval touches, and the share that it covers of each."""
    low, high = np.clip([low * size, high * size], 0, size)
    index = np.arange(int(low), int(np.ceil(high)))
    return int(low), np.minimum(index + 1, high) - np.maximum(index, low)
