"""Reading LeRobot datasets of v3.0, v2.1 and v2.0."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import DatasetError
from swm.data import codecs
from swm.data.columns import Array, Column
from swm.data.encoded import EncodedPictures
from swm.data.episode import TRANSITIONS
from swm.data.formats.base import EpisodeIndex
from swm.data.formats.episodic import EpisodicReader, check_version, make_index
from swm.data.formats.files import sha256
from swm.data.formats.foreign_video import OpenVideos
from swm.data.formats.lerobot.binding import Binding, bind
from swm.data.formats.lerobot.episodes import read_episodes, read_tasks
from swm.data.formats.lerobot.extras import (
    FINAL,
    read_checksums,
    read_extras,
    read_extras_info,
    read_payload,
)
from swm.data.formats.lerobot.extras import INFO as EXTRAS_INFO
from swm.data.formats.lerobot.layout import INFO, TASK_INDEX, read_info, reading
from swm.data.formats.lerobot.naming import VALID
from swm.data.formats.lerobot.tables import Tables, to_numpy
from swm.data.location import Location

_HELD_OUT = ("val", "valid", "validation", "test")


class LeRobotReader(EpisodicReader):
    """Reads a local LeRobot dataset (see `swm.data.formats.Reader`).

    N frames are N observations and N - 1 transitions. What the last frame says of a transition
    whose next observation was not recorded is in the payload: ``final.action`` and so on, one row
    each. Row groups in use stay in memory, up to `cache_bytes`; every row is checked to
    be the frame that it should be.
    """

    def __init__(self, location: Location, version: int | None, cache_bytes: int) -> None:
        """Read the metadata and check that they agree with each other and that the files exist.

        Args:
            location: a local path.
            version: None or 1: these datasets have no versions.
            cache_bytes: how much of the tables may be kept in memory.

        Raises:
            DatasetError: no such version, or the dataset is damaged or of a version that is not read.
        """
        check_version(location, version)
        self.location, self._cache_bytes = location, cache_bytes
        self._root = location.path
        self._info = read_info(self._root)
        own = read_extras_info(self._root, self._info)
        with reading(self._root / INFO):
            self._bindings, notes = bind(self._info, None if own is None else own["columns"])
        self.columns = {name: binding.column for name, binding in self._bindings.items()}
        self._episodes = read_episodes(self._root, self._info)
        needs_tasks = any(binding.feature == TASK_INDEX for binding in self._bindings.values())
        self._tasks = read_tasks(self._root, self._info) if needs_tasks else []
        self._own = own is not None
        self._extras = [] if own is None else read_extras(self._root, len(self._episodes.lengths))
        self._numbers = np.flatnonzero(self._episodes.lengths > 1)
        self.index = self._make_index(() if own is None else own["provenance"])
        self.notes = (*notes, *self._notes())
        self._tables, self._videos = Tables(cache_bytes), OpenVideos()

    def _notes(self) -> Iterator[str]:
        short = np.flatnonzero(self._episodes.lengths == 1)
        if len(short):
            yield f"{len(short)} episodes of one frame have no transition and are left out: {short[:9].tolist()}."
        if not self._own:
            yield (
                "The last frame of each episode is an observation alone: what it says of the transition after it, "
                "which has no next observation, is in the payload as final.action and so on."
            )
            if (self._root / EXTRAS_INFO).exists():
                yield "meta/swm belongs to other episodes than these and is ignored."

    def __reduce__(self) -> tuple[Any, ...]:
        return LeRobotReader, (self.location, self.version, self._cache_bytes)

    def _make_index(self, provenance: Sequence[Mapping[str, Any]]) -> EpisodeIndex:
        lengths = (self._episodes.lengths[self._numbers] - 1).tolist()
        if not self._own:
            metadata = [{"index": number} for number in self._numbers.tolist()]
            return make_index(lengths, metadata, self._named_splits() or None)
        kept = [self._extras[number] for number in self._numbers.tolist()]
        return make_index(lengths, [extras.metadata for extras in kept], [extras.split for extras in kept], provenance)

    def _named_splits(self) -> list[str]:
        """``"val"`` for the episodes of held-out splits; empty if the source has none."""
        held_out = np.zeros(len(self._episodes.lengths), np.bool_)
        with reading(self._root / INFO):
            for name in self._info.splits.keys() & set(_HELD_OUT):
                begin, end = map(int, self._info.splits[name].split(":"))
                held_out[begin:end] = True
        return ["val" if held_out[number] else "train" for number in self._numbers] if held_out.any() else []

    def read_steps(self, episode: int, names: Sequence[str], steps: NDArray[np.int64]) -> dict[str, Array]:
        """Read some steps of one episode (see `EpisodicReader.read_steps`)."""
        return self._read(int(self._numbers[episode]), names, np.asarray(steps, np.int64))

    def _read(self, number: int, names: Sequence[str], steps: NDArray[np.int64]) -> dict[str, Array]:
        """Read frames of the episode that has a number in the source."""
        bindings = [self._bindings[name] for name in names]
        features = [binding.feature for binding in bindings if binding.feature is not None]
        stored = {name for name in features if not self._is_video(name)}
        rows = self._rows(number, sorted(stored), steps) if stored and len(steps) else {}
        return {binding.column.name: self._values(number, binding, steps, rows) for binding in bindings}

    def _is_video(self, feature: str) -> bool:
        return self._info.features[feature].dtype == "video"

    def _rows(self, number: int, features: Sequence[str], steps: NDArray[np.int64]) -> dict[str, Any]:
        """Rows of the episode's table as Arrow arrays.

        Raises:
            DatasetError: the rows there are of another episode, or in another order.
        """
        path = self._table_path(number)
        first = int(self._episodes.data.first[number])
        begin, end = first + int(steps[0]), first + int(steps[-1]) + 1
        found = self._tables.read(path, [*features, "episode_index", "frame_index"], begin, end)
        with reading(path):
            expected = np.arange(begin - first, end - first)
            owner, order = found["episode_index"].to_numpy(), found["frame_index"].to_numpy()
            if (owner != number).any() or (order != expected).any():
                raise ValueError(f"its rows {begin} to {end} are not the frames of episode {number}")
            return {name: found[name].take(steps - steps[0]) for name in features}

    def _table_path(self, number: int) -> Path:
        return self._episodes.data.paths[int(self._episodes.data.file[number])]

    def _values(self, number: int, binding: Binding, steps: NDArray[np.int64], rows: dict[str, Any]) -> Array:
        column, name = binding.column, binding.feature
        if name is None or not len(steps):
            return np.zeros((len(steps), *column.shape), column.dtype)
        if self._is_video(name):
            return self._frames(number, name, column, steps)
        with reading(self._table_path(number)):
            if self._info.features[name].is_camera:
                return self._pictures(column, self._blobs(rows[name]))
            if name == TASK_INDEX:
                return self._texts(rows[name].to_pylist())
            return to_numpy(rows[name], column)

    def _texts(self, tasks: Sequence[int]) -> Array:
        if min(tasks) < 0:
            raise ValueError(f"task {min(tasks)} is none of the {len(self._tasks)} tasks")
        return np.array([self._tasks[task] for task in tasks], np.str_)

    def _frames(self, number: int, feature: str, column: Column, steps: NDArray[np.int64]) -> Array:
        shard = self._episodes.videos[feature]
        times, tolerance = shard.first[number] + steps / self._info.fps, 0.5 / self._info.fps
        path = shard.paths[int(shard.file[number])]
        return self._videos.use(path, lambda video: video.read_at(times, tolerance, column.shape))

    def _blobs(self, array: Any) -> list[bytes]:
        """The encoded pictures of a column; those that are files of their own are read."""
        found = []
        for value in array.to_pylist():
            blob = value["bytes"] if isinstance(value, dict) else value
            if blob is None:
                path = (self._root / value["path"]).absolute()
                if self._root.absolute() not in path.parents or ".." in path.parts:
                    raise ValueError(f"the picture {value['path']!r} is outside of the dataset")
                blob = path.read_bytes()
            found.append(blob)
        return found

    def _pictures(self, column: Column, blobs: Sequence[bytes]) -> Array:
        out = np.empty((len(blobs), *column.shape), np.uint8)
        kinds = [codecs.codec_of(blob) for blob in blobs]
        for kind in set(kinds):
            places = [place for place, got in enumerate(kinds) if got == kind]
            part = np.empty((len(places), *column.shape), np.uint8)
            codecs.decode(kind, [blobs[place] for place in places], part)
            out[places] = part
        return out

    def encoded(self, name: str, episode: int) -> EncodedPictures | None:
        """The pictures of an ``image`` feature as they are stored (see `Reader.encoded`)."""
        binding, number = self._bindings[name], int(self._numbers[episode])
        if binding.feature is None or self._is_video(binding.feature):
            return None
        rows = self._rows(number, [binding.feature], np.arange(self._episodes.lengths[number]))
        with reading(self._table_path(number)):
            blobs = self._blobs(rows[binding.feature])
            kinds = {codecs.codec_of(blob) for blob in blobs}
        height, width, channels = binding.column.shape
        if len(kinds) > 1:
            return None
        return EncodedPictures(codec=kinds.pop(), blobs=blobs, picture=(height, width, channels))

    def payload(self, episode: int) -> dict[str, Array]:
        """What was kept beside, and what the last frame says of a transition (see `Reader.payload`)."""
        number = int(self._numbers[episode])
        last = self._episodes.lengths[number : number + 1] - 1
        names = [name for name in TRANSITIONS if self._bindings[name].feature is not None]
        if self._own:
            names = [name for name in names if name in self._extras[number].final]
        elif VALID in self._info.features and not self._rows(number, [VALID], last)[VALID][0].as_py():
            names = []
        final = self._read(number, names, last) if names else {}
        kept = read_payload(self._root, number) if self._own else {}
        return {**kept, **{f"{FINAL}{name}": values for name, values in final.items()}}

    def files(self) -> list[Path]:
        """Every file of the dataset but hidden ones and statistics of this package."""
        folders = ("meta", "data", "videos", "images")
        found = [path for folder in folders for path in (self._root / folder).rglob("*") if path.is_file()]
        return sorted(path for path in found if not path.name.startswith("."))

    def problems(self) -> Iterator[str]:
        """Compare files with their checksums and tables with their episodes, and read everything."""
        self._tables, self._videos = Tables(self._cache_bytes), OpenVideos()  # what is on the disk counts
        for name, expected in read_checksums(self._root).items():
            try:
                with reading(self._root / name):
                    found = sha256(self._root / name)
            except DatasetError as error:
                yield str(error)
                continue
            if found != expected:
                yield (
                    f"{name} is not what was written: its checksum differs. Copy it again, or delete meta/swm if "
                    f"another tool changed the dataset on purpose."
                )
        shard = self._episodes.data
        for file, path in enumerate(shard.paths):
            try:
                rows = self._tables.num_rows(path)
            except DatasetError as error:
                yield str(error)
                continue
            expected_rows = int(self._episodes.lengths[shard.file == file].sum())
            if rows != expected_rows:
                yield f"{path.relative_to(self._root)} has {rows} rows, its episodes have {expected_rows} frames."
        yield from super().problems()
        for episode in range(len(self.index.lengths)):
            try:
                self.payload(episode)
            except DatasetError as error:
                yield f"payload of episode {episode}: {error}"
