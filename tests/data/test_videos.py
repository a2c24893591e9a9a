"""Video: what comes back, from which bytes, and what happens when they are damaged."""

import contextlib
import io
import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from swm.data import encoders, videos
from swm.data.codecs import PictureError
from swm.data.encoded import EncodedVideo, VideoCodec
from swm.data.resize import resize

CODECS: tuple[VideoCodec, ...] = ("h264", "h264-lossless", "av1")


def drawing(count: int, size: tuple[int, int] = (48, 64), channels: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    """A square that moves over a flat ground: flat colours and few edges, as simulators draw."""
    rng = np.random.default_rng(seed)
    ground, ink = rng.integers(0, 256, (2, channels))
    pictures = np.empty((count, *size, channels), np.uint8)
    pictures[...] = ground
    for step, picture in enumerate(pictures):
        row, column = 2 * step % max(size[0] - 12, 1), 4 * step % max(size[1] - 12, 1)
        picture[row : row + 12, column : column + 12] = ink
    return pictures


def psnr(got: NDArray[np.uint8], expected: NDArray[np.uint8]) -> float:
    error = float(np.mean((got.astype(float) - expected) ** 2))
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def encode(codec: VideoCodec, pictures: NDArray[np.uint8]) -> EncodedVideo:
    return videos.encode(pictures, codec, fps=10, crf=20)


@pytest.fixture(scope="module", name="made")
def _made() -> dict[VideoCodec, EncodedVideo]:
    return {codec: encode(codec, drawing(27)) for codec in CODECS}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(1, 1), (3, 2), (8, 8), (33, 51)])
def test_lossless_video_is_exact_for_noise_of_any_size(size: tuple[int, int], channels: int) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (11, *size, channels), dtype=np.uint8)
    video = encode("h264-lossless", pictures)
    assert (video.shape, video.ndim, len(video)) == (pictures.shape, 4, 11)
    np.testing.assert_array_equal(video.decode(), pictures, strict=True)


@pytest.mark.parametrize("codec", ["h264", "av1"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(64, 64), (33, 51)])
def test_lossy_video_is_close(codec: VideoCodec, size: tuple[int, int], channels: int) -> None:
    pictures = drawing(19, size, channels)
    decoded = encode(codec, pictures).decode()
    assert decoded.shape == pictures.shape
    assert psnr(decoded, pictures) > (36 if channels == 1 else 30)
    assert abs(decoded.astype(float) - pictures).mean() < 3


@pytest.mark.parametrize("codec", ["h264", "av1"])
def test_flat_colours_come_back(codec: VideoCodec) -> None:
    colours = np.array([[r, g, b] for r in (0, 90, 255) for g in (0, 130, 255) for b in (0, 170, 255)], np.uint8)
    for block in np.array_split(colours, 4):
        pictures = np.broadcast_to(block[:, None, None], (len(block), 16, 16, 3)).copy()
        for colour in pictures:
            decoded = videos.encode(np.repeat(colour[None], 2, axis=0), codec, fps=10, crf=10).decode()
            assert abs(decoded.astype(int) - colour).max() <= 4


@pytest.mark.parametrize("codec", CODECS)
def test_groups_are_closed_short_and_alike_at_every_run(codec: VideoCodec) -> None:
    pictures = drawing(27)
    pictures[10:] = 255 - pictures[10:]  # a cut of the scene adds no keyframe
    video = encode(codec, pictures)
    np.testing.assert_array_equal(video.keyframes, np.arange(0, 27, encoders.GOP))
    assert encode(codec, pictures).content == video.content


@pytest.mark.parametrize("codec", CODECS)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_any_frames_are_those_of_the_whole(
    made: dict[VideoCodec, EncodedVideo], codec: VideoCodec, data: st.DataObject
) -> None:
    video = made[codec]
    chosen = np.array(sorted(data.draw(st.sets(st.integers(0, len(video) - 1)))), np.int64)
    np.testing.assert_array_equal(videos.decode(video, chosen), video.decode()[chosen], strict=True)


