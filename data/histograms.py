"""Counts of values in bins of equal width."""

from collections.abc import Sequence

import numpy as np

from swm.data.columns import Array
from swm.data.statistics import NUM_BINS

BINS = NUM_BINS
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
        counted = np.histogram(finite, BINS, (float(low[0]), float(high[0])))[0]
    result: list[int] = counted.tolist()
    return result


def coarser(counts: Sequence[int], bins: int) -> list[int]:
    """Join neighbouring bins, equally many each time but the last, until there are at most `bins`."""
    step = max(1, -(-len(counts) // bins))
    return [sum(counts[begin : begin + step]) for begin in range(0, len(counts), step)]
