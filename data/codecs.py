"""Pictures to bytes and back, on a few threads.

JPEG goes through libjpeg-turbo (simplejpeg); PNG through PyAV, which is
several times faster than Pillow on small pictures. Both release the interpreter lock.
"""

import functools
import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.data.encoded import Codec

Picture = NDArray[np.uint8]
"""Shape (height, width, channels), 1 or 3 channels."""

_CHUNK = 32
"""Fewest pictures worth a thread's attention."""

_JPEG_EIGHTHS = (1, 2, 3, 4, 8)
"""Scales at which libjpeg decodes, in eighths; at 5, 6 and 7 it takes longer than for the whole picture."""

_local = threading.local()


class PictureError(ValueError):
    """Bytes that are not the expected picture."""

    def __init__(self, index: int, reason: object) -> None:
        """Remember which of the pictures it was."""
        super().__init__(str(reason))
        self.index = index


def encode(codec: str, pictures: NDArray[np.uint8], quality: int, chroma: str = "4:4:4") -> list[bytes]:
    """Encode N pictures of shape (N, height, width, 1 or 3).

    Args:
        codec: how.
        pictures: C-contiguous.
        quality: of JPEG, 1 to 100; ignored by the lossless codecs.
        chroma: of JPEG, ``"4:4:4"`` or ``"4:2:0"``.
    """
    encode_one = _ENCODERS[codec]
    if chroma != "4:4:4" and codec == "jpeg":
        encode_one = functools.partial(_encode_jpeg, subsampling=chroma.replace(":", ""))

    def run(begin: int, end: int) -> list[bytes]:
        return [encode_one(picture, quality) for picture in pictures[begin:end]]

    return [blob for part in in_parallel(run, len(pictures)) for blob in part]


def decode(
    codec: str,
    blobs: Sequence[Any],
    out: Sequence[Any] | NDArray[np.uint8],
    picture: tuple[int, int, int] | None = None,
) -> None:
    """Decode N pictures into `out`: N arrays, or one, of shape (height, width, 1 or 3) each.

    Args:
        codec: of the pictures.
        blobs: N encoded pictures.
        out: receives them.
        picture: height, width and channels as they are stored, if `out` is of their `reduced_size`.

    Raises:
        PictureError: bytes that are no picture of that shape.
    """
    decode_one = _DECODERS[codec]
    if picture is not None and len(out) and picture != out[0].shape:
        decode_one = functools.partial(_decode_reduced_jpeg, picture=picture)

    def run(begin: int, end: int) -> None:
        for index in range(begin, end):
            try:
                decode_one(blobs[index], out[index])
            except Exception as error:  # each codec has errors of its own
                raise PictureError(index, error) from error

    in_parallel(run, len(out))


def reduced_size(codec: str, picture: tuple[int, int, int], size: tuple[int, int]) -> tuple[int, int]:
    """Height and width, no smaller than `size`, to which pictures are decoded with less work than whole.

    Args:
        codec: of the pictures; all but JPEG are decoded whole, and JPEG too if its sides are no multiples of 8.
        picture: height, width and channels as they are stored.
        size: height and width that are wanted.
    """
    height, width = picture[:2]
    for eighths in _JPEG_EIGHTHS if codec == "jpeg" and not (height % 8 or width % 8) else ():
        if height * eighths >= 8 * size[0] and width * eighths >= 8 * size[1]:
            return height * eighths // 8, width * eighths // 8
    return height, width


def codec_of(blob: bytes) -> Codec:
    """How a picture from elsewhere is encoded, by its first bytes.

    Raises:
        ValueError: it is neither PNG nor JPEG.
    """
    if blob.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if blob.startswith(b"\xff\xd8"):
        return "jpeg"
    raise ValueError("a picture is neither PNG nor JPEG")


def shape_of(blob: bytes) -> tuple[int, int, int]:
    """Height, width and channels of a picture from elsewhere, by its header.

    Raises:
        ValueError: it is neither PNG nor JPEG, or has more than 8 bits per channel.
    """
    if codec_of(blob) == "jpeg":
        import simplejpeg

        height, width, colors, _ = simplejpeg.decode_jpeg_header(blob)
        return int(height), int(width), 1 if colors == "Gray" else 3
    if len(blob) < 26:
        raise ValueError(f"the {len(blob)} bytes of a PNG end in its header")
    if blob[24] > 8:
        raise ValueError(f"a PNG has {blob[24]} bits per channel, pictures have 8")
    return int.from_bytes(blob[20:24], "big"), int.from_bytes(blob[16:20], "big"), 1 if blob[25] == 0 else 3


