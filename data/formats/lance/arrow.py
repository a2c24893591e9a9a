"""NumPy arrays to Arrow arrays and back, from buffers: no Python object per row."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from swm.data.columns import Array, Column


def numbers_to_arrow(column: Column, values: Array, missing: NDArray[np.bool_] | None) -> pa.Array:
    """Turn one value or text per row into an Arrow array.

    Args:
        column: a column without codec.
        values: shape (N, *column.shape).
        missing: shape (N,), true where the row has no value; None if every row has one.
    """
    if column.dtype == "str":
        return pa.array(values.tolist(), pa.large_string(), mask=missing)
    flat = pa.array(values.reshape(-1).astype(column.dtype, copy=False))
    validity = None if missing is None else pa.py_buffer(np.packbits(~missing, bitorder="little"))
    if column.shape == ():
        return pa.Array.from_buffers(flat.type, len(values), [validity, flat.buffers()[1]])
    return pa.Array.from_buffers(pa.list_(flat.type, column.size), len(values), [validity], children=[flat])


def numbers_from_arrow(column: Column, array: pa.Array) -> Array:
    """Return the values of an Arrow array as (N, *column.shape); rows without a value hold anything."""
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    count = len(array)
    if column.dtype == "str":
        return np.array(array.fill_null("").to_pylist(), np.str_)
    if column.shape != ():
        array = array.values.slice(array.offset * column.size, count * column.size)
    plain = pa.Array.from_buffers(array.type, len(array), [None, array.buffers()[1]], offset=array.offset)
    values: Array = plain.to_numpy(zero_copy_only=False)
    return values.reshape(count, *column.shape)


def blobs_to_arrow(blobs: Sequence[bytes]) -> pa.Array:
    """Turn one byte string per row into an Arrow array with 64-bit offsets."""
    offsets = np.zeros(len(blobs) + 1, np.int64)
    np.cumsum([len(blob) for blob in blobs], out=offsets[1:])
    data = pa.py_buffer(b"".join(blobs))
    return pa.Array.from_buffers(pa.large_binary(), len(blobs), [None, pa.py_buffer(offsets), data])


class Blobs(Sequence[memoryview]):
    """The byte strings of an Arrow array, without copies."""

    def __init__(self, array: pa.Array) -> None:
        """Keep a large-binary array, chunked or not."""
        if isinstance(array, pa.ChunkedArray):
            array = array.combine_chunks()
        _, offsets, data = array.buffers()
        self._offsets = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
        self._data = memoryview(b"" if data is None else data).cast("B")

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __getitem__(self, index: Any) -> Any:
        return self._data[self._offsets[index] : self._offsets[index + 1]]

    def take(self, rows: NDArray[np.int64]) -> list[memoryview]:
        """The byte strings of some rows."""
        begins, ends = self._offsets[rows].tolist(), self._offsets[rows + 1].tolist()
        return [self._data[begin:end] for begin, end in zip(begins, ends, strict=True)]
