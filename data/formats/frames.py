"""Reading the frames layout: numbers and encoded pictures in memory within a budget, the rest from disk."""

import json
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import DatasetError
from swm.data import codecs
from swm.data.columns import Array, Column
from swm.data.encoded import EncodedPictures
from swm.data.formats import tables
from swm.data.formats.arrow import Blobs, numbers_from_arrow
from swm.data.formats.base import EpisodeIndex
from swm.data.formats.layout import checksum, read_header
from swm.data.location import Location
from swm.data.resize import resize

_CHECK_ROWS = 2048


def detect(path: Path) -> bool:
    """Whether `path` holds a dataset of this layout."""
    return (path / "steps.lance").is_dir()


class FramesReader:
    """One version of a dataset in the frames layout (see `swm.data.formats.Reader`)."""

    notes: tuple[str, ...] = ()

    def __init__(self, location: Location, version: int | None, cache_bytes: int) -> None:
        """Open it and read its index.

        Args:
            location: of the dataset.
            version: of the dataset; None for the latest.
            cache_bytes: how much of it may be kept in memory. A column is kept whole, as stored
                (pictures stay encoded), from its first use on if it fits into what is left.

        Raises:
            DatasetError: no episode was ever committed, the version does not exist, or the tables
                come from elsewhere or from a newer version of this package.
        """
        path = location.path
        if not tables.has_table(path / tables.EPISODES):
            raise DatasetError(
                f"{path} has no committed episode: its writer was stopped before the first commit. "
                f"Record again with mode='append'."
            )
        episodes = tables.open_table(path / tables.EPISODES, version)
        self.location, self.path = location, path
        self.version: int = episodes.version
        self.columns = read_header(episodes.schema.metadata, path)
        rows = episodes.to_table()
        self.index = _index(rows)
        self._checksums = tuple(rows["checksum"].to_pylist())
        self._steps_version: int = rows["steps_version"][-1].as_py()
        self._cache_bytes, self._budget = cache_bytes, cache_bytes
        self._cache: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._opened: tuple[int, Any] | None = None
        expected = int((self.index.lengths + 1).sum())
        if (found := self._steps.count_rows()) != expected:
            raise DatasetError(f"{path} is damaged: its episodes need {expected} rows of steps, the table has {found}.")

    def __reduce__(self) -> tuple[Any, ...]:
        return FramesReader, (self.location, self.version, self._cache_bytes)

    @property
    def _steps(self) -> Any:
        """The steps table, opened by the process that asks."""
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = os.getpid(), tables.open_table(self.path / tables.STEPS, self._steps_version)
        return self._opened[1]

    def read(
        self, names: Sequence[str], rows: NDArray[np.int64], size: tuple[int, int] | None = None
    ) -> dict[str, Array]:
        """Read and decode the given rows of some columns (see `Reader.read`)."""
        stored = {name: self._kept(self.columns[name]) for name in names}
        missing = [name for name, kept in stored.items() if kept is None]
        if missing:
            table = self._steps.take(rows, columns=[self.columns[name].stored_name for name in missing])
        out = {}
        for name in names:
            column, kept, chosen = self.columns[name], stored[name], rows
            if kept is None:
                kept, chosen = _from_arrow(column, table[column.stored_name]), np.arange(len(rows))
            out[name] = kept[chosen] if column.codec is None else self._decode(column, kept.take(chosen), rows)
            if size is not None and column.codec is not None:
                out[name] = resize(out[name], size)
        return out

    def _kept(self, column: Column) -> Any | None:
        """The column's content in memory, or None if it does not fit."""
        with self._lock:
            if column.name not in self._cache:
                size = self._memory_bytes(column)
                if size > self._budget:
                    return None
                self._budget -= size
                self._cache[column.name] = self._load(column)
            return self._cache[column.name]

    def _load(self, column: Column) -> Any:
        if column.size == 0:
            return np.empty((self._steps.count_rows(), *column.shape), column.dtype)
        return _from_arrow(column, self._steps.to_table(columns=[column.stored_name])[column.stored_name])

    def _memory_bytes(self, column: Column) -> int:
        if column.codec in (None, "raw"):
            return int(self._steps.count_rows() * column.size * np.dtype(column.dtype).itemsize)
        return self.disk_bytes()[column.name]

    def _decode(self, column: Column, blobs: Sequence[Any], rows: NDArray[np.int64]) -> Array:
        assert column.codec is not None
        out = np.empty((len(blobs), *column.shape), np.uint8)
        try:
            codecs.decode(column.codec, blobs, out)
        except codecs.PictureError as error:
            raise DatasetError(
                f"{self.path}: column {column.name!r}, row {rows[error.index]}: the {column.codec} picture cannot be "
                f"decoded ({error}). Run `swm verify` to find every damaged episode."
            ) from error
        return out

    def encoded(self, name: str, episode: int) -> EncodedPictures | None:
        """The pictures of one episode as they are stored (see `Reader.encoded`)."""
        column = self.columns[name]
        first, count = int(self.index.offsets[episode]), int(self.index.lengths[episode]) + 1
        stored = self._steps.take(np.arange(first, first + count), columns=[column.stored_name])[column.stored_name]
        assert column.codec in ("jpeg", "png", "raw")
        height, width, channels = column.shape
        return EncodedPictures(codec=column.codec, blobs=Blobs(stored), picture=(height, width, channels))

    def payload(self, episode: int) -> dict[str, Array]:
        """The arrays that hold for the whole episode (see `Reader.payload`)."""
        return {}

    def checksums(self) -> tuple[str, ...]:
        """SHA-256 of what is stored of each episode (see `Reader.checksums`)."""
        return self._checksums

    def torn_rows(self) -> int:
        """Rows beyond the last commit that no running writer is about to commit."""
        latest_episodes = tables.open_table(self.path / tables.EPISODES)
        last = latest_episodes.take([latest_episodes.count_rows() - 1], columns=["steps_version"])
        committed = tables.open_table(self.path / tables.STEPS, last["steps_version"][0].as_py())
        latest = tables.open_table(self.path / tables.STEPS)
        if latest.version == committed.version or tables.is_locked(self.path):
            return 0
        if tables.open_table(self.path / tables.EPISODES).version != latest_episodes.version:
            return 0  # committed between the two looks
        return tables.rows_beyond(latest, committed)

    def problems(self) -> Iterator[str]:
        """Compare everything with its checksums and decode every picture."""
        ends = np.cumsum(self.index.lengths + 1)
        begins = ends - self.index.lengths - 1
        first = 0
        while first < len(ends):
            last = max(first + 1, int(np.searchsorted(ends, begins[first] + _CHECK_ROWS, side="right")))
            try:
                rows = np.arange(begins[first], ends[last - 1])
                table = self._steps.take(rows).combine_chunks()
            except (OSError, ValueError, RuntimeError) as error:
                yield f"episodes {first} to {last - 1}: their rows cannot be read ({error})"
            else:
                for episode in range(first, last):
                    offset, length = int(begins[episode] - begins[first]), int(self.index.lengths[episode]) + 1
                    yield from self._episode_problems(episode, table.slice(offset, length))
            first = last

    def _episode_problems(self, episode: int, table: Any) -> Iterator[str]:
        """Check the rows of one episode."""
        length = int(self.index.lengths[episode])
        parts = []
        for column in self.columns.values():
            expected = length + (column.role == "observation")
            if column.size == 0:
                parts.append((column, np.empty((expected, *column.shape), column.dtype)))
                continue
            array = table[column.stored_name].combine_chunks()
            present = np.asarray(array.is_valid())
            if not present[:expected].all() or present[expected:].any():
                yield f"episode {episode}: column {column.name!r} is null in other rows than the last"
            stored = _from_arrow(column, array.slice(0, expected))
            parts.append((column, stored))
            if column.codec is not None:
                try:
                    codecs.decode(column.codec, stored, np.empty((expected, *column.shape), np.uint8))
                except codecs.PictureError as error:
                    yield f"episode {episode}: frame {error.index} of {column.name!r} cannot be decoded ({error})"
        metadata, split = self.index.metadata[episode], str(self.index.splits[episode])
        if checksum(parts, metadata, split) != self._checksums[episode]:
            yield f"episode {episode}: its content is not what was written (checksum)"

    def disk_bytes(self) -> dict[str, int]:
        """Column -> bytes on disk."""
        names = {field.id(): field.name() for field in self._steps.lance_schema.fields()}
        stats = {names.get(field.id): field.bytes_on_disk for field in self._steps.stats.data_stats().fields}
        return {name: stats.get(column.stored_name, 0) for name, column in self.columns.items()}


def _from_arrow(column: Column, array: Any) -> Any:
    return numbers_from_arrow(column, array) if column.codec is None else Blobs(array)


def _index(rows: Any) -> EpisodeIndex:
    sessions = [
        {"first_episode": index, **json.loads(session)}
        for index, session in enumerate(rows["session"].to_pylist())
        if session is not None
    ]
    lengths = rows["length"].to_numpy()
    return EpisodeIndex(
        lengths=lengths,
        offsets=np.cumsum(lengths + 1) - lengths - 1,
        splits=np.array(rows["split"].to_pylist()),
        metadata=tuple(rows["metadata"].to_pylist()),
        provenance=tuple(sessions),
    )
