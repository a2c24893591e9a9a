"""Video decoders that a thread keeps from one video to the next, and their frames as pictures."""

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.data.encoded import VideoCodec, VideoIndex
from swm.data.resize import resize

_DECODERS = {"h264": "h264", "h264-lossless": "h264", "av1": "libdav1d"}

_SMALLEST = {"h264": 2, "h264-lossless": 2, "av1": 4}
"""The shortest side that an encoder takes; smaller pictures are extended."""

_KEPT = 8
"""Decoders per thread."""

_local = threading.local()


def _key(index: VideoIndex) -> tuple[str, bytes]:
    return index.codec, index.header


def _decoders() -> dict[tuple[str, bytes], tuple[Any, Any]]:
    """Those of this thread: videos that were encoded alike share one."""
    made: dict[tuple[str, bytes], tuple[Any, Any]] = _local.__dict__.setdefault("decoders", {})
    return made


def decoder_of(index: VideoIndex) -> Any:
    """This thread's decoder for such videos, and what turns its frames into RGB."""
    import av
    from av.codec.context import Flags
    from av.video.reformatter import VideoReformatter

    made, key = _decoders(), _key(index)
    if key not in made:
        while len(made) >= _KEPT:
            made.pop(next(iter(made)))
        context = av.CodecContext.create(_DECODERS[index.codec], "r")
        context.extradata, context.thread_count = index.header, 1
        context.flags |= Flags.low_delay
        context.options = {"err_detect": "explode"}
        made[key] = context, VideoReformatter()
    return made[key]


def forget(index: VideoIndex) -> None:
    """Give up the decoder for such videos, whose state nobody knows after an error."""
    _decoders().pop(_key(index), None)


def padding(codec: VideoCodec, height: int, width: int) -> tuple[int, int]:
    """Rows and columns to add, so that both sides are even and as long as the encoder wants."""
    least = _SMALLEST[codec]
    return max(least - height, height % 2), max(least - width, width % 2)


def to_picture(frame: Any, reformatter: Any, index: VideoIndex, out: NDArray[np.uint8]) -> None:
    """Copy a decoded frame into `out`, without what the encoder padded, at the size of `out`.

    Raises:
        ValueError: it is damaged, or of another size than the index says.
    """
    from av.video.reformatter import ColorRange, Interpolation

    height, width, channels = index.picture
    down, right = padding(index.codec, height, width)
    got, expected = (frame.height, frame.width), (height + down, width + right)
    if frame.is_corrupt or got != expected:
        raise ValueError(f"frame {frame.pts} is damaged, or of {got} pixels instead of {expected}")
    size, same = out.shape[:2], out.shape[:2] == (height, width)
    if not same and (down or right):
        whole = np.empty((1, *index.picture), np.uint8)
        to_picture(frame, reformatter, index, whole[0])
        out[...] = resize(whole, size)[0]
        return
    if not same or channels == 3:
        how = Interpolation.POINT
        if not same:
            how = Interpolation.AREA | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
        frame = reformatter.reformat(
            frame,
            width=None if same else size[1],
            height=None if same else size[0],
            format="rgb24" if channels == 3 else "gray",
            dst_color_range=ColorRange.JPEG,
            interpolation=how,
            threads=1,
        )
    plane = frame.planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    out.reshape(size[0], size[1] * channels)[...] = rows[: size[0], : size[1] * channels]
