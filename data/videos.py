"""Pictures of an episode to H.264 or AV1 and back, from any group of pictures.

A video is a complete MP4 file whose groups of `GOP` pictures are closed and hold no picture out of
order, so a frame needs the bytes from the keyframe before it to its own, and no others. They go
straight to a decoder: no container is opened to read.

Lossy video is 4:2:0 with BT.601 coefficients over the full range of 0 to 255, and says so in its
header. Each of its chroma values is the mean of the four pixels that it is given back to, which is
the best that 4:2:0 can do and the fastest to undo.
"""

import io
import itertools
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from swm.data import codecs
from swm.data.codecs import PictureError
from swm.data.encoded import EncodedVideo, VideoCodec, VideoIndex
from swm.data.resize import resize

GOP = 8
"""Pictures per group: one is complete, the others are differences to the one before."""

_ENCODERS = {"h264": "libx264", "h264-lossless": "libx264", "av1": "libsvtav1"}
_DECODERS = {"h264": "h264", "h264-lossless": "h264", "av1": "libdav1d"}

_SMALLEST = {"h264": 2, "h264-lossless": 2, "av1": 4}
"""The shortest side that an encoder takes; smaller pictures are extended."""

_KEPT_DECODERS = 8

_local = threading.local()


class Span(NamedTuple):
    """Frames ``first:stop`` of a video, which are its bytes ``begin:end``; the first is a keyframe."""

    first: int
    stop: int
    begin: int
    end: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Job:
    """Frames wanted of one video, with the bytes that hold them."""

    index: VideoIndex
    frames: NDArray[np.int64]
    """Sorted distinct frame numbers."""
    places: NDArray[np.int64]
    """For each of `frames`, its row in the output."""
    spans: Sequence[Span]
    """What `plan` gave for `frames`."""
    parts: Sequence[Any]
    """One bytes-like object per span."""


def encode(pictures: NDArray[np.uint8], codec: VideoCodec, *, fps: float, crf: int) -> EncodedVideo:
    """Make one video of N pictures; the same pictures give the same bytes.

    Args:
        pictures: shape (N, height, width, 1 or 3), at least one.
        codec: ``"h264"`` and ``"av1"`` lose some detail; ``"h264-lossless"`` is exact (RGB is coded as
            such with the High 4:4:4 Predictive profile, which FFmpeg's players know and browsers may not).
        fps: pictures per second of playing time.
        crf: constant rate factor on the codec's own scale, lower is better; ignored by the lossless codec.
    """
    import av
    from av.video.reformatter import VideoReformatter

    height, width, channels = pictures.shape[1:]
    down, right = _padding(codec, height, width)
    buffer, reformatter = io.BytesIO(), VideoReformatter()
    os.environ.setdefault("SVT_LOG", "1")  # errors alone: the AV1 encoder prints its settings otherwise
    with av.open(buffer, "w", format="mp4") as container:
        stream = _add_stream(container, codec, channels, fps, crf)
        stream.height, stream.width = height + down, width + right
        for picture in pictures:
            whole = np.pad(picture, ((0, down), (0, right), (0, 0)), mode="edge") if down or right else picture
            container.mux(stream.encode(_to_frame(np.ascontiguousarray(whole), codec, reformatter)))
        container.mux(stream.encode())
    buffer.seek(0)
    index = read_index(buffer, codec, (height, width, channels))
    if len(index) != len(pictures):
        raise RuntimeError(f"the {codec} encoder made {len(index)} frames of {len(pictures)} pictures")
    return EncodedVideo(**vars(index), content=buffer.getvalue())


def _padding(codec: VideoCodec, height: int, width: int) -> tuple[int, int]:
    """Rows and columns to add, so that both sides are even and as long as the encoder wants."""
    least = _SMALLEST[codec]
    return max(least - height, height % 2), max(least - width, width % 2)


def _add_stream(container: Any, codec: VideoCodec, channels: int, fps: float, crf: int) -> Any:
    from av.video.reformatter import ColorRange

    lossless_rgb = codec == "h264-lossless" and channels == 3
    if codec == "av1":
        options = {"preset": "8", "crf": str(crf)}
        options["svtav1-params"] = f"pred-struct=1:keyint={GOP}:scd=0:lookahead=0:enable-overlays=0:lp=1"
    else:
        options = {"preset": "medium", "tune": "fastdecode"}
        options |= {"qp": "0"} if codec == "h264-lossless" else {"crf": str(crf)}
        # without mbtree, whose output differs from run to run, and without psy, which trades fidelity for looks
        options["x264-params"] = f"scenecut=0:bframes=0:keyint={GOP}:min-keyint={GOP}:open-gop=0:mbtree=0:psy=0"
    name = "libx264rgb" if lossless_rgb else _ENCODERS[codec]
    stream = container.add_stream(name, rate=Fraction(fps).limit_denominator(100_000), options=options)
    stream.pix_fmt = "rgb24" if lossless_rgb else "yuv420p"
    context = stream.codec_context
    context.gop_size, context.max_b_frames, context.thread_count = GOP, 0, 1
    context.color_range = ColorRange.JPEG
    if not lossless_rgb:
        context.colorspace, context.color_primaries, context.color_trc = _BT601, _BT709, _SRGB
    return stream


