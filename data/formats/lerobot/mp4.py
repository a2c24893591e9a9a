"""Frames of an MP4 by their time, and MP4 files written frame by frame."""

import os
import threading
from collections import OrderedDict
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.data.encoded import VideoCodec
from swm.data.formats.lerobot.layout import reading

_OPEN_FILES = 8
_DECODE_ON = 8
"""A frame at most so far ahead is reached by decoding on rather than by seeking."""

GROUP_SIZE = 2
"""Frames from one keyframe to the next: LeRobot's choice, for random access."""

_X264 = {"preset": "fast", "bf": "0", "forced-idr": "1", "x264-params": "mbtree=0:psy=0"}
"""Without mbtree, whose output differs from run to run, and without psy, which trades fidelity for looks."""

_ENCODERS: dict[VideoCodec, tuple[str, dict[str, str]]] = {
    "h264": ("libx264", _X264),
    "h264-lossless": ("libx264rgb", _X264),
    "av1": ("libsvtav1", {"preset": "8", "svtav1-params": "lp=1"}),
}


class Videos:
    """Open videos. Each thread has its own decoders; a forked process opens its own."""

    def __init__(self) -> None:
        """Open nothing yet."""
        self._local = threading.local()

    def read(self, path: Path, times: NDArray[np.float64], fps: float, picture: tuple[int, ...]) -> NDArray[np.uint8]:
        """Decode the frames nearest to some times.

        Args:
            path: of the file.
            times: sorted, in seconds.
            fps: frames per second; a frame is accepted within half a period of its time.
            picture: height, width and channels that are expected; of one channel, red is taken.

        Returns:
            Shape (len(times), *picture).

        Raises:
            DatasetError: the file is damaged, its pictures have another size, or a frame is missing.
        """
        if getattr(self._local, "process", None) != os.getpid():
            self._local.process, self._local.files = os.getpid(), OrderedDict()
        files = self._local.files
        with reading(path):
            out = np.empty((len(times), *picture), np.uint8)
            video = files.pop(path, None) or _Video(path)
            for index, time in enumerate(times.tolist()):
                out[index] = video.frame(time, fps, picture)[..., : picture[2]]
            files[path] = video
            if len(files) > _OPEN_FILES:
                files.popitem(last=False)[1].container.close()
        return out


class _Video:
    """One open video and the frame that it stands at."""

    def __init__(self, path: Path) -> None:
        import av

        self.container = av.open(os.fspath(path), mode="r")
        self.stream: Any = self.container.streams.video[0]
        self.stream.codec_context.thread_count = 1
        self.stream.codec_context.options = {"err_detect": "explode"}
        self.frames: Any = None
        self.current: Any = None

    def frame(self, time: float, fps: float, picture: tuple[int, ...]) -> NDArray[np.uint8]:
        """The frame within half a period of `time`, shape (height, width, 3)."""
        half = 0.5 / fps
        at = None if self.current is None else float(self.current.time)
        if at is None or not at - half <= time <= at + _DECODE_ON / fps:
            self._seek(time)
        found = self._advance(time - half)
        if found is not None and found.time > time + half:
            self.container.seek(0, stream=self.stream)
            self._restart()
            found = self._advance(time - half)
        if found is None or found.time > time + half:
            raise ValueError(f"it has no frame at {time:.6f} s")
        if (found.height, found.width) != picture[:2]:
            raise ValueError(f"its pictures are {found.height} x {found.width}, not {picture[0]} x {picture[1]}")
        return np.asarray(found.to_ndarray(format="rgb24"), np.uint8)

    def _seek(self, time: float) -> None:
        ticks = max(int(time / self.stream.time_base), 0)
        self.container.seek(ticks, stream=self.stream, backward=True)
        self._restart()

    def _restart(self) -> None:
        self.frames, self.current = self.container.decode(self.stream), None

    def _advance(self, earliest: float) -> Any:
        """Decode on until a frame at `earliest` or later; None at the end."""
        while self.current is None or self.current.time < earliest:
            self.current = next(self.frames, None)
            if self.current is None:
                return None
        return self.current


class VideoSink:
    """One MP4 that is being written, at constant fps and with its index in front."""

    def __init__(self, path: Path, picture: tuple[int, ...], codec: VideoCodec, fps: int, crf: int) -> None:
        """Open the file and the encoder.

        Args:
            path: its folder must exist.
            picture: height, width and channels; one channel is written as three equal ones.
            codec: of the pictures.
            fps: frames per second.
            crf: constant rate factor of the lossy codecs.
        """
        import av

        os.environ.setdefault("SVT_LOG", "1")  # errors alone: the AV1 encoder prints its settings otherwise
        name, options = _ENCODERS[codec]
        self.frames, self.bytes, self._tick = 0, 0, Fraction(1, fps)
        self._container = av.open(os.fspath(path), "w", format="mp4", options={"movflags": "+faststart"})
        quality = "0" if codec == "h264-lossless" else str(crf)
        options = {**options, "crf": quality, "g": str(GROUP_SIZE)}
        stream: Any = self._container.add_stream(name, rate=fps, options=options)
        self._stream = stream
        stream.height, stream.width, _ = picture
        stream.pix_fmt = "rgb24" if codec == "h264-lossless" else pixel_format(codec, picture)

    def write(self, pictures: NDArray[np.uint8]) -> None:
        """Append pictures, shape (N, height, width, 1 or 3); the first becomes a keyframe."""
        import av

        for index, picture in enumerate(pictures):
            colors = np.ascontiguousarray(np.broadcast_to(picture, (*picture.shape[:2], 3)))
            frame = av.VideoFrame.from_ndarray(colors, format="rgb24")
            frame.pts, frame.time_base = self.frames, self._tick
            if index == 0:
                frame.pict_type = av.video.frame.PictureType.I
            self._mux(frame)
            self.frames += 1

    def _mux(self, frame: Any) -> None:
        for packet in self._stream.encode(frame):
            self.bytes += packet.size
            self._container.mux(packet)

    def close(self) -> None:
        """Finish the file."""
        self._mux(None)
        self._container.close()

    def discard(self) -> None:
        """Release the encoder and the file, which is not to be kept."""
        self._container.close()


def pixel_format(codec: VideoCodec, picture: tuple[int, ...]) -> str:
    """What is stored: planar RGB if lossless, else 4:2:0, or 4:4:4 where sides are odd."""
    if codec == "h264-lossless":
        return "gbrp"
    odd = picture[0] % 2 or picture[1] % 2
    return "yuv444p" if odd and codec == "h264" else "yuv420p"