@given(chosen=st.sets(st.integers(0, 26), min_size=1))
@settings(max_examples=50, deadline=None)
def test_a_plan_is_the_least_that_holds_the_frames(made: dict[VideoCodec, EncodedVideo], chosen: set[int]) -> None:
    video = made["h264"]
    frames = np.array(sorted(chosen))
    spans = videos.plan(video, frames)
    needed = {n for frame in chosen for n in range(frame // encoders.GOP * encoders.GOP, frame + 1)}
    assert [number for span in spans for number in range(span.first, span.stop)] == sorted(needed)
    for span in spans:
        assert (span.begin, span.end) == (video.frame_offsets[span.first], video.frame_offsets[span.stop])
    assert all(after.begin > before.end for before, after in itertools.pairwise(spans))


def test_many_videos_decode_at_once(made: dict[VideoCodec, EncodedVideo]) -> None:
    out = np.zeros((12, 48, 64, 3), np.uint8)
    jobs, places = [], np.random.default_rng(0).permutation(12).reshape(3, 4)
    for video, rows in zip(made.values(), places, strict=True):
        frames = np.array([1, 9, 16, 26])
        spans = videos.plan(video, frames)
        parts = [video.content[span.begin : span.end] for span in spans]
        jobs.append(videos.Job(index=video, frames=frames, places=rows, spans=spans, parts=parts))
    videos.decode_jobs(jobs, out)
    for video, rows in zip(made.values(), places, strict=True):
        np.testing.assert_array_equal(out[rows], video.decode()[[1, 9, 16, 26]])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(48, 64), (33, 51)])
def test_a_smaller_size_is_close_to_resizing(size: tuple[int, int], channels: int) -> None:
    video = encode("h264", drawing(9, size, channels))
    small = videos.decode(video, None, (16, 24))
    assert small.shape == (9, 16, 24, channels)
    assert psnr(small, resize(video.decode(), (16, 24))) > 30


def test_any_player_can_open_it(made: dict[VideoCodec, EncodedVideo]) -> None:
    import av

    for video in made.values():
        with av.open(io.BytesIO(video.content), "r") as container:
            stream = container.streams.video[0]
            assert stream.average_rate == 10
            times = [frame.time for frame in container.decode(stream)]
        np.testing.assert_allclose(times, np.arange(27) / 10)


@pytest.mark.parametrize("codec", CODECS)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_bytes_that_are_missing_are_an_error(
    made: dict[VideoCodec, EncodedVideo], codec: VideoCodec, data: st.DataObject
) -> None:
    video = made[codec]
    cut = data.draw(st.integers(0, int(video.frame_offsets[-1]) - 1))
    with pytest.raises(PictureError):
        replace(video, content=video.content[:cut]).decode()


@pytest.mark.parametrize("codec", CODECS)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_damage_leaves_the_shape_and_the_next_video_alone(
    made: dict[VideoCodec, EncodedVideo], codec: VideoCodec, data: st.DataObject
) -> None:
    video = made[codec]
    place = data.draw(st.integers(0, len(video.content) - 9))
    damage = data.draw(st.binary(min_size=8, max_size=8))
    content = video.content[:place] + damage + video.content[place + 8 :]
    whole = video.decode()
    with contextlib.suppress(PictureError):
        assert replace(video, content=content).decode().shape == video.shape
    np.testing.assert_array_equal(video.decode(), whole)


@pytest.mark.parametrize("codec", CODECS)
def test_bytes_of_zeros_are_an_error(made: dict[VideoCodec, EncodedVideo], codec: VideoCodec) -> None:
    with pytest.raises(PictureError):
        replace(made[codec], content=bytes(len(made[codec].content))).decode()
    with pytest.raises(PictureError):
        replace(made[codec], picture=(64, 64, 3)).decode()


def test_a_file_that_is_no_such_video_has_no_index(made: dict[VideoCodec, EncodedVideo]) -> None:
    content = made["h264"].content
    for broken in (b"", b"no video", content[:-40], content[: len(content) // 2]):
        with pytest.raises(PictureError, match="MP4"):
            videos.read_index(io.BytesIO(broken), "h264", (48, 64, 3))
