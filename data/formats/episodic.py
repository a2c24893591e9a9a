"""The common part of readers whose files are reached episode by episode."""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import DatasetError
from swm.data.columns import Array, Column
from swm.data.encoded import EncodedPictures, EncodedVideo
from swm.data.episode import TRANSITIONS
from swm.data.formats.base import EpisodeIndex
from swm.data.formats.files import sha256
from swm.data.location import Location
from swm.data.metadata import split_of
from swm.data.resize import resize


def make_index(
    lengths: Sequence[int],
    metadata: Sequence[Mapping[str, Any]],
    splits: Sequence[str] | None = None,
    provenance: Sequence[Mapping[str, Any]] = (),
) -> EpisodeIndex:
    """Index episodes whose rows follow one another.

    Args:
        lengths: transitions of each episode.
        metadata: of each episode, JSON-ready.
        splits: of each episode; None derives it (`swm.data.metadata.split_of`).
        provenance: one entry per writing session.
    """
    counts = np.asarray(lengths, np.int64)
    return EpisodeIndex(
        lengths=counts,
        offsets=np.cumsum(counts + 1) - counts - 1,
        splits=np.array([split_of(f, n) for n, f in enumerate(metadata)] if splits is None else splits, np.str_),
        metadata=tuple(json.dumps(facts) for facts in metadata),
        provenance=tuple(provenance),
    )


def runs_of(episodes: NDArray[np.int64]) -> Iterator[tuple[int, slice]]:
    """Each episode among sorted episode numbers, and where it stands there."""
    begins = np.flatnonzero(np.diff(episodes, prepend=-1)).tolist()
    for begin, end in itertools.pairwise([*begins, len(episodes)]):
        yield int(episodes[begin]), slice(begin, end)


def check_version(location: Location, version: int | None) -> None:
    """Check the version that is asked of a format that keeps the latest alone.

    Raises:
        DatasetError: it is another.
    """
    if version not in (None, 1):
        raise DatasetError(f"{location} has no version {version}: this format keeps the latest alone, number 1.")


class EpisodicReader:
    """Random access for formats that are read one episode at a time (see `swm.data.formats.Reader`).

    A subclass gives `read_steps`, and sets `location`, `columns` and `index` in its ``__init__``.
    It opens files where it needs them, keeps handles per process, and pickles as its arguments.
    """

    location: Location
    columns: Mapping[str, Column]
    index: EpisodeIndex
    version: int = 1
    notes: tuple[str, ...] = ()

    def read_steps(self, episode: int, names: Sequence[str], steps: NDArray[np.int64]) -> dict[str, Array]:
        """Read some steps of one episode.

        Args:
            episode: its number.
            names: columns.
            steps: sorted distinct step numbers within the episode.

        Returns:
            Column -> (len(steps), ...) with the column's dtype.
        """
        raise NotImplementedError

    def files(self) -> list[Path]:
        """Every file that belongs to the dataset."""
        raise NotImplementedError

    def read(
        self, names: Sequence[str], rows: NDArray[np.int64], size: tuple[int, int] | None = None
    ) -> dict[str, Array]:
        """Read the given rows of some columns (see `Reader.read`)."""
        distinct, place = np.unique(np.asarray(rows, np.int64), return_inverse=True)
        episodes = np.searchsorted(self.index.offsets, distinct, side="right") - 1
        steps = distinct - self.index.offsets[episodes]
        found: dict[str, list[Array]] = {name: [] for name in names}
        for episode, here in runs_of(episodes):
            part = self.read_steps(episode, names, steps[here])
            for name in names:
                values = part[name]
                found[name].append(values if size is None or not self._is_picture(name) else resize(values, size))
        return {name: self._join(name, parts)[place] for name, parts in found.items()}

    def _is_picture(self, name: str) -> bool:
        return self.columns[name].codec is not None

    def _join(self, name: str, parts: list[Array]) -> Array:
        column = self.columns[name]
        if not parts:
            return np.empty((0, *column.shape), column.dtype)
        return np.concatenate(parts) if len(parts) > 1 else parts[0]

    def encoded(self, name: str, episode: int) -> EncodedPictures | EncodedVideo | None:
        """None: the pictures are decoded on the way (see `Reader.encoded`)."""
        return None

    def payload(self, episode: int) -> dict[str, Array]:
        """Nothing (see `Reader.payload`)."""
        return {}

    def checksums(self) -> tuple[str, ...]:
        """One hash per file, whatever it is called (see `Reader.checksums`)."""
        return tuple(map(sha256, self.files()))

    def torn_rows(self) -> int:
        """Always 0: such formats have no commits (see `Reader.torn_rows`)."""
        return 0

    def problems(self) -> Iterator[str]:
        """Read every episode whole and yield what fails (see `Reader.problems`)."""
        for episode, length in enumerate(self.index.lengths):
            for role, count in (("observation", length + 1), ("transition", length)):
                names = [name for name in self.columns if (name in TRANSITIONS) == (role == "transition")]
                try:
                    self.read_steps(episode, names, np.arange(count))
                except DatasetError as error:
                    yield f"episode {episode}: {error}"

    def disk_bytes(self) -> dict[str, int]:
        """The size of all files, shared out by what the columns take in memory (see `Reader.disk_bytes`)."""
        total = sum(file.stat().st_size for file in self.files())
        sizes = {
            name: column.size * (1 if column.dtype == "str" else np.dtype(column.dtype).itemsize)
            for name, column in self.columns.items()
        }
        return {name: total * size // max(sum(sizes.values()), 1) for name, size in sizes.items()}