_BT601, _BT709, _SRGB = 6, 1, 13
"""ITU-T H.273 codes of the matrix, the primaries and the transfer that pictures of a screen have."""


def _to_frame(picture: NDArray[np.uint8], codec: VideoCodec, reformatter: Any) -> Any:
    """Turn a picture with even sides into what the encoder takes."""
    import av
    from av.video.reformatter import ColorRange, Colorspace, Interpolation

    height, width, channels = picture.shape
    if channels == 1:
        planes = np.full((height * 3 // 2, width), 128, np.uint8)
        planes[:height] = picture[:, :, 0]
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.color_range = ColorRange.JPEG
        return frame
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    if codec == "h264-lossless":
        return frame
    return reformatter.reformat(
        frame,
        format="yuv420p",
        dst_colorspace=Colorspace.ITU601,
        dst_color_range=ColorRange.JPEG,
        interpolation=Interpolation.AREA | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP,
        threads=1,
    )


def read_index(file: BinaryIO, codec: VideoCodec, picture: tuple[int, int, int]) -> VideoIndex:
    """Find the frames of an MP4 file whose pictures are stored in order, one after the other.

    Args:
        file: open for reading.
        codec: of its only video stream.
        picture: height, width and channels.

    Raises:
        PictureError: no such file; the reason says why.
    """
    import av

    try:
        _check_boxes(file)
        with av.open(file, "r", format="mp4") as container:
            stream = container.streams.video[0]
            header = bytes(stream.codec_context.extradata or b"")
            found = [(entry.pos, entry.pos + entry.size, entry.is_keyframe) for entry in stream.index_entries]
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise PictureError(0, f"not a readable MP4 file: {error}") from error
    begins, ends, keys = np.array(found, np.int64).reshape(-1, 3).T
    if not len(begins) or not keys[0] or (begins[1:] != ends[:-1]).any():
        raise PictureError(0, "the MP4 file does not hold its frames one after the other from a keyframe on")
    return VideoIndex(
        codec=codec,
        picture=picture,
        frame_offsets=np.append(begins, ends[-1]),
        keyframes=np.flatnonzero(keys),
        header=header,
    )


def _check_boxes(file: BinaryIO) -> None:
    """Check that the boxes which make up an MP4 file end where the file ends, and go back to its begin.

    Raises:
        ValueError: they do not.
    """
    total, position = file.seek(0, os.SEEK_END), 0
    while position < total:
        file.seek(position)
        head = file.read(16)
        size = int.from_bytes(head[:4], "big")
        size = int.from_bytes(head[8:], "big") if size == 1 else size or total - position
        position += max(size, 8)
    file.seek(0)
    if position != total or not total:
        raise ValueError(f"its {total} bytes end in the middle of a box")


def plan(index: VideoIndex, frames: NDArray[np.int64]) -> list[Span]:
    """The bytes that must be read to decode some frames: as few as can be, in as few pieces.

    Args:
        index: of the video.
        frames: sorted distinct frame numbers.
    """
    spans: list[Span] = []
    for first, stop in _groups(index, frames):
        begin, end = int(index.frame_offsets[first]), int(index.frame_offsets[stop])
        if spans and spans[-1].stop == first:
            spans[-1] = Span(spans[-1].first, stop, spans[-1].begin, end)
        else:
            spans.append(Span(first, stop, begin, end))
    return spans


def _groups(index: VideoIndex, frames: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """For each group of pictures with a wanted frame, its first frame and the one after the last wanted."""
    groups = np.searchsorted(index.keyframes, frames, side="right") - 1
    last = np.flatnonzero(np.diff(groups, append=-1))
    yield from zip(index.keyframes[groups[last]].tolist(), (frames[last] + 1).tolist(), strict=True)


def decode(
    video: EncodedVideo, frames: NDArray[np.int64] | None = None, size: tuple[int, int] | None = None
) -> NDArray[np.uint8]:
    """Decode some pictures of a video.

    Args:
        video: all of it.
        frames: sorted distinct frame numbers; None is every frame.
        size: height and width to which they are reduced; None keeps theirs.

    Returns:
        Shape (frames, height, width, channels).

    Raises:
        PictureError: bytes that are no such video.
    """
    wanted = np.arange(len(video)) if frames is None else frames
    out = np.empty((len(wanted), *(size or video.picture[:2]), video.picture[2]), np.uint8)
    spans = plan(video, wanted)
    content = memoryview(video.content)
    parts = [content[span.begin : span.end] for span in spans]
    decode_jobs([Job(index=video, frames=wanted, places=np.arange(len(wanted)), spans=spans, parts=parts)], out)
    return out


def decode_jobs(jobs: Sequence[Job], out: NDArray[np.uint8]) -> None:
    """Decode frames of many videos at once, on a few threads.

    Args:
        jobs: together they fill `out`.
        out: shape (frames, height, width, channels). Where its height and width are not those of a
            video, the frames are resampled on their way from the decoder, averaging over areas.

    Raises:
        PictureError: bytes that are not the video of the index; it names the row of `out`.
    """
    units = [unit for job in jobs for unit in _units(job)]

    def run(begin: int, end: int) -> None:
        for unit in units[begin:end]:
            unit.decode(out)

    codecs.in_parallel(run, len(units), chunk=4)


@dataclass(frozen=True)
class _Unit:
    """The wanted frames of one group of pictures."""

    index: VideoIndex
    first: int
    packets: list[Any]
    """The bytes of frames ``first``, ``first + 1`` and so on, up to the last that is wanted."""
    rows: dict[int, int]
    """Wanted frame -> its row in the output."""

    def decode(self, out: NDArray[np.uint8]) -> None:
        """Fill the rows."""
        import av

        left = dict(self.rows)
        try:
            decoder, reformatter = _decoder(self.index)
            decoder.flush_buffers()
            for number, data in enumerate(self.packets, start=self.first):
                packet = av.Packet(data)
                packet.pts, packet.is_keyframe = number, number == self.first
                for frame in decoder.decode(packet):
                    if frame.pts in left:
                        _to_picture(frame, reformatter, self.index, out[left.pop(frame.pts)])
            if left:
                raise ValueError(f"frame {min(left)} is not in its bytes")
        except (av.FFmpegError, ValueError) as error:
            _decoders().pop(_key(self.index), None)
            raise PictureError(min((left or self.rows).values()), error) from error


def _units(job: Job) -> Iterator[_Unit]:
    """The job by groups of pictures, each of which can be decoded by another thread."""
    rows = dict(zip(job.frames.tolist(), job.places.tolist(), strict=True))
    offsets = job.index.frame_offsets
    whole = iter(zip(job.spans, job.parts, strict=True))
    span, part = Span(0, 0, 0, 0), b""
    for first, stop in _groups(job.index, job.frames):
        while span.stop < stop:
            span, part = next(whole)
        if len(part) != span.end - span.begin:
            reason = f"{len(part)} bytes for frames {span.first} to {span.stop - 1}, not {span.end - span.begin}"
            raise PictureError(rows[stop - 1], reason)
        edges = (offsets[first : stop + 1] - span.begin).tolist()
        packets = [part[begin:end] for begin, end in itertools.pairwise(edges)]
        yield _Unit(job.index, first, packets, {frame: rows[frame] for frame in range(first, stop) if frame in rows})


def _to_picture(frame: Any, reformatter: Any, index: VideoIndex, out: NDArray[np.uint8]) -> None:
    """Copy a decoded frame into `out`, without what the encoder padded, at the size of `out`."""
    from av.video.reformatter import ColorRange, Interpolation

    height, width, channels = index.picture
    down, right = _padding(index.codec, height, width)
    got, expected = (frame.height, frame.width), (height + down, width + right)
    if frame.is_corrupt or got != expected:
        raise ValueError(f"frame {frame.pts} is damaged, or of {got} pixels instead of {expected}")
    size, same = out.shape[:2], out.shape[:2] == (height, width)
    if not same and (down or right):
        whole = np.empty((1, *index.picture), np.uint8)
        _to_picture(frame, reformatter, index, whole[0])
        out[...] = resize(whole, size)[0]
        return
    if not same or channels == 3:
        average = Interpolation.AREA | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
        frame = reformatter.reformat(
            frame,
            width=None if same else size[1],
            height=None if same else size[0],
            format="rgb24" if channels == 3 else "gray",
            dst_color_range=ColorRange.JPEG,
            interpolation=Interpolation.POINT if same else average,
            threads=1,
        )
    plane = frame.planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    out[...] = rows[: size[0], : size[1] * channels].reshape(out.shape)


def _key(index: VideoIndex) -> tuple[str, bytes]:
    return index.codec, index.header


def _decoders() -> dict[tuple[str, bytes], tuple[Any, Any]]:
    """Those of this thread: videos that were encoded alike share one."""
    made: dict[tuple[str, bytes], tuple[Any, Any]] = _local.__dict__.setdefault("decoders", {})
    return made


def _decoder(index: VideoIndex) -> Any:
    """This thread's decoder for such videos, and what turns its frames into RGB."""
    import av
    from av.codec.context import Flags
    from av.video.reformatter import VideoReformatter

    made, key = _decoders(), _key(index)
    if key not in made:
        while len(made) >= _KEPT_DECODERS:
            made.pop(next(iter(made)))
        context = av.CodecContext.create(_DECODERS[index.codec], "r")
        context.extradata, context.thread_count = index.header, 1
        context.flags |= Flags.low_delay
        context.options = {"err_detect": "explode"}
        made[key] = context, VideoReformatter()
    return made[key]
