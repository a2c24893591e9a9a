"""Counts of values in bins of equal width."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.data.columns import Array

BINS = 64
"""Bins of every histogram: a power of two, so that neighbours join to coarser ones."""


def histogram(values: Array) -> list[int]:
    """Count finite values, shape (N,), in `BINS` bins between the smallest and the largest."""
    finite = np.asarray(values, np.float64)
    finite = finite[np.isfinite(finite)]
    if not len(finite):
        return [0] * BINS
    counted = stream_histogram([finite[:, None]], np.array([finite.min()]), np.array([finite.max()]))
    result: list[int] = counted[:, 0].tolist()
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
    """Join neighbouring bins, equally many each time, until there are at most `bins`."""
    step = 1
    while step < len(counts) and (len(counts) > step * bins or len(counts) % step):
        step += 1
    return [sum(counts[begin : begin + step]) for begin in range(0, len(counts), step)]
