"""Files that are begun anew when the next episode would make them too large."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import InvalidValueError
from swm.data.columns import Column
from swm.data.formats.files import sha256
from swm.data.formats.lerobot.layout import VIDEO_FILE, file_at
from swm.data.formats.lerobot.mp4 import VideoSink

_MEGABYTE = 1 << 20


@dataclass(frozen=True, kw_only=True)
class FileSizes:
    """When LeRobot's files are full."""

    chunks_size: int = 1000
    """Files per folder."""
    data_megabytes: float = 100
    """Of a Parquet file."""
    video_megabytes: float = 200
    """Of an MP4 file."""

    def __post_init__(self) -> None:
        """Check that all are positive."""
        if self.chunks_size < 1 or not self.data_megabytes > 0 or not self.video_megabytes > 0:
            raise InvalidValueError(f"sizes of files must be positive, got {self}.")


class Sink:
    """Numbered files of one kind, one open at a time; those that are full are hashed."""

    def __init__(self, root: Path, template: str, chunks_size: int, limit: float, **fields: str) -> None:
        """Begin with no file.

        Args:
            root: of the dataset.
            template: of the files' names, with ``chunk_index`` and ``file_index``.
            chunks_size: files per folder.
            limit: bytes per file.
            fields: others of the template.
        """
        self._root, self._template, self._fields = root, template, fields
        self._chunks_size, self._limit = chunks_size, limit
        self._number = -1
        self._path: Path | None = None
        self.checksums: dict[str, str] = {}

    @property
    def place(self) -> tuple[int, int]:
        """Chunk and number of the open file."""
        return divmod(self._number, self._chunks_size)

    def _is_full(self, size: int, added: float) -> bool:
        """Whether a file of some bytes must be closed before some are added; an empty one never is."""
        return size > 0 and size + added > self._limit

    def _next_path(self) -> Path:
        self._number += 1
        chunk, file = self.place
        self._path = file_at(self._root, self._template, chunk_index=chunk, file_index=file, **self._fields)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return self._path

    def _hash(self) -> None:
        assert self._path is not None
        self.checksums[self._path.relative_to(self._root).as_posix()] = sha256(self._path)


class TableSink(Sink):
    """Parquet files with one row group per table that is written."""

    _file: Any = None
    _writer: Any = None

    def room_for(self, table: Any) -> tuple[int, int]:
        """Open a new file if this table would fill the open one, and return the file's place."""
        import pyarrow as pa

        if self._writer is not None and self._is_full(self._file.tell(), table.nbytes):
            self.close()
        if self._writer is None:
            self._file = pa.OSFile(str(self._next_path()), "wb")
        return self.place

    def write(self, table: Any) -> None:
        """Append a table to the file that `room_for` opened."""
        import pyarrow.parquet as pq

        if self._writer is None:
            self._writer = pq.ParquetWriter(self._file, table.schema, compression="snappy", write_page_checksum=True)
        self._writer.write_table(table, row_group_size=table.num_rows)

    def close(self) -> None:
        """Finish the open file, if there is one."""
        if self._writer is not None:
            self._writer.close()
            self._file.close()
            self._writer = self._file = None
            self._hash()

    def discard(self) -> None:
        """Release the open file, which is not to be kept."""
        if self._writer is not None:
            with contextlib.suppress(Exception):  # the disk may be full; left open, it would say so when collected
                self._writer.close()
        if self._file is not None:
            self._file.close()
        self._writer = self._file = None


class CameraSink(Sink):
    """MP4 files of one camera."""

    def __init__(self, root: Path, feature: str, column: Column, sizes: FileSizes, fps: int, crf: int) -> None:
        """Begin with no file.

        Args:
            root: of the dataset.
            feature: LeRobot's name of the camera.
            column: its pictures.
            sizes: when a file is full.
            fps: frames per second.
            crf: constant rate factor.
        """
        super().__init__(root, VIDEO_FILE, sizes.chunks_size, sizes.video_megabytes * _MEGABYTE, video_key=feature)
        self.feature, self._column, self._fps, self._crf = feature, column, fps, crf
        self._video: VideoSink | None = None

    def write(self, pictures: NDArray[np.uint8]) -> dict[str, Any]:
        """Append the pictures of one episode, and return where they are, as the episodes' table says it."""
        video = self._video
        if video is not None and self._is_full(video.bytes, len(pictures) * video.bytes / video.frames):
            self.close()
        if self._video is None:
            codec: Any = self._column.codec
            self._video = VideoSink(self._next_path(), self._column.shape, codec, self._fps, self._crf)
        begin = self._video.frames
        self._video.write(pictures)
        chunk, file = self.place
        facts = {
            "chunk_index": chunk,
            "file_index": file,
            "from_timestamp": begin / self._fps,
            "to_timestamp": self._video.frames / self._fps,
        }
        return {f"videos/{self.feature}/{name}": value for name, value in facts.items()}

    def close(self) -> None:
        """Finish the open file, if there is one."""
        if self._video is not None:
            self._video.close()
            self._video = None
            self._hash()

    def discard(self) -> None:
        """Release the open file, which is not to be kept."""
        if self._video is not None:
            self._video.discard()


def write_task_table(path: Path, tasks: Sequence[str]) -> None:
    """Write ``meta/tasks.parquet`` as pandas would: the texts are a named index, their numbers a column."""
    import json

    import pyarrow as pa
    import pyarrow.parquet as pq

    def column(name: str, kind: str, numpy_kind: str) -> dict[str, Any]:
        return {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": numpy_kind, "metadata": None}

    pandas = {
        "index_columns": ["task"],
        "column_indexes": [column("", "unicode", "object") | {"name": None, "field_name": None}],
        "columns": [column("task_index", "int64", "int64"), column("task", "unicode", "object")],
        "attributes": {},
        "creator": {"library": "pyarrow", "version": pa.__version__},
        "pandas_version": "2.2.0",
    }
    table = pa.table({"task_index": pa.array(range(len(tasks)), pa.int64()), "task": pa.array(tasks, pa.string())})
    pq.write_table(table.replace_schema_metadata({"pandas": json.dumps(pandas)}), path)
