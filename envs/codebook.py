"""Finite sets of actions of a real action space, and how a choice becomes an action and back."""

from collections.abc import Sequence

import numpy as np
from gymnasium import spaces

from swm.core.errors import InvalidValueError, UnknownNameError
from swm.core.protocols import Array

SETS = ("polar", "grid", "joint")
_MOST = 1_000_000


class Codebook:
    """A finite set of actions of a Box.

    - ``"polar"``, levels (D, M): a direction of D and a magnitude of M, from none to the largest
      circle in the Box, which has two dimensions. ``MultiDiscrete([D, M])``.
    - ``"grid"``, levels (L_1, ..., L_A) or one for all: evenly spaced values from the lowest to the
      highest of each dimension, chosen one by one. ``MultiDiscrete([L_1, ..., L_A])``.
    - ``"joint"``: the same set, with one number for all dimensions, the last one changing fastest.
      ``Discrete(L_1 * ... * L_A)``.
    """

    space: spaces.Discrete | spaces.MultiDiscrete
    """The choices."""

    def __init__(self, box: spaces.Box, actions: str, levels: Sequence[int] | int) -> None:
        """Divide a Box.

        Args:
            box: bounded, of shape (A,).
            actions: one of `SETS`.
            levels: at least 2 each; see the class.

        Raises:
            UnknownNameError: `actions` is not one of `SETS`.
            InvalidValueError: the levels are not allowed, or the space cannot be divided in this way.
        """
        if actions not in SETS:
            raise UnknownNameError("set of discrete actions", actions, SETS)
        if not isinstance(box, spaces.Box) or len(box.shape) != 1 or not box.is_bounded():
            raise InvalidValueError(f"only a bounded Box of shape (A,) can be made discrete, got {box}.")
        (size,) = box.shape
        if actions == "polar" and size != 2:
            raise InvalidValueError(f"polar actions need a Box of shape (2,), got {box}; use 'grid' or 'joint'.")
        counts = [levels] * size if isinstance(levels, int) else list(levels)
        if len(counts) != size or not all(isinstance(n, int) and n >= 2 for n in counts) or np.prod(counts) > _MOST:
            raise InvalidValueError(
                f"levels is {levels!r}; {size} integers of at least 2 are needed, with a product up to {_MOST:,}."
            )
        self._actions, self._counts = actions, np.array(counts)
        low, high = box.low.astype(np.float64), box.high.astype(np.float64)
        self._centre, self._half = (low + high) / 2, (high - low) / 2
        self.space = spaces.Discrete(int(np.prod(counts))) if actions == "joint" else spaces.MultiDiscrete(counts)

    def decode(self, choices: Array) -> Array:
        """The actions (N, A) float64 that valid choices, (N,) or (N, A) integers, stand for."""
        if self._actions == "polar":
            angle = 2 * np.pi * choices[:, 0] / self._counts[0]
            magnitude = choices[:, 1] / (self._counts[1] - 1)
            direction = np.round(np.stack([np.cos(angle), np.sin(angle)], axis=1), 12)
            unit = magnitude[:, None] * direction
        else:
            each = np.stack(np.unravel_index(choices, self._counts), axis=1) if self._actions == "joint" else choices
            unit = 2 * each / (self._counts - 1) - 1
        actions: Array = self._centre + self._half * unit
        return actions

    def encode(self, actions: Array) -> Array:
        """The choices nearest to actions (N, A): the nearest direction and magnitude, or the nearest level of each."""
        unit = np.clip((actions - self._centre) / self._half, -1.0, 1.0)
        if self._actions == "polar":
            turn = np.arctan2(unit[:, 1], unit[:, 0]) / (2 * np.pi) * self._counts[0]
            magnitude = np.minimum(np.hypot(unit[:, 0], unit[:, 1]), 1.0) * (self._counts[1] - 1)
            return np.stack([np.rint(turn) % self._counts[0], np.rint(magnitude)], axis=1).astype(np.int64)
        each = np.rint((unit + 1) / 2 * (self._counts - 1)).astype(np.int64)
        choices: Array = np.ravel_multi_index(tuple(each.T), self._counts) if self._actions == "joint" else each
        return choices
