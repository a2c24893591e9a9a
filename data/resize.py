"""Pictures of another size."""

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import InvalidValueError
from swm.data import codecs

_local = threading.local()


def resize(pictures: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resample N pictures on a few threads, averaging over areas where they shrink.

    Args:
        pictures: shape (N, height, width, 1 or 3), uint8.
        size: height and width of the result: theirs, or at least 2.

    Returns:
        Shape (N, *size, channels); each value is within 1 of the exact mean over its area.

    Raises:
        InvalidValueError: a side of another size is shorter than 2.
    """
    if pictures.shape[1:3] == tuple(size):
        return pictures
    if min(size) < 2:
        raise InvalidValueError(f"pictures are resized to sides of 2 or more, got {tuple(size)!r}.")
    out = np.empty((len(pictures), *size, pictures.shape[3]), np.uint8)

    def run(begin: int, end: int) -> None:
        for index in range(begin, end):
            _resize_one(pictures[index], out[index])

    codecs.in_parallel(run, len(pictures))
    return out


def decode_resized(
    codec: str, blobs: Sequence[Any], picture: tuple[int, int, int], size: tuple[int, int]
) -> NDArray[np.uint8]:
    """Decode N pictures to another size.

    A JPEG is decoded at the smallest cheap scale that is no smaller than `size`, which skips most of
    the work for small pictures, and resampled from there.

    Args:
        codec: of the pictures.
        blobs: N encoded pictures.
        picture: height, width and channels as they are stored.
        size: height and width of the result.

    Raises:
        PictureError: bytes that are no picture of that shape.
    """
    out = np.empty((len(blobs), *codecs.reduced_size(codec, picture, size), picture[2]), np.uint8)
    codecs.decode(codec, blobs, out, picture)
    return resize(out, size)


def _resize_one(picture: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    import av
    from av.video.reformatter import Interpolation, VideoReformatter

    reformatter: Any = _local.__dict__.get("reformatter")
    if reformatter is None:
        reformatter = _local.reformatter = VideoReformatter()
        # without these, FFmpeg drops every other column of colour and rounds carelessly
        exact = Interpolation.FULL_CHR_H_INP | Interpolation.FULL_CHR_H_INT | Interpolation.ACCURATE_RND
        _local.method = Interpolation.AREA | exact
    is_gray = picture.shape[2] == 1
    picture = np.ascontiguousarray(picture[:, :, 0] if is_gray else picture)
    frame = av.VideoFrame.from_ndarray(picture, format="gray" if is_gray else "rgb24")
    height, width = out.shape[:2]
    small = reformatter.reformat(frame, width=width, height=height, interpolation=_local.method, threads=1)
    out[...] = small.to_ndarray().reshape(out.shape)
