"""MP4 folders: what lossy video keeps, encoded videos as they are, and videos from elsewhere."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import swm.data
from swm.core.errors import DatasetError
from swm.data import videos
from swm.data.encoded import EncodedPictures, EncodedVideo


def smooth(count: int, size: tuple[int, int] = (48, 64), seed: int = 0) -> NDArray[np.uint8]:
    """Grey waves that move: any video codec keeps them."""
    row, column = np.mgrid[: size[0], : size[1]]
    frames = [128 + 60 * np.sin((row + 2 * step + seed) / 15) + 40 * np.sin(column / 11) for step in range(count)]
    return np.repeat(np.stack(frames).astype(np.uint8)[..., None], 3, axis=3)


def psnr(got: NDArray[np.uint8], expected: NDArray[np.uint8]) -> float:
    error = float(np.mean((got.astype(float) - expected) ** 2))
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def write_foreign(
    file: Path, pictures: NDArray[np.uint8], codec: str = "libx264", audio: bool = False, **options: str
) -> None:
    """Write a video as other programs do, with B-frames and a GOP of the encoder's choice."""
    import av

    with av.open(str(file), "w") as container:
        stream: Any = container.add_stream(codec, rate=10, options={"crf": "10", **options} if "264" in codec else {})
        stream.height, stream.width, stream.pix_fmt = *pictures.shape[1:3], "yuv420p"
        sound = container.add_stream("aac", rate=8000, layout="mono") if audio else None
        for number, picture in enumerate(pictures):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            if sound is not None:
                tone = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.float32), format="fltp", layout="mono")
                tone.sample_rate, tone.pts = 8000, 800 * number
                container.mux(sound.encode(tone))
        container.mux(stream.encode())
        if sound is not None:
            container.mux(sound.encode())


@pytest.mark.parametrize("codec", ["h264", "av1"])
def test_lossy_video_is_close_and_other_pictures_exact(tmp_path: Path, codec: Any, make_episode: Any) -> None:
    episode = make_episode(0, 11)
    mask = episode.observation["pixels"]
    episode = replace(episode, observation={"pixels": smooth(12), "mask": mask, "state": episode.observation["state"]})
    with swm.data.create(tmp_path / "d", format="mp4", codec=codec, crf=15, fps=5) as writer:
        writer.write(episode)
    dataset = swm.data.open(tmp_path / "d")
    assert {name: column.codec for name, column in dataset.columns.items() if column.codec} == {
        "pixels": codec,
        "mask": "h264-lossless",
    }
    got = dataset.episode(0)
    assert psnr(got.observation["pixels"], episode.observation["pixels"]) > 38
    np.testing.assert_array_equal(got.observation["mask"], mask)
    for name in ("state", "action", "reward"):
        np.testing.assert_array_equal(got.arrays()[name], episode.arrays()[name], strict=True)


def test_a_video_is_written_as_it_is(tmp_path: Path, make_episode: Any) -> None:
    video = videos.encode(smooth(8), "h264", fps=10, crf=30)
    episode = replace(make_episode(0), observation={"pixels": video})
    with swm.data.create(tmp_path / "d", format="mp4") as writer:
        writer.write(episode)
    assert (tmp_path / "d/videos/pixels/episode_000000.mp4").read_bytes() == video.content
    stored = swm.data.open(tmp_path / "d").episode(0, decode=False).observation["pixels"]
    assert isinstance(stored, EncodedVideo)
    assert (stored.content, stored.header, stored.picture) == (video.content, video.header, video.picture)
    np.testing.assert_array_equal(stored.frame_offsets, video.frame_offsets)
    np.testing.assert_array_equal(stored.keyframes, video.keyframes)
    np.testing.assert_array_equal(stored.decode(), video.decode())


def test_other_encodings_are_decoded_and_encoded_again(tmp_path: Path, make_episode: Any) -> None:
    pixels = make_episode(0).observation["pixels"]
    with swm.data.create(tmp_path / "png", format="images") as writer:
        writer.write(make_episode(0))
    pictures = swm.data.open(tmp_path / "png").episode(0, decode=False)
    assert isinstance(pictures.observation["pixels"], EncodedPictures)
    with swm.data.create(tmp_path / "mp4", format="mp4", codec="h264-lossless") as writer:
        writer.write(pictures)
    video = swm.data.open(tmp_path / "mp4").episode(0, decode=False)
    assert isinstance(video.observation["pixels"], EncodedVideo)
    with swm.data.create(tmp_path / "again", format="images") as writer:
        writer.write(video)
    again = swm.data.open(tmp_path / "again")
    np.testing.assert_array_equal(again.episode(0).observation["pixels"], pixels)
    assert again.columns["pixels"].codec == "png"


