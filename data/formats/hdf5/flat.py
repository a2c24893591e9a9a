"""Reading one HDF5 file of flat columns, as stable-worldmodel and LeWorldModel record it.

The root holds one dataset per column with one row per observation, and ``ep_len`` and
``ep_offset``, which say where episodes lie. A row's action leaves it; its reward, terminated,
truncated and success belong to the arrival at it.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import DatasetError
from swm.data.columns import Array, Column
from swm.data.episode import TRANSITIONS
from swm.data.formats.episodic import EpisodicReader, check_version, make_index
from swm.data.formats.hdf5.files import Handle, guard, members
from swm.data.formats.hdf5.flat_writer import EPISODES, LENGTHS, OFFSETS, Hdf5Writer, payload_name, stored_name
from swm.data.formats.hdf5.foreign import describe_columns, plain_index
from swm.data.formats.hdf5.session import HEADER, read_header
from swm.data.formats.hdf5.values import as_flags, read_attribute, read_values, runs, unseal
from swm.data.formats.hdf5.verify import find_problems
from swm.data.location import Location
from swm.data.resize import resize

__all__ = ["Hdf5Reader", "Hdf5Writer", "detect"]

_FLAGS = ("terminated", "truncated", "success")


def detect(path: Path) -> bool:
    """Whether `path` is an HDF5 file of flat columns."""
    return {LENGTHS, OFFSETS} <= members(path)


class Hdf5Reader(EpisodicReader):
    """Random access to the rows of one HDF5 file (see `swm.data.formats.Reader`).

    Columns of numbers stay in memory as long as they fit into `cache_bytes`; pictures are read row
    by row, one chunk each in the files that this package writes.
    """

    def __init__(self, location: Location, version: int | None = None, cache_bytes: int = 1 << 30) -> None:
        """Open the file and check that its columns and episodes fit together.

        Raises:
            DatasetError: they do not, there is no such version, or the file is damaged.
        """
        self.location = location
        self._path = location.path
        check_version(location, version)
        self._handle = Handle(self._path)
        self._arguments = (location, version, cache_bytes)
        self._budget = cache_bytes
        self._kept: dict[str, Array] = {}
        self._episodes: list[dict[str, Any]] | None = None
        file = self._handle.file
        with guard(self._path):
            lengths, offsets = self._extents(file)
            if HEADER in file.attrs:
                self._open_own(file, lengths)
            else:
                self._open_foreign(file, lengths)
        kept = lengths >= 2
        self._shift = offsets[kept] - self.index.offsets

    def __reduce__(self) -> tuple[Any, ...]:
        return Hdf5Reader, self._arguments

    def _extents(self, file: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows and first row of each episode."""
        for name in (LENGTHS, OFFSETS):
            if name not in file:
                raise DatasetError(
                    f"{self._path}: no dataset {name!r}, found {', '.join(file) or 'nothing'}. This layout has "
                    f"{LENGTHS!r}, {OFFSETS!r} and one dataset per column."
                )
        lengths, offsets = (np.asarray(file[name][()]).astype(np.int64) for name in (LENGTHS, OFFSETS))
        if lengths.ndim != 1 or lengths.shape != offsets.shape or not len(lengths):
            raise DatasetError(
                f"{self._path}: {LENGTHS!r} has shape {lengths.shape} and {OFFSETS!r} {offsets.shape}; both should "
                f"have one number per episode. The file is damaged or empty."
            )
        order = np.argsort(offsets, kind="stable")
        if (lengths < 1).any() or not np.array_equal(offsets[order], np.cumsum(lengths[order]) - lengths[order]):
            raise DatasetError(
                f"{self._path}: the episodes of {LENGTHS!r} and {OFFSETS!r} overlap or leave gaps. "
                f"The file is damaged: record or convert it again."
            )
        return lengths, offsets

    def _open_own(self, file: Any, lengths: NDArray[np.int64]) -> None:
        self.columns, provenance = read_header(file, self._path)
        self._episodes = unseal(file, EPISODES)
        if [facts["rows"] for facts in self._episodes] != lengths.tolist():
            raise DatasetError(f"{self._path}: {LENGTHS!r} does not match what was recorded. The file is damaged.")
        for column in self.columns.values():
            dataset = file[stored_name(column)]
            if dataset.shape != (lengths.sum(), *column.shape):
                raise DatasetError(
                    f"{self._path}: column {column.name!r} has shape {dataset.shape} instead of "
                    f"{(int(lengths.sum()), *column.shape)}. The file is damaged."
                )
        self._names = {column.name: stored_name(column) for column in self.columns.values()}
        self.index = make_index(
            (lengths - 1).tolist(),
            [facts["metadata"] for facts in self._episodes],
            [facts["split"] for facts in self._episodes],
            provenance,
        )

    def _open_foreign(self, file: Any, lengths: NDArray[np.int64]) -> None:
        self.columns, self._names, notes = describe_columns(file, int(lengths.sum()), self._path)
        self.index, more = plain_index(lengths, self._path)
        self.notes = (*notes, *more)

    def files(self) -> list[Path]:
        """The one file."""
        return [self._path]

    def read(
        self, names: Sequence[str], rows: NDArray[np.int64], size: tuple[int, int] | None = None
    ) -> dict[str, Array]:
        """Read the given rows of some columns (see `Reader.read`)."""
        rows = np.asarray(rows, np.int64)
        episodes = np.searchsorted(self.index.offsets, rows, side="right") - 1
        stored = rows + self._shift[episodes]
        with guard(self._path):
            return {name: self._read_column(self.columns[name], stored, size) for name in names}

    def read_steps(self, episode: int, names: Sequence[str], steps: NDArray[np.int64]) -> dict[str, Array]:
        """Read some steps of one episode (see `EpisodicReader.read_steps`)."""
        return self.read(names, self.index.offsets[episode] + np.asarray(steps, np.int64))

    def _read_column(self, column: Column, rows: NDArray[np.int64], size: tuple[int, int] | None) -> Array:
        if column.name not in self._names:
            return np.zeros((len(rows), *column.shape), column.dtype)
        rows = rows + (column.name in TRANSITIONS and column.name != "action")
        if column.codec is None:
            return self._read_numbers(column, rows)
        shape = (*(column.shape[:2] if size is None else size), column.shape[2])
        out = np.empty((len(rows), *shape), column.dtype)
        dataset = self._handle.file[self._names[column.name]]
        for place, selection in runs(rows):
            pictures = dataset[selection]
            out[place] = pictures if size is None else resize(pictures, size)
        return out

    def _read_numbers(self, column: Column, rows: NDArray[np.int64]) -> Array:
        if column.name in self._kept:
            return self._kept[column.name][rows]
        dataset = self._handle.file[self._names[column.name]]
        if dataset.nbytes <= self._budget and column.dtype != "str":
            self._budget -= dataset.nbytes
            self._kept[column.name] = self._convert(column, read_values(dataset))
            return self._kept[column.name][rows]
        parts = [self._convert(column, read_values(dataset, selection)) for _, selection in runs(rows)]
        if not parts:
            return np.empty((0, *column.shape), column.dtype)
        joined = np.concatenate(parts)
        out = np.empty_like(joined)
        out[np.concatenate([place for place, _ in runs(rows)])] = joined
        return out

    def _convert(self, column: Column, values: Array) -> Array:
        """Other programs store flags and rewards as columns of width 1, and flags as numbers."""
        flags = as_flags(values) if column.name in _FLAGS else None
        return values.reshape(len(values), *column.shape) if flags is None else flags

    def payload(self, episode: int) -> dict[str, Array]:
        """The arrays that hold for the whole episode (see `Reader.payload`).

        Of another program's file, the last row's action and the first row's arrival, as
        ``final.action`` and ``first.<name>``.
        """
        with guard(self._path):
            if self._episodes is not None:
                holder = self._handle.file[LENGTHS]
                names = self._episodes[episode]["payload"]
                return {name: read_attribute(holder, payload_name(episode, name)) for name in names}
            first = self.index.offsets[episode] + self._shift[episode]
            last = first + self.index.lengths[episode]
            found = {}
            for name in TRANSITIONS:
                if name in self._names:
                    row = last if name == "action" else first
                    values = read_values(self._handle.file[self._names[name]], slice(row, row + 1))
                    key = "final.action" if name == "action" else f"first.{name}"
                    found[key] = self._convert(self.columns[name], values)
            return found

    def checksums(self) -> tuple[str, ...]:
        """One hash per episode, or of the whole file of another program (see `Reader.checksums`)."""
        if self._episodes is None:
            return super().checksums()
        return tuple(facts["sha256"] for facts in self._episodes)

    def problems(self) -> Iterator[str]:
        """Read every episode, compare it with its checksum, and look for actions that are no numbers."""
        yield from find_problems(Hdf5Reader(self.location, cache_bytes=0), self._episodes)

    def disk_bytes(self) -> dict[str, int]:
        """The bytes of each dataset (see `Reader.disk_bytes`)."""
        with guard(self._path):
            return {
                name: int(self._handle.file[self._names[name]].id.get_storage_size()) if name in self._names else 0
                for name in self.columns
            }
