"""MP4 files written frame by frame."""

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.data.encoded import VideoCodec

GROUP_SIZE = 2
"""Frames from one keyframe to the next: LeRobot's choice, for random access."""

_X264 = {"preset": "fast", "bf": "0", "forced-idr": "1", "x264-params": "mbtree=0:psy=0"}
"""Without mbtree, whose output differs from run to run, and without psy, which trades fidelity for looks."""

_ENCODERS: dict[VideoCodec, tuple[str, dict[str, str]]] = {
    "h264": ("libx264", _X264),
    "h264-lossless": ("libx264rgb", _X264),
    "av1": ("libsvtav1", {"preset": "8", "svtav1-params": "lp=1"}),
}


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
