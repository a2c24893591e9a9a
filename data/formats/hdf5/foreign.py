"""What an HDF5 file of flat columns from another program holds, and what it lacks."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import DatasetError
from swm.data.columns import Column, is_picture
from swm.data.episode import TRANSITIONS
from swm.data.formats.base import EpisodeIndex
from swm.data.formats.episodic import make_index
from swm.data.formats.hdf5.values import dtype_of

_INDICES = ("ep_len", "ep_offset", "ep_idx", "episode_idx", "step_idx", "is_last")
"""Say where a row is, which its place says too."""

_FLAGS = ("terminated", "truncated", "success")


def describe_columns(file: Any, rows: int, path: Path) -> tuple[dict[str, Column], dict[str, str], list[str]]:
    """Find the columns of a file.

    Args:
        file: the open file.
        rows: how many each column must have.
        path: for messages.

    Returns:
        The columns, the stored name of each column that the file has, and notes.

    Raises:
        DatasetError: there is no action or no observation, or a column has another length.
    """
    import h5py

    columns, stored, notes = {}, {}, []
    for name in file:
        if name in _INDICES:
            continue
        dataset = file[name]
        if not isinstance(dataset, h5py.Dataset) or dtype_of(dataset) is None or not dataset.shape:
            kind = "a group" if isinstance(dataset, h5py.Group) else f"a dataset of dtype {dataset.dtype}"
            notes.append(f"{name!r} is {kind}, not a column of numbers or texts: left out.")
            continue
        if dataset.shape[0] != rows:
            raise DatasetError(
                f"{path}: column {name!r} has {dataset.shape[0]} rows, but the episodes of 'ep_len' have {rows}. "
                f"A writer was stopped or the file is damaged: record or convert it again."
            )
        column = describe_column(name, dataset)
        if column is None:
            notes.append(f"{name!r} has dtype {dataset.dtype} and shape {dataset.shape[1:]} per row: left out.")
        else:
            columns[name], stored[name] = column, name
    if "action" not in stored or not set(columns) - set(TRANSITIONS):
        raise DatasetError(
            f"{path}: a dataset needs the column 'action' and at least one observation, found "
            f"{', '.join(columns) or 'none'}. Rename its columns, or give another file."
        )
    return complete(columns, notes), stored, notes


def describe_column(name: str, dataset: Any) -> Column | None:
    """The column of a dataset with one row per step; None if it can be none."""
    dtype, shape = dtype_of(dataset), tuple(dataset.shape[1:])
    if dtype is None or (dtype == "str" and shape):
        return None
    if name in (*_FLAGS, "reward"):
        if int(np.prod(shape)) != 1 or dtype == "str":
            return None
        dtype = "bool" if name in _FLAGS else dtype
        return Column(name=name, dtype=dtype, shape=(), role="transition")
    if name == "action":
        return None if dtype == "str" else Column(name=name, dtype=dtype, shape=shape, role="transition")
    picture = is_picture(dtype, shape)
    return Column(name=name, dtype=dtype, shape=shape, role="observation", codec="raw" if picture else None)


def complete(columns: dict[str, Column], notes: list[str]) -> dict[str, Column]:
    """Order the columns, observations first, and add the transitions that the source lacks."""
    for name in TRANSITIONS:
        if name not in columns:
            dtype = "float64" if name == "reward" else "bool"
            columns[name] = Column(name=name, dtype=dtype, shape=(), role="transition")
            notes.append(f"the source has no {name!r}: it is {'0' if name == 'reward' else 'false'} everywhere.")
    observed = {name: column for name, column in columns.items() if name not in TRANSITIONS}
    return {**observed, **{name: columns[name] for name in TRANSITIONS}}


def plain_index(lengths: NDArray[np.int64], path: Path) -> tuple[EpisodeIndex, list[str]]:
    """The episodes of a file that has as many actions as observations.

    Raises:
        DatasetError: no episode has two rows.
    """
    kept = lengths[lengths >= 2]
    if not len(kept):
        raise DatasetError(f"{path}: no episode has two rows, so there is no transition. Record longer episodes.")
    notes = [
        "N rows are N observations and N - 1 transitions; a row's action leaves it, its reward and flags belong to "
        "the arrival at it. The last action and the first arrival are in the payload.",
    ]
    if len(kept) < len(lengths):
        notes.append(f"{len(lengths) - len(kept)} episodes of one row have no transition: left out.")
    return make_index((kept - 1).tolist(), [{} for _ in kept]), notes
