"""Writing LeRobot datasets of v3.0."""

import json
import secrets
import shutil
from collections.abc import Mapping
from typing import Any, TextIO

from swm.core.errors import DatasetError, InvalidValueError
from swm.core.provenance import describe_software
from swm.data.codecs import PictureError
from swm.data.columns import Column, check_same, describe_episode
from swm.data.encoded import as_array
from swm.data.episode import Episode
from swm.data.formats.base import ClosedOnExit
from swm.data.formats.files import sha256, swap
from swm.data.formats.lerobot import extras
from swm.data.formats.lerobot.binding import Binding, describe
from swm.data.formats.lerobot.frames import Frames, frames_of
from swm.data.formats.lerobot.layout import (
    DATA_FILE,
    EPISODES_FILE,
    INFO,
    STATS,
    TASKS,
    VIDEO_FILE,
    WRITTEN_VERSION,
    check_free,
)
from swm.data.formats.lerobot.schema import (
    bind_columns,
    describe_features,
    episode_table,
    is_video,
    notes_of,
    split_ranges,
    storable,
    table_schema,
    with_place,
)
from swm.data.formats.lerobot.sinks import CameraSink, FileSizes, TableSink, write_task_table
from swm.data.formats.lerobot.stats import KEYS, Pool, picture_figures, sample_steps
from swm.data.location import Location
from swm.data.metadata import split_of
from swm.data.options import WriteOptions

_MEGABYTE = 1 << 20
_EPISODE_ROWS = 100
"""Rows of the episodes' table that are written at once."""


