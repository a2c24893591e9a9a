"""Keeping pictures decoded: in memory, or in files that many processes share."""

import functools
import hashlib
import json
import math
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.core.config import to_json
from swm.core.errors import DatasetError, InvalidValueError
from swm.data.columns import Array, Column, escape
from swm.data.encoded import EncodedPictures, EncodedVideo
from swm.data.formats.base import EpisodeIndex, Reader
from swm.data.kept_pictures import KeptPictures, map_file
from swm.data.location import Location

Size = tuple[int, int]


class DecodedCache:
    """A reader that decodes each picture once and copies it from then on.

    It reads as the reader that it wraps, bit for bit. Where not all pictures fit, those of the first
    rows are kept and never evicted: a random order gains as much from any fixed part of the data,
    and nothing is decoded only to be thrown away.

    In memory the pictures belong to one process. Under `path` they lie in one file per column and
    picture size, which all processes map: what one of them decodes, all have, and so has the next
    run. The file's name and header hold a hash of the dataset's content, so other content never
    meets it. The folder may be deleted whenever nobody uses it.
    """

    def __init__(self, reader: Reader, num_bytes: int, path: str | os.PathLike[str] | None = None) -> None:
        """Wrap a reader; nothing is allocated before pictures are read.

        Args:
            reader: decodes what is not there yet.
            num_bytes: how much decoded pictures may take, in memory or on disk. The first column and
                size that is read takes what it needs, the next one what is left.
            path: a folder for the files; None keeps the pictures in memory.

        Raises:
            InvalidValueError: `num_bytes` is negative.
        """
        if num_bytes < 0:
            raise InvalidValueError(f"the bytes for decoded pictures must be 0 or more, got {num_bytes!r}.")
        self.reader = reader
        self.location: Location = reader.location
        self.version: int = reader.version
        self.columns: Mapping[str, Column] = reader.columns
        self.index: EpisodeIndex = reader.index
        self.notes: tuple[str, ...] = reader.notes
        self._num_bytes, self._left = num_bytes, num_bytes
        self._path = None if path is None else Path(path).absolute()
        self._num_rows = int((self.index.offsets + self.index.lengths).max(initial=-1)) + 1
        self._kept: dict[tuple[str, Size], KeptPictures] = {}
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        state = {} if self._path is None else {"_fingerprint": self._fingerprint}  # which may take long to compute
        return DecodedCache, (self.reader, self._num_bytes, self._path), state

    @functools.cached_property
    def _fingerprint(self) -> str:
        columns = sorted(self.columns.values(), key=lambda column: column.name)
        content = [to_json(columns), self.index.lengths.tolist(), self.reader.checksums()]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def read(self, names: Sequence[str], rows: NDArray[np.int64], size: Size | None = None) -> dict[str, Array]:
        """Read the given rows of some columns (see `Reader.read`); rows may come more than once."""
        kept = {name: self._pictures(name, size) for name in names if self.columns[name].codec is not None}
        distinct, place = np.unique(rows, return_inverse=True)
        absent = {name: distinct[~pictures.has(distinct)] for name, pictures in kept.items()}
        others = [name for name in names if name not in kept]
        read = self._read_distinct(others, distinct, None)
        out = {name: values.take(place, axis=0) for name, values in read.items()}
        for name, pictures in kept.items():
            fresh = self._read_distinct([name], absent[name], size)[name]
            pictures.put(absent[name], fresh)
            out[name] = pictures.gather(rows, absent[name], fresh)
        return {name: out[name] for name in names}

    def _read_distinct(self, names: Sequence[str], rows: NDArray[np.int64], size: Size | None) -> dict[str, Array]:
        if not len(names):
            return {}
        if not len(rows):
            return {name: np.empty((0, *self._shape(name, size)), self.columns[name].dtype) for name in names}
        return self.reader.read(names, rows, size)

    def _shape(self, name: str, size: Size | None) -> tuple[int, ...]:
        shape = self.columns[name].shape
        return shape if size is None or self.columns[name].codec is None else (*size, shape[2])

    def _pictures(self, name: str, size: Size | None) -> KeptPictures:
        """Where the pictures of a column are kept at a size, made at its first use."""
        shape = self._shape(name, size)
        key = name, (shape[0], shape[1])
        with self._lock:
            if key not in self._kept:
                count = min(self._num_rows, self._left // max(1, math.prod(shape)))
                if self._path is None or count == 0:
                    kept = KeptPictures(np.empty((count, *shape), np.uint8), np.zeros(count, bool))
                else:
                    kept = self._mapped(name, shape, count)
                self._kept[key] = kept
                self._left = max(0, self._left - kept.data.nbytes)
            return self._kept[key]

    def _mapped(self, name: str, shape: tuple[int, ...], count: int) -> KeptPictures:
        assert self._path is not None
        facts = {"fingerprint": self._fingerprint, "column": name, "shape": list(shape)}
        file = self._path / f"{self._fingerprint[:16]}-{escape(name)}-{shape[0]}x{shape[1]}.decoded"
        try:
            return map_file(file, facts, count)
        except OSError as error:
            raise DatasetError(
                f"decoded pictures of {self.location} cannot be kept in {file}: {error}. They need "
                f"{count * math.prod(shape)} bytes there: make room, allow fewer, or choose another folder."
            ) from error

    def encoded(self, name: str, episode: int) -> EncodedPictures | EncodedVideo | None:
        """The pictures of one episode as they are stored (see `Reader.encoded`)."""
        return self.reader.encoded(name, episode)

    def payload(self, episode: int) -> dict[str, Array]:
        """The arrays that hold for the whole episode (see `Reader.payload`)."""
        return self.reader.payload(episode)

    def checksums(self) -> tuple[str, ...]:
        """A hash of what is stored of each episode (see `Reader.checksums`)."""
        return self.reader.checksums()

    def torn_rows(self) -> int:
        """Rows that a killed writer left behind (see `Reader.torn_rows`)."""
        return self.reader.torn_rows()

    def problems(self) -> Iterator[str]:
        """Check what is stored, past the cache (see `Reader.problems`)."""
        return self.reader.problems()

    def disk_bytes(self) -> dict[str, int]:
        """Column -> bytes on disk, without the cache (see `Reader.disk_bytes`)."""
        return self.reader.disk_bytes()
