"""Recorders that are killed with SIGKILL at random moments lose nothing, tear nothing, and go on to the exact count."""

import functools
import multiprocessing
import signal
import time
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest

import swm
import swm.data
from swm.core.errors import DatasetError

RECORDERS = 8


def record(path: str, episodes: int, shard: tuple[int, int] | None, codec: str) -> None:
    """Record a share with commits as small as they can be, so that most moments lie within one."""
    layout = "video" if codec.startswith("h264") else "frames"
    create = functools.partial(swm.data.create, shard_size=8)
    swm.data.create = create
    with swm.World("swm/TwoRoom-v0", num_envs=4, image_size=16) as world:
        world.collect(
            path,
            episodes=episodes,
            max_steps=4,
            seed=1,
            shard=shard,
            format=layout,
            codec=codec,  # type: ignore[arg-type]
            progress=False,
        )


def start(context: ForkServerContext, path: str, episodes: int, codec: str) -> list[BaseProcess]:
    processes: list[BaseProcess] = [
        context.Process(target=record, args=(path, episodes, (number, RECORDERS), codec)) for number in range(RECORDERS)
    ]
    for process in processes:
        process.start()
    return processes


def check(path: Path, promised: int) -> int:
    """Every episode that was ever seen is still there and sound; returns how many there are."""
    if not (path / "episodes.lance").exists():
        return 0
    try:
        dataset = swm.data.open(path)
    except DatasetError as error:
        if "no committed episode" not in str(error):
            raise
        return 0
    assert dataset.num_episodes >= promised
    indices = [episode["metadata"]["index"] for episode in dataset.episodes]
    assert len(set(indices)) == len(indices)
    for index in {0, dataset.num_episodes // 2, dataset.num_episodes - 1}:
        dataset.episode(index)
    return dataset.num_episodes


@pytest.mark.filterwarnings("ignore:.*a writer was stopped before its last commit")
@pytest.mark.parametrize(
    ("kills", "codec"),
    [
        (3, "png"),
        (3, "h264-lossless"),
        pytest.param(100, "png", marks=[pytest.mark.slow, pytest.mark.timeout(3000)]),
        pytest.param(100, "h264-lossless", marks=[pytest.mark.slow, pytest.mark.timeout(3000)]),
    ],
)
def test_killed_recorders_lose_nothing_and_reach_the_exact_count(kills: int, codec: str, tmp_path: Path) -> None:
    path, rng = tmp_path / "d", np.random.default_rng(0)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["swm.world", "swm.data.formats.lance.writer", "swm.envs.two_room.env"])
    episodes = seen = killed = 0
    for kill in range(kills):
        episodes, commits = seen + 100, count_commits(path)
        processes = start(context, str(path), episodes, codec)
        while count_commits(path) == commits and any(process.is_alive() for process in processes):
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.4))
        victims = processes if kill % 2 else rng.permutation(processes)[: RECORDERS // 2].tolist()  # type: ignore[arg-type]
        for process in victims:
            process.kill()
        for process in processes:
            process.join()
        killed += any(process.exitcode == -signal.SIGKILL for process in victims)
        assert all(process.exitcode == 0 for process in processes if process not in victims)
        seen = check(path, seen)
        if kill % 10 == 9:
            swm.data.compact(path)
    assert killed > kills / 2
    for process in (finishing := start(context, str(path), episodes, codec)):
        process.join()
    assert [process.exitcode for process in finishing] == [0] * RECORDERS
    dataset = swm.data.open(path)
    assert dataset.torn_rows == 0
    assert dataset.verify().problems == ()
    assert sorted(episode["metadata"]["index"] for episode in dataset.episodes) == list(range(episodes))
    with swm.World("swm/TwoRoom-v0", num_envs=4, image_size=16) as world:
        whole = world.collect(
            str(tmp_path / "whole"), episodes=episodes, max_steps=4, seed=1, codec="png", progress=False
        )
    for position in rng.permutation(episodes)[:200].tolist():
        expected = whole.episode(dataset.episodes[position]["metadata"]["index"])
        got = dataset.episode(position)
        for name, array in expected.arrays().items():
            np.testing.assert_array_equal(got.arrays()[name], array)


def count_commits(path: Path) -> int:
    versions = path / "episodes.lance" / "_versions"
    return len(list(versions.iterdir())) if versions.exists() else 0
