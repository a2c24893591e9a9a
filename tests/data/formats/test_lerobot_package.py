"""The real lerobot package opens what we write: run with SWM_LEROBOT_PYTHON naming an interpreter that has it."""

import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swm.data
from swm.data.formats.lerobot import FileSizes, LeRobotWriter
from swm.data.location import Location
from swm.data.options import WriteOptions

PYTHON = os.environ.get("SWM_LEROBOT_PYTHON")
LENGTHS = (5, 10, 1, 31, 40, 8)
Array = np.ndarray[Any, Any]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PYTHON is None, reason="SWM_LEROBOT_PYTHON names no interpreter with lerobot"),
]


def episode_of(seed: int) -> swm.data.Episode:
    rng = np.random.default_rng(seed)
    length = LENGTHS[seed]
    rows = length + 1
    return swm.data.Episode(
        observation={
            "pixels": _smooth(rows, (64, 64), seed),
            "pixels.wrist": _smooth(rows, (33, 47), seed + 1),
            "mask": rng.integers(0, 256, (rows, 6, 8, 3), dtype=np.uint8),
            "state": rng.normal(size=(rows, 4)).astype(np.float32),
            "mass": rng.normal(size=rows).astype(np.float32),
            "ids": rng.integers(-(2**62), 2**62, (rows, 2)),
            "grid": rng.normal(size=(rows, 2, 3)).astype(np.float32),
            "bits": rng.random((rows, 5)) < 0.5,
            "note": np.array([f"schön {seed}.{step}" for step in range(rows)]),
            "task": np.array([f"push {(seed + step // 4) % 3}" for step in range(rows)]),
        },
        action=rng.normal(size=(length, 2)).astype(np.float32),
        reward=rng.normal(size=length).astype(np.float32),
        terminated=np.arange(length) == length - 1,
        truncated=np.zeros(length, np.bool_),
        success=rng.random(length) < 0.5,
        payload={"goal": rng.normal(size=3)},
        metadata={"seed": seed},
    )


def _smooth(count: int, size: tuple[int, int], seed: int) -> Array:
    step, y, x, channel = np.meshgrid(*(np.arange(n) for n in (count, *size, 3)), indexing="ij")
    picture: Array = np.clip(
        70 + 60 * np.sin(x / 9 + channel + seed) + 40 * np.cos(y / 11) + 20 * (step % 5), 0, 255
    ).astype(np.uint8)
    return picture


@pytest.mark.parametrize("codec", ["h264", "h264-lossless", "av1", "png"])
def test_items_of_the_real_package_are_what_we_wrote(codec: Any, tmp_path: Path) -> None:
    sizes = FileSizes(chunks_size=2, data_megabytes=0.02, video_megabytes=0.005)
    written = [episode_of(seed) for seed in range(len(LENGTHS))]
    with LeRobotWriter(Location.parse(tmp_path / "d"), WriteOptions(codec=codec), sizes) as writer:
        for episode in written:
            writer.write(episode)
    assert len(list((tmp_path / "d/data").rglob("*.parquet"))) > 1
    use("items", tmp_path / "d", tmp_path / "items.npz")
    items = dict(np.load(tmp_path / "items.npz"))
    _compare_arrays(items, written)
    _compare_pictures(items, written, codec)
    _compare_windows(items, written)


def test_the_real_package_merges_what_we_wrote(tmp_path: Path) -> None:
    written = [episode_of(seed) for seed in (0, 3)]
    written = [_without(episode, "grid") for episode in written]
    with swm.data.create(tmp_path / "d", format="lerobot") as writer:
        for episode in written:
            writer.write(episode)
    use("merge", tmp_path / "d", tmp_path / "merged")
    merged = swm.data.open(tmp_path / "merged")
    assert merged.verify().ok
    for index, episode in enumerate([*written, *written]):
        got = merged.episode(index)
        assert not got.payload
        for name in ("state", "ids", "note", "task", *swm.data.TRANSITIONS):
            np.testing.assert_array_equal(got.arrays()[name].squeeze(), episode.arrays()[name], err_msg=name)


def use(what: str, dataset: Path, out: Path) -> None:
    """Run the real package."""
    command = [str(PYTHON), str(Path(__file__).with_name("lerobot_items.py")), what, str(dataset), str(out)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(out.with_name("cache"))}
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def _without(episode: swm.data.Episode, name: str) -> swm.data.Episode:
    observation = {kept: array for kept, array in episode.observation.items() if kept != name}
    return swm.data.Episode(observation=observation, **{key: getattr(episode, key) for key in swm.data.TRANSITIONS})


def _rows(episode: swm.data.Episode, name: str) -> Array:
    """T + 1 values of a column: the last one of a transition is repeated."""
    array = episode.arrays()[name]
    return np.concatenate([array, array[-1:]]) if name in swm.data.TRANSITIONS else array


def _all(written: list[swm.data.Episode], name: str) -> Array:
    return np.concatenate([_rows(episode, name) for episode in written])


def _compare_arrays(items: dict[str, Array], written: list[swm.data.Episode]) -> None:
    names = {name: f"observation.{name}" for name in ("state", "mass", "ids", "grid", "bits", "note")}
    names |= {"action": "action", "reward": "next.reward", "terminated": "next.done", "success": "next.success"}
    names |= {"truncated": "next.truncated", "task": "task"}
    for name, feature in names.items():
        np.testing.assert_array_equal(items[feature], _all(written, name), err_msg=name)
    counts = [length + 1 for length in LENGTHS]
    assert items["frame_index"].tolist() == [step for count in counts for step in range(count)]
    assert items["index"].tolist() == list(range(sum(counts)))
    assert items["action_valid"].tolist() == [step < count - 1 for count in counts for step in range(count)]
    np.testing.assert_allclose(items["timestamp"], items["frame_index"] / 10, rtol=1e-6)


def _compare_pictures(items: dict[str, Array], written: list[swm.data.Episode], codec: str) -> None:
    lossy = codec in ("h264", "av1")
    for name, feature in (("pixels", "image"), ("pixels.wrist", "images.wrist"), ("mask", "mask")):
        got = np.rint(items[f"observation.{feature}"].transpose(0, 2, 3, 1) * 255)
        errors = ((got - _all(written, name).astype(float)) ** 2).mean((1, 2, 3))
        if lossy and name != "mask":
            assert 10 * np.log10(255**2 / errors.max()) > 30, name
        else:
            assert errors.max() == 0, name


def _compare_windows(items: dict[str, Array], written: list[swm.data.Episode]) -> None:
    """Neighbours in time, held at the ends of the episode."""
    begin = 0
    for episode in written:
        count = episode.num_steps + 1
        rows = slice(begin, begin + count)
        steps = np.arange(count)[:, None] + np.array([-1, 0, 2])
        held = np.clip(steps, 0, count - 1)
        np.testing.assert_array_equal(items["window/action"][rows], _rows(episode, "action")[held])
        np.testing.assert_array_equal(items["window/action_is_pad"][rows], steps != held)
        np.testing.assert_array_equal(items["window/observation.image"][rows], items["observation.image"][rows][held])
        begin += count
