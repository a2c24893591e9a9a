"""Measuring a column in one pass: moments, and quantiles from a sample of bounded size."""

import contextlib
import math
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.core.progress import Advance, progress
from swm.core.seeding import make_rng
from swm.data.columns import Array
from swm.data.statistics import LEVELS, NUM_BINS, Counts, Floats, Statistics

SAMPLE_BYTES = 1 << 28
"""A column of up to this many bytes has exact quantiles; of a larger one, a sample of this size is kept."""

_QUIET_S = 2.0
"""How long a measurement may take before its progress is shown."""


def stream_statistics(
    chunks: Iterable[Array], shape: tuple[int, ...], *, sample_bytes: int = SAMPLE_BYTES
) -> Statistics:
    """Measure numbers in one pass and constant memory.

    Moments of chunks are combined as in Chan et al. (1983), which loses no digits to a large mean.
    Quantiles are exact while the values fit into `sample_bytes`; from then on, they are those of a
    uniform sample of that size (reservoir sampling, Vitter 1985) with a fixed seed.

    Args:
        chunks: arrays of shape (n, *shape), any n, one dtype.
        shape: S, of one row.
        sample_bytes: memory for the sample.
    """
    moments, sample = _Moments(shape), _Sample(shape, sample_bytes)
    for chunk in chunks:
        if len(chunk):
            moments.add(chunk.astype(np.float64))
            sample.add(chunk)
    mean, std, low, high = moments.result()
    order, sizes = sample.in_order()
    edges = np.linspace(low, high, NUM_BINS + 1).reshape(NUM_BINS + 1, -1)
    histogram = np.zeros((NUM_BINS, len(order)), np.int64)
    for entry in np.flatnonzero(sizes):
        values = order[entry, : sizes[entry]]
        below = np.searchsorted(values, edges[:, entry])
        below[-1] = len(values)
        histogram[:, entry] = np.diff(below)
    quantiles = _quantiles(lambda ranks: np.take_along_axis(order, ranks.T, axis=1).T, sizes)
    return Statistics(
        mean=mean,
        std=std,
        minimum=low,
        maximum=high,
        quantiles=quantiles.reshape(len(LEVELS), *shape),
        histogram=histogram.reshape(NUM_BINS, *shape),
        num_nonfinite=np.asarray(moments.rows - moments.counts),
        count=moments.rows,
        num_sampled=min(moments.rows, sample.capacity),
    )


def picture_statistics(chunks: Iterable[NDArray[np.uint8]], channels: int) -> Statistics:
    """Measure pictures per channel, exactly, by how often each of the 256 values occurs.

    Args:
        chunks: pictures of shape (n, height, width, channels), any n.
        channels: C; the figures have shape (C,).
    """
    counts = np.zeros((channels, 256), np.int64)
    for chunk in chunks:
        for channel in range(channels):
            counts[channel] += np.bincount(chunk[..., channel].reshape(-1), minlength=256)
    values, total = np.arange(256.0), int(counts[0].sum())
    upto = counts.cumsum(axis=1)
    low = np.array([np.searchsorted(row, 0, side="right") for row in upto], np.float64)
    high = np.array([np.searchsorted(row, total) for row in upto], np.float64)
    mean = counts @ values / total
    edges = np.ceil(np.linspace(low, high, NUM_BINS + 1)).astype(np.int64)
    below = np.take_along_axis(np.pad(upto, ((0, 0), (1, 0))), edges.T, axis=1)
    below[:, -1] = total

    def ranked(ranks: Counts) -> Floats:
        found = [np.searchsorted(row, ranks[:, channel], side="right") for channel, row in enumerate(upto)]
        return np.stack(found, axis=1).astype(np.float64)

    return Statistics(
        mean=mean,
        std=np.sqrt((counts * (values - mean[:, None]) ** 2).sum(axis=1) / total),
        minimum=low,
        maximum=high,
        quantiles=_quantiles(ranked, np.full(channels, total)),
        histogram=np.diff(below, axis=1).T,
        num_nonfinite=np.zeros(channels, np.int64),
        count=total,
        num_sampled=total,
    )


