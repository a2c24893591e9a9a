"""Several writers at once: no row is lost, none is torn, and each knows its place."""

import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swm.data
from swm.core.errors import DatasetError, InvalidValueError

Same = Callable[[swm.data.Episode, swm.data.Episode], None]


def record(path: str, number: int, count: int, codec: Any) -> None:
    flags = np.zeros(3, np.bool_)
    with swm.data.create(path, mode="append", codec=codec, shard_size=4, recorder=f"r{number}") as writer:
        for index in range(count):
            writer.write(
                swm.data.Episode(
                    observation={"pixels": np.full((4, 16, 16, 3), 16 * number + index, np.uint8)},
                    action=np.full((3, 2), 100.0 * number + index),
                    reward=np.zeros(3),
                    terminated=flags,
                    truncated=flags,
                    success=flags,
                    metadata={"recorder": number, "index": index},
                )
            )


@pytest.mark.parametrize("codec", ["png", "h264-lossless"])
def test_processes_that_race_to_create_and_append_lose_nothing(codec: str, tmp_path: Path) -> None:
    path = str(tmp_path / "d")
    context = multiprocessing.get_context("forkserver")
    processes = [context.Process(target=record, args=(path, number, 6, codec)) for number in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    dataset = swm.data.open(path)
    assert dataset.verify().problems == ()
    assert dataset.torn_rows == 0
    found = [(e["metadata"]["recorder"], e["metadata"]["index"]) for e in dataset.episodes]
    assert sorted(found) == [(number, index) for number in range(4) for index in range(6)]
    for position, (number, index) in enumerate(found):
        episode = dataset.episode(position)
        assert (episode.observation["pixels"] == 16 * number + index).all()
        assert (episode.action == 100.0 * number + index).all()
    assert len(dataset.provenance) == 4


def test_a_recorder_and_a_lone_writer_exclude_each_other(tmp_path: Path, make_episode: Any) -> None:
    path = tmp_path / "d"
    with swm.data.create(path, mode="append", recorder="a") as first:
        first.write(make_episode(0))
        with pytest.raises(DatasetError, match=r"another writer has .* open \(process \d+\).*recorder="):
            swm.data.create(path, mode="append")
        with pytest.raises(DatasetError, match=r"another writer has .* open \(process \d+\)"):
            swm.data.create(path, mode="append", recorder="a")
        with swm.data.create(path, mode="append", recorder="b") as second:
            second.write(make_episode(1))
    with (
        swm.data.create(path, mode="append"),
        pytest.raises(DatasetError, match="another writer has"),
    ):
        swm.data.create(path, mode="append", recorder="a")
    assert len(swm.data.open(path)) == 2


def test_a_recorder_repairs_what_a_dead_one_left(
    tmp_path: Path, make_episode: Any, same: Same, die_between_commits: Any
) -> None:
    path = tmp_path / "d"
    with swm.data.create(path, mode="append", codec="png", recorder="a") as writer:
        writer.write(make_episode(0))
    dead = swm.data.create(path, mode="append", recorder="b")
    dead.write(make_episode(1))
    die_between_commits(dead)
    with swm.data.create(path, mode="append", recorder="c") as writer:
        writer.write(make_episode(2))
    dead.close()
    dataset = swm.data.open(path)
    assert (len(dataset), dataset.torn_rows) == (2, 0)
    assert dataset.verify().ok
    same(dataset.episode(1), make_episode(2))


def test_recorders_must_agree_on_the_columns(tmp_path: Path, make_episode: Any) -> None:
    path = tmp_path / "d"
    first, second = (swm.data.create(path, mode="append", recorder=name) for name in "ab")
    first.write(make_episode(0))
    second.write(make_episode(1, size=9))
    first.close()
    with pytest.raises(DatasetError, match=r"'pixels' has shape \(9, 9, 3\), the dataset \(8, 8, 3\)"):
        second.close()
    assert len(swm.data.open(path)) == 1


def test_a_recorders_name_is_checked(tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match=r"1 to 64 letters, digits and hyphens, got '\.\./x'"):
        swm.data.create(tmp_path / "d", mode="append", recorder="../x")
