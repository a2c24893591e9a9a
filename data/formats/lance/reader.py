"""Reading the Lance layouts: numbers and encoded pictures in memory within a budget, the rest from the tables."""

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
from swm.data.encoded import EncodedPictures, EncodedVideo
from swm.data.formats.base import Distinct, EpisodeIndex
from swm.data.formats.lance import tables
from swm.data.formats.lance.arrow import Blobs, numbers_from_arrow
from swm.data.formats.lance.check import find_problems
from swm.data.formats.lance.layout import is_video, read_header, unpack_payload
from swm.data.formats.lance.videos import VideoTable
from swm.data.formats.locks import is_locked
from swm.data.location import Location
from swm.data.resize import decode_resized


def detect_frames(path: Path) -> bool:
    """Whether `path` holds a dataset of Lance tables."""
    return (path / tables.STEPS).is_dir() and not detect_video(path)


def detect_video(path: Path) -> bool:
    """Whether `path` holds a dataset of Lance tables with videos."""
    return (path / tables.VIDEOS).is_dir() and (path / tables.STEPS).is_dir()


class LanceReader:
    """One version of a dataset in Lance tables (see `swm.data.formats.Reader`)."""

    notes: tuple[str, ...] = ()

    def __init__(self, location: Location, version: int | str | None, cache_bytes: int) -> None:
        """Open it and read its index.

        Args:
            location: of the dataset.
            version: of the dataset, or a tag; None for the latest.
            cache_bytes: how much of it may be kept in memory. A column is kept whole, as stored
                (pictures stay encoded), from its first use on if it fits into what is left.

        Raises:
            DatasetError: no episode was ever committed, the version does not exist, or the tables
                are damaged or come from elsewhere or from a newer version of this package.
        """
        self.location = location
        if not tables.has_table(location / tables.EPISODES):
            raise _nothing(location)
        episodes = tables.open_table(location / tables.EPISODES, version)
        self.version: int = episodes.version
        self.columns = read_header(episodes.schema.metadata, location)
        with tables.translated(f"{location}: the list of episodes cannot be read"):
            rows = episodes.to_table(columns=[name for name in episodes.schema.names if name != "payload"])
            if not len(rows):
                raise _nothing(location)
            self._take_index(rows)
        self._cache_bytes, self._budget = cache_bytes, cache_bytes
        self._cache: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._opened: tuple[int, dict[str, Any]] = (0, {})
        self._check_extent()

    def _take_index(self, rows: Any) -> None:
        self.index = EpisodeIndex(
            lengths=rows["length"].to_numpy(),
            offsets=rows["first_row"].to_numpy(),
            splits=np.array(rows["split"].to_pylist()),
            metadata=tuple(rows["metadata"].to_pylist()),
            provenance=tuple(
                {"first_episode": index, **json.loads(session)}
                for index, session in enumerate(rows["session"].to_pylist())
                if session is not None
            ),
        )
        self._checksums = tuple(rows["checksum"].to_pylist())
        self._steps_version = max(rows["steps_version"].to_pylist())
        cameras = [name for name, column in self.columns.items() if is_video(column)]
        self._videos: VideoTable | None = None
        if cameras:
            newest = max(rows["videos_version"].to_pylist())
            firsts = rows["first_video"].to_numpy()
            self._videos = VideoTable(self.location, newest, self.columns, cameras, firsts)

    def _check_extent(self) -> None:
        """Compare the episodes with the number of rows.

        Raises:
            DatasetError: the tables do not fit together.
        """
        ends = self.index.offsets + self.index.lengths + 1
        found = self._steps.count_rows()
        if self.index.lengths.min() < 1 or self.index.offsets.min() < 0 or ends.max() > found:
            raise DatasetError(
                f"{self.location} is damaged: its episodes need {ends.max()} rows of steps, the table has {found}."
            )

    def __reduce__(self) -> tuple[Any, ...]:
        return LanceReader, (self.location, self.version, self._cache_bytes)

    @property
    def _steps(self) -> Any:
        return self._table(tables.STEPS, self._steps_version)

    def _table(self, name: str, version: int) -> Any:
        """A table, opened by the process that asks."""
        if self._opened[0] != os.getpid():
            self._opened = os.getpid(), {}
        opened = self._opened[1]
        if name not in opened:
            opened[name] = tables.open_table(self.location / name, version)
        return opened[name]

    # ------------------------------------------------------------------------------------ reading

    def read(
        self, names: Sequence[str], rows: NDArray[np.int64], size: tuple[int, int] | None = None
    ) -> dict[str, Array]:
        """Read and decode the given rows of some columns (see `Reader.read`)."""
        in_steps = [name for name in names if not is_video(self.columns[name])]
        stored = {name: self._kept(self.columns[name]) for name in in_steps}
        missing = [self.columns[name].stored_name for name, kept in stored.items() if kept is None]
        distinct = Distinct.of(rows)
        table: Any = self._take(distinct.rows, missing) if missing else None
        out: dict[str, Array] = {}
        for name in names:
            column = self.columns[name]
            if is_video(column):
                out[name] = self._read_video(name, distinct, size)
                continue
            kept, chosen, place = stored[name], distinct.rows, rows
            if kept is None:
                kept, chosen = _from_arrow(column, table[column.stored_name]), np.arange(len(distinct.rows))
                place = distinct.place
            blobs = kept.take(chosen) if column.codec is not None else ()
            out[name] = kept[place] if column.codec is None else self._decode(column, blobs, distinct, size)
        return out

    def _take(self, rows: NDArray[np.int64], stored_names: Sequence[str]) -> Any:
        with tables.translated(f"{self.location}: {len(rows)} rows cannot be read"):
            return self._steps.take(rows, columns=list(stored_names))

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
        with tables.translated(f"{self.location}: column {column.name!r} cannot be read"):
            return _from_arrow(column, self._steps.to_table(columns=[column.stored_name])[column.stored_name])

    def _memory_bytes(self, column: Column) -> int:
        if column.dtype == "str" or column.codec in ("jpeg", "png"):
            return self.disk_bytes()[column.name]
        return int(self._steps.count_rows() * column.size * np.dtype(column.dtype).itemsize)

    def _decode(self, column: Column, blobs: Sequence[Any], distinct: Distinct, size: tuple[int, int] | None) -> Array:
        assert column.codec is not None
        height, width, channels = column.shape
        try:
            if size is not None and size != (height, width):
                return distinct.spread(decode_resized(column.codec, blobs, (height, width, channels), size))
            out = np.empty((len(distinct.place), height, width, channels), np.uint8)
            codecs.decode(column.codec, blobs, [out[row] for row in distinct.first])
        except codecs.PictureError as error:
            raise self._broken(column, distinct.rows[error.index], error) from error
        distinct.repeat(out)
        return out

    def _broken(self, column: Column, row: Any, error: Exception) -> DatasetError:
        return DatasetError(
            f"{self.location}: column {column.name!r}, row {row}: the {column.codec} picture cannot be decoded "
            f"({error}). Run `swm verify` to find every damaged episode."
        )

    def _read_video(self, name: str, distinct: Distinct, size: tuple[int, int] | None) -> Array:
        assert self._videos is not None
        order = np.argsort(self.index.offsets)
        episodes = order[np.searchsorted(self.index.offsets, distinct.rows, side="right", sorter=order) - 1]
        frames = distinct.rows - self.index.offsets[episodes]
        height, width, channels = self.columns[name].shape
        out = np.empty((len(distinct.place), *(size or (height, width)), channels), np.uint8)
        try:
            table = self._table(tables.VIDEOS, self._videos.version)
            self._videos.read(table, name, episodes, frames, out, distinct.first)
        except codecs.PictureError as error:
            raise self._broken(self.columns[name], distinct.rows[distinct.place[error.index]], error) from error
        distinct.repeat(out)
        return out

    def encoded(self, name: str, episode: int) -> EncodedPictures | EncodedVideo | None:
        """The pictures of one episode as they are stored (see `Reader.encoded`)."""
        column = self.columns[name]
        if is_video(column):
            assert self._videos is not None
            return self._videos.encoded(self._table(tables.VIDEOS, self._videos.version), name, episode)
        first, count = int(self.index.offsets[episode]), int(self.index.lengths[episode]) + 1
        stored = self._take(np.arange(first, first + count), [column.stored_name])[column.stored_name]
        height, width, channels = column.shape
        codec: Any = column.codec
        return EncodedPictures(codec=codec, blobs=Blobs(stored), picture=(height, width, channels))

    def payload(self, episode: int) -> dict[str, Array]:
        """The arrays that hold for the whole episode (see `Reader.payload`)."""
        table = self._table(tables.EPISODES, self.version)
        with tables.translated(f"{self.location}: the payload of episode {episode} cannot be read"):
            return unpack_payload(table.take([episode], columns=["payload"])["payload"][0].as_py())

    def checksums(self) -> tuple[str, ...]:
        """SHA-256 of what is stored of each episode (see `Reader.checksums`)."""
        return self._checksums

    # ----------------------------------------------------------------------------------- checking

    def torn_rows(self) -> int:
        """Rows of the newest steps that no episode claims and no running writer is about to.

        Steps that were replaced or rewritten without their episodes are not counted: no reader sees them.
        """
        place = self.location
        if not place.is_local or is_locked(place.path):
            return 0
        episodes = tables.open_table(place / tables.EPISODES)
        rows = episodes.to_table(columns=["length", "steps_version"])
        newest = tables.open_table(place / tables.STEPS)
        if tables.open_table(place / tables.EPISODES).version != episodes.version:
            return 0  # committed between the two looks
        pinned = tables.open_table(place / tables.STEPS, max(rows["steps_version"].to_pylist(), default=None))
        if not tables.continues(newest, pinned):
            return 0
        return int(newest.count_rows() - (rows["length"].to_numpy() + 1).sum())

    def problems(self) -> Iterator[str]:
        """Compare everything with its checksums and decode every picture (see `Reader.problems`)."""
        yield from find_problems(self, self._steps, self._table(tables.EPISODES, self.version))

    def disk_bytes(self) -> dict[str, int]:
        """Column -> bytes on disk."""
        with tables.translated(f"{self.location}: the sizes of the columns cannot be read"):
            names = {field.id(): field.name() for field in self._steps.lance_schema.fields()}
            stats = {names.get(field.id): field.bytes_on_disk for field in self._steps.stats.data_stats().fields}
            sizes = {name: stats.get(column.stored_name, 0) for name, column in self.columns.items()}
            if self._videos is not None:
                sizes.update(self._videos.disk_bytes(self._table(tables.VIDEOS, self._videos.version)))
            return sizes


def _nothing(location: Location) -> DatasetError:
    return DatasetError(
        f"{location} has no committed episode: its writer was stopped before the first commit, or nothing was "
        f"ever written there. Record again with mode='append'."
    )


def _from_arrow(column: Column, array: Any) -> Any:
    return numbers_from_arrow(column, array) if column.codec is None else Blobs(array)
