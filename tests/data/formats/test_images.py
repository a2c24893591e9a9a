"""Image folders: files as they are, and folders of pictures from elsewhere."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swm.data
from swm.core.errors import DatasetError
from swm.data import codecs
from swm.data.encoded import EncodedPictures


def pictures_of(seed: int, count: int, size: tuple[int, int] = (6, 8), channels: int = 3) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (count, *size, channels), dtype=np.uint8)


def put(folder: Path, codec: str, pictures: Any, suffix: str) -> None:
    folder.mkdir(parents=True)
    for step, blob in enumerate(codecs.encode(codec, pictures, 95)):
        (folder / f"frame{step}{suffix}").write_bytes(blob)


@pytest.mark.parametrize(("codec", "suffix"), [("png", ".png"), ("jpeg", ".jpg")])
def test_pictures_are_written_as_they_are(tmp_path: Path, codec: Any, suffix: str, make_episode: Any) -> None:
    blobs = codecs.encode(codec, make_episode(0).observation["pixels"], 80)
    given = EncodedPictures(codec=codec, blobs=blobs, picture=(8, 8, 3))
    with swm.data.create(tmp_path / "d", format="images") as writer:
        writer.write(replace(make_episode(0), observation={"pixels": given}))
    folder = tmp_path / "d/episode_000000/pixels"
    assert [(folder / f"{step:06d}{suffix}").read_bytes() for step in range(8)] == blobs
    dataset = swm.data.open(tmp_path / "d")
    assert dataset.columns["pixels"].codec == codec
    np.testing.assert_array_equal(dataset.episode(0).observation["pixels"], given.decode())
    assert dataset.episode(0, decode=False).observation["pixels"].blobs == blobs  # type: ignore[attr-defined]


def test_jpeg_is_for_views_alone(tmp_path: Path, make_episode: Any) -> None:
    smooth = np.repeat(np.arange(0, 128, 2, dtype=np.uint8).reshape(1, 8, 8, 1), 8, axis=0)
    episode = replace(make_episode(0), observation={"pixels": smooth, "mask": pictures_of(0, 8)})
    with swm.data.create(tmp_path / "d", format="images", codec="jpeg", quality=90) as writer:
        writer.write(episode)
    dataset = swm.data.open(tmp_path / "d")
    assert (dataset.columns["pixels"].codec, dataset.columns["mask"].codec) == ("jpeg", "png")
    got = dataset.episode(0).observation
    assert abs(got["pixels"].astype(int) - smooth).max() < 8
    np.testing.assert_array_equal(got["mask"], episode.observation["mask"])


def test_a_bare_folder_of_folders_is_a_dataset(tmp_path: Path) -> None:
    for number in (2, 10):
        put(tmp_path / f"run{number}", "png", pictures_of(number, 12), ".PNG")
        np.savez(tmp_path / f"run{number}" / "columns.npz", action=np.full((11, 1), number))
    dataset = swm.data.open(tmp_path)
    assert dataset.lengths.tolist() == [11, 11]
    for index, number in enumerate((2, 10)):
        episode = dataset.episode(index)
        np.testing.assert_array_equal(episode.observation["pixels"], pictures_of(number, 12), strict=True)
        assert (episode.action == number).all()
    assert "'reward'" in " ".join(dataset.reader.notes)
    assert dataset.verify().ok


def test_a_bare_episode_may_have_several_components(tmp_path: Path) -> None:
    put(tmp_path / "run" / "pixels.front", "jpeg", pictures_of(0, 3), ".jpeg")
    put(tmp_path / "run" / "mask", "png", pictures_of(1, 3, channels=1), ".png")
    dataset = swm.data.open(tmp_path)
    assert {name: (c.shape, c.codec) for name, c in dataset.columns.items() if c.codec} == {
        "pixels.front": ((6, 8, 3), "jpeg"),
        "mask": ((6, 8, 1), "png"),
    }
    np.testing.assert_array_equal(dataset.episode(0).observation["mask"], pictures_of(1, 3, channels=1))
    assert dataset.episode(0).action.shape == (2, 1)


def test_pictures_of_two_sizes_are_no_dataset(tmp_path: Path) -> None:
    put(tmp_path / "run", "png", pictures_of(0, 3), ".png")
    (tmp_path / "run" / "frame1.png").write_bytes(codecs.encode("png", pictures_of(0, 1, (6, 6)), 95)[0])
    dataset = swm.data.open(tmp_path)
    with pytest.raises(DatasetError, match=r"picture 1 of 'pixels' in episode 0 .*shape \(6, 6, 3\) instead of"):
        dataset.episode(0)
    assert len(dataset.verify().problems) == 1
    put(tmp_path / "run2", "png", pictures_of(0, 3, (4, 4)), ".png")
    with pytest.raises(DatasetError, match="differs from the first one in 'pixels'"):
        swm.data.open(tmp_path)


def test_files_that_are_no_such_pictures_are_named(tmp_path: Path) -> None:
    put(tmp_path / "run", "png", pictures_of(0, 3), ".png")
    (tmp_path / "run" / "frame3.jpg").write_bytes(codecs.encode("jpeg", pictures_of(0, 1), 95)[0])
    with pytest.raises(DatasetError, match="mixes jpeg and png"):
        swm.data.open(tmp_path)
    (tmp_path / "run" / "frame3.jpg").unlink()
    first = tmp_path / "run" / "frame0.png"
    content = first.read_bytes()
    for damaged, reason in (
        (b"", "neither PNG nor JPEG"),
        (b"GIF89a", "neither PNG nor JPEG"),
        (content[:20], "20 bytes of a PNG end in its header"),
        (content[:24] + b"\x10" + content[25:], "16 bits"),
    ):
        first.write_bytes(damaged)
        with pytest.raises(DatasetError, match=reason):
            swm.data.open(tmp_path)
    first.write_bytes(content[: len(content) // 2])
    assert len(swm.data.open(tmp_path).verify().problems) == 1


@pytest.mark.parametrize("kind", ["rgba", "pal8", "ya8"])
def test_other_kinds_of_png_become_rgb(tmp_path: Path, kind: str) -> None:
    import av

    (tmp_path / "run").mkdir()
    for step in range(2):
        context: Any = av.CodecContext.create("png", "w")
        context.height, context.width, context.pix_fmt, context.time_base = 6, 8, kind, Fraction(1)
        grey = np.full((6, 8), 40 * step + 30, np.uint8)
        if kind == "pal8":
            palette = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 4, axis=1)
            frame = av.VideoFrame.from_ndarray((grey, palette), format="pal8")  # type: ignore[arg-type]
        else:
            frame = av.VideoFrame.from_ndarray(np.repeat(grey[..., None], 3, axis=2), format="rgb24").reformat(
                format=kind
            )
        (tmp_path / "run" / f"{step}.png").write_bytes(b"".join(bytes(packet) for packet in context.encode(frame)))
    pixels = swm.data.open(tmp_path).episode(0).observation["pixels"]
    assert pixels.shape == (2, 6, 8, 3)
    assert (pixels[0] == 30).all()
    assert (pixels[1] == 70).all()
