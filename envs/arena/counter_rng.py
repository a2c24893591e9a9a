"""Random numbers as pure functions of a key and a counter, for N streams at once.

An episode that continues from a saved (key, counter) meets the same numbers, and no stream depends
on how many others are drawn beside it. Only integer arithmetic and one rounding are used, so that
the numbers are the same on every machine.
"""

import numpy as np

from swm.core.protocols import Array

_STRIDE = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_TERMS = 12


def bits(key: Array, counter: Array, count: int) -> Array:
    """The SplitMix64 numbers `counter * count` to `counter * count + count - 1` of each stream.

    Args:
        key: (N,), integers that name the streams, below 2**63.
        counter: (N,), non-negative integers.
        count: numbers per counter; the same in every call for one purpose.

    Returns:
        (N, count) uint64.

    Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.
    """
    start = _mix(np.asarray(key).astype(np.uint64))
    index = np.asarray(counter).astype(np.uint64)[:, None] * np.uint64(count) + np.arange(1, count + 1, dtype=np.uint64)
    return _mix(start[:, None] + index * _STRIDE)


def uniform(key: Array, counter: Array, count: int) -> Array:
    """Uniform numbers in [0, 1): (N, count) float64; arguments as in `bits`."""
    numbers: Array = (bits(key, counter, count) >> np.uint64(11)) * 2.0**-53
    return numbers


def normal(key: Array, counter: Array, count: int) -> Array:
    """Numbers of mean 0 and variance 1, nearly Gaussian: (N, count) float64; arguments as in `bits`.

    Each is the sum of twelve uniform numbers, less 6: its distribution function is within 0.003 of
    the Gaussian one and its values lie in [-6, 6]. The sum is one of integers, hence exact.
    """
    terms = bits(key, counter, count * _TERMS) >> np.uint64(11)
    total = terms.reshape(len(terms), count, _TERMS).sum(axis=2, dtype=np.uint64)
    numbers: Array = total * 2.0**-53 - _TERMS / 2
    return numbers


def _mix(word: Array) -> Array:
    word = (word ^ (word >> np.uint64(30))) * _MIX_1
    word = (word ^ (word >> np.uint64(27))) * _MIX_2
    mixed: Array = word ^ (word >> np.uint64(31))
    return mixed