class LeRobotWriter(ClosedOnExit):
    """Writes a LeRobot dataset of v3.0 (see `swm.data.formats.Writer`).

    Everything goes to a hidden folder beside, which takes the dataset's name in `close`: before
    that there is no dataset, or still the one that is to be replaced. In memory are one episode,
    the open encoders, and the figures of at most 100 episodes.
    """

    def __init__(self, location: Location, options: WriteOptions, sizes: FileSizes | None = None) -> None:
        """Look at what is there.

        Args:
            location: a local path.
            options: a rate of whole frames per second; `shard_size` has no meaning here.
            sizes: when files are full; None is LeRobot's own.

        Raises:
            DatasetError: a dataset exists and the mode is not to replace it.
            InvalidValueError: `fps` is no whole number, or the provenance has no JSON form.
        """
        if options.fps != int(options.fps):
            raise InvalidValueError(f"fps must be a whole number in a LeRobot dataset, got {options.fps!r}. Round it.")
        self._path, self._options, self._sizes = location.path, options, sizes or FileSizes()
        self._fps = int(options.fps)
        self._provenance = _provenance(options)
        check_free(self._path, self._options.mode)
        self._root = self._path.parent / f".{self._path.name}.{secrets.token_hex(4)}.part"
        self.num_episodes = 0
        self._written, self._num_frames = 0, 0
        self._noted: dict[str, None] = {}
        self._columns: dict[str, Column] | None = None
        self._extras: TextIO | None = None
        self._sinks: list[TableSink | CameraSink] = []
        self._tasks: dict[str, int] = {}
        self._splits: list[str] = []
        self._rows: list[dict[str, Any]] = []
        self._pool = Pool()
        self._failed, self._closed = False, False

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence per thing that the format could not hold so far."""
        return tuple(self._noted)

    def write(self, episode: Episode) -> None:
        """Encode one episode; it is committed in `close` (see `Writer.write`).

        Raises:
            DatasetError: its columns are not those of the dataset, or it could not be stored: then
                nothing of the dataset can be kept.
            InvalidValueError: its metadata have no JSON form.
        """
        if self._closed or self._failed:
            state = "closed" if self._closed else "broken by a failed write"
            raise DatasetError(f"the writer of {self._path} is {state}. Make another one.")
        columns = storable(describe_episode(episode, self._options.codec or "h264"))
        check_same(self._columns or columns, columns, str(self._path))
        metadata = extras.plain(episode.metadata)
        bindings = bind_columns(columns) if self._columns is None else self._bindings
        try:
            frames = frames_of(episode, bindings, self._options.quality)
        except PictureError as error:
            raise DatasetError(
                f"picture {error.index} of the episode is damaged ({error}). Record it again."
            ) from error
        self._failed = True
        try:
            if self._columns is None:
                self._begin(columns, bindings)
            self._store(frames, episode, metadata)
        except Exception as error:
            self._discard()
            raise DatasetError(
                f"{self._path}: episode {self._written} could not be stored ({error}). Nothing was kept: write the "
                f"dataset again when the cause is gone."
            ) from error
        self._failed = False
        self._note(frames)

    def _begin(self, columns: dict[str, Column], bindings: dict[str, Binding]) -> None:
        """Take the columns of the first episode for those of the dataset, and make its files ready."""
        (self._root / extras.EPISODES).parent.mkdir(parents=True)
        self._extras = (self._root / extras.EPISODES).open("w", encoding="utf-8")
        self._bindings = bindings
        self._features = describe_features(bindings, self._fps)
        self._schema = table_schema(self._features)
        chunks, limit = self._sizes.chunks_size, self._sizes.data_megabytes * _MEGABYTE
        self._data = TableSink(self._root, DATA_FILE, chunks, limit)
        self._episodes = TableSink(self._root, EPISODES_FILE, chunks, limit)
        self._cameras = {
            name: CameraSink(
                self._root, str(binding.feature), binding.column, self._sizes, self._fps, self._options.crf
            )
            for name, binding in bindings.items()
            if is_video(binding.column)
        }
        self._sinks = [self._data, self._episodes, *self._cameras.values()]
        self._columns = columns

    def _store(self, frames: Frames, episode: Episode, metadata: Mapping[str, Any]) -> None:
        """Write one episode to every file that has a part of it."""
        number, begin = self._written, self._num_frames
        for text in frames.texts:
            self._tasks.setdefault(text, len(self._tasks))
        values = frames.with_clock(self._tasks, number, begin, self._fps)
        figures = frames.figures(values)
        where: dict[str, Any] = {}
        for name, camera in self._cameras.items():
            pictures = as_array(episode.observation[name])
            where |= camera.write(pictures)
            figures[camera.feature] = picture_figures(pictures[sample_steps(len(pictures))])
        table = frames.table(values, self._schema)
        chunk, file = self._data.room_for(table)
        self._data.write(table)
        row = {
            "episode_index": number,
            "tasks": list(dict.fromkeys(frames.texts)),
            "length": frames.length,
            "data/chunk_index": chunk,
            "data/file_index": file,
            "dataset_from_index": begin,
            "dataset_to_index": begin + frames.length,
            **where,
        }
        for feature, facts in figures.items():
            self._pool.add(feature, facts)
        row |= {f"stats/{feature}/{key}": facts[key] for feature, facts in figures.items() for key in KEYS}
        self._keep(row)
        self._splits.append(split_of(episode.metadata, self._written, self._options.val_fraction))
        kept = extras.Extras(metadata=metadata, split=self._splits[-1], final=frames.final)
        assert self._extras is not None
        self._extras.write(kept.line())
        if frames.payload:
            extras.write_payload(self._root, number, frames.payload)
        self._written += 1
        self._num_frames += frames.length

    def _keep(self, row: dict[str, Any]) -> None:
        """Take a row of the episodes' table, and write those that are due as one row group."""
        self._rows.append(row)
        if len(self._rows) >= _EPISODE_ROWS:
            self._write_rows()

    def _write_rows(self) -> None:
        if self._rows:
            table = episode_table(self._rows)
            self._episodes.write(with_place(table, self._episodes.room_for(table)))
        self._rows = []

    def _note(self, frames: Frames) -> None:
        """Remember what the format could not hold of an episode."""
        if "action" not in frames.final:
            self._noted[
                "A frame needs every value: those of transitions are repeated in the last frame of an episode, "
                "where the feature 'action_valid' is false."
            ] = None
        for binding in self._bindings.values():
            self._noted |= dict.fromkeys(notes_of(binding))
        if frames.payload:
            self._noted["Payloads are in meta/swm, where only this package finds them."] = None

    def flush(self) -> None:
        """Nothing: a LeRobot dataset becomes one in `close`."""

    def close(self) -> None:
        """Finish every file and give the dataset its name (see `Writer.close`).

        Raises:
            DatasetError: that failed, and nothing was kept; or another dataset has taken the name.
        """
        if self._closed:
            return
        self._closed = True
        if self._failed or not self._written:
            self._discard()
            return
        try:
            self._finish()
            check_free(self._path, self._options.mode)
            swap(self._root, self._path, self._root.with_suffix(".old"))
        except Exception as error:
            self._discard()
            raise DatasetError(f"{self._path}: the dataset could not be finished ({error}). Write it again.") from error
        self.num_episodes = self._written

    def _finish(self) -> None:
        assert self._extras is not None
        if split_ranges(self._splits).keys() != set(self._splits):
            self._noted["LeRobot has one range of episodes per split: which ones are held out is in meta/swm."] = None
        self._write_rows()
        self._extras.close()
        for sink in self._sinks:
            sink.close()
        write_task_table(self._root / TASKS, list(self._tasks))
        (self._root / STATS).write_text(json.dumps(self._pool.to_json(), indent=4))
        own = {
            "belongs_to": extras.identity(self._written, self._num_frames, self._features),
            "columns": describe(self._bindings.values()),
            "provenance": [self._provenance],
        }
        (self._root / extras.INFO).write_text(json.dumps(own, indent=1))
        (self._root / INFO).write_text(json.dumps(self._describe(), indent=4))
        checksums = {name: digest for sink in self._sinks for name, digest in sink.checksums.items()}
        for path in (self._root / "meta").rglob("*"):
            if path.is_file():
                checksums[path.relative_to(self._root).as_posix()] = sha256(path)
        (self._root / extras.CHECKSUMS).write_text(json.dumps(checksums, indent=1, sort_keys=True))

    def _describe(self) -> dict[str, Any]:
        """The content of ``meta/info.json``."""
        return {
            "codebase_version": WRITTEN_VERSION,
            "robot_type": None,
            "total_episodes": self._written,
            "total_frames": self._num_frames,
            "total_tasks": len(self._tasks),
            "chunks_size": self._sizes.chunks_size,
            "data_files_size_in_mb": self._sizes.data_megabytes,
            "video_files_size_in_mb": self._sizes.video_megabytes,
            "fps": self._fps,
            "splits": split_ranges(self._splits),
            "data_path": DATA_FILE,
            "video_path": VIDEO_FILE if self._cameras else None,
            "features": self._features,
        }

    def _discard(self) -> None:
        """Release and remove everything written."""
        self._failed = True
        if self._extras is not None:
            self._extras.close()
        for sink in self._sinks:
            sink.discard()
        shutil.rmtree(self._root, ignore_errors=True)


def _provenance(options: WriteOptions) -> dict[str, Any]:
    facts = {"codec": options.codec, "quality": options.quality, "crf": options.crf, "fps": options.fps}
    given = {**options.provenance, "writer": {**facts, "software": describe_software()}, "first_episode": 0}
    return extras.plain(given)
