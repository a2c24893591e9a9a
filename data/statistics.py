"""What the values of a column are like: moments, range, quantiles and a histogram."""

import contextlib
import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import InvalidValueError
from swm.data.location import Location

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

LEVELS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
"""Of the quantiles."""
NUM_BINS = 64
"""Of the histogram."""

_SCHEMA = 2
_FLOATS = ("mean", "std", "minimum", "maximum", "quantiles")
_INTEGERS = ("histogram", "num_nonfinite")


@dataclass(frozen=True, kw_only=True, eq=False)
class Statistics:
    """Figures per entry, of shape S: for each number of a step, or for each channel of a picture.

    NaN and infinities are counted and left out. An entry that has no other value has NaN for its figures.
    """

    mean: Floats
    std: Floats
    """Of the population: divided by the number of values."""
    minimum: Floats
    maximum: Floats
    quantiles: Floats
    """Shape (7, *S), at `LEVELS`, interpolated linearly between neighbouring values."""
    histogram: Counts
    """Shape (`NUM_BINS`, *S): how many sampled values lie in each bin between minimum and maximum (see `edges`)."""
    num_nonfinite: Counts
    """NaN and infinite values of each entry."""
    count: int
    """Values of each entry, the non-finite ones included."""
    num_sampled: int
    """Values of each entry behind `quantiles` and `histogram`; the rest is behind all of them."""

    @property
    def is_exact(self) -> bool:
        """Whether quantiles and histogram are of all values rather than of a sample."""
        return self.num_sampled == self.count

    @property
    def rank_error(self) -> float:
        """How far the rank of a quantile may be off, at all levels at once, in 99 of 100 samples.

        A quantile at level q is one at a level within q - error and q + error (Dvoretzky-Kiefer-
        Wolfowitz inequality with the constant of Massart 1990). 0 if `is_exact`.
        """
        return 0.0 if self.is_exact else math.sqrt(math.log(2 / 0.01) / (2 * self.num_sampled))

    def quantile(self, level: float) -> Floats:
        """The quantile at one of `LEVELS`, shape S.

        Raises:
            InvalidValueError: another level.
        """
        if level not in LEVELS:
            raise InvalidValueError(f"a quantile is kept at the levels {LEVELS}, not at {level!r}.")
        found: Floats = self.quantiles[LEVELS.index(level)]
        return found

    @property
    def edges(self) -> Floats:
        """The edges of the histogram's bins, shape (`NUM_BINS` + 1, *S). A bin holds its lower edge, the last both."""
        return np.linspace(self.minimum, self.maximum, NUM_BINS + 1)

    def to_json(self) -> dict[str, Any]:
        """Plain lists, None for NaN, and the version of this form; `from_json` is the inverse."""
        floats = {name: _without_nan(getattr(self, name)) for name in _FLOATS}
        integers = {name: getattr(self, name).tolist() for name in _INTEGERS}
        return {"schema": _SCHEMA, **floats, **integers, "count": self.count, "num_sampled": self.num_sampled}

    @classmethod
    def from_json(cls, data: Any) -> "Statistics":
        """Build from what `to_json` made.

        Raises:
            InvalidValueError: it is something else, or of another version.
        """
        if not isinstance(data, dict) or data.get("schema") != _SCHEMA:
            raise InvalidValueError(f"statistics of schema {_SCHEMA} were expected, got {str(data)[:80]}.")
        try:
            arrays: dict[str, Any] = {name: np.array(data[name], np.float64) for name in _FLOATS}
            arrays |= {name: np.array(data[name], np.int64) for name in _INTEGERS}
            result = cls(**arrays, count=int(data["count"]), num_sampled=int(data["num_sampled"]))
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidValueError(f"the statistics are damaged: {error!r}. Compute them again.") from error
        entry = result.mean.shape
        shapes = {**dict.fromkeys((*_FLOATS, *_INTEGERS), entry), "quantiles": (len(LEVELS), *entry)}
        shapes["histogram"] = (NUM_BINS, *entry)
        for name, shape in shapes.items():
            if getattr(result, name).shape != shape:
                raise InvalidValueError(
                    f"the statistics are damaged: {name} has shape {getattr(result, name).shape} instead of {shape}."
                )
        return result


def _without_nan(values: Floats) -> Any:
    plain = values.astype(object)
    plain[np.isnan(values)] = None
    return plain.tolist()


def load_statistics(place: Location, name: str, shape: tuple[int, ...]) -> Statistics | None:
    """Statistics that were saved beside the data; None if there are none that this version can use."""
    try:
        content = place.read_bytes(name)
        found = None if content is None else Statistics.from_json(json.loads(content))
    except (OSError, ValueError):
        return None
    return found if found is not None and found.mean.shape == shape else None


def save_statistics(place: Location, name: str, statistics: Statistics) -> None:
    """Save statistics beside the data, if the place can be written."""
    with contextlib.suppress(OSError):
        place.write_bytes(name, json.dumps(statistics.to_json()).encode())
