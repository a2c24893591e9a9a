"""Writing one HDF5 file of flat columns that stable-worldmodel's reader opens too.

Every top-level dataset has one row per observation, so that readers that take all of them find
nothing else; what they do not know (metadata, splits, payload, exact names) is in attributes.
As in that code base, a row's action leaves it, and its reward, terminated, truncated and success
belong to the arrival at it.
"""

import json
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import numpy as np

from swm.core.config import to_json
from swm.core.errors import DatasetError
from swm.core.provenance import describe_software
from swm.data.columns import Array, Column, check_same, describe_episode
from swm.data.episode import TRANSITIONS, Episode
from swm.data.formats.hdf5_files import Replacement, guard
from swm.data.formats.hdf5_values import (
    decoded,
    digest,
    dump,
    escape,
    filters,
    seal,
    split_for,
    stored_array,
    write_attribute,
)
from swm.data.location import Location
from swm.data.options import WriteOptions

SCHEMA_VERSION = 1

HEADER, EPISODES = "swm", "swm_episodes"
"""Attributes of the root: what the file is, and a JSON list of what is known of each episode."""

LENGTHS, OFFSETS = "ep_len", "ep_offset"

_INDICES = (
    Column(name="ep_idx", dtype="int64", shape=(), role="observation"),
    Column(name="step_idx", dtype="int64", shape=(), role="observation"),
    Column(name="is_last", dtype="bool", shape=(), role="observation"),
)
"""Added for other readers; ``is_last`` marks the rows whose action is none."""

RESERVED = (LENGTHS, OFFSETS, *(column.name for column in _INDICES))

_LIBVER = ("v110", "v110")
"""Old enough for HDF5 1.10, new enough for attributes of any size and for readers in SWMR mode."""


