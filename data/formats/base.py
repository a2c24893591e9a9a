"""What every format provides: a reader with random access to rows, and a writer that takes episodes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from swm.data.columns import Array, Column
from swm.data.encoded import EncodedPictures, EncodedVideo
from swm.data.episode import Episode
from swm.data.location import Location


@dataclass(frozen=True, kw_only=True)
class EpisodeIndex:
    """What a dataset knows about its E episodes without reading a step."""

    lengths: NDArray[np.int64]
    """Shape (E,): transitions."""
    offsets: NDArray[np.int64]
    """Shape (E,): row of the first observation. An episode of T transitions has T + 1 rows in a row."""
    splits: NDArray[np.str_]
    """Shape (E,): ``"train"`` or ``"val"``."""
    metadata: tuple[str, ...]
    """The metadata of each episode as JSON."""
    provenance: tuple[Mapping[str, Any], ...]
    """One entry per writing session, with its ``first_episode``."""


@dataclass(frozen=True)
class Distinct:
    """Rows that may come more than once, and each of them once."""

    rows: NDArray[np.int64]
    """Shape (D,), sorted."""
    first: NDArray[np.int64]
    """Shape (D,): where each came first."""
    place: NDArray[np.int64]
    """Shape (N,): which of them each of the rows is."""

    @classmethod
    def of(cls, rows: NDArray[np.int64]) -> "Distinct":
        """Find them in N rows."""
        return cls(*np.unique(rows, return_index=True, return_inverse=True))

    def spread(self, values: Array) -> Array:
        """Values of the distinct rows, shape (D, ...), as those of all rows, shape (N, ...)."""
        return values if len(self.rows) == len(self.place) and self._is_sorted else values.take(self.place, axis=0)

    @property
    def _is_sorted(self) -> bool:
        return bool((np.diff(self.place) > 0).all())

    def repeat(self, values: Array) -> None:
        """Copy what stands at the first place of each row, in values of shape (N, ...), to its other places."""
        source = self.first[self.place]
        later = np.flatnonzero(source != np.arange(len(source)))
        if len(later):
            values[later] = values[source[later]]


class Reader(Protocol):
    """Random access to one version of a dataset. Pickles small; a process that gets it opens its own handles."""

    location: Location
    version: int
    columns: Mapping[str, Column]
    index: EpisodeIndex
    notes: tuple[str, ...]
    """One sentence per thing that the source lacks, and what stands in its place."""

    def read(
        self, names: Sequence[str], rows: NDArray[np.int64], size: tuple[int, int] | None = None
    ) -> dict[str, Array]:
        """Read and decode the given rows of some columns.

        Args:
            names: columns.
            rows: row numbers in any order; one that comes several times is read and decoded once. The
                last row of an episode has no values in the transition columns and must not be asked
                for there.
            size: height and width to which pictures are reduced while they are decoded; None keeps theirs.

        Returns:
            Column -> (len(rows), ...).
        """
        ...

    def encoded(self, name: str, episode: int) -> EncodedPictures | EncodedVideo | None:
        """The pictures of one episode as they are stored; None if the format has no such form."""
        ...

    def payload(self, episode: int) -> dict[str, Array]:
        """The arrays that hold for the whole episode."""
        ...

    def checksums(self) -> tuple[str, ...]:
        """A hash of what is stored of each episode, hexadecimal; a copy has the same."""
        ...

    def torn_rows(self) -> int:
        """Rows that a killed writer left behind without committing their episode."""
        ...

    def problems(self) -> Iterator[str]:
        """Check everything stored and decode every picture; yield what is wrong."""
        ...

    def disk_bytes(self) -> dict[str, int]:
        """Column -> bytes on disk."""
        ...


class ClosedOnExit:
    """The ``with`` statement of a writer: it ends with `close`, after an exception too."""

    def close(self) -> None:
        """Commit and release the dataset (see `Writer.close`)."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Writer(Protocol):
    """Appends episodes, in shards: what is committed survives whatever happens to the process."""

    num_episodes: int
    """Committed episodes of the dataset, those of earlier sessions included."""
    notes: Sequence[str]
    """One sentence per thing that the format could not hold so far."""

    def write(self, episode: Episode) -> None:
        """Take one episode; it is committed with its shard. Its arrays are the caller's again on return.

        Raises:
            DatasetError: its columns are not those of the dataset.
        """
        ...

    def flush(self) -> None:
        """Commit what was written so far."""
        ...

    def close(self) -> None:
        """Commit and release the dataset; further calls do nothing."""
        ...

    def __enter__(self) -> Self:
        """Return the writer."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close; the whole episodes written before an exception are committed too."""
        ...
