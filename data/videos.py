"""Pictures of an episode to H.264 or AV1 and back, from any group of pictures.

A video is a complete MP4 file whose groups of 8 pictures are closed and hold no picture out of
order, so a frame needs the bytes from the keyframe before it to its own, and no others. They go
straight to a decoder: no container is opened to read.

Lossy video is 4:2:0 with BT.601 coefficients over the full range of 0 to 255, and says so in its
header. Each of its chroma values is the mean of the four pixels that it is given back to, which is
the best that 4:2:0 can do and the fastest to undo.
"""

import io
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from swm.data import codecs, encoders
from swm.data.codecs import PictureError
from swm.data.decoders import decoder_of, forget, padding, to_picture
from swm.data.encoded import EncodedVideo, VideoCodec, VideoIndex


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
    down, right = padding(codec, height, width)
    buffer, reformatter = io.BytesIO(), VideoReformatter()
    if codec == "av1":
        os.environ.setdefault("SVT_LOG", "1")  # errors alone: the encoder prints its settings otherwise
    with av.open(buffer, "w", format="mp4") as container:
        stream = encoders.add_stream(container, codec, (height + down, width + right, channels), fps, crf)
        for picture in pictures:
            whole = np.pad(picture, ((0, down), (0, right), (0, 0)), mode="edge") if down or right else picture
            container.mux(stream.encode(encoders.to_frame(np.ascontiguousarray(whole), codec, reformatter)))
        container.mux(stream.encode())
    buffer.seek(0)
    index = read_index(buffer, codec, (height, width, channels))
    if len(index) != len(pictures):
        raise RuntimeError(f"the {codec} encoder made {len(index)} frames of {len(pictures)} pictures")
    return EncodedVideo(**vars(index), content=buffer.getvalue())


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
        check_boxes(file)
        with av.open(file, "r", format="mp4") as container:
            stream = container.streams.video[0]
            if stream.codec_context is None:
                raise ValueError("no decoder for its video is known")
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


def check_boxes(file: BinaryIO) -> None:
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
        out: shape (frames, height, width, channels), C-contiguous. Where its height and width are not those of a
            video, the frames are resampled on their way from the decoder, averaging over areas.

    Raises:
        PictureError: bytes that are not the video of the index; it names the row of `out`.
    """
    assert out.flags.c_contiguous, "a view of a view would be filled in vain"
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
            decoder, reformatter = decoder_of(self.index)
            decoder.flush_buffers()
            for packet in self._to_packets():
                for frame in decoder.decode(packet) if left else ():
                    if frame.pts in left:
                        to_picture(frame, reformatter, self.index, out[left[frame.pts]])
                        del left[frame.pts]
            if left:
                raise ValueError(f"frame {min(left)} is not in its bytes")
        except (av.FFmpegError, ValueError) as error:
            forget(self.index)
            raise PictureError(min((left or self.rows).values()), error) from error

    def _to_packets(self) -> Iterator[Any]:
        """Frames by their numbers, then None: it makes a decoder give what it may hold back."""
        import av

        for number, data in enumerate(self.packets, start=self.first):
            packet = av.Packet(data)
            packet.pts, packet.is_keyframe = number, number == self.first
            yield packet
        yield None


def _units(job: Job) -> Iterator[_Unit]:
    """The job by groups of pictures, each of which can be decoded by another thread."""
    rows = dict(zip(job.frames.tolist(), job.places.tolist(), strict=True))
    assert len(rows) == len(job.frames), "the frames of a job are distinct"
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
