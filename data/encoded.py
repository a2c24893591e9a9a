"""Pictures of one episode as they are stored: they move between datasets without being decoded."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Codec = Literal["jpeg", "png", "raw"]
"""How a picture is stored: lossy JPEG, lossless PNG, or its bytes as they are."""

VideoCodec = Literal["h264", "h264-lossless", "av1"]
"""How the pictures of one episode are stored together: lossy H.264 or AV1, or H.264 that loses nothing."""


@dataclass(frozen=True, kw_only=True, eq=False)
class EncodedPictures:
    """N encoded pictures, one byte string each."""

    codec: Codec
    blobs: Sequence[Any]
    """N bytes-like objects."""
    picture: tuple[int, int, int]
    """Height, width, channels."""

    dtype = np.dtype(np.uint8)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """That of the decoded pictures, (N, height, width, channels)."""
        return (len(self.blobs), *self.picture)

    @property
    def ndim(self) -> int:
        """Always 4."""
        return 4

    def __len__(self) -> int:
        return len(self.blobs)

    def decode(self) -> NDArray[np.uint8]:
        """The pictures, shape `shape`.

        Raises:
            PictureError: bytes that are no such picture.
        """
        from swm.data import codecs

        out = np.empty(self.shape, np.uint8)
        codecs.decode(self.codec, self.blobs, out)
        return out


@dataclass(frozen=True, kw_only=True, eq=False)
class VideoIndex:
    """What must be known of a video of N pictures to decode any of them from a few of its bytes."""

    codec: VideoCodec
    picture: tuple[int, int, int]
    """Height, width, channels."""
    frame_offsets: NDArray[np.int64]
    """Shape (N + 1,): frame i is in bytes ``frame_offsets[i]:frame_offsets[i + 1]`` of the file."""
    keyframes: NDArray[np.int64]
    """Sorted frame numbers at which decoding may begin; the first is 0."""
    header: bytes
    """What the decoder must know before the first frame (the codec's extradata)."""

    def __len__(self) -> int:
        return len(self.frame_offsets) - 1


@dataclass(frozen=True, kw_only=True, eq=False)
class EncodedVideo(VideoIndex):
    """N pictures as one video whose groups of pictures can be decoded alone."""

    content: bytes
    """A complete MP4 file."""

    dtype = np.dtype(np.uint8)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """That of the decoded pictures, (N, height, width, channels)."""
        return (len(self), *self.picture)

    @property
    def ndim(self) -> int:
        """Always 4."""
        return 4

    def decode(self) -> NDArray[np.uint8]:
        """The pictures, shape `shape`.

        Raises:
            PictureError: bytes that are no such video.
        """
        from swm.data import videos

        return videos.decode(self)


def as_array(pictures: Any) -> NDArray[Any]:
    """The pictures of an episode as an array, whether they come as one or encoded.

    Raises:
        PictureError: bytes that are no such pictures.
    """
    found: NDArray[Any] = pictures.decode() if isinstance(pictures, EncodedPictures | EncodedVideo) else pictures
    return found
