"""The common part of writers that make one HDF5 file: a header, the episodes' facts, one commit at the end."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from swm.core.config import from_json, to_json
from swm.core.errors import DatasetError
from swm.core.provenance import describe_software
from swm.data.columns import Column, check_same, describe_episode
from swm.data.episode import Episode
from swm.data.formats.base import ClosedOnExit
from swm.data.formats.hdf5.files import Replacement, guard
from swm.data.formats.hdf5.values import digest, seal, unseal
from swm.data.metadata import dump, split_of
from swm.data.options import WriteOptions

SCHEMA_VERSION = 1

HEADER = "swm"
"""The attribute of the root that says that this package wrote the file, and what its columns are."""

_LIBVER = ("v110", "v110")
"""Old enough for HDF5 1.10, new enough for attributes of any size and for readers in SWMR mode."""


def read_header(file: Any, path: Path) -> tuple[dict[str, Column], list[Any]]:
    """The columns and the provenance of a file that this package wrote.

    Raises:
        DatasetError: another program wrote it, or a newer version of this package.
    """
    if HEADER not in file.attrs:
        raise DatasetError(
            f"{path} was not written by this package, which therefore does not add to it. "
            f"Convert it to a new file, and add to that."
        )
    with guard(path):
        header = unseal(file, HEADER)
        if header["schema_version"] > SCHEMA_VERSION:
            raise DatasetError(
                f"{path} has schema version {header['schema_version']}; this installation reads up to "
                f"{SCHEMA_VERSION}. Upgrade it: pip install --upgrade swm"
            )
        columns = [from_json(Column, column) for column in header["columns"]]
        return {column.name: column for column in columns}, header["provenance"]


def facts_of(episode: Episode, number: int, options: WriteOptions) -> dict[str, Any]:
    """What is known of an episode beside its steps, JSON-ready: metadata, split, checksum, names in its payload."""
    text = dump({"metadata": episode.metadata, "split": split_of(episode.metadata, number, options.val_fraction)})
    facts = {"payload": sorted(episode.payload), "sha256": digest(episode.arrays(), episode.payload, text)}
    return {**json.loads(text), **facts}


class FileWriter(ClosedOnExit):
    """Writes one HDF5 file (see `swm.data.formats.Writer`); a subclass says how an episode is stored.

    HDF5 files do not survive a process that is killed while it writes them, so episodes go to an
    unfinished file that takes its place at `close`, which is the only commit. ``mode="append"``
    begins with a copy of the file.
    """

    def __init__(self, path: Path, part: Path, options: WriteOptions) -> None:
        """Begin the unfinished file.

        Args:
            path: the place to take.
            part: the unfinished file, on the same disk.
            options: of the writer.

        Raises:
            DatasetError: the mode forbids it, another writer is at work, or the file to continue is
                not of this package.
        """
        self._path, self._options = path, options
        self._columns: dict[str, Column] | None = None
        self._provenance: list[Any] = []
        self._notes: dict[str, None] = {}
        self._written = 0
        self._file: Any = None
        self._target: Replacement | None = Replacement(path, part)
        try:
            self._begin(self._target)
        except BaseException:
            self._release(commit=False)
            raise
        self._before = self.num_episodes = self._written

    def _begin(self, target: Replacement) -> None:
        """Open the unfinished file; from here on nobody else changes what is in its place."""
        import h5py

        append = target.path.exists() and self._options.mode == "append"
        if target.path.exists() and self._options.mode == "error":
            raise DatasetError(
                f"{target.path} exists already. Continue it with mode='append', replace it with mode='overwrite', or "
                f"choose another place."
            )
        if append:
            target.copy()
        with guard(target.path, "opening it"):
            self._file = h5py.File(target.part, "r+" if append else "w", libver=_LIBVER, locking=False)
            if append:
                self._columns, self._provenance = read_header(self._file, target.path)
                self._resume()

    def _resume(self) -> None:
        """Take up the episodes of the file: set `_written`, and what `_complete` needs."""
        raise NotImplementedError

    def _store(self, episode: Episode, columns: Mapping[str, Column], facts: dict[str, Any]) -> None:
        """Store an episode whose pictures are arrays; a failure must leave nothing that `_complete` would keep."""
        raise NotImplementedError

    def _complete(self) -> None:
        """Add what can be known at the end only."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the format could not hold as asked (see `Writer.notes`)."""
        return tuple(self._notes)

    @property
    def _compress(self) -> bool:
        """Whether pictures are compressed, without loss."""
        return self._options.codec != "raw"

    def write(self, episode: Episode) -> None:
        """Add one episode to the unfinished file (see `Writer.write`)."""
        if self._target is None:
            raise DatasetError(f"the writer of {self._path} is closed. Continue with mode='append'.")
        plain = episode.decoded()
        columns = describe_episode(plain, "raw")
        check_same(self._columns or columns, columns, str(self._path))
        if self._options.codec not in (None, "raw", "png"):
            self._notes[f"pictures are stored without loss, not as {self._options.codec}: the format has no such."] = (
                None
            )
        facts = facts_of(plain, self._written, self._options)
        with guard(self._path, f"writing episode {self._written}"):
            self._store(plain, columns, facts)
        self._columns = columns
        self._written += 1

    def flush(self) -> None:
        """Nothing: an HDF5 file is committed as a whole, at `close`."""

    def close(self) -> None:
        """Complete the file and put it in its place; without new episodes, what was there stays."""
        if self._target is None:
            return
        if self._written == self._before:
            self._release(commit=False)
            return
        try:
            with guard(self._path, "completing it"):
                self._complete()
                seal(self._file, HEADER, self._header())
        except BaseException:
            self._release(commit=False)
            raise
        self._release(commit=True)
        self.num_episodes = self._written

    def _header(self) -> str:
        assert self._columns is not None
        session = {"first_episode": self._before, **self._options.provenance}
        return dump(
            {
                "schema_version": SCHEMA_VERSION,
                "columns": to_json(list(self._columns.values())),
                "provenance": [*self._provenance, {**session, "writer": {"software": describe_software()}}],
            }
        )

    def _release(self, *, commit: bool) -> None:
        target, self._target = self._target, None
        assert target is not None
        try:
            if self._file is not None:
                self._file.close()
            if commit:
                self._commit(target)
        except (OSError, RuntimeError) as error:
            raise DatasetError(
                f"{self._path} could not be completed ({error}). What was there is unchanged."
            ) from error
        finally:
            target.discard()

    def _commit(self, target: Replacement) -> None:
        target.commit()
