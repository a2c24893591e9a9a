"""Small episodes that are functions of their seed alone."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swm.data
from swm.core.errors import DatasetError

MakeEpisode = Callable[..., swm.data.Episode]
MakeDataset = Callable[..., swm.data.Dataset]


def episode_of(seed: int, length: int = 7, size: int = 8) -> swm.data.Episode:
    rng = np.random.default_rng(seed)
    last = np.arange(length) == length - 1
    return swm.data.Episode(
        observation={
            "pixels": rng.integers(0, 256, (length + 1, size, size, 3), dtype=np.uint8),
            "state": rng.normal(size=(length + 1, 4)),
        },
        action=rng.normal(size=(length, 2)).astype(np.float32),
        reward=rng.normal(size=length),
        terminated=last,
        truncated=~last & (rng.random(length) < 0.5),
        success=rng.random(length) < 0.5,
        metadata={"seed": seed, "variation": {"agent.color": [seed % 3, 0, 0]}, "policy": {"name": "noise"}},
    )


def assert_same(got: swm.data.Episode, expected: swm.data.Episode) -> None:
    assert list(got.arrays()) == list(expected.arrays())
    for name, array in expected.arrays().items():
        np.testing.assert_array_equal(got.arrays()[name], array, err_msg=name, strict=True)


def flush_without_last_commit(writer: swm.data.Writer) -> None:
    """Flush a writer that dies between its two commits: its rows are there, its episodes are not."""
    from swm.data.formats.lance import tables

    commit = tables.commit

    def stopped(table: Any, place: Any, fragments: Any) -> Any:
        if place.uri.endswith(tables.EPISODES):
            raise OSError("no space left on device")
        return commit(table, place, fragments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "commit", stopped)
        with pytest.raises(DatasetError, match="no space left"):
            writer.flush()


@pytest.fixture(name="die_between_commits")
def _die_between_commits() -> Callable[[swm.data.Writer], None]:
    return flush_without_last_commit


@pytest.fixture(name="make_episode")
def _make_episode() -> MakeEpisode:
    return episode_of


@pytest.fixture(name="same")
def _same() -> Callable[[swm.data.Episode, swm.data.Episode], None]:
    return assert_same


@pytest.fixture
def make_dataset(tmp_path: Path) -> MakeDataset:
    """Write episodes of the given lengths, with seeds from 0, and open them."""

    def make(lengths: Sequence[int] = (5, 9, 3, 12), name: str = "dataset", **options: Any) -> swm.data.Dataset:
        with swm.data.create(tmp_path / name, **{"codec": "png", "shard_size": 16, **options}) as writer:
            for seed, length in enumerate(lengths):
                writer.write(episode_of(seed, length))
        return swm.data.open(tmp_path / name)

    return make