def in_parallel(run: Callable[[int, int], Any], count: int, chunk: int = _CHUNK) -> list[Any]:
    """Call ``run(begin, end)`` over ranges of `chunk` or more that cover ``range(count)``; results in order."""
    workers = min(_threads(), count // chunk)
    if workers < 2:
        return [run(0, count)]
    edges = [count * part // workers for part in range(workers + 1)]
    return list(_pool(os.getpid()).map(run, edges[:-1], edges[1:]))


def _threads() -> int:
    """As many as there are cores, or one in a child process, whose siblings use the others."""
    return 1 if multiprocessing.parent_process() else min(8, os.cpu_count() or 1)


@functools.lru_cache(maxsize=1)
def _pool(process: int) -> ThreadPoolExecutor:
    """The threads of this process: a forked child makes its own."""
    return ThreadPoolExecutor(_threads(), thread_name_prefix="swm-codec")


def _encode_jpeg(picture: Picture, quality: int, subsampling: str = "444") -> bytes:
    import simplejpeg

    if picture.shape[2] == 1:
        return bytes(simplejpeg.encode_jpeg(picture, quality, "GRAY", "Gray"))
    return bytes(simplejpeg.encode_jpeg(picture, quality, "RGB", subsampling))


def _decode_jpeg(blob: Any, out: Picture) -> None:
    import simplejpeg

    decoded = simplejpeg.decode_jpeg(blob, "GRAY" if out.shape[2] == 1 else "RGB", buffer=out)
    _check_shape(decoded.shape, out.shape)


def _decode_reduced_jpeg(blob: Any, out: Picture, *, picture: tuple[int, int, int]) -> None:
    import simplejpeg

    _check_shape(simplejpeg.decode_jpeg_header(blob)[:2], picture[:2])
    colors, (height, width) = "GRAY" if out.shape[2] == 1 else "RGB", out.shape[:2]
    decoded = simplejpeg.decode_jpeg(blob, colors, min_height=height, min_width=width, buffer=out)
    _check_shape(decoded.shape, out.shape)


def _encode_png(picture: Picture, quality: int) -> bytes:
    import av

    height, width, channels = picture.shape
    kind = "gray" if channels == 1 else "rgb24"
    frame = av.VideoFrame.from_ndarray(picture[:, :, 0] if channels == 1 else picture, format=kind)
    return b"".join(bytes(packet) for packet in _png_encoder(height, width, kind).encode(frame))


def _png_encoder(height: int, width: int, kind: str) -> Any:
    import av

    made: dict[tuple[int, int, str], Any] = _local.__dict__.setdefault("encoders", {})
    key = (height, width, kind)
    if key not in made:
        context = av.CodecContext.create("png", "w")
        context.height, context.width, context.pix_fmt = height, width, kind
        context.time_base, context.thread_count = Fraction(1, 1), 1
        context.options = {"compression_level": "1", "pred": "none"}
        made[key] = context
    return made[key]


def _decode_png(blob: Any, out: Picture) -> None:
    import av

    decoder: Any = _local.__dict__.get("decoder")
    if decoder is None:
        decoder = _local.decoder = av.CodecContext.create("png", "r")
        decoder.thread_count = 1
    if not len(blob):  # FFmpeg would take it for the end of everything
        raise ValueError("a PNG picture of no bytes")
    packet = av.Packet(blob)
    packet.is_keyframe = True  # or FFmpeg takes the picture for a difference to the one before
    try:
        frames = decoder.decode(packet)
    except av.FFmpegError as error:
        raise ValueError(f"not a PNG picture: {error}") from error
    if len(frames) != 1:
        raise ValueError("not a PNG picture")
    picture = frames[0].to_ndarray(format="gray" if out.shape[2] == 1 else "rgb24")
    _check_shape(picture.shape, out.shape[: picture.ndim])
    out[...] = picture.reshape(out.shape)


def _encode_raw(picture: Picture, quality: int) -> bytes:
    return picture.tobytes()


def _decode_raw(blob: Any, out: Picture) -> None:
    out[...] = np.frombuffer(blob, np.uint8).reshape(out.shape)


def _check_shape(got: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if got != expected:
        raise ValueError(f"the picture has shape {got} instead of {expected}")


_ENCODERS: dict[str, Callable[[Picture, int], bytes]] = {
    "jpeg": _encode_jpeg,
    "png": _encode_png,
    "raw": _encode_raw,
}
_DECODERS: dict[str, Callable[[Any, Picture], None]] = {
    "jpeg": _decode_jpeg,
    "png": _decode_png,
    "raw": _decode_raw,
}
