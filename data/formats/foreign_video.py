"""Frames of videos from elsewhere: whatever FFmpeg decodes, found by their time or their number."""

import contextlib
import functools
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import DatasetError

Pictures = NDArray[np.uint8]

_OPEN_FILES = 8
_DECODE_ON = 8
"""A keyframe at most so many frames ahead is reached by decoding on rather than by seeking."""


class VideoFile:
    """One open video and the frame that it stands at; for one thread. What PyAV raises passes through."""

    def __init__(self, source: Path | BinaryIO) -> None:
        """Open the first video stream of a file.

        Raises:
            ValueError: no decoder is known.
            IndexError: there is no video in it.
        """
        import av

        self._container = av.open(os.fspath(source) if isinstance(source, Path) else source, "r")
        self.stream: Any = self._container.streams.video[0]
        if self.stream.codec_context is None:
            raise ValueError("no decoder for its video is known")
        self.stream.codec_context.thread_count = 1
        self.stream.codec_context.options = {"err_detect": "explode"}
        self._frames: Any = None
        self._current: Any = None

    def close(self) -> None:
        """Release the file."""
        self._container.close()

    @property
    def picture(self) -> tuple[int, int, int]:
        """Height, width and channels of a frame."""
        return self.stream.height, self.stream.width, 3

    @functools.cached_property
    def stored_times(self) -> NDArray[np.int64]:
        """The time of each frame in the order in which they are stored, in the stream's own unit."""
        self._current = None
        self._container.seek(self._begin, stream=self.stream)
        return np.array([packet.pts for packet in self._container.demux(self.stream) if packet.size], np.int64)

    @functools.cached_property
    def times(self) -> NDArray[np.int64]:
        """The time of each frame in the order of playing.

        Raises:
            ValueError: two frames have the same.
        """
        times = np.unique(self.stored_times)
        if len(times) != len(self.stored_times):
            raise ValueError("two frames have the same time")
        return times

    def read(self, frames: NDArray[np.int64], picture: tuple[int, ...]) -> Pictures:
        """Decode the frames of some numbers.

        Args:
            frames: sorted distinct numbers in the order of playing.
            picture: height, width and channels that are expected; of one channel, red is taken.

        Returns:
            Shape (len(frames), *picture).

        Raises:
            ValueError: it has fewer frames, or others.
        """
        if len(frames) and frames[-1] >= len(self.times):
            raise ValueError(f"it has {len(self.times)} frames, frame {frames[-1]} was asked for")
        return self._read(self.times[frames], 0, picture)

    def read_at(self, seconds: NDArray[np.float64], tolerance: float, picture: tuple[int, ...]) -> Pictures:
        """Decode the frames at some sorted times, each accepted within a tolerance in seconds (see `read`)."""
        unit = float(self.stream.time_base)
        return self._read(seconds / unit, tolerance / unit, picture)

    def _read(self, times: NDArray[Any], tolerance: float, picture: tuple[int, ...]) -> Pictures:
        out = np.empty((len(times), *picture), np.uint8)
        for index, time in enumerate(times.tolist()):
            frame = self._find(time, tolerance)
            if (frame.height, frame.width) != picture[:2]:
                raise ValueError(f"its pictures are {frame.height} x {frame.width}, not {picture[0]} x {picture[1]}")
            out[index] = frame.to_ndarray(format="rgb24")[..., : picture[2]]
        return out

    def _find(self, time: float, tolerance: float) -> Any:
        """The frame within a tolerance of a time, in the stream's own unit."""
        if self._current is None or time < self._current.pts - tolerance or self._is_far(time):
            self._seek(int(time))
        found = self._advance(time - tolerance)
        if found is not None and found.pts > time + tolerance:  # the keyframe that was sought plays later
            self._seek(self._begin)
            found = self._advance(time - tolerance)
        if found is None or found.pts > time + tolerance:
            raise ValueError(f"it has no frame at {float(time * self.stream.time_base):.6f} s")
        return found

    @property
    def _begin(self) -> int:
        return min(self.stream.start_time or 0, 0)

    def _is_far(self, time: float) -> bool:
        """Whether a keyframe between here and there is worth a jump."""
        stored = self.stream.index_entries
        here = stored.search_timestamp(self._current.pts, any_frame=True)
        return bool(stored.search_timestamp(int(time)) > here + _DECODE_ON)

    def _seek(self, time: int) -> None:
        self._container.seek(time, stream=self.stream, backward=True)
        self._frames, self._current = self._container.decode(self.stream), None

    def _advance(self, earliest: float) -> Any:
        """Decode on until a frame at `earliest` or later; None at the end."""
        while self._current is None or self._current.pts < earliest:
            self._current = next(self._frames, None)
            if self._current is None:
                return None
        return self._current


@contextlib.contextmanager
def opened(source: Path | BinaryIO, where: object) -> Iterator[VideoFile]:
    """Open a video for one use (see `guard`)."""
    with guard(where), contextlib.closing(VideoFile(source)) as video:
        yield video


@contextlib.contextmanager
def guard(where: object) -> Iterator[None]:
    """Turn what PyAV raises over a file that is missing, damaged or no video into a `DatasetError`."""
    import av

    try:
        yield
    except (av.FFmpegError, OSError, ValueError, IndexError, TypeError) as error:
        raise DatasetError(f"{where} cannot be read as a video: {error}. Restore it from a copy.") from error


class OpenVideos:
    """The videos that were used last, kept open. Each thread has its own; a forked process opens its own."""

    def __init__(self) -> None:
        """Open nothing yet."""
        self._local = threading.local()

    def use(self, path: Path, read: Callable[[VideoFile], Pictures]) -> Pictures:
        """Read from the video in a file.

        Raises:
            DatasetError: the file is damaged, or not what `read` expects.
        """
        if getattr(self._local, "process", None) != os.getpid():
            self._local.process, self._local.files = os.getpid(), OrderedDict()
        files = self._local.files
        with guard(path):
            video = files.pop(path, None) or VideoFile(path)
            pictures = read(video)  # after an error nobody knows where it stands: it is not kept
            files[path] = video
            if len(files) > _OPEN_FILES:
                files.popitem(last=False)[1].close()
        return pictures
