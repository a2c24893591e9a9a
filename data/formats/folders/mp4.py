"""A folder with one MP4 file per episode and camera.

```
dataset.json                          columns, episodes, provenance
columns/episode_000000.npz            every column that is no picture, and the payload
videos/<camera>/episode_000000.mp4    a keyframe every 8 frames, no B-frames
```
"""

import contextlib
import functools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import DatasetError
from swm.data import videos
from swm.data.codecs import PictureError
from swm.data.columns import Column
from swm.data.encoded import EncodedVideo, VideoCodec, VideoIndex, as_array
from swm.data.formats.episodic import runs_of
from swm.data.formats.folders.manifest import MANIFEST, is_of
from swm.data.formats.folders.reader import Files, FolderReader
from swm.data.formats.folders.writer import FolderWriter
from swm.data.formats.foreign_video import OpenVideos, VideoFile, opened
from swm.data.location import Location
from swm.data.resize import resize

_CODECS: dict[str, VideoCodec] = {"h264": "h264", "av1": "av1", "libdav1d": "av1"}
"""Decoders whose videos need no container, if their frames are in order."""


def detect(path: Path) -> bool:
    """Whether `path` holds a dataset of this format, or bare MP4 files."""
    return path.is_dir() and (is_of(path, "mp4") or (not (path / MANIFEST).exists() and any(path.glob("*.mp4"))))


def natural_order(path: Path) -> list[Any]:
    """Sorts names so that 10 comes after 9."""
    return [int(part) if place % 2 else part for place, part in enumerate(re.split(r"(\d+)", path.name))]


class Mp4Reader(FolderReader):
    """Random access to frames of MP4 files (see `FolderReader`).

    In a bare folder each ``<name>.mp4`` is one episode, in natural order, and ``<name>.npz`` or
    ``<name>.parquet`` beside it has its other columns. Any codec that FFmpeg decodes will do;
    H.264 and AV1 without B-frames are as fast as our own files.
    """

    kind = "mp4"
    codecs = ("h264", "h264-lossless", "av1")

    def __init__(self, location: Location, version: int | None, cache_bytes: int) -> None:
        """Read ``dataset.json``, or look at what a bare folder holds (see `FolderReader`)."""
        self._videos = OpenVideos()
        super().__init__(location, version, cache_bytes)

    @staticmethod
    def beside(root: Path, episode: str) -> Path:
        """The other columns of one episode."""
        return root / "columns" / f"{episode}.npz"

    @staticmethod
    def place(root: Path, episode: str, column: Column) -> Path:
        """The video of one camera and episode."""
        return root / "videos" / column.stored_name / f"{episode}.mp4"

    def scan(self, root: Path) -> list[Files]:
        """Every MP4 file, in natural order (see `FolderReader.scan`)."""
        found = []
        for video in sorted(root.glob("*.mp4"), key=natural_order):
            beside = [file for suffix in (".npz", ".parquet") if (file := video.with_suffix(suffix)).is_file()]
            found.append(Files(beside[0] if beside else None, {"pixels": video}))
        if not found:
            raise DatasetError(f"{root} has neither {MANIFEST} nor MP4 files. Give the folder that holds them.")
        return found

    def measure(self, name: str, place: Path) -> tuple[int, Column]:
        """Look at a video from elsewhere (see `FolderReader.measure`)."""
        codec, picture, count, _ = _inspect(place)
        return count, Column(name=name, dtype="uint8", shape=picture, role="observation", codec=codec)

    def _index(self, name: str, episode: int) -> VideoIndex | None:
        """Where the frames of a video are; None if they can only be found by their time."""
        file, column = self._files(episode).pictures[name], self.columns[name]

        def make() -> tuple[VideoIndex | None, int]:
            if self._manifest is None:
                index = _inspect(file)[3]
                return index, 512 + (0 if index is None else index.frame_offsets.nbytes)
            height, width, channels = column.shape
            assert column.codec in ("h264", "h264-lossless", "av1")
            try:
                with file.open("rb") as stream:
                    own = videos.read_index(stream, column.codec, (height, width, channels))
            except (OSError, PictureError) as error:
                raise DatasetError(f"{file} cannot be read: {error}. Restore it from a copy.") from error
            if len(own) != self.index.lengths[episode] + 1:
                raise DatasetError(
                    f"{file} has {len(own)} frames, expected {self.index.lengths[episode] + 1}. Restore it from a copy."
                )
            return own, own.frame_offsets.nbytes + 512

        found: VideoIndex | None = self._cache.get((name, episode), make)
        return found

    def read_pictures(
        self, name: str, episodes: NDArray[np.int64], steps: NDArray[np.int64], size: tuple[int, int] | None
    ) -> NDArray[np.uint8]:
        """Decode frames (see `FolderReader.read_pictures`)."""
        shape = self.columns[name].shape
        out = np.empty((len(steps), *(size or shape[:2]), shape[2]), np.uint8)
        order = np.lexsort((steps, episodes))
        jobs = []
        for episode, here in runs_of(episodes[order]):
            places = order[here]
            frames = steps[places]
            index, file = self._index(name, episode), self._files(episode).pictures[name]
            try:
                if index is None:
                    pictures = self._videos.use(file, functools.partial(VideoFile.read, frames=frames, picture=shape))
                    out[places] = pictures if size is None else resize(pictures, size)
                    continue
                spans = videos.plan(index, frames)
                parts = _read_spans(file, spans)
            except OSError as error:
                raise DatasetError(f"{file} cannot be read: {error}. Restore it from a copy.") from error
            jobs.append(videos.Job(index=index, frames=frames, places=places, spans=spans, parts=parts))
        try:
            videos.decode_jobs(jobs, out)
        except PictureError as error:
            raise self.failure(name, int(episodes[error.index]), int(steps[error.index]), error) from error
        return out

    def encoded(self, name: str, episode: int) -> EncodedVideo | None:
        """The file of one camera and episode (see `Reader.encoded`)."""
        index = self._index(name, episode)
        if index is None:
            return None
        return EncodedVideo(**vars(index), content=b"".join(self.blobs(episode, name)))

    def blobs(self, episode: int, name: str) -> Iterator[bytes]:
        """The content of the video (see `FolderReader.blobs`)."""
        yield self._files(episode).pictures[name].read_bytes()

    def problems(self) -> Iterator[str]:
        """Look at the files anew, and decode and compare everything (see `FolderReader.problems`)."""
        self._videos = OpenVideos()
        return super().problems()