FOREIGN: dict[str, dict[str, Any]] = {
    "b-frames": {"g": "12"},
    "one long group": {"bf": "0", "g": "250"},
    "sound between the frames": {"audio": True, "bf": "0"},
    "open groups": {"x264-params": "open-gop=1:keyint=5:bframes=3"},
    "another codec": {"codec": "mpeg4"},
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_frames_of_videos_from_elsewhere_are_exact(tmp_path: Path, kind: str) -> None:
    """Frame k of any subset is frame k of the whole, for every kind of stream."""
    import av

    pictures = smooth(31)
    write_foreign(tmp_path / "a.mp4", pictures, **FOREIGN[kind])
    with av.open(str(tmp_path / "a.mp4")) as container:
        expected = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    dataset = swm.data.open(tmp_path)
    whole = dataset.episode(0).observation["pixels"]
    assert whole.shape == pictures.shape
    assert psnr(whole, np.stack(expected)) > 40
    rng = np.random.default_rng(0)
    for count in (1, 2, 7, 30):
        rows = rng.permutation(31)[:count]
        got = dataset.reader.read(["pixels"], rows)["pixels"]
        np.testing.assert_array_equal(got, whole[rows])
    assert dataset.reader.read(["pixels"], rows, (12, 16))["pixels"].shape == (30, 12, 16, 3)
    assert dataset.verify().ok


def test_a_bare_folder_is_a_dataset(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in (10, 9):
        write_foreign(tmp_path / f"take{number}.mp4", smooth(number, seed=number))
        np.savez(
            tmp_path / f"take{number}.npz",
            action=rng.normal(size=(number - 1, 2)).astype(np.float32),
            reward=np.arange(number, dtype=np.float64),
            state=np.full((number, 3), number),
            goal=np.arange(4),
        )
    dataset = swm.data.open(tmp_path)
    assert dataset.lengths.tolist() == [8, 9], "in natural order"
    assert list(dataset.columns) == ["pixels", "state", "action", "reward", "terminated", "truncated", "success"]
    episode = dataset.episode(1)
    np.testing.assert_array_equal(episode.action, np.load(tmp_path / "take10.npz")["action"], strict=True)
    np.testing.assert_array_equal(episode.reward, np.arange(9.0), strict=True)
    np.testing.assert_array_equal(episode.payload["final.reward"], [9.0])
    np.testing.assert_array_equal(episode.payload["goal"], np.arange(4))
    assert not episode.terminated.any()
    assert [sum(word in note for note in dataset.reader.notes) for word in ("dataset.json", "success", "final.")] == [
        1
    ] * 3
    assert psnr(episode.observation["pixels"], smooth(10, seed=10)) > 36
    for mode in ("append", "overwrite"):
        with pytest.raises(DatasetError, match="nothing was touched"):
            swm.data.create(tmp_path, mode=mode)
    assert len(list(tmp_path.iterdir())) == 4
    with swm.data.create(tmp_path / "copy", format="mp4", codec="h264-lossless") as writer:
        for index in range(2):
            writer.write(dataset.episode(index))
    np.testing.assert_array_equal(
        swm.data.open(tmp_path / "copy").episode(1).observation["pixels"], episode.observation["pixels"]
    )


def test_columns_may_come_from_parquet(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    write_foreign(tmp_path / "a.mp4", smooth(4), bf="0")
    action = pa.array([[0.5, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0]], pa.list_(pa.float32(), 2))
    pq.write_table(pa.table({"action": action, "text": ["a", "b", "c", "d"]}), tmp_path / "a.parquet")
    episode = swm.data.open(tmp_path).episode(0)
    assert episode.action.dtype == np.float32
    assert episode.action.tolist() == [[0.5, 1.0], [2.0, 3.0], [4.0, 5.0]]
    assert episode.observation["text"].tolist() == ["a", "b", "c", "d"]


def test_a_check_sees_what_is_on_the_disk_and_not_what_was_read_before(tmp_path: Path) -> None:
    """A file that stays open in the reader is another one on the disk by now."""
    write_foreign(tmp_path / "a.mp4", smooth(31), g="12")
    dataset = swm.data.open(tmp_path)
    assert dataset.episode(0).observation["pixels"].shape == (31, *smooth(1).shape[1:])
    assert dataset.verify().ok
    content = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "a.mp4").unlink()
    (tmp_path / "a.mp4").write_bytes(content[: len(content) // 2])
    (problem,) = dataset.verify().problems
    assert "a.mp4 cannot be read as a video" in problem


def test_a_bare_folder_that_is_no_dataset_says_why(tmp_path: Path) -> None:
    write_foreign(tmp_path / "a.mp4", smooth(6))
    write_foreign(tmp_path / "b.mp4", smooth(6, (32, 32)))
    with pytest.raises(DatasetError, match=r"episode 1 .*b\.mp4.* differs from the first one in 'pixels'"):
        swm.data.open(tmp_path)
    content = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "b.mp4").unlink()
    for cut in (0, 1, 30, len(content) // 2, len(content) - 1):
        (tmp_path / "a.mp4").write_bytes(content[:cut])
        with pytest.raises(DatasetError, match="cannot be read as a video"):
            swm.data.open(tmp_path)
    write_foreign(tmp_path / "a.mp4", smooth(1))
    with pytest.raises(DatasetError, match="2 or more pictures"):
        swm.data.open(tmp_path)
    write_foreign(tmp_path / "a.mp4", smooth(6))
    np.savez(tmp_path / "a.npz", action=np.zeros((3, 2)))
    with pytest.raises(DatasetError, match="need 5 rows"):
        swm.data.open(tmp_path)
    (tmp_path / "a.npz").write_bytes(b"PK nothing")
    with pytest.raises(DatasetError, match="cannot be read as an npz file"):
        swm.data.open(tmp_path)
