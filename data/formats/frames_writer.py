"""Writing the frames layout: shards of whole episodes, each committed at once."""

import json
import os
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa

from swm.core.errors import DatasetError, InvalidValueError
from swm.core.provenance import describe_software
from swm.core.seeding import derive_seed
from swm.data import codecs
from swm.data.columns import Column, check_same, describe_episode
from swm.data.encoded import Codec, EncodedPictures, EncodedVideo, VideoCodec
from swm.data.episode import Episode
from swm.data.formats import tables
from swm.data.formats.arrow import blobs_to_arrow, numbers_to_arrow
from swm.data.formats.layout import EPISODE_SCHEMA, checksum, header, read_header
from swm.data.location import Location
from swm.data.options import WriteOptions

_SHARD_BYTES = 256 << 20


class FramesWriter:
    """Appends episodes to a dataset in the frames layout (see `swm.data.formats.Writer`).

    A shard's steps are committed first and its episode rows second; the second commit is what
    makes the episodes exist, and names the version of the steps that it belongs to.
    """

    notes: tuple[str, ...] = ()
    takes_encoded = True

    def __init__(self, location: Location, options: WriteOptions) -> None:
        """Lock the dataset and look at what it holds.

        Raises:
            DatasetError: another writer has it, the mode forbids to change it, or its tables are
                not of this package.
            InvalidValueError: the provenance has no JSON form.
        """
        self._session: str | None = _describe_session(options)
        path = location.path
        path.mkdir(parents=True, exist_ok=True)
        self._path, self._options = path, options
        self._lock: int | None = tables.lock(path)
        self._failed = False
        self._columns: dict[str, Column] | None = None
        self._episodes: Any = None
        self._steps: Any = None
        self.num_episodes = 0
        try:
            self._resume()
        except BaseException:
            self._release()
            raise
        self._replaces = options.mode == "overwrite" and tables.has_table(path / tables.EPISODES)
        self._start_shard()

    def _start_shard(self) -> None:
        self._pending: list[dict[str, Any]] = []
        self._pending_episodes: list[dict[str, Any]] = []
        self._pending_rows, self._pending_bytes = 0, 0

    def _resume(self) -> None:
        """Find the last commit, if the dataset has one and is not to be replaced.

        Raises:
            DatasetError: there is one and the mode forbids it, or its tables are not ours to change.
        """
        steps, episodes = self._path / tables.STEPS, self._path / tables.EPISODES
        if not tables.has_table(episodes):
            if tables.has_table(steps):
                read_header(tables.open_table(steps).schema.metadata, self._path)
            return
        if self._options.mode == "error":
            raise DatasetError(
                f"{self._path} exists already. Continue it with mode='append', replace it with mode='overwrite', or "
                f"choose another place."
            )
        table = tables.open_table(episodes)
        columns = read_header(table.schema.metadata, self._path)
        if self._options.mode == "overwrite":
            return
        self._episodes, self._columns = table, columns
        self.num_episodes = self._episodes.count_rows()
        last = self._episodes.take([self.num_episodes - 1], columns=["steps_version"])
        self._steps = tables.open_table(steps, last["steps_version"][0].as_py())

    @property
    def _codec(self) -> Codec | VideoCodec:
        """Of new pictures: as asked, else the dataset's own."""
        own = [column.codec for column in (self._columns or {}).values() if column.codec is not None]
        return self._options.codec or ("jpeg" if "jpeg" in own or not own else own[0])

    def write(self, episode: Episode) -> None:
        """Encode one episode and commit the shard if it is full (see `Writer.write`)."""
        if self._lock is None or self._failed:
            state = "closed" if self._lock is None else "broken by a failed commit"
            raise DatasetError(f"the writer of {self._path} is {state}. Continue with mode='append'.")
        columns = describe_episode(episode, self._codec)
        check_same(self._columns or columns, columns, str(self._path))
        stored = {name: self._encode(columns[name], array) for name, array in episode.arrays().items()}
        metadata = _dump(episode.metadata)
        split = self._split(episode.metadata)
        parts = [(columns[name], values) for name, values in stored.items()]
        self._columns = self._columns or columns
        self._pending.append(stored)
        self._pending_episodes.append(
            {
                "length": episode.num_steps,
                "split": split,
                "checksum": checksum(parts, metadata, split),
                "metadata": metadata,
            }
        )
        self._pending_rows += episode.num_steps + 1
        self._pending_bytes += sum(map(_size, stored.values()))
        if self._pending_rows >= self._options.shard_size or self._pending_bytes >= _SHARD_BYTES:
            self.flush()

    def _encode(self, column: Column, array: Any) -> Any:
        if column.codec is None:
            return array.astype(column.dtype)
        if isinstance(array, EncodedPictures | EncodedVideo):
            if isinstance(array, EncodedPictures) and array.codec == column.codec:
                return [bytes(blob) for blob in array.blobs]
            array = array.decode()
        return codecs.encode(column.codec, np.ascontiguousarray(array), self._options.quality)

    def _split(self, metadata: Mapping[str, Any]) -> str:
        """Assign the next episode: as its metadata say, else by its seed, or by its index if it has none."""
        if metadata.get("split") in ("train", "val"):
            return str(metadata["split"])
        seed = metadata.get("seed")
        if not isinstance(seed, (int, np.integer)) or seed < 0:
            seed = self.num_episodes + len(self._pending)
        return "val" if derive_seed(int(seed), "split") < self._options.val_fraction * 2**63 else "train"

    def flush(self) -> None:
        """Commit what was written so far (see `Writer.flush`)."""
        if not self._pending:
            return
        self._failed = True
        try:
            self._commit()
        except (OSError, ValueError, RuntimeError) as error:
            raise DatasetError(
                f"{self._path}: the commit failed ({error}). {self.num_episodes} episodes are safe, the last "
                f"{len(self._pending)} are not. Continue with mode='append' when the cause is gone."
            ) from error
        self.num_episodes += len(self._pending)
        self._session = None
        self._failed = False
        self._start_shard()

    def _commit(self) -> None:
        before = 0 if self._steps is None else self._steps.count_rows()
        self._steps = tables.write_table(self._path / tables.STEPS, self._step_table(), self._steps)
        added = self._steps.count_rows() - before
        if added != self._pending_rows:
            raise RuntimeError(f"another writer added {added - self._pending_rows} rows at the same time")
        self._episodes = tables.write_table(self._path / tables.EPISODES, self._episode_table(), self._episodes)

    def _step_table(self) -> pa.Table:
        assert self._columns is not None
        last = np.zeros(self._pending_rows, np.bool_)
        last[np.cumsum([row["length"] + 1 for row in self._pending_episodes]) - 1] = True
        arrays = {}
        for name, column in self._columns.items():
            parts = [stored[name] for stored in self._pending]
            if column.codec is not None:
                arrays[column.stored_name] = blobs_to_arrow([blob for part in parts for blob in part])
            elif column.size and column.role == "observation":
                arrays[column.stored_name] = numbers_to_arrow(column, np.concatenate(parts), None)
            elif column.size:
                values = np.zeros((len(last), *column.shape), column.dtype)
                values[~last] = np.concatenate(parts)
                arrays[column.stored_name] = numbers_to_arrow(column, values, last)
        return pa.table(arrays).replace_schema_metadata(header(self._columns))

    def _episode_table(self) -> pa.Table:
        assert self._columns is not None
        rows = [{**row, "steps_version": self._steps.version, "session": None} for row in self._pending_episodes]
        rows[0]["session"] = self._session
        return pa.Table.from_pylist(rows, schema=EPISODE_SCHEMA.with_metadata(header(self._columns)))

    def close(self) -> None:
        """Commit and release the dataset (see `Writer.close`)."""
        if self._lock is None:
            return
        try:
            if not self._failed:
                self.flush()
                if self._replaces and self.num_episodes:
                    tables.forget_old_versions(self._path / tables.STEPS)
                    tables.forget_old_versions(self._path / tables.EPISODES)
        finally:
            self._release()

    def _release(self) -> None:
        assert self._lock is not None
        os.close(self._lock)
        self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _describe_session(options: WriteOptions) -> str:
    facts = {"codec": options.codec, "quality": options.quality, "val_fraction": options.val_fraction}
    return _dump({**options.provenance, "writer": {**facts, "software": describe_software()}})


def _size(stored: Any) -> int:
    return stored.nbytes if isinstance(stored, np.ndarray) else sum(map(len, stored))


def _dump(facts: Mapping[str, Any]) -> str:
    """Turn metadata into JSON.

    Raises:
        InvalidValueError: a value has no JSON form.
    """
    try:
        return json.dumps(facts, default=_plain)
    except TypeError as error:
        raise InvalidValueError(f"metadata must be JSON-ready: {error}.") from error


def _plain(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__} has no JSON form")