class Mp4Writer(FolderWriter):
    """Writes one MP4 per episode and camera (see `FolderWriter`).

    Pictures named ``pixels`` or ``pixels.<view>`` have the codec that was asked for, others are
    stored with ``"h264-lossless"``. An `EncodedVideo` of that codec is written as it is.
    """

    reader = Mp4Reader
    lossless = "h264-lossless"

    def save(self, place: Path, column: Column, pictures: Any) -> Sequence[Any]:
        """Write one video (see `FolderWriter.save`)."""
        assert column.codec in ("h264", "h264-lossless", "av1")
        video = pictures
        if not isinstance(video, EncodedVideo) or video.codec != column.codec:
            video = videos.encode(as_array(pictures), column.codec, fps=self._options.fps, crf=self._options.crf)
        place.write_bytes(video.content)
        return [video.content]


def _read_spans(file: Path, spans: Sequence[videos.Span]) -> list[bytes]:
    parts = []
    with file.open("rb") as stream:
        for span in spans:
            stream.seek(span.begin)
            parts.append(stream.read(span.end - span.begin))
    return parts


def _inspect(file: Path) -> tuple[VideoCodec, tuple[int, int, int], int, VideoIndex | None]:
    """Codec, picture shape and number of frames of a video from elsewhere, and its index if they are in order.

    Raises:
        DatasetError: it is no MP4 file, or has no video.
    """
    with opened(file, file) as video:
        stream, picture = video.stream, video.picture
        codec = _CODECS.get(stream.codec_context.name)
        simple = stream.pix_fmt in ("yuv420p", "yuvj420p") and not picture[0] % 2 and not picture[1] % 2
        with file.open("rb") as content:
            videos.check_boxes(content)
            if codec is not None and simple and (video.times == video.stored_times).all():
                with contextlib.suppress(PictureError):  # its frames lie between other things
                    return codec, picture, len(video.times), videos.read_index(content, codec, picture)
        return codec or "h264", picture, len(video.times), None
