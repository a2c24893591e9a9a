"""Reading one HDF5 file with a group per demonstration, as robomimic uses it.

``data/demo_<i>`` holds ``actions``, ``rewards``, ``dones``, ``states`` with T rows, and T
observations in ``obs/<name>`` with their successors in ``next_obs/<name>``.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import DatasetError
from swm.data.columns import Array, Column
from swm.data.episode import TRANSITIONS
from swm.data.formats.episodic import check_version, make_index
from swm.data.formats.hdf5.files import Handle, guard, members
from swm.data.formats.hdf5.foreign import complete, describe_column
from swm.data.formats.hdf5.groups import GroupReader, attributes, read_facts, read_rows
from swm.data.formats.hdf5.robomimic_writer import NAMES, STATES, RobomimicWriter, demo_numbers
from swm.data.formats.hdf5.session import HEADER, read_header
from swm.data.formats.hdf5.values import as_flags, dtype_of, escape, read_values
from swm.data.location import Location

__all__ = ["RobomimicReader", "RobomimicWriter", "detect"]

_FIELDS = {"action": "actions", "reward": "rewards", "terminated": "dones"}


def detect(path: Path) -> bool:
    """Whether `path` is an HDF5 file of demonstrations."""
    return bool(demo_numbers(members(path, "data")))


class RobomimicReader(GroupReader):
    """Reads demonstrations (see `swm.data.formats.Reader`)."""

    def __init__(self, location: Location, version: int | None = None, cache_bytes: int = 1 << 30) -> None:
        """Open the file and list its demonstrations; they are checked when they are read.

        Raises:
            DatasetError: it has none, the first one lacks actions or observations, there is no such
                version, or the file is damaged.
        """
        self.location = location
        self._path = location.path
        check_version(location, version)
        self._handle = Handle(self._path)
        self._arguments = (location, version, cache_bytes)
        file = self._handle.file
        with guard(self._path):
            numbers = demo_numbers(file["data"]) if "data" in file else []
            if not numbers:
                raise DatasetError(
                    f"{self._path}: no group 'data/demo_<i>', found {', '.join(file) or 'nothing'}. "
                    f"Give a robomimic file."
                )
            self._groups = [f"data/demo_{number}" for number in numbers]
            if HEADER in file.attrs:
                self._open_own(file)
            else:
                self._open_foreign(file)

    def __reduce__(self) -> tuple[Any, ...]:
        return RobomimicReader, self._arguments

    def _open_own(self, file: Any) -> None:
        self.columns, provenance = read_header(file, self._path)
        self._facts = read_facts(file, self._groups)
        self._has_next = True
        self._stored = {name: escape(name) for name in self.columns} | {name: NAMES[name] for name in TRANSITIONS}
        lengths = [int(file[name].attrs["num_samples"]) for name in self._groups]
        metadata = [facts["metadata"] for facts in self._facts]
        self.index = make_index(lengths, metadata, [facts["split"] for facts in self._facts], provenance)

    def _open_foreign(self, file: Any) -> None:
        first = file[self._groups[0]]
        notes: list[str] = []
        self._has_next = "next_obs" in first
        self._stored, self.columns = _describe(first, self._path, notes)
        lengths = [_num_samples(file[name], self._path) - (not self._has_next) for name in self._groups]
        kept = [number for number, length in enumerate(lengths) if length >= 1]
        if len(kept) < len(lengths):
            notes.append(f"{len(lengths) - len(kept)} demonstrations have no transition: left out.")
        if not self._has_next:
            notes.append(
                "there is no next_obs, so the observation after the last action is unknown: N rows are N observations "
                "and N - 1 transitions, and the last row's transition is in the payload as final.<name>."
            )
        masks = _read_masks(file)
        if not {"train", "valid"} & masks.keys():
            notes.append("the source has no 'mask/train' and 'mask/valid': the split follows from the number.")
        self._groups = [self._groups[number] for number in kept]
        self.index = make_index(
            [lengths[number] for number in kept],
            [_metadata(file[name], name, masks) for name in self._groups],
            _splits(self._groups, masks),
            [{"first_episode": 0, **_attributes(file["data"])}],
        )
        self.notes = tuple(notes)

    def read_steps(self, episode: int, names: Sequence[str], steps: NDArray[np.int64]) -> dict[str, Array]:
        """Read some steps of one episode (see `EpisodicReader.read_steps`)."""
        with guard(self._path):
            group = self.group(episode)
            return {name: self._read_column(group, episode, self.columns[name], steps) for name in names}

    def _read_column(self, group: Any, episode: int, column: Column, steps: NDArray[np.int64]) -> Array:
        length = int(self.index.lengths[episode])
        if column.name not in self._stored:
            return np.zeros((len(steps), *column.shape), column.dtype)
        stored = self._stored[column.name]
        count = length + (not self._has_next)
        if column.name in TRANSITIONS:
            return _read_transition(group[stored], column, steps, count)
        inner = steps if not self._has_next else steps[steps < length]
        values = read_rows(group[f"obs/{stored}"], column, inner, count)
        if len(inner) == len(steps):
            return values
        last = read_rows(group[f"next_obs/{stored}"], column, np.array([length - 1]), count)
        return np.concatenate([values, last])

    def payload(self, episode: int) -> dict[str, Array]:
        """The arrays that hold for the whole episode (see `Reader.payload`).

        What a demonstration has beside actions and observations is here too, ``states`` above all.
        """
        with guard(self._path):
            group = self.group(episode)
            found = self.own_payload(episode) if self._facts is not None else _others(group)
            if self._facts is not None and STATES in group:
                found[STATES] = read_values(group[STATES])
            if not self._has_next:
                row = np.array([self.index.lengths[episode]])
                for name in set(TRANSITIONS) & self._stored.keys():
                    values = _read_transition(group[self._stored[name]], self.columns[name], row, int(row[0]) + 1)
                    found[f"final.{name}"] = values
            return found


def _read_transition(dataset: Any, column: Column, steps: NDArray[np.int64], count: int) -> Array:
    if column.dtype != "bool":
        return read_rows(dataset, column, steps, count)
    kind = Column(name=column.name, dtype=str(dataset.dtype), shape=tuple(dataset.shape[1:]), role="transition")
    flags = as_flags(read_rows(dataset, kind, steps, count))
    if flags is None:
        raise DatasetError(f"{dataset.name} has shape {dataset.shape} and dtype {dataset.dtype}: no flag per step.")
    return flags


def _describe(demo: Any, path: Path, notes: list[str]) -> tuple[dict[str, str], dict[str, Column]]:
    """The stored names and the columns of a demonstration."""
    import h5py

    if "actions" not in demo or "obs" not in demo:
        raise DatasetError(
            f"{path}: {demo.name} has {', '.join(demo) or 'nothing'}, but not both 'actions' and 'obs'. Files with "
            f"states alone get observations from robomimic's dataset_states_to_obs.py."
        )
    columns: dict[str, Column] = {}
    stored: dict[str, str] = {}

    def add(name: str, dataset: Any, where: str) -> None:
        column = describe_column(name, dataset)
        if column is None or name in columns:
            notes.append(f"{dataset.name!r} has dtype {dataset.dtype} and shape {dataset.shape}: left out.")
        else:
            columns[name], stored[name] = column, where

    def visit(where: str, member: Any) -> None:
        name = where.replace("/", ".")
        if isinstance(member, h5py.Dataset):
            add(f"obs.{name}" if name in TRANSITIONS else name, member, where)

    demo["obs"].visititems(visit)
    for name, where in _FIELDS.items():
        if where in demo:
            add(name, demo[where], where)
    if "action" not in columns or not set(columns) - set(TRANSITIONS):
        raise DatasetError(f"{path}: {demo.name} has no actions or no observations that are numbers or texts.")
    return stored, complete(columns, notes)


def _num_samples(demo: Any, path: Path) -> int:
    count = len(demo["actions"])
    if demo.attrs.get("num_samples", count) != count:
        raise DatasetError(
            f"{path}: {demo.name} has {count} actions, but num_samples says {demo.attrs['num_samples']}. "
            f"The file is damaged or was edited: remove the demonstration."
        )
    return count


def _others(demo: Any) -> dict[str, Array]:
    """Every array of a demonstration that is no column."""
    import h5py

    found: dict[str, Array] = {}

    def visit(where: str, member: Any) -> None:
        known = where.partition("/")[0] in ("obs", "next_obs") or where in _FIELDS.values()
        if isinstance(member, h5py.Dataset) and not known and dtype_of(member) is not None:
            found[where] = read_values(member)

    demo.visititems(visit)
    return found


def _attributes(holder: Any) -> dict[str, Any]:
    """Attributes as JSON-ready values; texts that are JSON objects are taken apart."""
    return {name: _parsed(value) for name, value in attributes(holder).items()}


def _parsed(value: Any) -> Any:
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _metadata(demo: Any, name: str, masks: Mapping[str, frozenset[str]]) -> dict[str, Any]:
    short = name.removeprefix("data/")
    filters = sorted(key for key, names in masks.items() if short in names and key not in ("train", "valid"))
    facts = {key: value for key, value in _attributes(demo).items() if key != "num_samples"}
    return {**facts, **({"filters": filters} if filters else {})}


def _read_masks(file: Any) -> dict[str, frozenset[str]]:
    """Filter key -> names of demonstrations."""
    masks = file.get("mask", {})
    return {key: frozenset(str(name) for name in read_values(masks[key]).reshape(-1)) for key in masks}


def _splits(groups: Sequence[str], masks: Mapping[str, frozenset[str]]) -> list[str] | None:
    if not {"train", "valid"} & masks.keys():
        return None
    return ["val" if name.removeprefix("data/") in masks.get("valid", ()) else "train" for name in groups]
