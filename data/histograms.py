"""Counts of values in bins of equal width."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.data.columns import Array

BINS = 64
"""Bins of every histogram: a power of two, so that neighbours join to coarser ones."""


def histogram(values: Array) -> list[int]:
    """Count finite values, shape (N,), in bins of equal width between the smallest and the largest.

    There are `BINS` bins; of integers at most so many, each of equally many integers.
    """
    finite = np.asarray(values)[np.isfinite(values)]
    if not len(finite):
        return [0] * BINS
    low, high = finite.min(keepdims=True), finite.max(keepdims=True)
    reach = int(high[0]) - int(low[0]) + 1
    if finite.dtype.kind in "iu" and reach < 2**53:
        counted = np.bincount((finite - low) // -(-reach // BINS))
    else:
        counted = stream_histogram([finite[:, None]], low, high)[:, 0]
    result: list[int] = counted.tolist()
    return result


def stream_histogram(chunks: Iterable[Array], low: NDArray[Any], high: NDArray[Any]) -> NDArray[np.int64]:
    """Count the values of each of D entries between their smallest and their largest value.

    Args:
        chunks: arrays of shape (n, D), any n; what is not finite is left out.
        low: shape (D,), the smallest values.
        high: shape (D,), the largest values.

    Returns:
        Shape (`BINS`, D). The last bin holds its upper edge; where all values are one, it is in the first.
    """
    counts = np.zeros((BINS, len(low)), np.int64)
    with np.errstate(over="ignore"):
        width = np.where(high > low, high - low, 1.0)
    for chunk in chunks:
        with np.errstate(invalid="ignore", over="ignore"):
            place = (chunk.astype(np.float64) - low) / width * BINS
        known = np.isfinite(place)
        bins = np.clip(np.where(known, place, 0), 0, BINS - 1).astype(np.int64)
        for entry in range(len(low)):
            counts[:, entry] += np.bincount(bins[known[:, entry], entry], minlength=BINS)
    return counts


def coarser(counts: Sequence[int], bins: int) -> list[int]:
    """Join neighbouring bins, equally many each time but the last, until there are at most `bins`."""
    step = max(1, -(-len(counts) // bins))
    return [sum(counts[begin : begin + step]) for begin in range(0, len(counts), step)]
