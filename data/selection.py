"""Choosing episodes: by number, or by a condition on what is known of each."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import InvalidValueError
from swm.data.dataset import Dataset
from swm.data.metadata import mapping_in

_CHUNK_ROWS = 1 << 16
_PART = re.compile(r"(-?\d+)|(-?\d+)?:(-?\d+)?")


@dataclass(frozen=True, kw_only=True)
class EpisodeSummary:
    """What a condition may ask about one episode."""

    index: int
    length: int
    """Transitions."""
    split: str
    """``"train"`` or ``"val"``."""
    return_: float
    """Sum of the rewards; in the text of a condition it is called ``return``."""
    success: bool
    """Whether success was seen after any action."""
    metadata: Mapping[str, Any]
    variation: Mapping[str, Any]
    """Factor -> value: ``metadata["variation"]``, empty if it was not recorded."""


Condition = Callable[[EpisodeSummary], bool]


def outcomes(dataset: Dataset) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The return of each episode and whether it saw success, both of shape (E,), read in a stream."""
    returns, success = np.zeros(dataset.num_episodes), np.zeros(dataset.num_episodes, np.bool_)
    for episodes in chunks(dataset.lengths):
        read = dataset.reader.read(["reward", "success"], dataset.rows(episodes, "transition"))
        owner = np.repeat(np.arange(len(episodes)), dataset.lengths[episodes])
        returns[episodes] = np.bincount(owner, read["reward"].astype(np.float64), len(episodes))
        success[episodes] = np.bincount(owner, read["success"], len(episodes)) > 0
    return returns, success


def chunks(lengths: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Runs of episode numbers that together have about as many rows as are read at once."""
    groups = np.cumsum(lengths) // _CHUNK_ROWS
    return iter(np.split(np.arange(len(lengths)), np.flatnonzero(np.diff(groups)) + 1))


def summaries(dataset: Dataset) -> Iterator[EpisodeSummary]:
    """Every episode of a dataset, in order."""
    returns, success = outcomes(dataset)
    for episode in dataset.episodes:
        index, metadata = episode["index"], episode["metadata"]
        yield EpisodeSummary(
            index=index,
            length=episode["length"],
            split=episode["split"],
            return_=float(returns[index]),
            success=bool(success[index]),
            metadata=metadata,
            variation=mapping_in(metadata, "variation"),
        )


def parse_episodes(text: str, count: int) -> list[int]:
    """Read numbers and half-open ranges such as ``"0:100,200,-1"``.

    Args:
        text: parts between commas; negative numbers count from the end.
        count: episodes of the dataset.

    Returns:
        Episode numbers in [0, count), in the order of the text, each once.

    Raises:
        InvalidValueError: a part that cannot be read, or an episode that does not exist.
    """
    chosen: list[int] = []
    for part in text.split(","):
        found = _PART.fullmatch(part.strip())
        if found is None:
            raise InvalidValueError(
                f"episodes {text!r}: {part.strip()!r} is neither a number nor a range. Write for example 0:100,200."
            )
        number, begin, end = found.groups()
        if number is not None:
            chosen.append(int(number))
        else:
            chosen += range(count)[slice(int(begin) if begin else None, int(end) if end else None)]
    return check_episodes(chosen, count)


def check_episodes(episodes: Sequence[int], count: int) -> list[int]:
    """Return episode numbers in [0, count), in the order given, each once.

    Raises:
        InvalidValueError: there is no such episode, or what came is no number.
    """
    for index in episodes:
        if not isinstance(index, int | np.integer):
            raise InvalidValueError(f"episodes must be whole numbers, got {index!r} in {episodes!r}.")
        if not -count <= index < count:
            raise InvalidValueError(f"episode {index}: there are {count}, counted from 0.")
    return list(dict.fromkeys(int(index) % count for index in episodes))
