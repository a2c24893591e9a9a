"""Mean, spread and range of a column, computed in one pass over its rows."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.data.columns import Array


@dataclass(frozen=True, kw_only=True, eq=False)
class Statistics:
    """Per dimension, as float64: of each number of a step, or of each channel of a picture."""

    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    """Of the population: divided by `count`."""
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]
    count: int
    """Values behind each entry."""

    def to_json(self) -> dict[str, Any]:
        """Plain lists; `from_lists` is the inverse."""
        return {name: np.asarray(value).tolist() for name, value in vars(self).items()}

    @classmethod
    def from_lists(cls, data: dict[str, Any]) -> "Statistics":
        """Build from what `to_json` made."""
        arrays = {name: np.array(data[name], np.float64) for name in ("mean", "std", "minimum", "maximum")}
        return cls(**arrays, count=data["count"])


def stream_statistics(chunks: Iterable[Array], shape: tuple[int, ...]) -> Statistics:
    """Combine the moments of chunks (Chan et al. 1983), which never loses digits to a large mean.

    Args:
        chunks: arrays of shape (n, *shape), any n.
        shape: of one row.
    """
    count, mean, squares = 0, np.zeros(shape), np.zeros(shape)
    low, high = np.full(shape, np.inf), np.full(shape, -np.inf)
    for chunk in chunks:
        if not len(chunk):
            continue
        values = chunk.astype(np.float64)
        total = count + len(values)
        middle = values.mean(axis=0)
        delta = middle - mean
        mean = mean + delta * (len(values) / total)
        squares = squares + ((values - middle) ** 2).sum(axis=0) + delta**2 * (count * len(values) / total)
        low, high = np.minimum(low, values.min(axis=0)), np.maximum(high, values.max(axis=0))
        count = total
    return Statistics(mean=mean, std=np.sqrt(squares / max(count, 1)), minimum=low, maximum=high, count=count)
