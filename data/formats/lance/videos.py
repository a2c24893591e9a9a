"""Frames out of the table of videos: one planned read of byte ranges per batch, decoded in parallel."""

import itertools
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import DatasetError
from swm.data import videos
from swm.data.columns import Column
from swm.data.encoded import EncodedVideo, VideoCodec, VideoIndex
from swm.data.formats.lance import tables
from swm.data.location import Location

_INDEX = ["camera", "frame_offsets", "keyframes", "header"]


class VideoTable:
    """What is known of the videos of a dataset. The indices of videos are read when first used, and kept."""

    def __init__(
        self,
        location: Location,
        version: int,
        columns: Mapping[str, Column],
        cameras: Sequence[str],
        first_videos: NDArray[np.int64],
    ) -> None:
        """Describe the table; nothing is read yet.

        Args:
            location: of the dataset.
            version: of the table.
            columns: of the dataset.
            cameras: the columns that are videos, in the order of their rows within an episode.
            first_videos: shape (E,): the row of each episode's first camera.
        """
        self.location, self.version = location, version
        self._columns = columns
        self._places = {name: first_videos + number for number, name in enumerate(cameras)}
        self._indices: dict[int, VideoIndex] = {}
        self._lock = threading.Lock()

    def read(
        self,
        table: Any,
        name: str,
        episodes: NDArray[np.int64],
        frames: NDArray[np.int64],
        out: NDArray[np.uint8],
        rows: NDArray[np.int64],
    ) -> None:
        """Decode one frame per entry of `episodes` and `frames`, which are distinct together.

        Args:
            table: of the videos.
            name: the camera.
            episodes: shape (N,).
            frames: shape (N,): frame numbers within the episodes.
            out: shape (rows, height, width, channels): receives the pictures, at any size.
            rows: shape (N,): where in `out`.

        Raises:
            DatasetError: a video cannot be read.
            PictureError: bytes that are not the frames that they should be; it names the row of `out`.
        """
        places = self._places[name][episodes]
        indices = self._known(table, name, np.unique(places))
        order = np.lexsort((frames, places))
        edges = np.flatnonzero(np.diff(places[order], prepend=-1, append=-1))
        chosen = [order[begin:end] for begin, end in itertools.pairwise(edges)]
        plans = [videos.plan(indices[int(places[entries[0]])], frames[entries]) for entries in chosen]
        requests = [
            (int(places[entries[0]]), span.begin, span.end - span.begin)
            for entries, spans in zip(chosen, plans, strict=True)
            for span in spans
        ]
        parts = iter(self._fetch(table, requests))
        jobs = [
            videos.Job(
                index=indices[int(places[entries[0]])],
                frames=frames[entries],
                places=rows[entries],
                spans=spans,
                parts=[next(parts) for _ in spans],
            )
            for entries, spans in zip(chosen, plans, strict=True)
        ]
        videos.decode_jobs(jobs, out)

    def _fetch(self, table: Any, requests: list[tuple[int, int, int]]) -> list[Any]:
        with tables.translated(f"{self.location}: {len(requests)} pieces of videos cannot be read"):
            found = table.read_blob_ranges("video", requests, selector="indices") if requests else []
        if len(found) != len(requests):
            raise DatasetError(f"{self.location} is damaged: {len(requests) - len(found)} videos are missing.")
        ordered: list[Any] = [None] * len(requests)
        for number, _, content in found:
            ordered[number] = content or b""
        return ordered

    def _known(self, table: Any, name: str, places: NDArray[np.int64]) -> dict[int, VideoIndex]:
        """The indices of some videos of one camera."""
        with self._lock:
            new = [place for place in places.tolist() if place not in self._indices]
            if new:
                with tables.translated(f"{self.location}: the index of {len(new)} videos cannot be read"):
                    rows = table.take(new, columns=_INDEX).to_pylist()
                for place, row in zip(new, rows, strict=True):
                    self._indices[place] = self._index(name, place, row)
            return {place: self._indices[place] for place in places.tolist()}

    def _index(self, name: str, place: int, row: Mapping[str, Any]) -> VideoIndex:
        column = self._columns[name]
        offsets = np.array(row["frame_offsets"], np.int64)
        keyframes = np.array(row["keyframes"], np.int64)
        sound = len(offsets) > 1 and len(keyframes) and (np.diff(offsets) >= 0).all() and (np.diff(keyframes) > 0).all()
        if row["camera"] != name or not sound or keyframes[0] != 0 or keyframes[-1] >= len(offsets) - 1:
            raise DatasetError(f"{self.location} is damaged: video {place} is not one of {name!r} with sorted offsets.")
        height, width, channels = column.shape
        codec: VideoCodec = column.codec  # type: ignore[assignment]
        return VideoIndex(
            codec=codec,
            picture=(height, width, channels),
            frame_offsets=offsets,
            keyframes=keyframes,
            header=row["header"],
        )

    def encoded(self, table: Any, name: str, episode: int) -> EncodedVideo:
        """The whole video of one episode.

        Raises:
            DatasetError: it cannot be read.
        """
        place = int(self._places[name][episode])
        index = self._known(table, name, np.array([place]))[place]
        with tables.translated(f"{self.location}: the video of {name!r}, episode {episode}, cannot be read"):
            (content,) = table.read_blobs("video", indices=[place])
        blob = content[1] if isinstance(content, tuple) else content
        return EncodedVideo(**vars(index), content=bytes(blob))

    def disk_bytes(self, table: Any) -> dict[str, int]:
        """Camera -> bytes of its videos."""
        rows = table.to_table(columns=["camera", "size"]).group_by("camera").aggregate([("size", "sum")])
        sizes = dict(zip(rows["camera"].to_pylist(), rows["size_sum"].to_pylist(), strict=True))
        return {name: sizes.get(name, 0) for name in self._places}
