"""The Lance layouts of stable-worldmodel: pictures as JPEG in the rows, or as one MP4 per episode beside them.

``<name>.lance`` has the rows: ``episode_idx`` and ``step_idx``, numbers flattened to vectors of
float32, texts, and JPEG pictures as binary columns. ``<name>_videos.lance``, where it exists, has a
row per episode and camera with the MP4 as a blob. ``<name>_episodes.lance``, where it exists, has a
row per episode with what was stored once for all of it.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import DatasetError
from swm.data import codecs
from swm.data.columns import DTYPES, Array, Column
from swm.data.encoded import EncodedPictures
from swm.data.formats.episodic import runs_of
from swm.data.formats.foreign_video import opened
from swm.data.formats.lance.tables import lance_module

EPISODE, STEP = "episode_idx", "step_idx"
VIDEOS, EPISODES = "_videos", "_episodes"

_PARTS = ("_versions", "data", "_deletions")
"""Folders of a Lance table that hold its content."""


class LanceRows:
    """The rows of one table and of the tables beside it (see `swm.data.formats.stable_worldmodel.rows.Rows`)."""

    def __init__(self, path: Path, version: int | None) -> None:
        """Open the table and find its episodes.

        Args:
            path: ``<name>.lance``.
            version: of the table of rows; None for the latest.

        Raises:
            DatasetError: it cannot be opened, is another kind of table, or its episodes are torn apart.
        """
        self._path, self._opened = path, {}
        table = _open(path, version)
        self.version: int = table.version
        self._opened[path] = os.getpid(), table
        with guard(path):
            schema = table.schema
            if EPISODE not in schema.names:
                raise DatasetError(
                    f"{path} is a Lance table without the column {EPISODE!r}: it is not one of stable-worldmodel. "
                    f"Its columns: {', '.join(schema.names)}."
                )
            ids = table.to_table(columns=[EPISODE])[EPISODE].to_numpy()
        starts = np.flatnonzero(np.diff(ids, prepend=ids[:1] - 1))
        self._ids: list[int] = ids[starts].tolist()
        if len(set(self._ids)) != len(self._ids):
            raise DatasetError(f"{path}: the rows of an episode do not follow one another. Sort the table and retry.")
        self.lengths = np.diff(np.append(starts, len(ids))).astype(np.int64)
        self._starts = starts
        self._videos = self._find_videos()
        self._facts: dict[int, int] = {}
        self._skipped: list[str] = []
        self.columns: Mapping[str, Column] = self._describe(schema)
        self.notes = self._notes()

    def _beside(self, suffix: str) -> Path:
        return self._path.with_name(f"{self._path.stem}{suffix}.lance")

    def _table(self, path: Path) -> Any:
        """A table, opened by the process that asks."""
        if self._opened.get(path, (0,))[0] != os.getpid():
            self._opened[path] = os.getpid(), _open(path, self.version if path == self._path else None)
        return self._opened[path][1]

    def _find_videos(self) -> dict[tuple[int, str], int]:
        """Row of each (episode, camera) in the table of videos."""
        path = self._beside(VIDEOS)
        if not path.is_dir():
            return {}
        with guard(path):
            rows = self._table(path).to_table(columns=[EPISODE, "video_key"]).to_pylist()
        return {(row[EPISODE], row["video_key"]): place for place, row in enumerate(rows)}

    def _describe(self, schema: Any) -> dict[str, Column]:
        found = {}
        for field in schema:
            if field.name in (EPISODE, STEP):
                continue
            kind = _kind(field.type)
            if kind == ("binary", ()):
                found[field.name] = self._describe_pictures(field.name)
            elif kind[0] in DTYPES:
                found[field.name] = Column(name=field.name, dtype=kind[0], shape=kind[1], role="observation")
            else:
                self._skipped.append(f"{field.name!r} ({field.type})")
        for name in sorted({name for _, name in self._videos}):
            with opened(*self._video(self._ids[0], name)) as video:
                found[name] = Column(name=name, dtype="uint8", shape=video.picture, role="observation", codec="h264")
        return found

    def _describe_pictures(self, name: str) -> Column:
        (blob,) = self._blobs(name, np.array([0]))
        try:
            shape = codecs.shape_of(blob)
        except ValueError as error:
            raise DatasetError(f"{self._path}: {name!r} has bytes that are no JPEG picture ({error}).") from error
        return Column(name=name, dtype="uint8", shape=shape, role="observation", codec="jpeg")

    def _notes(self) -> tuple[str, ...]:
        notes = [
            "Numbers were stored as vectors of float32: their dtypes, further axes and scalars are not recorded, and "
            "dots in names are underscores.",
        ]
        if self._skipped:
            notes.append(f"Columns of other types are left out: {', '.join(self._skipped)}.")
        return tuple(notes)

    def take(self, names: Sequence[str], rows: NDArray[np.int64]) -> dict[str, Array]:
        """Read and decode sorted distinct rows with one request (see `Rows.take`)."""
        cameras = {name for _, name in self._videos}
        stored = [name for name in names if name not in cameras]
        with guard(self._path):
            table = self._table(self._path).take(rows, columns=stored) if stored else {}
        out = {}
        for name in names:
            column = self.columns[name]
            if name in cameras:
                out[name] = self._frames(column, rows)
            elif column.codec is None:
                out[name] = self._numbers(column, table[name])
            else:
                out[name] = self._decode(column, table[name].to_pylist(), rows)
        return out

    def _numbers(self, column: Column, values: Any) -> Array:
        values = values.combine_chunks()
        if values.null_count:
            raise DatasetError(f"{self._path}: {column.name!r} has {values.null_count} rows without a value.")
        if column.dtype == "str":
            return np.array(values.to_pylist(), np.str_)
        flat = values.flatten() if column.shape else values
        return np.asarray(flat.to_numpy(zero_copy_only=False)).reshape(len(values), *column.shape)

    def _decode(self, column: Column, blobs: Sequence[Any], rows: NDArray[np.int64]) -> Array:
        out = np.empty((len(blobs), *column.shape), np.uint8)
        try:
            codecs.decode("jpeg", [blob or b"" for blob in blobs], out)
        except codecs.PictureError as error:
            raise DatasetError(
                f"{self._path}: column {column.name!r}, row {rows[error.index]}: the picture cannot be decoded "
                f"({error}). Copy the table again."
            ) from error
        return out

    def _frames(self, column: Column, rows: NDArray[np.int64]) -> Array:
        out = np.empty((len(rows), *column.shape), np.uint8)
        for episode, here in runs_of(np.searchsorted(self._starts, rows, side="right") - 1):
            with opened(*self._video(self._ids[episode], column.name)) as video:
                out[here] = video.read(rows[here] - self._starts[episode], column.shape)
        return out

    def _video(self, episode: int, name: str) -> tuple[Any, str]:
        """A file to read the MP4 from, and how to call it."""
        path = self._beside(VIDEOS)
        where = f"{path}: episode {episode}, {name!r}"
        if (episode, name) not in self._videos:
            raise DatasetError(f"{where}: there is no video.")
        with guard(path):
            (file,) = self._table(path).take_blobs("video_bytes", indices=[self._videos[episode, name]])
        return file, where

    def _blobs(self, name: str, rows: NDArray[np.int64]) -> list[bytes]:
        with guard(self._path):
            return [blob or b"" for blob in self._table(self._path).take(rows, columns=[name])[name].to_pylist()]

    def encoded(self, name: str, rows: NDArray[np.int64]) -> EncodedPictures | None:
        """The JPEG pictures of some rows; None for video (see `Rows.encoded`)."""
        if self.columns[name].codec != "jpeg":
            return None
        height, width, channels = self.columns[name].shape
        return EncodedPictures(codec="jpeg", blobs=self._blobs(name, rows), picture=(height, width, channels))

    def facts(self) -> list[dict[str, Any]]:
        """The numbers of the side table (see `Rows.facts`)."""
        path = self._beside(EPISODES)
        if not path.is_dir():
            return [{} for _ in self._ids]
        with guard(path):
            table = self._table(path)
            rows = table.to_table(columns=_names(table.schema, numbers=True)).to_pylist()
        self._facts = {row.pop(EPISODE): place for place, row in enumerate(rows)}
        return [rows[self._facts[episode]] if episode in self._facts else {} for episode in self._ids]

    def extras(self, episode: int) -> dict[str, Array]:
        """The texts, vectors and bytes of the side table (see `Rows.extras`)."""
        path, place = self._beside(EPISODES), self._facts.get(self._ids[episode])
        if place is None:
            return {}
        with guard(path):
            table = self._table(path)
            (row,) = table.take([place], columns=_names(table.schema, numbers=False)).to_pylist()
        return {name: _array(value) for name, value in row.items() if value is not None}

    def files(self) -> list[Path]:
        """Every file of the tables (see `Rows.files`)."""
        tables = (self._path, self._beside(VIDEOS), self._beside(EPISODES))
        return [file for table in tables for part in _PARTS for file in _files(table / part)]

    def disk_bytes(self) -> dict[str, int]:
        """Column -> bytes on disk; the table of videos is shared out evenly (see `Rows.disk_bytes`)."""
        with guard(self._path):
            table = self._table(self._path)
            names = {field.id(): field.name() for field in table.lance_schema.fields()}
            stats = {names.get(field.id): int(field.bytes_on_disk) for field in table.stats.data_stats().fields}
        cameras = {name for _, name in self._videos}
        size = sum(file.stat().st_size for file in _files(self._beside(VIDEOS)))
        return {name: size // len(cameras) if name in cameras else stats.get(name, 0) for name in self.columns}


@contextmanager
def guard(path: Path) -> Iterator[None]:
    """Turn whatever Lance raises over a damaged table into a `DatasetError`."""
    try:
        yield
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise DatasetError(f"{path}: the table cannot be read ({error}). Copy it again.") from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise DatasetError(f"{path}: the table is damaged ({error}). Copy it again.") from error


def _open(path: Path, version: int | None) -> Any:
    with guard(path):
        return lance_module().dataset(str(path), version=version)


def _files(folder: Path) -> list[Path]:
    return [file for file in sorted(folder.rglob("*")) if file.is_file()]


def _kind(kind: Any) -> tuple[str, tuple[int, ...]]:
    """NumPy's name of a column's dtype (or ``"binary"``), and the shape of one row."""
    import pyarrow as pa

    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return "binary", ()
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "str", ()
    if pa.types.is_fixed_size_list(kind):
        dtype, inner = _kind(kind.value_type)
        return ("", ()) if inner or dtype in ("str", "binary") else (dtype, (kind.list_size,))
    try:
        return str(np.dtype(kind.to_pandas_dtype())), ()
    except (NotImplementedError, TypeError):
        return "", ()


def _names(schema: Any, *, numbers: bool) -> list[str]:
    """The columns of the side table that hold one number per episode (and its index), or the others."""
    plain = {field.name for field in schema if _kind(field.type) in [(dtype, ()) for dtype in DTYPES[:-1]]}
    return [name for name in schema.names if (name in plain) == numbers]


def _array(value: Any) -> Array:
    """A value of the side table."""
    if isinstance(value, bytes):
        return np.frombuffer(value, np.uint8)
    return np.array(value, np.float32 if isinstance(value, list) else np.str_)
