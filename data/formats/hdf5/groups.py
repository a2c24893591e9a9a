"""The common part of formats with one HDF5 group per episode: what the group's attributes know of it."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import DatasetError
from swm.data.columns import Array, Column
from swm.data.formats.episodic import EpisodicReader
from swm.data.formats.hdf5.files import Handle, guard
from swm.data.formats.hdf5.values import (
    escape,
    filters,
    read_attribute,
    read_values,
    runs,
    seal,
    stored_array,
    unseal,
    write_attribute,
)
from swm.data.formats.hdf5.verify import find_problems
from swm.data.metadata import dump

FACTS = "swm"
"""The attribute of a group that holds an episode's metadata, split, checksum and names of its payload."""


class GroupReader(EpisodicReader):
    """Reads episodes that are one group each. A subclass sets `_path`, `_handle`, `_groups` and `_facts`."""

    _path: Path
    _handle: Handle
    _groups: list[str]
    """The group of each episode."""
    _facts: list[dict[str, Any]] | None = None
    """What this package recorded of each episode; None if another program did."""

    def files(self) -> list[Path]:
        """The one file."""
        return [self._path]

    def group(self, episode: int) -> Any:
        """The group of an episode."""
        return self._handle.file[self._groups[episode]]

    def own_payload(self, episode: int) -> dict[str, Array]:
        """The payload that this package recorded in attributes."""
        assert self._facts is not None
        with guard(self._path):
            group = self.group(episode)
            return {name: read_attribute(group, payload_name(name)) for name in self._facts[episode]["payload"]}

    def checksums(self) -> tuple[str, ...]:
        """One hash per episode, or of the whole file of another program (see `Reader.checksums`)."""
        if self._facts is None:
            return super().checksums()
        return tuple(facts["sha256"] for facts in self._facts)

    def problems(self) -> Iterator[str]:
        """Read every episode, compare it with its checksum, and look for actions that are no numbers."""
        yield from find_problems(self, self._facts)


@contextlib.contextmanager
def new_group(file: Any, name: str) -> Iterator[Any]:
    """Make a group in place of what a failed write left, and remove it if filling it fails."""
    file.pop(name, None)
    group = file.create_group(name)
    try:
        yield group
    except BaseException:
        del file[name]
        raise


def attributes(holder: Any) -> dict[str, Any]:
    """Attributes as JSON-ready values."""
    found = {}
    for name, value in holder.attrs.items():
        plain = value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
        found[name] = plain.decode(errors="replace") if isinstance(plain, bytes) else plain
    return found


def payload_name(name: str) -> str:
    """The attribute that holds a part of an episode's payload."""
    return f"{FACTS}/{escape(name)}"


def read_rows(dataset: Any, column: Column, rows: NDArray[np.int64], count: int | None = None) -> Array:
    """Read some rows of a dataset that belongs to one episode.

    Args:
        dataset: with one row per step.
        column: what it should hold.
        rows: sorted.
        count: how many rows it should have.

    Raises:
        DatasetError: it holds something else.
    """
    if dataset.shape[1:] != column.shape or (count is not None and len(dataset) != count):
        raise DatasetError(
            f"{dataset.file.filename}: {dataset.name} has shape {dataset.shape}, expected "
            f"{(len(rows) if count is None else count, *column.shape)} as column {column.name!r} of the first "
            f"episode. The file is damaged or mixes recordings: convert its parts one by one."
        )
    parts = [read_values(dataset, selection) for _, selection in runs(rows)]
    values = np.concatenate(parts) if parts else np.empty((0, *column.shape), column.dtype)
    return values if column.dtype == "str" else values.astype(column.dtype, copy=False)


def write_rows(group: Any, name: str, column: Column, values: Array, *, compress: bool) -> None:
    """Make a dataset of the rows of one episode."""
    layout = filters(column, compress=compress)
    if "chunks" in layout:
        layout["chunks"] = (min(layout["chunks"][0], max(len(values), 1)), *column.shape)
    group.create_dataset(name, data=stored_array(values), **layout)


def write_facts(group: Any, facts: Mapping[str, Any], payload: Mapping[str, Array]) -> None:
    """Keep what the format itself has no place for in a group's attributes.

    Args:
        group: of the episode.
        facts: of the episode, JSON-ready.
        payload: the part of the episode's payload that has no place elsewhere.
    """
    seal(group, FACTS, dump({**facts, "payload": sorted(payload)}))
    for name, array in payload.items():
        write_attribute(group, payload_name(name), array)


def read_facts(file: Any, groups: Sequence[str]) -> list[dict[str, Any]]:
    """What `write_facts` kept of each episode."""
    return [unseal(file[name], FACTS) for name in groups]
