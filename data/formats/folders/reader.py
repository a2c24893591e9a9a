"""Reading datasets that are kept as a folder of ordinary files, or lie in one without being described.

Columns that are no pictures, and the payload, are in one npz file per episode; ``dataset.json``
lists the episodes (see `swm.data.formats.folders.manifest`).
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import DatasetError
from swm.data.codecs import PictureError
from swm.data.columns import Array, Column, dtype_name
from swm.data.encoded import Codec, VideoCodec
from swm.data.episode import TRANSITIONS
from swm.data.formats.base import Distinct
from swm.data.formats.cache import Cache
from swm.data.formats.episodic import EpisodicReader, check_version, make_index
from swm.data.formats.folders.beside import Beside, load_npz, read_beside
from swm.data.formats.folders.manifest import MANIFEST, Manifest, checksum
from swm.data.location import Location


class Files(NamedTuple):
    """Where the parts of an episode lie."""

    columns: Path | None
    pictures: Mapping[str, Path]
    """Component -> a video file, or a folder of picture files."""


class FolderReader(EpisodicReader):
    """A folder that a `FolderWriter` made, or a bare one that someone filled with videos or pictures.

    A subclass says where pictures lie and how they are read.
    """

    kind: ClassVar[str]
    codecs: ClassVar[tuple[Codec | VideoCodec, ...]]
    """What pictures may be stored as: the default first."""

    def __init__(self, location: Location, version: int | None, cache_bytes: int) -> None:
        """Read ``dataset.json``, or look at what a bare folder holds.

        Args:
            location: a local folder.
            version: None or 1: such folders have one version.
            cache_bytes: how much of the columns and of the indices of videos may be kept in memory.

        Raises:
            DatasetError: no episode is there, something is damaged, or there is no such version.
        """
        self.location, self._cache_bytes = location, cache_bytes
        check_version(location, version)
        self._cache = Cache(cache_bytes)
        path, manifest = location.path, Manifest.read(location.path, self.kind)
        self._manifest = manifest
        if manifest is None:
            self._bare = self.scan(path)
            self._describe_bare()
            return
        if not manifest.episodes:
            raise DatasetError(
                f"{path} has no committed episode: its writer was stopped before the first commit. "
                f"Record again with mode='append'."
            )
        for column in manifest.columns.values():
            if column.codec not in (None, *self.codecs) or (column.codec and len(column.shape) != 3):
                raise DatasetError(f"{path / MANIFEST}: the format {self.kind!r} cannot hold {column}.")
        self.columns = manifest.columns
        self.index = make_index(
            [entry.length for entry in manifest.episodes],
            [entry.metadata for entry in manifest.episodes],
            [entry.split for entry in manifest.episodes],
            manifest.provenance,
        )

    def _files(self, episode: int) -> Files:
        """Where the parts of an episode lie."""
        if self._manifest is None:
            return self._bare[episode]
        root, name = self.location.path, self._manifest.episodes[episode].name
        pictures = {column.name: self.place(root, name, column) for column in self.columns.values() if column.codec}
        return Files(self.beside(root, name), pictures)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.location, self.version, self._cache_bytes)

    @staticmethod
    def beside(root: Path, episode: str) -> Path:
        """Where the columns of one episode lie that are no pictures."""
        raise NotImplementedError

    @staticmethod
    def place(root: Path, episode: str, column: Column) -> Path:
        """Where the pictures of one column and episode lie."""
        raise NotImplementedError

    def scan(self, root: Path) -> list[Files]:
        """The episodes of a bare folder.

        Raises:
            DatasetError: there is none.
        """
        raise NotImplementedError

    def measure(self, name: str, place: Path) -> tuple[int, Column]:
        """The number of pictures of one bare episode's component, and its column.

        Raises:
            DatasetError: they cannot be read, or are not all alike.
        """
        raise NotImplementedError

    def read_pictures(
        self, name: str, episodes: NDArray[np.int64], steps: NDArray[np.int64], size: tuple[int, int] | None
    ) -> NDArray[np.uint8]:
        """Decode one picture per pair of an episode and a step.

        Raises:
            DatasetError: one cannot be decoded.
        """
        raise NotImplementedError

    def blobs(self, episode: int, name: str) -> Iterator[bytes]:
        """The files that hold the pictures of one episode.

        Raises:
            OSError: one cannot be read.
        """
        raise NotImplementedError

    def _describe_bare(self) -> None:
        """Find columns and lengths of a folder without ``dataset.json``."""
        lengths: list[int] = []
        notes: list[str] = []
        for number, files in enumerate(self._bare):
            found = {name: self.measure(name, place) for name, place in files.pictures.items()}
            counts = {count for count, _ in found.values()}
            if len(counts) != 1 or min(counts) < 2:
                where = ", ".join(map(str, files.pictures.values()))
                raise DatasetError(
                    f"{where}, read as an episode of the format {self.kind!r}, needs 2 or more pictures, as many of "
                    f"each camera; found {sorted(counts)}. Give the folder of the dataset itself."
                )
            (count,) = counts
            beside, missing = read_beside(files.columns, count)
            notes += [note for note in missing if note not in notes]
            columns = {name: column for name, (_, column) in found.items()} | _columns_of(beside.columns)
            columns = {name: columns[name] for name in sorted(columns, key=_order)}
            if number and columns != self.columns:
                names = {**columns, **self.columns}
                differ = [name for name in names if columns.get(name) != self.columns.get(name)]
                raise DatasetError(
                    f"{self.location}: episode {number} ({next(iter(files.pictures.values()))}) differs from the first "
                    f"one in {', '.join(map(repr, differ))}: {[columns.get(n) for n in differ]} instead of "
                    f"{[self.columns.get(n) for n in differ]}. Episodes of one dataset have the same columns."
                )
            self.columns = columns
            lengths.append(count - 1)
        self.notes = (f"no {MANIFEST}: episodes are the files in their natural order, without metadata.", *notes)
        self.index = make_index(lengths, [{} for _ in lengths])

    def _beside(self, episode: int) -> Beside:
        """Columns without pictures and payload of one episode, checked."""

        def make() -> tuple[Beside, int]:
            length, file = int(self.index.lengths[episode]), self._files(episode).columns
            if self._manifest is None:
                beside = read_beside(file, length + 1)[0]
            else:
                assert file is not None
                beside = load_npz(file)
            for column in self.columns.values():
                if column.codec is None:
                    _check(file, column, beside.columns.get(column.name), length)
            return beside, sum(array.nbytes for group in beside for array in group.values())

        found: Beside = self._cache.get(episode, make)
        return found

    def read(
        self, names: Sequence[str], rows: NDArray[np.int64], size: tuple[int, int] | None = None
    ) -> dict[str, Array]:
        """Read the given rows of some columns (see `Reader.read`)."""
        numbers = super().read([name for name in names if self.columns[name].codec is None], rows)
        distinct = Distinct.of(np.asarray(rows, np.int64))
        episodes = np.searchsorted(self.index.offsets, distinct.rows, side="right") - 1
        steps = distinct.rows - self.index.offsets[episodes]
        return {
            name: numbers[name] if name in numbers else distinct.spread(self.read_pictures(name, episodes, steps, size))
            for name in names
        }

    def read_steps(self, episode: int, names: Sequence[str], steps: NDArray[np.int64]) -> dict[str, Array]:
        """Read some steps of one episode (see `EpisodicReader.read_steps`)."""
        return {name: self._beside(episode).columns[name][steps] for name in names}

    def payload(self, episode: int) -> dict[str, Array]:
        """The arrays that hold for the whole episode (see `Reader.payload`)."""
        return {name: array.copy() for name, array in self._beside(episode).payload.items()}

    def checksums(self) -> tuple[str, ...]:
        """A hash of the content of each episode (see `Reader.checksums`)."""
        if self._manifest is not None:
            return tuple(entry.checksum for entry in self._manifest.episodes)
        return tuple(self._checksum(episode) for episode in range(len(self._bare)))

    def _checksum(self, episode: int) -> str:
        try:
            return checksum(
                self.index.metadata[episode],
                str(self.index.splits[episode]),
                self._beside(episode),
                {name: self.blobs(episode, name) for name in self._files(episode).pictures},
            )
        except OSError as error:
            raise DatasetError(f"{self.location}: a file of episode {episode} cannot be read: {error}.") from error

    def problems(self) -> Iterator[str]:
        """Decode every picture and compare everything with its checksums (see `Reader.problems`)."""
        self._cache = Cache(self._cache_bytes)
        for episode, length in enumerate(self.index.lengths):
            steps = np.arange(length + 1)
            try:
                self._beside(episode)
                for name in self._files(episode).pictures:
                    self.read_pictures(name, np.full(len(steps), episode), steps, None)
                same = self._manifest is None or self._checksum(episode) == self._manifest.episodes[episode].checksum
            except DatasetError as error:
                yield f"episode {episode}: {error}"
            else:
                if not same:
                    yield f"episode {episode}: its content is not what was written (checksum)"

    def disk_bytes(self) -> dict[str, int]:
        """Column -> bytes on disk (see `Reader.disk_bytes`)."""
        sizes = dict.fromkeys(self.columns, 0)
        try:
            for episode in range(len(self.index.lengths)):
                for name, place in self._files(episode).pictures.items():
                    parts = place.iterdir() if place.is_dir() else [place]
                    sizes[name] += sum(part.stat().st_size for part in parts)
        except OSError as error:
            raise DatasetError(
                f"{self.location}: a file is missing: {error}. Restore it from a copy; `swm verify` names every "
                f"damaged episode."
            ) from error
        steps = int(self.index.lengths.sum())
        for name, column in self.columns.items():
            if column.codec is None:
                sizes[name] = steps * column.size * (4 if column.dtype == "str" else np.dtype(column.dtype).itemsize)
        return sizes

    def failure(self, name: str, episode: int, step: int, error: PictureError) -> DatasetError:
        """What to say of a picture that cannot be decoded."""
        return DatasetError(
            f"{self._files(episode).pictures[name]}: picture {step} of {name!r} in episode {episode} cannot be decoded "
            f"({error}). Run `swm verify` to find every damaged episode."
        )


def _columns_of(arrays: Mapping[str, Array]) -> dict[str, Column]:
    return {
        name: Column(
            name=name,
            dtype=dtype_name(array.dtype),
            shape=array.shape[1:],
            role="transition" if name in TRANSITIONS else "observation",
        )
        for name, array in arrays.items()
    }


def _order(name: str) -> int:
    """Observations first, in their order; then the transitions in theirs."""
    return TRANSITIONS.index(name) if name in TRANSITIONS else -1


def _check(file: Path | None, column: Column, array: Array | None, length: int) -> None:
    """Check that a column has the dtype, shape and length that the dataset promises.

    Raises:
        DatasetError: it has not.
    """
    expected = (length + (column.role == "observation"), *column.shape)
    if array is None:
        raise DatasetError(f"{file}: the column {column.name!r} is missing.")
    dtype = dtype_name(array.dtype)
    if (array.shape, dtype) != (expected, column.dtype):
        raise DatasetError(
            f"{file}: the column {column.name!r} has shape {array.shape} and dtype {dtype}, "
            f"expected {expected} and {column.dtype}."
        )
