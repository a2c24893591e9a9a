"""The columns of one episode that lie in a file beside its pictures: npz, or Parquet in folders from elsewhere."""

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from swm.core.errors import DatasetError
from swm.data.columns import DTYPES, Array, escape, unescape
from swm.data.episode import TRANSITIONS

_COLUMN, _PAYLOAD = "column.", "payload."


class Beside(NamedTuple):
    """What an episode has besides pictures."""

    columns: dict[str, Array]
    """Observation component or transition -> one value per step."""
    payload: dict[str, Array]


def save_npz(file: Path, beside: Beside) -> None:
    """Write both into one file, under escaped names."""
    named = {_COLUMN + escape(name): array for name, array in beside.columns.items()}
    named |= {_PAYLOAD + escape(name): array for name, array in beside.payload.items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez(file, **named)  # type: ignore[arg-type]


def load_npz(file: Path) -> Beside:
    """Read what `save_npz` wrote.

    Raises:
        DatasetError: the file is missing or damaged.
    """
    beside = Beside({}, {})
    for key, array in _arrays(file).items():
        group = beside.columns if key.startswith(_COLUMN) else beside.payload
        group[unescape(key.partition(".")[2])] = array
    return beside


def read_beside(file: Path | None, num_pictures: int) -> tuple[Beside, list[str]]:
    """Make columns of what lies beside N pictures that someone else wrote.

    An array with N rows is an observation component. The transitions have N - 1 rows, one per
    pair of pictures; if there are N, the last one goes to the payload as ``final.<name>``.
    Everything else is payload.

    Returns:
        The columns and the payload, and one note per thing that was missing or moved.

    Raises:
        DatasetError: the file is damaged, or a transition has another length.
    """
    found = {} if file is None else _parquet(file) if file.suffix == ".parquet" else _arrays(file)
    beside, notes, steps = Beside({}, {}), [], num_pictures - 1
    for name, array in found.items():
        if name in TRANSITIONS:
            if array.ndim == 0 or len(array) not in (steps, num_pictures):
                raise DatasetError(
                    f"{file}: {name!r} has shape {array.shape}; {num_pictures} pictures need {steps} rows, or "
                    f"{num_pictures} of which the last follows the last picture."
                )
            if len(array) == num_pictures:
                beside.payload[f"final.{name}"] = array[steps:]
                notes.append(f"{name!r} has a value after the last picture: it is kept as the payload 'final.{name}'.")
            beside.columns[name] = _as_transition(name, array[:steps], file)
        elif array.ndim and len(array) == num_pictures and _storable(array):
            beside.columns[name] = array
        else:
            beside.payload[name] = array
    blank: dict[str, Array] = {"action": np.zeros((steps, 1), np.float32), "reward": np.zeros(steps)}
    for name in TRANSITIONS:
        if name not in beside.columns:
            beside.columns[name] = blank.get(name, np.zeros(steps, np.bool_))
            notes.append(f"no {name!r} beside the pictures: it is filled with zeros.")
    return beside, notes


def _as_transition(name: str, array: Array, file: Path | None) -> Array:
    """Bring flags and rewards to the shape and dtype that they have in an episode."""
    if name == "action":
        return array
    if array.size != len(array):
        raise DatasetError(f"{file}: {name!r} has shape {array.shape}, expected one value per step.")
    flat = array.reshape(len(array))
    return flat if name == "reward" else flat.astype(np.bool_)


def _storable(array: Array) -> bool:
    return array.dtype.name in DTYPES or (array.dtype.kind == "U" and array.ndim == 1)


def _arrays(file: Path) -> dict[str, Array]:
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            if not isinstance(arrays, Mapping):
                raise ValueError("it holds one array without a name")
            return {name: arrays[name] for name in arrays}
    except (OSError, ValueError, KeyError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise DatasetError(f"{file} cannot be read as an npz file: {error}. Restore it from a copy.") from error


def _parquet(file: Path) -> dict[str, Array]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(file)
        arrays = {
            name: np.array(table[name].to_pylist(), _dtype(table.schema.field(name).type))
            for name in table.column_names
        }
    except (pa.ArrowException, OSError, ValueError, TypeError, NotImplementedError) as error:
        raise DatasetError(f"{file} cannot be read as columns of numbers or text: {error}.") from error
    return arrays


def _dtype(kind: Any) -> Any:
    """NumPy's type for what an Arrow column or its nested lists hold."""
    import pyarrow as pa

    while pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        kind = kind.value_type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return np.str_
    return kind.to_pandas_dtype()
