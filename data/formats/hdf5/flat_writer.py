"""Writing one HDF5 file of flat columns that stable-worldmodel's reader opens too.

Every top-level dataset has one row per observation, so that readers that take all of them find
nothing else; what they do not know (metadata, splits, payload, exact names) is in attributes.
As in that code base, a row's action leaves it, and its reward, terminated, truncated and success
belong to the arrival at it.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from swm.data.columns import Array, Column
from swm.data.episode import TRANSITIONS, Episode
from swm.data.formats.hdf5.files import part_of
from swm.data.formats.hdf5.session import FileWriter
from swm.data.formats.hdf5.values import escape, filters, seal, stored_array, unseal, write_attribute
from swm.data.location import Location
from swm.data.metadata import dump
from swm.data.options import WriteOptions

EPISODES = "swm_episodes"
"""The attribute of the root that holds a JSON list of what is known of each episode."""

LENGTHS, OFFSETS = "ep_len", "ep_offset"

_INDICES = (
    Column(name="ep_idx", dtype="int64", shape=(), role="observation"),
    Column(name="step_idx", dtype="int64", shape=(), role="observation"),
    Column(name="is_last", dtype="bool", shape=(), role="observation"),
)
"""Added for other readers; ``is_last`` marks the rows whose action is none."""

RESERVED = (LENGTHS, OFFSETS, *(column.name for column in _INDICES))


class Hdf5Writer(FileWriter):
    """Writes an HDF5 file of flat columns, committed at `close` (see `FileWriter`)."""

    def __init__(self, location: Location, options: WriteOptions) -> None:
        """Begin the unfinished file, ``.<name>.part`` beside its place."""
        self._episodes: list[dict[str, Any]] = []
        self._rows = 0
        super().__init__(location.path, part_of(location.path), options)
        self._notes[
            "the row of an episode's last observation repeats the last action, and is marked in the column is_last."
        ] = None

    def _resume(self) -> None:
        self._episodes = unseal(self._file, EPISODES)
        self._written = len(self._episodes)
        self._rows = sum(facts["rows"] for facts in self._episodes)

    def _store(self, episode: Episode, columns: Mapping[str, Column], facts: dict[str, Any]) -> None:
        if LENGTHS not in self._file:
            self._create(columns)
        begin, count = self._rows, episode.num_steps + 1
        steps = np.arange(count)
        rows = rows_of(episode)
        extra = {"ep_idx": np.full(count, self._written), "step_idx": steps, "is_last": steps == episode.num_steps}
        for column in (*columns.values(), *_INDICES):
            if column.size:
                values = extra[column.name] if column in _INDICES else rows[column.name]
                _extend(self._file[stored_name(column)], begin, stored_array(values))
        for name, array in episode.payload.items():
            write_attribute(self._file[LENGTHS], payload_name(self._written, name), array)
        _extend(self._file[OFFSETS], self._written, np.array([begin]))
        _extend(self._file[LENGTHS], self._written, np.array([count]))
        self._episodes.append({**facts, "rows": count})
        self._rows += count

    def _create(self, columns: Mapping[str, Column]) -> None:
        """Make the datasets, but those without numbers, which cannot grow."""
        for column in (*columns.values(), *_INDICES):
            if column.size:
                layout = filters(column, compress=self._compress)
                shape = (0, *column.shape)
                self._file.create_dataset(stored_name(column), shape, maxshape=(None, *column.shape), **layout)
        for name, dtype in ((OFFSETS, np.int64), (LENGTHS, np.int32)):
            self._file.create_dataset(name, (0,), dtype, maxshape=(None,), chunks=(1024,), fletcher32=True)

    def _complete(self) -> None:
        """Cut off what a failed write left, and add the columns without numbers and the episodes."""
        assert self._columns is not None
        for column in (*self._columns.values(), *_INDICES):
            if column.size:
                self._file[stored_name(column)].resize(self._rows, axis=0)
            else:
                self._file.pop(stored_name(column), None)
                self._file.create_dataset(stored_name(column), (self._rows, *column.shape), column.dtype)
        for name in (OFFSETS, LENGTHS):
            self._file[name].resize(self._written, axis=0)
        seal(self._file, EPISODES, dump(self._episodes))


def stored_name(column: Column) -> str:
    """The name of a column's dataset."""
    return column.name if column in _INDICES else escape(column.name, RESERVED)


def payload_name(episode: int, name: str) -> str:
    """The attribute of `LENGTHS` that holds a part of an episode's payload."""
    return f"{episode}/{escape(name)}"


def rows_of(episode: Episode) -> dict[str, Array]:
    """Every column with T + 1 rows, one per observation.

    The last row of the action, and the first of what belongs to an arrival, are those that the
    payload remembers from a file that had them; else the last action again, and zeros.
    """
    rows = dict(episode.observation)
    for name in TRANSITIONS:
        values = getattr(episode, name)
        last = name == "action"
        extra = episode.payload.get(f"final.{name}" if last else f"first.{name}")
        if extra is None or extra.shape != (1, *values.shape[1:]) or extra.dtype != values.dtype:
            extra = values[-1:] if last else np.zeros_like(values[:1])
        rows[name] = np.concatenate([values, extra] if last else [extra, values])
    return rows


def _extend(dataset: Any, begin: int, values: Array) -> None:
    dataset.resize(begin + len(values), axis=0)
    dataset[begin:] = values
