"""Keeping a Lance dataset in order: compaction, and names for versions."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from swm.core.errors import DatasetError, InvalidValueError
from swm.data import access
from swm.data.formats.lance import tables
from swm.data.formats.lance.layout import EPISODE_SCHEMA, is_video, read_header
from swm.data.formats.locks import WriterLock
from swm.data.location import Location


@dataclass(frozen=True, kw_only=True)
class CompactReport:
    """What `compact` did."""

    files_before: int
    files_after: int
    torn_rows: int
    """Rows of unfinished episodes that were removed."""


def compact(uri: str | os.PathLike[str] | Location, storage_options: Mapping[str, str] | None = None) -> CompactReport:
    """Merge the files of many commits into few, remove torn rows, and forget old versions.

    The episodes stay what they are, in their order; the fingerprint stays the same. Tagged versions
    stay readable, others do not. Killed at any moment, it leaves the dataset as it was or as it shall be.

    Raises:
        DatasetError: it is no Lance dataset of this package, or a writer has it open.
    """
    location = _find(uri, storage_options)
    with tables.translated(f"{location} cannot be compacted"):
        lock = WriterLock(location, None)
    try:
        with tables.translated(f"{location} cannot be compacted"):
            return _compact(location)
    finally:
        lock.release()


def _find(uri: str | os.PathLike[str] | Location, storage_options: Mapping[str, str] | None) -> Location:
    """Where a Lance dataset of this package is.

    Raises:
        DatasetError: something else is there, or nothing.
    """
    location = Location.parse(uri, storage_options)
    access.check_exists(location)
    found = access.detect_format(location)
    if found in ("frames", "video"):
        return location
    what = "no dataset that can be opened" if found is None else f"a dataset of the format {found!r}"
    raise DatasetError(f"{location} is {what}: only Lance datasets (frames, video) have versions and can be compacted.")


def _compact(location: Location) -> CompactReport:
    episodes = tables.open_table(location / tables.EPISODES)
    columns = read_header(episodes.schema.metadata, location)
    rows = episodes.to_table()
    cameras = sum(map(is_video, columns.values()))
    counts = {tables.STEPS: rows["length"].to_numpy() + 1, tables.VIDEOS: np.full(len(rows), cameras)}
    names = {tables.STEPS: ("first_row", "steps_version"), tables.VIDEOS: ("first_video", "videos_version")}
    before, torn, changed = _files(episodes), 0, {}
    opened = [episodes]
    for name in (tables.STEPS, tables.VIDEOS) if cameras else (tables.STEPS,):
        first, version = names[name]
        table = tables.open_table(location / name, max(rows[version].to_pylist()))
        if table.latest_version != table.version:
            table.restore()
        before += _files(table)
        firsts = rows[first].to_numpy()
        removed = _remove_unclaimed(table, firsts, counts[name])
        torn += int(removed[-1]) if name == tables.STEPS else 0
        table.optimize.compact_files(target_rows_per_fragment=1 << 40, materialize_deletions_threshold=0.0)
        table = tables.open_table(location / name)
        changed[first] = firsts - removed[firsts]
        changed[version] = np.full(len(rows), table.version)
        opened.append(table)
    for name, values in changed.items():
        rows = rows.set_column(rows.schema.get_field_index(name), EPISODE_SCHEMA.field(name), pa.array(values))
    opened[0] = tables.replace_table(location / tables.EPISODES, rows)
    for table in opened:
        tables.forget_old_versions(table)
    return CompactReport(files_before=before, files_after=sum(map(_files, opened)), torn_rows=torn)


def _files(table: Any) -> int:
    return len(table.get_fragments())


def _remove_unclaimed(table: Any, firsts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Delete the rows of a table that no episode claims.

    Returns:
        Shape (rows + 1,): how many were removed before each row.
    """
    total = table.count_rows()
    change = np.zeros(total + 1, np.int64)
    np.add.at(change, firsts, 1)
    np.add.at(change, firsts + counts, -1)
    unclaimed = np.cumsum(change)[:-1] == 0
    begin = 0
    for fragment in table.get_fragments():
        rows = fragment.count_rows()
        edges = np.flatnonzero(np.diff(unclaimed[begin : begin + rows].astype(np.int8), prepend=0, append=0))
        base = fragment.fragment_id << 32
        ranges = [f"(_rowaddr >= {base + a} AND _rowaddr < {base + b})" for a, b in edges.reshape(-1, 2).tolist()]
        for part in range(0, len(ranges), 100):
            table.delete(" OR ".join(ranges[part : part + 100]))
        begin += rows
    removed: NDArray[np.int64] = np.concatenate([[0], np.cumsum(unclaimed)])
    return removed


def tag(
    uri: str | os.PathLike[str] | Location,
    name: str,
    version: int | None = None,
    storage_options: Mapping[str, str] | None = None,
) -> int:
    """Give a version a name that `swm.data.open` takes, and that keeps it from being forgotten.

    Args:
        uri: of the dataset.
        name: letters, digits, dots, hyphens and underscores.
        version: None is the latest.
        storage_options: of the object store.

    Returns:
        The version.

    Raises:
        DatasetError: no such version, or the name is taken.
        InvalidValueError: a name that cannot be one.
    """
    location = _find(uri, storage_options)
    if not name or not all(character.isalnum() or character in "._-" for character in name):
        raise InvalidValueError(f"a tag is made of letters, digits, dots, hyphens and underscores, got {name!r}.")
    episodes = tables.open_table(location / tables.EPISODES, version)
    if name in episodes.tags.list():
        taken = episodes.tags.list()[name]["version"]
        raise DatasetError(f"{location}: the tag {name!r} is taken by version {taken}. Choose another name.")
    rows = episodes.to_table(columns=["steps_version", "videos_version"])
    with tables.translated(f"{location} cannot be tagged"):
        for table, column in ((tables.STEPS, "steps_version"), (tables.VIDEOS, "videos_version")):
            pinned = max((found for found in rows[column].to_pylist() if found is not None), default=None)
            if pinned is not None:
                tags = tables.open_table(location / table).tags
                if name in tags.list():  # left by a call that was killed before it named the episodes
                    tags.delete(name)
                tags.create(name, pinned)
        episodes.tags.create(name, episodes.version)
    return int(episodes.version)


def versions(
    uri: str | os.PathLike[str] | Location, storage_options: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """Every version that can be opened: its number, its time, its tags.

    Returns:
        One mapping per version, oldest first: ``version``, ``timestamp`` (ISO 8601), ``tags``.

    Raises:
        DatasetError: it is no Lance dataset of this package.
    """
    location = _find(uri, storage_options)
    table = tables.open_table(location / tables.EPISODES)
    names: dict[int, list[str]] = {}
    for name, facts in table.tags.list().items():
        names.setdefault(facts["version"], []).append(name)
    return [
        {
            "version": entry["version"],
            "timestamp": entry["timestamp"].isoformat(),
            "tags": sorted(names.get(entry["version"], [])),
        }
        for entry in table.versions()
    ]
