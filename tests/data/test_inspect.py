"""Summaries, contact sheets and films."""

import json
from pathlib import Path
from typing import Any

import av
import matplotlib.image
import numpy as np
import pytest

import swm.data
from swm.core.errors import InvalidValueError, ShapeError


def test_a_summary_counts_what_is_there(make_dataset: Any, make_episode: Any) -> None:
    lengths = (5, 9, 3, 12)
    summary = swm.data.summarize(make_dataset(lengths, provenance={"command": "swm collect"}))
    episodes = [make_episode(seed, length) for seed, length in enumerate(lengths)]
    returns = [episode.reward.sum() for episode in episodes]
    assert json.loads(json.dumps(summary)) == summary
    assert (summary["num_episodes"], summary["num_steps"], summary["torn_rows"]) == (4, 29, 0)
    assert summary["length"] == {"minimum": 3, "mean": 7.25, "maximum": 12}
    np.testing.assert_allclose(
        [summary["return"][k] for k in ("minimum", "mean", "maximum")], [min(returns), np.mean(returns), max(returns)]
    )
    assert summary["success_rate"] == np.mean([episode.success.any() for episode in episodes])
    assert sum(split["episodes"] for split in summary["splits"].values()) == 4
    assert sum(split["steps"] for split in summary["splits"].values()) == 29
    assert summary["factors"] == {
        "agent.color": {"episodes": 4, "distinct": 3, "minimum": [0, 0, 0], "maximum": [2, 0, 0]}
    }
    actions = np.concatenate([episode.action for episode in episodes])
    np.testing.assert_allclose(summary["action"]["mean"], actions.mean(axis=0), rtol=1e-6)
    assert summary["columns"]["pixels"]["disk_bytes"] > summary["columns"]["reward"]["disk_bytes"] > 0
    assert summary["provenance"][0]["command"] == "swm collect"


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
    with pytest.raises(InvalidValueError, match="0 episodes"):
        swm.data.contact_sheet(dataset, [])
    with pytest.raises(InvalidValueError, match="no picture to write"):
        swm.data.write_mp4(tmp_path / "none.mp4", [])
    with pytest.raises(InvalidValueError, match="fps must be at least 1"):
        swm.data.write_mp4(tmp_path / "none.mp4", [], fps=0)
    with pytest.raises(ShapeError, match=r"\(4, 4, 3\) uint8, got \(6, 4, 3\)"):
        swm.data.write_mp4(tmp_path / "mixed.mp4", [np.zeros((4, 4, 3), np.uint8), np.zeros((6, 4, 3), np.uint8)])
