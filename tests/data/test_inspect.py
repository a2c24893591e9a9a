"""Summaries, contact sheets and films."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import matplotlib.image
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import swm.data
from swm.core.errors import DatasetError, InvalidValueError, ShapeError
from swm.data.histograms import coarser, histogram


def test_a_summary_counts_what_is_there(make_dataset: Any, make_episode: Any) -> None:
    lengths = (5, 9, 3, 12)
    summary = swm.data.summarize(make_dataset(lengths, provenance={"command": "swm collect"}))
    episodes = [make_episode(seed, length) for seed, length in enumerate(lengths)]
    returns = [episode.reward.sum() for episode in episodes]
    assert json.loads(json.dumps(summary)) == summary
    assert (summary["num_episodes"], summary["num_steps"], summary["torn_rows"]) == (4, 29, 0)
    assert summary["length"] == {"minimum": 3, "mean": 7.25, "maximum": 12, "histogram": [1, 0, 1, 0, 0, 0, 1, 0, 0, 1]}
    np.testing.assert_allclose(
        [summary["return"][k] for k in ("minimum", "mean", "maximum")], [min(returns), np.mean(returns), max(returns)]
    )
    assert summary["success_rate"] == np.mean([episode.success.any() for episode in episodes])
    assert sum(split["episodes"] for split in summary["splits"].values()) == 4
    assert sum(split["steps"] for split in summary["splits"].values()) == 29
    factor = summary["factors"]["agent.color"]
    assert [factor[key] for key in ("episodes", "distinct", "minimum", "maximum")] == [4, 3, [0, 0, 0], [2, 0, 0]]
    assert factor["histograms"] == [[2, 1, 1], [4], [4]]
    actions = np.concatenate([episode.action for episode in episodes])
    found = summary["statistics"]["action"]
    np.testing.assert_allclose(found["mean"], actions.mean(axis=0), rtol=1e-6)
    for entry in range(2):
        expected, _ = np.histogram(actions[:, entry].astype(float), 64)
        assert found["histograms"][entry] == expected.tolist()
    assert summary["origin"] == {"env_id": {}, "policy": {"noise": 4}}
    assert summary["columns"]["pixels"]["disk_bytes"] > summary["columns"]["reward"]["disk_bytes"] > 0
    assert summary["provenance"][0]["command"] == "swm collect"


def test_metadata_of_any_form_are_summed_up(make_episode: Any, tmp_path: Path) -> None:
    odd = [{"variation": ["red"], "policy": "random"}, {"variation": None, "policy": None}, {"policy": {"noise": 1}}]
    with swm.data.create(tmp_path / "odd") as writer:
        for seed, metadata in enumerate(odd):
            writer.write(replace(make_episode(seed), metadata=metadata))
    dataset = swm.data.open(tmp_path / "odd")
    summary = swm.data.summarize(dataset)
    assert (summary["factors"], summary["origin"]["policy"]) == ({}, {"random": 1})
    swm.data.write_card(dataset)
    with pytest.raises(DatasetError, match="no episode is left"):
        swm.data.filter(dataset, tmp_path / "none", "'color' in variation", progress=False)


def test_a_sheet_shows_first_and_last_pictures(make_dataset: Any, make_episode: Any) -> None:
    dataset = make_dataset((5, 9))
    sheet = swm.data.contact_sheet(dataset, [1, 0], 3)
    assert sheet.shape == (2 * 8 + 2, 3 * 8 + 2 * 2, 3)
    np.testing.assert_array_equal(sheet[:8, :8], make_episode(1, 9).observation["pixels"][0])
    np.testing.assert_array_equal(sheet[-8:, -8:], make_episode(0, 5).observation["pixels"][-1])
    assert (sheet[8:10] == 255).all()


def test_a_sheet_is_written_as_png(make_dataset: Any, tmp_path: Path) -> None:
    dataset = make_dataset()
    swm.data.write_preview(dataset, tmp_path / "out" / "sheet.png", episodes=[0, 2], columns=4)
    read = (matplotlib.image.imread(tmp_path / "out" / "sheet.png") * 255).round().astype(np.uint8)
    np.testing.assert_array_equal(read, swm.data.contact_sheet(dataset, [0, 2], 4))


def test_a_film_shows_every_step_and_plays_everywhere(make_dataset: Any, tmp_path: Path) -> None:
    swm.data.write_preview(make_dataset((5, 9, 3)), tmp_path / "film.mp4", columns=2, fps=7)
    data = (tmp_path / "film.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    with av.open(tmp_path / "film.mp4") as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == 7
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == 10
    assert all(side % 2 == 0 and side >= 512 for side in frames[0].shape[:2])


def test_odd_pictures_are_extended_and_not_resized(tmp_path: Path) -> None:
    picture = np.zeros((33, 47, 3), np.uint8)
    picture[:, 20:] = 255
    swm.data.write_mp4(tmp_path / "odd.mp4", [picture] * 3)
    with av.open(tmp_path / "odd.mp4") as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert [frame.shape for frame in frames] == [(34, 48, 3)] * 3
    assert np.abs(frames[1][:33, :47].astype(int) - picture).mean() < 3


def test_grey_pictures_are_shown(tmp_path: Path, make_episode: Any) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (8, 6, 6, 1), dtype=np.uint8)
    with swm.data.create(tmp_path / "d") as writer:
        writer.write(swm.data.Episode(**{**vars(make_episode(0)), "observation": {"mask": grey, "state": np.zeros(8)}}))
    dataset = swm.data.open(tmp_path / "d")
    assert (swm.data.contact_sheet(dataset, [0], 8, component="mask")[:, :6] == grey[0]).all()
    with pytest.raises(InvalidValueError, match="'state' holds no pictures; these do: mask"):
        swm.data.contact_sheet(dataset, [0], component="state")


def test_bad_requests_are_answered(make_dataset: Any, tmp_path: Path) -> None:
    dataset = make_dataset()
    with pytest.raises(InvalidValueError, match=r"\.png or a \.mp4 file, got .*film.gif"):
        swm.data.write_preview(dataset, tmp_path / "film.gif")
    (tmp_path / "file").write_text("")
    for name in ("film.mp4", "sheet.png"):
        with pytest.raises(OSError, match="file"):
            swm.data.write_preview(dataset, tmp_path / "file" / name)
    with pytest.raises(InvalidValueError, match="0 episodes"):
        swm.data.contact_sheet(dataset, [])
    with pytest.raises(InvalidValueError, match="there are 4"):
        swm.data.contact_sheet(dataset, [4])
    with pytest.raises(InvalidValueError, match="no picture to write"):
        swm.data.write_mp4(tmp_path / "none.mp4", [])
    with pytest.raises(InvalidValueError, match="fps must be at least 1"):
        swm.data.write_mp4(tmp_path / "none.mp4", [], fps=0)
    with pytest.raises(ShapeError, match=r"\(4, 4, 3\) uint8, got \(6, 4, 3\)"):
        swm.data.write_mp4(tmp_path / "mixed.mp4", [np.zeros((4, 4, 3), np.uint8), np.zeros((6, 4, 3), np.uint8)])


# --------------------------------------------------------------------------------- datasets of other kinds


def test_histograms_count_every_finite_value_once() -> None:
    values = np.array([0.0, 1.0, 1.0, 4.0, np.nan, np.inf])
    counts = histogram(values)
    assert (len(counts), sum(counts), counts[0], counts[16], counts[-1]) == (64, 4, 1, 2, 1)
    assert sum(histogram(np.full(5, 3.7))) == 5
    assert histogram(np.array([])) == [0] * 64
    assert histogram(np.array([3, 5, 5])) == [1, 0, 2]
    assert histogram(np.array([0, 127, 64])) == [1, *[0] * 31, 1, *[0] * 30, 1]
    assert coarser([1, 2, 3, 4, 5], 2) == [6, 9]
    assert coarser([1, 2], 16) == [1, 2]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50))
def test_a_histogram_counts_each_value_in_its_bin(values: list[float]) -> None:
    array = np.array(values)
    counts = histogram(array)
    assert sum(counts) == len(values)
    middle = array.min() + (array.max() - array.min()) / 2
    assert sum(counts[:32]) <= (array <= middle).sum()


def arm(seed: int, length: int = 6) -> swm.data.Episode:
    """Two cameras of different sizes, a text, a wide sensor, factors of every kind."""
    rng = np.random.default_rng(seed)
    last = np.arange(length) == length - 1
    return swm.data.Episode(
        observation={
            "pixels.front": rng.integers(0, 256, (length + 1, 8, 10, 3), dtype=np.uint8),
            "pixels.wrist": rng.integers(0, 256, (length + 1, 4, 6, 3), dtype=np.uint8),
            "lidar": rng.random((length + 1, 100)),
            "instruction": np.array(["lift the cup"] * (length + 1)),
        },
        action=rng.integers(0, 3, length),
        reward=np.full(length, np.nan),
        terminated=last,
        truncated=~last & False,
        success=last & False,
        metadata={
            "seed": seed,
            "env_id": "lab/arm",
            "variation": {
                "kind": ["cup", "bowl"][seed % 2],
                "pose": rng.random((2, 2)).tolist(),
                "parts": list(range(seed)),
                "lit": bool(seed % 2),
                "mass": 1.5,
            },
        },
    )


@pytest.fixture
def arms(tmp_path: Path) -> swm.data.Dataset:
    with swm.data.create(tmp_path / "arms", codec="png") as writer:
        for seed in range(3):
            writer.write(arm(seed))
    return swm.data.open(tmp_path / "arms")


def test_any_kind_of_column_and_factor_is_summed_up(arms: swm.data.Dataset) -> None:
    summary = swm.data.summarize(arms)
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert list(summary["statistics"]) == ["lidar", "action", "reward", "terminated", "truncated", "success"]
    wide = summary["statistics"]["lidar"]
    values = np.concatenate([arm(seed).observation["lidar"] for seed in range(3)])
    np.testing.assert_allclose((wide["mean"][0], wide["std"][0]), (values.mean(), values.std()))
    assert (wide["entries"], wide["histograms"]) == (["[...]"], [])
    assert summary["statistics"]["reward"]["mean"] == [None]
    assert any("values of 'reward' are NaN or infinite" in note for note in summary["notes"])
    assert summary["return"]["mean"] is None
    factors = summary["factors"]
    assert factors["kind"] == {"episodes": 3, "kind": "category", "distinct": 2, "counts": {"cup": 2, "bowl": 1}}
    assert factors["lit"]["counts"] == {"false": 2, "true": 1}
    assert factors["parts"]["counts"] == {"[]": 1, "[0]": 1, "[0, 1]": 1}
    assert (factors["pose"]["kind"], len(factors["pose"]["histograms"])) == ("vector", 4)
    assert (factors["mass"]["kind"], factors["mass"]["distinct"]) == ("number", 1)


def test_every_camera_is_shown_with_its_goal(arms: swm.data.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    goal = np.random.default_rng(9).integers(0, 256, (8, 10, 3), dtype=np.uint8)
    plain = swm.data.contact_sheet(arms, [0, 1], 3)
    assert plain.shape == (2 * (8 + 2 + 4 + 2) - 2, 3 * (10 + 2) - 2, 3)
    np.testing.assert_array_equal(plain[10:14, :6], arm(0).observation["pixels.wrist"][0])
    monkeypatch.setattr(arms.reader, "payload", lambda episode: {"goal.pixels.front": goal} if episode == 1 else {})
    shown = swm.data.contact_sheet(arms, [0, 1], 3)
    assert shown.shape == (plain.shape[0], plain.shape[1] + 12, 3)
    np.testing.assert_array_equal(shown[:, : plain.shape[1]], plain)
    np.testing.assert_array_equal(shown[16:24, -10:], goal)
    assert (shown[:16, -10:] == 255).all()
    wrist = swm.data.contact_sheet(arms, [0, 1], 3, component=["pixels.wrist"])
    np.testing.assert_array_equal(wrist[:4, :6], arm(0).observation["pixels.wrist"][0])


def test_a_film_shows_every_camera(arms: swm.data.Dataset, tmp_path: Path) -> None:
    swm.data.write_preview(arms, tmp_path / "film.mp4", columns=2)
    with av.open(tmp_path / "film.mp4") as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    scale = 256 // 10
    assert len(frames) == 7
    assert frames[0].shape == ((8 + 2 + 8) * scale, (2 * 18 + 2) * scale, 3)


def test_without_pictures_there_is_no_preview(tmp_path: Path, make_episode: Any) -> None:
    with swm.data.create(tmp_path / "d") as writer:
        writer.write(swm.data.Episode(**{**vars(make_episode(0)), "observation": {"state": np.zeros((8, 2))}}))
    dataset = swm.data.open(tmp_path / "d")
    assert swm.data.summarize(dataset)["num_episodes"] == 1
    with pytest.raises(InvalidValueError, match="no column of pictures"):
        swm.data.write_preview(dataset, tmp_path / "sheet.png")


def test_a_broken_film_leaves_no_file(tmp_path: Path) -> None:
    def pictures() -> Iterator[Any]:
        yield np.zeros((4, 4, 3), np.uint8)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        swm.data.write_mp4(tmp_path / "film.mp4", pictures())
    assert list(tmp_path.iterdir()) == []
