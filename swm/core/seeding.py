"""One seed in, independent generators out.

Streams are derived by name, so that drawing more numbers for one purpose never moves another:
sampling a colour leaves the start position of the same seed where it was.
"""

import zlib
from collections.abc import Sequence

import numpy as np

Key = int | str
"""One part of the name of a stream."""


def _sequence(seed: int, keys: Sequence[Key]) -> np.random.SeedSequence:
    words = [zlib.crc32(key.encode()) if isinstance(key, str) else int(key) for key in keys]
    return np.random.SeedSequence([len(words), int(seed), *words])


def derive_seed(seed: int, *keys: Key) -> int:
    """Derive a 63-bit seed for the stream that `keys` name.

    Args:
        seed: the parent seed, non-negative.
        keys: the name of the stream, for example ``("episode", 7)``.

    Returns:
        A non-negative integer below 2**63, a pure function of the arguments.
    """
    state = _sequence(seed, keys).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


def make_rng(seed: int, *keys: Key) -> np.random.Generator:
    """Make the NumPy generator of the stream that `keys` name (see `derive_seed`)."""
    return np.random.Generator(np.random.PCG64(_sequence(seed, keys)))


def episode_seeds(seed: int, first: int, count: int) -> list[int]:
    """Seeds of the episodes `first` to `first + count - 1` of a run.

    They depend on the run's seed and the episode's index alone: not on the number of
    environments, the executor, or the order in which episodes end.
    """
    return [derive_seed(seed, "episode", index) for index in range(first, first + count)]
