"""Rows of many growing episodes in a fixed amount of memory: pages, and which of them hold which episode.

Episodes that grow side by side, as those of vector environments do, cannot each have one contiguous
stretch of a ring. Here an episode is a list of pages of a few rows each, as a process's memory is.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import InvalidValueError
from swm.data.columns import Array, Column

PAGE_ROWS = 16
"""Rows of a page. An episode's last page is filled in part: on average half a page is lost."""

Indices = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Layout:
    """Where E episodes lie at one moment, oldest first."""

    numbers: Indices
    """Shape (E,): how many episodes arrived before; rising."""
    lengths: Indices
    """Shape (E,): transitions."""
    counts: Indices
    """Shape (E,): pages."""
    pages: Indices
    """Shape (sum of `counts`,): the pages of the first episode, then those of the second, and so on."""

    @functools.cached_property
    def begins(self) -> Indices:
        """Shape (E,): where in `pages` those of an episode begin."""
        return np.cumsum(self.counts) - self.counts

    def find(self, numbers: Indices) -> Indices:
        """The indices of some episodes; -1 for those that are not here."""
        if not len(self.numbers):
            return np.full_like(numbers, -1)
        index = np.searchsorted(self.numbers, numbers)
        return np.where(self.numbers[np.minimum(index, len(self.numbers) - 1)] == numbers, index, -1)

    def rows(self, episode: Indices, step: Indices) -> Indices:
        """The rows of some steps; `episode` (index, not number) and `step` broadcast."""
        page = self.begins[episode] + step // PAGE_ROWS
        found: Indices = self.pages[page] * PAGE_ROWS + step % PAGE_ROWS
        return found

    def select(self, keep: NDArray[np.bool_]) -> "Layout":
        """Some of the episodes, shape (E,), as they are now."""
        return Layout(
            numbers=self.numbers[keep],
            lengths=self.lengths[keep],
            counts=self.counts[keep],
            pages=self.pages[np.repeat(keep, self.counts)],
        )

    def draw(self, rng: np.random.Generator, count: int, span: int) -> tuple[Indices, Indices] | None:
        """Draw windows over `span` transitions, each with the same probability, with replacement.

        Returns:
            Episode indices and first steps, shape (count,); None if no episode is long enough.
        """
        starts = np.where(self.lengths > 0, np.maximum(self.lengths - span + 1, 0), 0)
        ends = np.cumsum(starts)
        if not len(ends) or ends[-1] == 0:
            return None
        drawn = rng.integers(ends[-1], size=count)
        episode = np.searchsorted(ends, drawn, side="right")
        return episode, drawn - (ends[episode] - starts[episode])


class PageTable:
    """Hands out `num_pages` pages to episodes and takes them back."""

    def __init__(self, num_pages: int) -> None:
        self.num_pages, self._num_touched, self._num_arrived = num_pages, 0, 0
        self._returned: list[int] = []
        nothing = np.zeros(0, np.int64)
        self.layout = Layout(numbers=nothing, lengths=nothing, counts=nothing, pages=nothing)

    @property
    def num_free(self) -> int:
        """Pages that no episode has."""
        return len(self._returned) + self.num_pages - self._num_touched

    def append(self, counts: Indices) -> Indices:
        """Begin episodes of length 0 with so many pages each; return their numbers."""
        old, numbers = self.layout, np.arange(self._num_arrived, self._num_arrived + len(counts))
        self._num_arrived += len(counts)
        self.layout = Layout(
            numbers=np.concatenate([old.numbers, numbers]),
            lengths=np.concatenate([old.lengths, np.zeros_like(counts)]),
            counts=np.concatenate([old.counts, counts]),
            pages=np.concatenate([old.pages, self._take(int(counts.sum()))]),
        )
        return numbers

    def extend(self, index: Indices) -> None:
        """Give one more page to some episodes."""
        counts = self.layout.counts.copy()
        counts[index] += 1
        pages = np.insert(self.layout.pages, (self.layout.begins + self.layout.counts)[index], self._take(len(index)))
        self.layout = replace(self.layout, counts=counts, pages=pages)

    def lengthen(self, index: Indices, steps: int) -> None:
        """Count more transitions of some episodes."""
        self.layout.lengths[index] += steps

    def remove(self, index: Indices) -> None:
        """Forget some episodes and free their pages."""
        keep = np.ones(len(self.layout.numbers), bool)
        keep[index] = False
        self._returned.extend(self.layout.select(~keep).pages.tolist())
        self.layout = self.layout.select(keep)

    def _take(self, count: int) -> Indices:
        """Take free pages, those that were used before first."""
        begin = max(len(self._returned) - count, 0)
        used, self._returned = self._returned[begin:], self._returned[:begin]
        first = self._num_touched
        self._num_touched += count - len(used)
        return np.array([*used, *range(first, self._num_touched)], np.int64)


class RowStore:
    """One preallocated array per column."""

    def __init__(self, num_rows: int) -> None:
        self.num_rows = num_rows
        self.columns: dict[str, Column] = {}
        self._arrays: dict[str, Any] = {}

    @property
    def nbytes(self) -> int:
        """Memory of the arrays; the texts of a text column come on top."""
        return sum(array.nbytes for array in self._arrays.values())

    def allocate(self, columns: Mapping[str, Column]) -> None:
        """Add columns.

        Raises:
            InvalidValueError: the memory is not there.
        """
        try:
            arrays = {name: np.empty((self.num_rows, *c.shape), _dtype(c)) for name, c in columns.items()}
        except (MemoryError, ValueError) as error:
            size = sum(self.num_rows * column.size * _dtype(column).itemsize for column in columns.values())
            raise InvalidValueError(
                f"{size / 2**30:,.1f} GiB for {self.num_rows} observations cannot be had. Use a smaller capacity."
            ) from error
        self._arrays.update(arrays)
        self.columns.update(columns)

    def fits(self, arrays: Mapping[str, Array]) -> bool:
        """Whether these are columns of the store, of the same dtypes and shapes of a row."""
        return all(
            (column := self.columns.get(name)) is not None
            and array.shape[1:] == column.shape
            and (array.dtype == column.dtype if column.dtype != "str" else array.dtype.kind == "U")
            for name, array in arrays.items()
        )

    def write(self, arrays: Mapping[str, Array], rows: Indices) -> None:
        """Set some rows."""
        for name, array in arrays.items():
            self._arrays[name][rows] = array

    def read(self, name: str, rows: Indices) -> Array:
        """Copy some rows, shape (*rows.shape, ...)."""
        found: Array = self._arrays[name][rows]
        return np.array(found.tolist(), np.str_) if self.columns[name].dtype == "str" else found


def _dtype(column: Column) -> Any:
    return np.dtypes.StringDType() if column.dtype == "str" else np.dtype(column.dtype)
