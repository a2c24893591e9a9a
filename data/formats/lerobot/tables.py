"""Rows of Parquet files as NumPy arrays, with the row groups in use kept in memory."""

import functools
import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from swm.data.columns import Array, Column
from swm.data.formats.cache import Cache
from swm.data.formats.lerobot.layout import reading

_OPEN_FILES = 16


class Tables:
    """Reads ranges of rows. Each thread has its own handles, a forked process too; the rows kept are shared."""

    def __init__(self, cache_bytes: int) -> None:
        """Remember how many bytes of row groups may be kept."""
        self._cache = Cache(cache_bytes)
        self._local = threading.local()

    def read(self, path: Path, names: Sequence[str], begin: int, end: int) -> dict[str, Any]:
        """Read the rows from `begin` to `end` of some columns, as Arrow arrays.

        Raises:
            DatasetError: the file is damaged, or has no such rows or columns.
        """
        import pyarrow as pa

        with reading(path):
            file, edges = self._open(path)
            if end > edges[-1]:
                raise ValueError(f"rows {begin} to {end} are wanted, it has {edges[-1]}")
            groups = range(int(np.searchsorted(edges, begin, "right")) - 1, int(np.searchsorted(edges, end, "left")))
            parts = [self._group(path, file, group, names) for group in groups]
            offset = begin - int(edges[groups[0]])
            return {
                name: pa.chunked_array([part[name] for part in parts]).slice(offset, end - begin).combine_chunks()
                for name in names
            }

    def num_rows(self, path: Path) -> int:
        """How many rows a file has.

        Raises:
            DatasetError: it is damaged.
        """
        with reading(path):
            return int(self._open(path)[1][-1])

    def _open(self, path: Path) -> Any:
        """The file and the first row of each of its row groups, and one past the last."""
        import pyarrow.parquet as pq

        if getattr(self._local, "process", None) != os.getpid():
            self._local.process, self._local.files = os.getpid(), OrderedDict()
        files = self._local.files
        if path not in files:
            file = pq.ParquetFile(path, page_checksum_verification=True)
            counts = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
            files[path] = file, np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
            if len(files) > _OPEN_FILES:
                files.popitem(last=False)[1][0].close()
        files.move_to_end(path)
        return files[path]

    def _group(self, path: Path, file: Any, group: int, names: Sequence[str]) -> dict[str, Any]:
        """Columns of one row group, from memory or from the file."""
        return {
            name: self._cache.get((path, group, name), functools.partial(_column, file, group, name)) for name in names
        }


def _column(file: Any, group: int, name: str) -> tuple[Any, int]:
    values = file.read_row_group(group, columns=[name], use_threads=False).column(name).combine_chunks()
    return values, values.nbytes


def to_numpy(array: Any, column: Column) -> Array:
    """Turn an Arrow array of N rows, lists of any depth, into (N, *column.shape).

    Raises:
        ValueError: values are missing, or of another dtype or shape than the column's.
    """
    import pyarrow as pa

    count = len(array)
    if column.dtype == "str":
        return np.array(array.fill_null("").to_pylist(), np.str_).reshape(count)
    while pa.types.is_nested(array.type):
        array = _items(array)
    if array.null_count:
        raise ValueError(f"{array.null_count} values of {column.name!r} are null")
    values: Array = array.to_numpy(zero_copy_only=False)
    if values.size != count * column.size:
        raise ValueError(f"{column.name!r} should have the shape {(count, *column.shape)}, it has {values.size} values")
    return values.astype(column.dtype, casting="same_kind" if column.dtype != "bool" else "unsafe", copy=False).reshape(
        count, *column.shape
    )


def _items(array: Any) -> Any:
    """The elements of an array of lists."""
    if array.null_count:
        raise ValueError(f"{array.null_count} rows are null")
    return array.flatten()
