"""Writing the Lance layouts: shards of whole episodes, each committed at once."""

import shutil
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow.compute

from swm.core.errors import DatasetError, InvalidValueError
from swm.core.provenance import describe_software
from swm.data import codecs, videos
from swm.data.columns import Column, check_same, describe_episode, is_view
from swm.data.encoded import Codec, EncodedPictures, EncodedVideo, VideoCodec
from swm.data.episode import Episode
from swm.data.formats.base import ClosedOnExit
from swm.data.formats.lance import rows as lance_rows
from swm.data.formats.lance import tables
from swm.data.formats.lance.layout import checksum, is_video, pack_payload, read_header
from swm.data.formats.locks import WriterLock
from swm.data.location import Location
from swm.data.metadata import dump, split_of
from swm.data.options import WriteOptions

_SHARD_BYTES = 256 << 20


class FramesWriter(ClosedOnExit):
    """Appends episodes to a dataset in Lance tables (see `swm.data.formats.Writer`).

    A shard's steps and videos are committed first and its episode rows second; the second commit
    is what makes the episodes exist. Several recorders may do so at the same time: each row says
    where its episode lies, whatever the others have committed in between.
    """

    default_codec: Codec | VideoCodec = "jpeg"
    notes: tuple[str, ...] = ()

    def __init__(self, location: Location, options: WriteOptions) -> None:
        """Lock the dataset and look at what it holds.

        Raises:
            DatasetError: another writer has it, the mode forbids to change it, or its tables are
                not of this package.
            InvalidValueError: the provenance has no JSON form.
        """
        self._session: str | None = _describe_session(options)
        self._location, self._options = location, options
        with tables.translated(f"{location} cannot be written"):
            self._lock: WriterLock | None = WriterLock(location, options.recorder)
        self._failed = False
        self._columns: dict[str, Column] | None = None
        self._tables: dict[str, Any] = {}
        self._replaces = self._frees_disk = False
        self.num_episodes = 0
        try:
            with self._lock.turn():
                self._resume()
        except BaseException:
            self._lock.release()
            raise
        self._start_shard()

    def _start_shard(self) -> None:
        self._pending: list[dict[str, Any]] = []
        self._pending_episodes: list[dict[str, Any]] = []
        self._pending_rows, self._pending_bytes = 0, 0

    # ---------------------------------------------------------------------------------- beginning

    def _resume(self) -> None:
        """Find the last commit, if the dataset has one and is not to be replaced.

        Raises:
            DatasetError: there is one and the mode forbids it, or its tables are not ours to change.
        """
        assert self._lock is not None
        place = self._location / tables.EPISODES
        if not tables.has_table(place):
            steps = self._location / tables.STEPS
            if tables.has_table(steps):
                read_header(tables.open_table(steps).schema.metadata, self._location)
                self._frees_disk = self._lock.alone
            self._replaces = self._lock.alone
            return
        episodes = tables.open_table(place)
        columns = read_header(episodes.schema.metadata, self._location)
        count = episodes.count_rows()
        if self._options.mode == "error" and count:
            raise DatasetError(
                f"{self._location} exists already. Continue it with mode='append', replace it with mode='overwrite', "
                f"or choose another place."
            )
        if self._options.mode == "overwrite" or (self._lock.alone and not count):
            self._replaces = self._frees_disk = True
            return
        self.num_episodes, self._columns = count, columns
        self._open_tables()

    def _open_tables(self) -> None:
        """Open the newest version of every table, after making those that are missing. Call it in turn."""
        assert self._columns is not None
        for name, schema in lance_rows.schemas(self._columns).items():
            place = self._location / name
            exists = tables.has_table(place)
            self._tables[name] = tables.open_table(place) if exists else tables.create_table(place, schema)
        self._take_back_torn_rows()

    def _take_back_torn_rows(self) -> None:
        """Return the other tables to the versions that the committed episodes name.

        Writers commit in turn, so whatever lies beyond is of one that died. An object store has no
        turns: there several recorders leave such rows where they are.

        Raises:
            DatasetError: they cannot be left there, because a table was rewritten.
        """
        assert self._lock is not None
        versions = self._tables[tables.EPISODES].to_table(columns=["steps_version", "videos_version"])
        for name, column in ((tables.STEPS, "steps_version"), (tables.VIDEOS, "videos_version")):
            pinned = pyarrow.compute.max(versions[column]).as_py()
            if name not in self._tables or pinned is None or self._tables[name].version == pinned:
                continue
            table = tables.open_table(self._location / name, pinned)
            if self._lock.alone or self._location.is_local:
                table.restore()
                self._tables[name] = tables.open_table(self._location / name)
            elif not tables.continues(self._tables[name], table):
                raise DatasetError(
                    f"{self._location}: a rewrite was interrupted. Open it once with mode='append' and no recorder."
                )

    # ------------------------------------------------------------------------------------ writing

    def write(self, episode: Episode) -> None:
        """Encode one episode and commit the shard if it is full (see `Writer.write`)."""
        if self._lock is None or self._failed:
            state = "closed" if self._lock is None else "broken by a failed commit"
            raise DatasetError(f"the writer of {self._location} is {state}. Continue with mode='append'.")
        columns = describe_episode(episode, self._codec)
        check_same(self._columns or columns, columns, str(self._location))
        stored = {name: self._encode(columns[name], array) for name, array in episode.arrays().items()}
        metadata, payload = dump(episode.metadata), pack_payload(episode.payload)
        number = self.num_episodes + len(self._pending)
        split = split_of(episode.metadata, number, self._options.val_fraction)
        parts = [(columns[name], values) for name, values in stored.items()]
        self._columns = self._columns or columns
        self._pending.append(stored)
        self._pending_episodes.append(
            {
                "length": episode.num_steps,
                "split": split,
                "checksum": checksum(parts, metadata, split, payload),
                "metadata": metadata,
                "payload": payload,
            }
        )
        self._pending_rows += episode.num_steps + 1
        self._pending_bytes += sum(map(_size, stored.values())) + len(payload or b"")
        if self._pending_rows >= self._options.shard_size or self._pending_bytes >= _SHARD_BYTES:
            self.flush()

    @property
    def _codec(self) -> Codec | VideoCodec:
        """Of new pictures: as asked, else the dataset's own."""
        columns = self._columns or {}
        own = [c.codec for name, c in columns.items() if c.codec is not None and is_view(name)]
        return self._options.codec or (own[0] if own else self.default_codec)

    def _encode(self, column: Column, array: Any) -> Any:
        """What is stored of a column: as it came if it came encoded the same way."""
        if isinstance(array, EncodedPictures | EncodedVideo):
            if array.codec == column.codec:
                return array if isinstance(array, EncodedVideo) else [bytes(blob) for blob in array.blobs]
            array = array.decode()
        if column.dtype == "str":
            _check_text(column.name, array)
        if column.codec is None:
            return array.astype(array.dtype.newbyteorder("="))
        pictures = np.ascontiguousarray(array)
        if is_video(column):
            codec: Any = column.codec
            return videos.encode(pictures, codec, fps=self._options.fps, crf=self._options.crf)
        return codecs.encode(column.codec, pictures, self._options.quality, self._options.chroma)

    # ----------------------------------------------------------------------------------- commits

    def flush(self) -> None:
        """Commit what was written so far (see `Writer.flush`)."""
        if not self._pending:
            return
        self._failed = True
        advice = (
            f"{self.num_episodes} episodes are safe, the last {len(self._pending)} are not. "
            f"Continue with mode='append' when the cause is gone."
        )
        with tables.translated(f"{self._location}: the commit failed", advice):
            self._commit()
        self._session = None
        self._failed = False
        self._start_shard()

    def _commit(self) -> None:
        assert self._lock is not None
        assert self._columns is not None
        rows = lance_rows.content(self._columns, self._pending, [facts["length"] for facts in self._pending_episodes])
        if self._replaces:
            self._replace(rows)
            return
        if not self._tables:
            with self._lock.turn():
                self._open_tables()
                read = read_header(self._tables[tables.EPISODES].schema.metadata, self._location)
                check_same(read, self._columns, str(self._location))
        staged = {name: tables.stage(self._location / name, part) for name, part in rows.items()}
        with self._lock.turn():
            if not self._lock.alone:
                self._open_tables()
            firsts = {}
            for name, fragments in staged.items():
                self._tables[name], firsts[name] = tables.commit(self._tables[name], self._location / name, fragments)
            place = self._location / tables.EPISODES
            fragments = tables.stage(place, self._episode_rows(firsts))
            self._tables[tables.EPISODES], first = tables.commit(self._tables[tables.EPISODES], place, fragments)
        self.num_episodes = first + len(self._pending)

    def _replace(self, rows: Mapping[str, Any]) -> None:
        for name, part in rows.items():
            self._tables[name] = tables.replace_table(self._location / name, part)
        episodes = self._episode_rows(dict.fromkeys(rows, 0))
        self._tables[tables.EPISODES] = tables.replace_table(self._location / tables.EPISODES, episodes)
        self.num_episodes = len(self._pending)
        self._replaces = False

    def _episode_rows(self, firsts: Mapping[str, int]) -> Any:
        assert self._columns is not None
        versions = {name: self._tables[name].version for name in firsts}
        facts = [{**row, "session": None} for row in self._pending_episodes]
        facts[0]["session"] = self._session
        return lance_rows.episodes(self._columns, facts, firsts, versions)

    # ------------------------------------------------------------------------------------ closing

    def close(self) -> None:
        """Commit and release the dataset (see `Writer.close`)."""
        if self._lock is None:
            return
        try:
            if not self._failed:
                self.flush()
                if self._frees_disk and not self._replaces:
                    self._forget_the_replaced()
        finally:
            self._lock.release()
            self._lock = None

    def _forget_the_replaced(self) -> None:
        for table in self._tables.values():
            tables.forget_old_versions(table)
        if tables.VIDEOS not in self._tables and self._location.is_local:
            shutil.rmtree(self._location.path / tables.VIDEOS, ignore_errors=True)


class VideoWriter(FramesWriter):
    """A writer that stores the pictures of an episode together, as H.264 unless told otherwise."""

    default_codec: Codec | VideoCodec = "h264"


def _describe_session(options: WriteOptions) -> str:
    facts = {"codec": options.codec, "quality": options.quality, "val_fraction": options.val_fraction}
    return dump({**options.provenance, "writer": {**facts, "software": describe_software()}})


def _check_text(name: str, array: Any) -> None:
    """Check that texts can be stored.

    Raises:
        InvalidValueError: one has no UTF-8 form.
    """
    try:
        "".join(array.tolist()).encode()
    except UnicodeEncodeError as error:
        raise InvalidValueError(f"column {name!r} holds a text that has no UTF-8 form: {error}.") from error


def _size(stored: Any) -> int:
    if isinstance(stored, EncodedVideo):
        return len(stored.content)
    return stored.nbytes if isinstance(stored, np.ndarray) else sum(map(len, stored))
