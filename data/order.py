"""Which clip comes when: pseudo-random orders that are computed where they are needed, not stored.

An order is a function of (seed, epoch, position): any part of any epoch costs what it holds, so a
stream of a billion clips is shuffled, shared out among ranks and resumed without memory.
"""

import math
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from swm.core.seeding import Key, derive_seed

Indices = NDArray[np.int64]
Keys = NDArray[np.uint64]

_u64 = np.uint64
_GOLDEN = 0x9E3779B97F4A7C15
_ROUNDS = 8
_SHARE_BITS = 24
"""Weights are multiples of 2**-24, so that counts are exact integers up to 5e11 clips."""


class Slots(NamedTuple):
    """Some positions of a stream."""

    indices: Indices
    """The clip at each position."""
    keys: Keys
    """What is drawn at random for a position, a goal for instance, is a function of its key."""


class Order(Protocol):
    """Clips in a certain order, epoch after epoch."""

    def slots(self, epoch: int, begin: int, end: int) -> Slots:
        """The positions `begin` to `end` - 1 of an epoch."""
        ...


def _mix(words: Keys) -> Keys:
    """Turn each word into one that looks random: the last step of SplitMix64 (Steele et al. 2014)."""
    words = (words ^ (words >> _u64(30))) * _u64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> _u64(27))) * _u64(0x94D049BB133111EB)
    return words ^ (words >> _u64(31))


def make_keys(seed: int, positions: Indices) -> Keys:
    """One key per position of the stream that `seed` names; no two are equal."""
    return _mix(positions.astype(np.uint64) * _u64(_GOLDEN) + _u64(seed))


def uniform(keys: Keys, draw: int) -> NDArray[np.float64]:
    """Numbers in [0, 1): one per key, others for each `draw` (0, 1, ...)."""
    return (_mix(keys + _u64((draw + 1) * _GOLDEN % 2**64)) >> _u64(11)).astype(np.float64) * 2.0**-53


class Permutation:
    """A pseudo-random permutation of ``range(size)``, computed for the positions that are asked for.

    A Feistel network over pairs of digits below ``ceil(sqrt(size))``; what falls beyond `size` goes
    through it again until it falls inside (Black and Rogaway 2002, "Ciphers with arbitrary finite
    domains").
    """

    def __init__(self, size: int, seed: int, *keys: Key) -> None:
        """Choose the permutation that `seed` and `keys` name (see `derive_seed`)."""
        self.size = size
        self._side = math.isqrt(max(size, 1) - 1) + 1
        self._round_seeds = make_keys(derive_seed(seed, *keys), np.arange(_ROUNDS))

    def __call__(self, positions: Indices) -> Indices:
        """What stands at the positions, each in ``range(size)``."""
        found = self._encipher(positions)
        while (outside := found >= self.size).any():
            found[outside] = self._encipher(found[outside])
        return found

    def _encipher(self, values: Indices) -> Indices:
        side = np.uint64(self._side)
        left, right = np.divmod(values.astype(np.uint64), side)
        for seed in self._round_seeds:
            left, right = right, (left + _mix(right + seed) % side) % side
        return (left * side + right).astype(np.int64)


@dataclass(frozen=True, kw_only=True)
class PlainOrder:
    """The clips' own order, the same in each epoch."""

    seed: int

    def slots(self, epoch: int, begin: int, end: int) -> Slots:
        """See `Order.slots`."""
        positions = np.arange(begin, end)
        return Slots(positions, make_keys(derive_seed(self.seed, "plain"), positions))


@dataclass(frozen=True, kw_only=True)
class ShuffledOrder:
    """Every clip once per epoch, in another order each time."""

    seed: int
    num_clips: int

    def slots(self, epoch: int, begin: int, end: int) -> Slots:
        """See `Order.slots`."""
        positions = np.arange(begin, end)
        permutation = Permutation(self.num_clips, self.seed, "epoch", epoch)
        return Slots(permutation(positions), make_keys(derive_seed(self.seed, "keys", epoch), positions))


@dataclass(frozen=True, kw_only=True)
class WeightedOrder:
    """Clips of several components in turn, each as often as its weight says.

    The turns are spread evenly: among any n consecutive positions, component k has n * weight[k] of
    them to within the number of components. Each component goes through its own clips epoch by
    epoch, every clip once per epoch of its own.
    """

    seed: int
    sizes: tuple[int, ...]
    """Clips of each component; their numbers follow one another."""
    weights: tuple[float, ...]
    """Positive, any sum."""
    epoch_size: int
    """Positions per epoch of the stream."""
    _phases: tuple[int, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        phases = [derive_seed(self.seed, "phase", k) % 2**_SHARE_BITS for k in range(len(self.sizes))]
        object.__setattr__(self, "_phases", tuple(phases))

    def slots(self, epoch: int, begin: int, end: int) -> Slots:
        """See `Order.slots`."""
        positions = epoch * self.epoch_size + np.arange(begin, end)
        component, turns = self._take_turns(positions)
        indices = np.empty_like(positions)
        first = 0
        for k, size in enumerate(self.sizes):
            rounds, places = np.divmod(turns, size)
            for own_epoch in np.unique(rounds[component == k]).tolist():
                chosen = (component == k) & (rounds == own_epoch)
                indices[chosen] = first + Permutation(size, self.seed, "component", k, own_epoch)(places[chosen])
            first += size
        return Slots(indices, make_keys(derive_seed(self.seed, "keys"), positions))

    def _take_turns(self, positions: Indices) -> tuple[Indices, Indices]:
        """Whose turn each position is, and how many turns that component had before.

        One component after the other takes its share of the positions that are left. Of the first
        t of these, a share of s (in units of 2**-24) has ``(t * s + phase) >> 24``.
        """
        component = np.full_like(positions, len(self.sizes) - 1)
        turns, left = positions.copy(), np.ones(len(positions), bool)
        for k, phase in enumerate(self._phases[:-1]):
            share = round(self.weights[k] / sum(self.weights[k:]) * 2**_SHARE_BITS)
            before = (turns * share + phase) >> _SHARE_BITS
            taken = left & (((turns + 1) * share + phase) >> _SHARE_BITS > before)
            component[taken] = k
            left &= ~taken
            turns = np.where(taken, before, np.where(left, turns - before, turns))
        return component, turns