def _quantiles(ranked: Callable[[Counts], Array], sizes: Counts) -> Floats:
    """Interpolate between the values of two ranks, shape (7, entries).

    Args:
        ranked: gives the values of ranks (7, entries), counted from 0.
        sizes: finite values of each entry, shape (entries,).
    """
    position = np.array(LEVELS)[:, None] * np.maximum(sizes - 1, 0)
    lower = position.astype(np.int64)
    low = ranked(lower).astype(np.float64)
    high = ranked(np.minimum(lower + 1, np.maximum(sizes - 1, 0))).astype(np.float64)
    return np.where(sizes > 0, low + (high - low) * (position - lower), np.nan)


class _Moments:
    """Count, mean, squared deviations and range of the finite values of each entry."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.rows, self.counts = 0, np.zeros(shape, np.int64)
        self.mean, self.squares = np.zeros(shape), np.zeros(shape)
        self.low, self.high = np.full(shape, np.inf), np.full(shape, -np.inf)

    def add(self, values: Floats) -> None:
        finite = np.isfinite(values)
        where: Any = True if finite.all() else finite
        counts = finite.sum(axis=0)
        total = np.maximum(self.counts + counts, 1)
        middle = values.sum(axis=0, where=where) / np.maximum(counts, 1)
        delta = middle - self.mean
        self.mean = self.mean + delta * (counts / total)
        self.squares += ((values - middle) ** 2).sum(axis=0, where=where) + delta**2 * (self.counts * (counts / total))
        self.low = np.minimum(self.low, values.min(axis=0, where=where, initial=np.inf))
        self.high = np.maximum(self.high, values.max(axis=0, where=where, initial=-np.inf))
        self.counts, self.rows = self.counts + counts, self.rows + len(values)

    def result(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Mean, standard deviation, minimum and maximum; exact for entries that never vary."""
        some = self.counts > 0
        low, high = np.where(some, self.low, np.nan), np.where(some, self.high, np.nan)
        std = np.where(low == high, 0.0, np.sqrt(self.squares / np.maximum(self.counts, 1)))
        return np.asarray(np.clip(self.mean, low, high)), np.where(some, std, np.nan), low, high


class _Sample:
    """Up to `capacity` rows, each as likely as any other."""

    def __init__(self, shape: tuple[int, ...], sample_bytes: int) -> None:
        self.entries, self.seen = math.prod(shape), 0
        self._bytes = sample_bytes
        self.capacity = 0
        self._rng = make_rng(0, "statistics")

    def add(self, values: Array) -> None:
        if self.seen == 0:
            dtype = np.dtype(np.uint8) if values.dtype == np.bool_ else values.dtype
            self.capacity = max(1, self._bytes // max(self.entries * dtype.itemsize, 1))
            self._kept = np.empty((self.entries, self.capacity), dtype)
        rows = values.reshape(len(values), self.entries).T
        fits = min(max(self.capacity - self.seen, 0), len(values))
        self._kept[:, self.seen : self.seen + fits] = rows[:, :fits]
        if fits < len(values):
            place = self._rng.integers(0, np.arange(self.seen + fits + 1, self.seen + len(values) + 1))
            stays = place < self.capacity
            self._kept[:, place[stays]] = rows[:, fits:][:, stays]
        self.seen += len(values)

    def in_order(self) -> tuple[Array, Counts]:
        """The finite values of each entry, sorted, shape (entries, n), and how many there are. Ends the sampling."""
        if self.seen == 0:
            return np.zeros((self.entries, 1)), np.zeros(self.entries, np.int64)
        kept = self._kept[:, : min(self.seen, self.capacity)]
        sizes = np.full(self.entries, kept.shape[1])
        if kept.dtype.kind == "f":
            finite = np.isfinite(kept)
            kept[~finite] = np.nan
            sizes = finite.sum(axis=1)
        kept.sort(axis=1)
        return kept, sizes


def show_when_slow(chunks: Iterable[Array], what: str, total: int) -> Iterator[Array]:
    """Hand on chunks of rows; after two seconds, show how far they are."""
    begun, done = time.monotonic(), 0
    advance: Advance | None = None
    with contextlib.ExitStack() as stack:
        for chunk in chunks:
            yield chunk
            done += len(chunk)
            if advance is not None:
                advance(len(chunk))
            elif time.monotonic() - begun > _QUIET_S and done < total:
                advance = stack.enter_context(progress(what, total, "rows", done=done))
