"""Arrays and texts as HDF5 datasets and attributes, and back with the dtype that they had."""

import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import DatasetError
from swm.data.columns import DTYPES, Array, Column, percent_escape

CHUNK_BYTES = 32 << 10
"""Of columns of numbers: small enough for random access, large enough for scans."""

_NUL = b"\xc0\x80"
"""In place of a zero byte, which ends a text in HDF5; no UTF-8 text contains it."""


def escape(name: str, reserved: Iterable[str] = ()) -> str:
    """Turn any name into one that HDF5 can hold: percent-escapes for slashes and the like.

    Different names stay different, and `urllib.parse.unquote` gives all but the empty one back.

    Args:
        name: any text.
        reserved: names that mean something else at this place.
    """
    if not name:
        return "%"
    escaped = percent_escape(name, "[%/\x00\ud800-\udfff]")
    if name in reserved or set(name) == {"."}:
        return percent_escape(name[0], ".") + escaped[1:]
    return escaped


def encode_texts(texts: Array) -> Array:
    """Turn texts, shape any, into the byte strings that HDF5's variable-length texts hold."""
    encoded = [text.encode("utf-8", "surrogatepass").replace(b"\0", _NUL) for text in texts.reshape(-1).tolist()]
    out = np.empty(len(encoded), object)
    out[:] = encoded
    return out.reshape(texts.shape)


def decode_texts(stored: Array) -> Array:
    """Return the texts of an array of byte strings or texts, shape kept.

    Raises:
        DatasetError: bytes that are no text.
    """
    try:
        texts = [
            text.replace(_NUL, b"\0").decode("utf-8", "surrogatepass") if isinstance(text, bytes) else str(text)
            for text in stored.reshape(-1).tolist()
        ]
    except UnicodeDecodeError as error:
        raise DatasetError(f"a text is not UTF-8: {error}. The file is damaged, or its texts are bytes.") from error
    return np.array(texts, np.str_).reshape(stored.shape)


def dtype_of(dataset: Any) -> str | None:
    """The name of a stored dtype as a column has it; None if no column can hold it."""
    import h5py

    dtype = dataset.dtype
    if dtype.kind == "S" or h5py.check_string_dtype(dtype) is not None:
        return "str"
    name = str(dtype.newbyteorder("="))
    return name if name in DTYPES else None


def read_values(dataset: Any, selection: Any = ()) -> Array:
    """Read part of a dataset: numbers in native byte order, or texts."""
    values = np.asarray(dataset[selection])
    if dtype_of(dataset) == "str":
        return decode_texts(values)
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def read_attribute(holder: Any, name: str) -> Array:
    """Read what `write_attribute` kept."""
    attribute = holder.attrs.get_id(name)
    values = np.empty(attribute.shape, attribute.dtype)
    if values.size:
        attribute.read(values)
    if values.dtype.kind == "V":
        return np.asarray(np.load(io.BytesIO(values.tobytes()), allow_pickle=False))
    return decode_texts(values) if values.dtype.hasobject else values


def write_attribute(holder: Any, name: str, array: Array) -> None:
    """Keep an array of any shape, dtype and size as an attribute: what HDF5 has no type for as an .npy file."""
    import h5py

    if array.dtype.kind == "U":
        holder.attrs.create(name, encode_texts(array), dtype=h5py.string_dtype())
    elif array.dtype.kind in "biufc":
        holder.attrs.create(name, array)
    else:
        content = io.BytesIO()
        np.save(content, array, allow_pickle=False)
        holder.attrs.create(name, np.void(content.getvalue()))


def seal(holder: Any, name: str, text: str) -> None:
    """Keep a text as an attribute, with its SHA-256 in a second one: HDF5 has no checksum for texts."""
    write_attribute(holder, name, np.array(text, np.str_))
    write_attribute(holder, f"{name}_sha256", np.array(hashlib.sha256(text.encode()).hexdigest(), np.str_))


def unseal(holder: Any, name: str) -> Any:
    """Read the JSON that `seal` kept.

    Raises:
        DatasetError: it is not what was kept.
    """
    text = str(read_attribute(holder, name))
    if str(read_attribute(holder, f"{name}_sha256")) != hashlib.sha256(text.encode("utf-8", "replace")).hexdigest():
        raise DatasetError(f"the attribute {name!r} does not match its checksum: the file is damaged.")
    return json.loads(text)


def filters(column: Column, *, compress: bool) -> dict[str, Any]:
    """How the chunks of a column are stored: with a checksum each, pictures one per chunk and compressed.

    HDF5 has no checksums for texts.
    """
    import h5py

    dtype = h5py.string_dtype() if column.dtype == "str" else np.dtype(column.dtype)
    if not column.size:
        return {"dtype": dtype}
    if column.codec is None:
        row = column.size * (16 if column.dtype == "str" else dtype.itemsize)
        rows = max(CHUNK_BYTES // row, 1)
        return {"dtype": dtype, "chunks": (rows, *column.shape), "fletcher32": column.dtype != "str"}
    extra = {"compression": "gzip", "compression_opts": 1} if compress else {}
    return {"dtype": dtype, "chunks": (1, *column.shape), "fletcher32": True, **extra}


def stored_array(array: Array) -> Array:
    """What is handed to h5py for an array: contiguous numbers in native byte order, or byte strings."""
    if array.dtype.kind == "U":
        return encode_texts(array)
    return np.ascontiguousarray(array, array.dtype.newbyteorder("=")).reshape(array.shape)


def digest(arrays: Mapping[str, Array], payload: Mapping[str, Array], facts: str) -> str:
    """SHA-256 of everything that an episode is: arrays, payload, and its facts as JSON."""
    total = hashlib.sha256(facts.encode())
    for kind, parts in (("step", arrays), ("episode", payload)):
        for name in sorted(parts):
            array = parts[name]
            dtype = "str" if array.dtype.kind == "U" else array.dtype.newbyteorder("=").str
            total.update(json.dumps([kind, name, dtype, array.shape]).encode())
            if dtype == "str":
                total.update(json.dumps(array.reshape(-1).tolist()).encode())
            else:
                total.update(stored_array(array).tobytes())
    return total.hexdigest()


def as_flags(values: Array) -> NDArray[np.bool_] | None:
    """One flag per row from booleans or numbers, shape (N,) or (N, 1); None if they are no flags."""
    flat = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    if flat.ndim != 1 or flat.dtype.kind not in "biuf":
        return None
    return np.nan_to_num(flat) != 0 if flat.dtype.kind == "f" else flat.astype(np.bool_)


def runs(rows: NDArray[np.int64]) -> list[tuple[NDArray[np.int64], slice]]:
    """Cut row numbers in any order into stretches that a file can read at once.

    Returns:
        For each stretch its places in `rows` and the rows that belong there.
    """
    if not len(rows):
        return []
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    cuts = np.flatnonzero(np.diff(ordered) != 1) + 1
    stretches = zip(np.split(order, cuts), np.split(ordered, cuts), strict=True)
    return [(places, slice(int(part[0]), int(part[-1]) + 1)) for places, part in stretches]
