"""Writing datasets as a folder of ordinary files."""

import contextlib
import json
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from swm.core.errors import DatasetError
from swm.core.provenance import describe_software
from swm.data.columns import Column, check_same, describe_episode, is_view
from swm.data.encoded import Codec, EncodedPictures, EncodedVideo, VideoCodec
from swm.data.episode import Episode
from swm.data.formats.base import ClosedOnExit
from swm.data.formats.folders.beside import Beside, save_npz
from swm.data.formats.folders.manifest import MANIFEST, Entry, Manifest, checksum
from swm.data.formats.folders.reader import FolderReader
from swm.data.formats.locks import WriterLock
from swm.data.location import Location
from swm.data.metadata import dump, split_of
from swm.data.options import WriteOptions


class FolderWriter(ClosedOnExit):
    """Appends episodes to a folder of files (see `swm.data.formats.Writer`).

    The files of an episode are written under names that no committed episode uses; they begin to
    exist when ``dataset.json``, which is replaced at once, lists them; the next writer deletes
    those of a killed one. With ``mode="overwrite"`` the old episodes' files are deleted after the
    first commit of new ones.
    """

    reader: ClassVar[type[FolderReader]]
    lossless: ClassVar[Codec | VideoCodec]
    """For pictures that must not lose anything."""

    notes: Sequence[str] = ()

    def __init__(self, location: Location, options: WriteOptions) -> None:
        """Lock the folder and look at what it holds.

        Raises:
            DatasetError: another writer has it, the mode forbids to change it, or it holds
                something else.
            InvalidValueError: the provenance has no JSON form, or the codec is not for this format.
        """
        self._path, self._options = location.path, options
        self._kind = self.reader.kind
        if options.codec not in (None, *self.reader.codecs):
            able = ", ".join(self.reader.codecs)
            raise DatasetError(f"{location}: the format {self._kind!r} has no {options.codec!r}. It stores {able}.")
        dump(options.provenance)
        found = set(os.listdir(self._path)) - {".lock"} if self._path.is_dir() else set()
        if found and not (self._path / MANIFEST).exists():
            raise DatasetError(f"{self._path} holds other files: nothing was touched. Choose another place.")
        self._lock: WriterLock | None = WriterLock(location, None)
        try:
            self._begin()
        except BaseException:
            self._release()
            raise

    def _begin(self) -> None:
        """Read what is committed and put down a first ``dataset.json``, so that the folder is known as ours."""
        old = Manifest.read(self._path, self._kind)
        if old is not None and old.episodes and self._options.mode == "error":
            raise DatasetError(
                f"{self._path} exists already. Continue it with mode='append', replace it with mode='overwrite', or "
                f"choose another place."
            )
        self._doomed = old.episodes if old is not None and self._options.mode == "overwrite" else ()
        self._doomed_columns = old.columns if old is not None else {}
        self._manifest = old if old is not None and not self._doomed else Manifest(kind=self._kind)
        self._session_begun = False
        self._pending: list[Entry] = []
        self._pending_rows = 0
        used = {entry.name for entry in (*self._doomed, *self._manifest.episodes)}
        for path in list(self._path.rglob("episode_*")):
            if re.fullmatch(r"episode_\d{6,}(\.mp4|\.npz)?", path.name) and path.stem not in used:
                _delete(path)
        self._next = 1 + max((int(name.rpartition("_")[2]) for name in used), default=-1)
        if old is None:
            self._write_manifest(self._manifest)

    @property
    def num_episodes(self) -> int:
        """Committed episodes of the dataset."""
        return len(self._manifest.episodes)

    def write(self, episode: Episode) -> None:
        """Write the files of one episode (see `Writer.write`)."""
        if self._lock is None:
            raise DatasetError(f"the writer of {self._path} is closed. Continue with mode='append'.")
        columns = self._describe(episode)
        check_same(self._manifest.columns or columns, columns, str(self._path))
        metadata = dump(episode.metadata)
        number = self.num_episodes + len(self._pending)
        split = split_of(episode.metadata, number, self._options.val_fraction)
        name = f"episode_{self._next:06d}"
        arrays = {key: array for key, array in episode.arrays().items() if columns[key].codec is None}
        beside = Beside({key: array.astype(_native(array)) for key, array in arrays.items()}, dict(episode.payload))
        pictures = {key: array for key, array in episode.observation.items() if columns[key].codec is not None}
        try:
            _remove(self._path, name, columns, self.reader)
            save_npz(self.reader.beside(self._path, name), beside)
            blobs = {key: self._put(name, columns[key], array) for key, array in pictures.items()}
        except BaseException:
            _remove(self._path, name, columns, self.reader)
            raise
        self._manifest = replace(self._manifest, columns=columns)
        self._next += 1
        digest = checksum(metadata, split, beside, blobs)
        self._pending.append(Entry(name, episode.num_steps, split, json.loads(metadata), digest))
        self._pending_rows += episode.num_steps + 1
        if self._pending_rows >= self._options.shard_size:
            self.flush()

    def _describe(self, episode: Episode) -> dict[str, Column]:
        """The columns of an episode, with the codecs that this format has."""
        known = [column.codec for name, column in self._manifest.columns.items() if column.codec and is_view(name)]
        encoded: list[Any] = [episode.observation[name] for name in episode.observation if is_view(name)]
        given = [array.codec for array in encoded if isinstance(array, EncodedPictures | EncodedVideo)]
        able = self.reader.codecs
        codec = next((codec for codec in (self._options.codec, *known, *given) if codec in able), able[0])
        found = describe_episode(episode, codec)
        return {
            name: column if column.codec in (None, *able) else replace(column, codec=self.lossless)
            for name, column in found.items()
        }

    def _put(self, episode: str, column: Column, pictures: Any) -> Sequence[Any]:
        place = self.reader.place(self._path, episode, column)
        place.parent.mkdir(parents=True, exist_ok=True)
        return self.save(place, column, pictures)

    def save(self, place: Path, column: Column, pictures: Any) -> Sequence[Any]:
        """Write the pictures of one column and return the bytes of the files.

        Args:
            place: where the reader looks for them; its parent exists.
            column: with the codec.
            pictures: an array, `EncodedPictures` or `EncodedVideo`.
        """
        raise NotImplementedError

    def flush(self) -> None:
        """Commit what was written so far (see `Writer.flush`)."""
        if not self._pending:
            return
        session: tuple[dict[str, Any], ...] = ()
        if not self._session_begun:
            facts = {"codec": self._options.codec, "val_fraction": self._options.val_fraction}
            writer = {**facts, "software": describe_software()}
            session = ({"first_episode": self.num_episodes, **self._options.provenance, "writer": writer},)
        new = replace(
            self._manifest,
            episodes=(*self._manifest.episodes, *self._pending),
            provenance=(*self._manifest.provenance, *session),
        )
        self._write_manifest(new)
        self._manifest, self._session_begun = new, True
        self._pending, self._pending_rows = [], 0
        for entry in self._doomed:
            _remove(self._path, entry.name, self._doomed_columns, self.reader)
        self._doomed = ()

    def _write_manifest(self, manifest: Manifest) -> None:
        Location(uri=str(self._path)).write_bytes(MANIFEST, manifest.to_json().encode())

    def close(self) -> None:
        """Commit and release the folder (see `Writer.close`)."""
        if self._lock is None:
            return
        try:
            self.flush()
        finally:
            self._release()

    def _release(self) -> None:
        assert self._lock is not None
        self._lock.release()
        self._lock = None


def _native(array: Any) -> Any:
    return array.dtype.newbyteorder("=")


def _remove(root: Path, episode: str, columns: Any, reader: type[FolderReader]) -> None:
    """Delete the files of an episode."""
    places = [reader.place(root, episode, column) for column in columns.values() if column.codec is not None]
    for place in (*places, reader.beside(root, episode)):
        _delete(place)
        with contextlib.suppress(OSError):
            place.parent.rmdir()  # if it is empty


def _delete(place: Path) -> None:
    """Delete a file or a folder, if it is there."""
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
