"""Linear maps of pictures along rows and columns, in integer arithmetic.

A picture is worked on as three planes in *eighths*: float32 integers, eight per grey level, so 0 to 2040;
shape (3, height, width). Weights are multiples of 1/2048. With these, every product and sum of a map is an
integer of at most 2**24, which float32 holds exactly, so the result depends neither on the order of the
sums nor on the BLAS library.
"""

import math

import numpy as np

from swm.core.protocols import Array

EIGHTHS = 8
"""Units per grey level."""
WHITE = 255 * EIGHTHS
_UNIT = 2048


def to_eighths(pixels: Array) -> Array:
    """Turn grey levels (height, width, 3) uint8 into planes (3, height, width) in eighths."""
    planes = np.empty((3, *pixels.shape[:2]), np.float32)
    np.multiply(pixels.transpose(2, 0, 1), np.float32(EIGHTHS), out=planes)
    return planes


def to_pixels(eighths: Array) -> Array:
    """Round planes (3, height, width) in eighths to grey levels (height, width, 3) uint8, from 0 to 255."""
    levels = np.clip(np.rint(eighths * np.float32(1 / EIGHTHS)), 0, 255)
    pixels = np.empty((*eighths.shape[1:], 3), np.uint8)
    pixels[...] = levels.transpose(1, 2, 0)
    return pixels


class Separable:
    """One linear map of the rows and one of the columns of a picture."""

    def __init__(self, rows: Array, columns: Array) -> None:
        """Round the weights, so that each output's weights keep their sum.

        Args:
            rows: (height out, height in); the absolute weights of an output sum to 2 at most.
            columns: (width out, width in), likewise.
        """
        self._rows, self._columns = _quantize(rows), _quantize(columns).T.copy()

    def __call__(self, picture: Array) -> Array:
        """Map a picture (3, height in, width in) in eighths to (3, height out, width out) in eighths."""
        return _scaled(_scaled(self._rows @ picture) @ self._columns)


def _scaled(product: Array) -> Array:
    """Products of eighths and weights, rounded to eighths, in place."""
    product *= np.float32(1 / _UNIT)
    return np.rint(product, out=product)


def _quantize(exact: Array) -> Array:
    steps = np.rint(np.cumsum(exact, axis=1) * _UNIT)
    weights: Array = np.diff(steps, axis=1, prepend=0.0).astype(np.float32)
    return weights


def area(size: int, new_size: int) -> Array:
    """Weights that average `size` pixels over the area of each of `new_size`: (new_size, size)."""
    low, high = np.arange(size) * new_size, np.arange(1, size + 1) * new_size
    begin, end = np.arange(new_size)[:, None] * size, np.arange(1, new_size + 1)[:, None] * size
    overlap: Array = np.clip(np.minimum(high, end) - np.maximum(low, begin), 0, None) / size
    return overlap


def gaussian(size: int, sigma: float) -> Array:
    """Weights of a Gaussian blur of `sigma` pixels; beyond the edge the picture repeats its edge."""
    below = np.array([0.5 * (1 + math.erf((k + 0.5) / (sigma * math.sqrt(2)))) for k in range(-size, size)])
    index = np.arange(size)
    edges = below[size + index[None, :] - index[:, None]]
    edges[:, -1] = 1.0
    weights: Array = np.diff(edges, axis=1, prepend=0.0)
    return weights


def shift(size: int, distance: float) -> Array:
    """Weights that move a picture by `distance` pixels; its edge is repeated into what is left free."""
    place = np.clip(np.arange(size) - distance, 0, size - 1)
    return linear(place, size)


def linear(place: Array, size: int) -> Array:
    """Weights of linear interpolation at `place`, each from 0 to size - 1: (len(place), size)."""
    weights: Array = np.clip(1 - np.abs(place[:, None] - np.arange(size)), 0, None)
    return weights


def mosaic(size: int, cell: float) -> Array:
    """Weights that average cells of `cell` pixels and fill each with its average."""
    low = np.arange(math.ceil(size / cell))[:, None] * cell
    index = np.arange(size)
    cover = np.clip(np.minimum(low + cell, index + 1) - np.maximum(low, index), 0, None)
    weights: Array = cover.T @ (cover / cover.sum(axis=1, keepdims=True))
    return weights
