"""Single frames out of MP4 files that others wrote."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import DatasetError


def frame_shape(source: str | BinaryIO, where: str) -> tuple[int, int, int]:
    """Height, width and channels of a video's frames.

    Args:
        source: a path or a seekable binary file.
        where: for messages.

    Raises:
        DatasetError: it is no video.
    """
    with _opened(source, where) as (_, stream):
        return stream.height, stream.width, 3


def decode_frames(source: str | BinaryIO, frames: NDArray[np.int64], where: str) -> NDArray[np.uint8]:
    """Decode some frames, from the keyframe before them on.

    Args:
        source: a path or a seekable binary file.
        frames: sorted distinct frame numbers, in the order of presentation.
        where: for messages.

    Returns:
        Shape (len(frames), height, width, 3).

    Raises:
        DatasetError: it is no video, or has fewer frames.
    """
    with _opened(source, where) as (container, stream):
        times = np.array(sorted(packet.pts for packet in container.demux(stream) if packet.pts is not None), np.int64)
        if len(frames) and frames[-1] >= len(times):
            raise DatasetError(f"{where}: the video has {len(times)} frames, frame {frames[-1]} was asked for.")
        wanted = {int(times[frame]): place for place, frame in enumerate(frames)}
        out = np.empty((len(frames), stream.height, stream.width, 3), np.uint8)
        if wanted:
            container.seek(min(wanted), stream=stream, backward=True)
            for frame in container.decode(stream):
                place = wanted.pop(frame.pts, None)
                if place is not None:
                    out[place] = frame.to_ndarray(format="rgb24")
                if not wanted:
                    break
        if wanted:
            raise DatasetError(f"{where}: {len(wanted)} frames of the video cannot be decoded.")
        return out


@contextmanager
def _opened(source: str | BinaryIO, where: str) -> Iterator[tuple[Any, Any]]:
    """Open the first video stream; whatever PyAV raises becomes a `DatasetError`."""
    import av

    try:
        with av.open(source) as container:
            if not container.streams.video:
                raise DatasetError(f"{where}: the file has no video stream.")
            stream = container.streams.video[0]
            stream.thread_count = 1
            yield container, stream
    except (av.FFmpegError, ValueError, OSError) as error:
        raise DatasetError(f"{where}: the video cannot be read ({error}). Copy the file again.") from error