class Hdf5Writer:
    """Writes an HDF5 file of flat columns (see `swm.data.formats.Writer`).

    HDF5 files do not survive a process that is killed while it writes them, so episodes are written
    to an unfinished file beside (``.<name>.part``) that takes its place at `close`, which is the
    only commit; ``mode="append"`` begins with a copy of the file.
    """

    def __init__(self, location: Location, options: WriteOptions) -> None:
        """Begin the unfinished file.

        Raises:
            DatasetError: the mode forbids it, another writer is at work, or the file to continue
                is not of this package.
        """
        import h5py

        from swm.data.formats.hdf5 import read_header

        self._path = location.path
        self._options = options
        self._columns: dict[str, Column] | None = None
        self._episodes: list[dict[str, Any]] = []
        self._provenance: list[Any] = []
        self._notes: dict[str, None] = {}
        exists = self._path.exists()
        if exists and options.mode == "error":
            raise DatasetError(
                f"{self._path} exists already. Continue it with mode='append', replace it with mode='overwrite', or "
                f"choose another place."
            )
        append = exists and options.mode == "append"
        self._target: Replacement | None = Replacement(self._path, copy=append)
        self._file: Any = None
        try:
            with guard(self._path, "opening it"):
                self._file = h5py.File(self._target.part, "r+" if append else "w", libver=_LIBVER, locking=False)
            if append:
                self._columns, self._provenance, self._episodes = read_header(self._file, self._path)
        except BaseException:
            self._release(commit=False)
            raise
        self._before = len(self._episodes)
        self.num_episodes = self._before
        self._rows = sum(facts["rows"] for facts in self._episodes)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the format could not hold as asked (see `Writer.notes`)."""
        return tuple(self._notes)

    def write(self, episode: Episode) -> None:
        """Add one episode to the unfinished file (see `Writer.write`)."""
        if self._target is None:
            raise DatasetError(f"the writer of {self._path} is closed. Continue with mode='append'.")
        plain = decoded(episode)
        columns = describe_episode(plain, "raw")
        check_same(self._columns or columns, columns, str(self._path))
        facts = {"metadata": episode.metadata, "split": split_for(episode, len(self._episodes), self._options)}
        text = dump(facts)
        names = sorted(episode.payload)
        total = digest(plain.arrays(), episode.payload, text)
        if self._options.codec not in (None, "raw", "png"):
            self._notes[f"pictures are stored as they are, not as {self._options.codec}: the format has no such."] = (
                None
            )
        self._notes[
            "the row of an episode's last observation repeats the last action, and is marked in the column is_last."
        ] = None
        with guard(self._path, f"writing episode {len(self._episodes)}"):
            self._create(columns)
            self._append(columns, rows_of(plain, episode.payload))
            for name in names:
                write_attribute(self._file[LENGTHS], payload_name(len(self._episodes), name), episode.payload[name])
        self._episodes.append({**json.loads(text), "rows": plain.num_steps + 1, "payload": names, "sha256": total})
        self._rows += plain.num_steps + 1

    def _create(self, columns: Mapping[str, Column]) -> None:
        """Make the datasets, once."""
        if LENGTHS in self._file:
            self._columns = self._columns or dict(columns)
            return
        for column in (*columns.values(), *_INDICES):
            if column.size:
                layout = filters(column, compress=self._options.codec != "raw")
                shape = (0, *column.shape)
                self._file.create_dataset(stored_name(column), shape, maxshape=(None, *column.shape), **layout)
        for name, dtype in ((LENGTHS, np.int32), (OFFSETS, np.int64)):
            self._file.create_dataset(name, (0,), dtype, maxshape=(None,), chunks=(1024,), fletcher32=True)
        self._columns = dict(columns)

    def _append(self, columns: Mapping[str, Column], rows: Mapping[str, Array]) -> None:
        count = len(rows["action"])
        steps = np.arange(count)
        extra = {"ep_idx": np.full(count, len(self._episodes)), "step_idx": steps, "is_last": steps == count - 1}
        for column in (*columns.values(), *_INDICES):
            if column.size:
                values = extra[column.name] if column in _INDICES else rows[column.name]
                _extend(self._file[stored_name(column)], self._rows, stored_array(values))
        _extend(self._file[LENGTHS], len(self._episodes), np.array([count]))
        _extend(self._file[OFFSETS], len(self._episodes), np.array([self._rows]))

    def flush(self) -> None:
        """Nothing: an HDF5 file is committed as a whole (see `Hdf5Writer`)."""

    def close(self) -> None:
        """Complete the file and put it in its place; without new episodes, what was there stays."""
        if self._target is None:
            return
        if len(self._episodes) == self._before:
            self._release(commit=False)
            return
        try:
            with guard(self._path, "completing it"):
                self._complete()
        except BaseException:
            self._release(commit=False)
            raise
        self._release(commit=True)
        self.num_episodes = len(self._episodes)

    def _complete(self) -> None:
        assert self._columns is not None
        for column in (*self._columns.values(), *_INDICES):
            if column.size:
                self._file[stored_name(column)].resize(self._rows, axis=0)  # without a write that failed
            else:
                self._file.pop(stored_name(column), None)
                self._file.create_dataset(stored_name(column), (self._rows, *column.shape), column.dtype)
        for name in (LENGTHS, OFFSETS):
            self._file[name].resize(len(self._episodes), axis=0)
        session = {**self._options.provenance, "writer": {"software": describe_software()}}
        provenance = [*self._provenance, {"first_episode": self._before, **session}]
        header = {
            "schema_version": SCHEMA_VERSION,
            "columns": to_json(list(self._columns.values())),
            "provenance": provenance,
        }
        seal(self._file, HEADER, dump(header))
        seal(self._file, EPISODES, dump(self._episodes))

    def _release(self, *, commit: bool) -> None:
        target, self._target = self._target, None
        assert target is not None
        try:
            if self._file is not None:
                self._file.close()
            if commit:
                target.commit()
        except (OSError, RuntimeError) as error:
            raise DatasetError(
                f"{self._path} could not be completed ({error}). What was there is unchanged."
            ) from error
        finally:
            target.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def stored_name(column: Column) -> str:
    """The name of a column's dataset."""
    return column.name if column in _INDICES else escape(column.name, RESERVED)


def payload_name(episode: int, name: str) -> str:
    """The attribute of `LENGTHS` that holds a part of an episode's payload."""
    return f"{episode}/{escape(name)}"


def rows_of(episode: Episode, payload: Mapping[str, Array]) -> dict[str, Array]:
    """Every column with T + 1 rows, one per observation.

    The last row of the action, and the first of what belongs to an arrival, are those that the
    payload remembers from a file that had them; else the last action again, and zeros.
    """
    rows = dict(episode.observation)
    for name in TRANSITIONS:
        values = getattr(episode, name)
        last = name == "action"
        extra = payload.get(f"final.{name}" if last else f"first.{name}")
        if extra is None or extra.shape != (1, *values.shape[1:]) or extra.dtype != values.dtype:
            extra = values[-1:] if last else np.zeros_like(values[:1])
        rows[name] = np.concatenate([values, extra] if last else [extra, values])
    return rows


def _extend(dataset: Any, begin: int, values: Array) -> None:
    dataset.resize(begin + len(values), axis=0)
    dataset[begin:] = values
