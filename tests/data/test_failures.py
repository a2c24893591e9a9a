"""Storage that is full, read-only, damaged or from elsewhere: one clear error each, and nothing lost."""

import errno
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swm.data
from swm.core.errors import DatasetError
from swm.data.location import Location

Same = Callable[[swm.data.Episode, swm.data.Episode], None]

FILL = """
import resource, signal, sys
import numpy as np
import swm.data
from swm.core.errors import DatasetError

def episode_of(seed):
    rng, flags = np.random.default_rng(seed), np.zeros(5, bool)
    return swm.data.Episode(
        observation={"pixels": rng.integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)},
        action=rng.normal(size=(5, 2)), reward=np.zeros(5),
        terminated=flags, truncated=flags, success=flags, metadata={"seed": seed},
    )

def main():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    writer = swm.data.create(sys.argv[1], codec=sys.argv[2])
    for seed in range(4):
        writer.write(episode_of(seed))
    writer.flush()
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    try:
        for seed in range(4, 40):
            writer.write(episode_of(seed))
        writer.flush()
    except DatasetError as error:
        print(error)
    writer.close()
"""


@pytest.mark.parametrize("codec", ["png", "h264-lossless"])
def test_a_full_disk_costs_the_shard_that_did_not_fit(codec: str, tmp_path: Path, same: Same) -> None:
    path = tmp_path / "d"
    program: dict[str, Any] = {}
    exec(FILL, program)
    run = subprocess.run(
        [sys.executable, "-c", f"{FILL}\nmain()", str(path), codec], capture_output=True, text=True, check=True
    )
    assert "the commit failed" in run.stdout
    assert "4 episodes are safe, the last 36 are not. Continue with mode='append' when the cause is gone." in run.stdout
    with swm.data.create(path, mode="append", codec=codec) as writer:  # type: ignore[arg-type]
        assert writer.num_episodes == 4
        for seed in range(4, 8):
            writer.write(program["episode_of"](seed))
    dataset = swm.data.open(path)
    assert (len(dataset), dataset.torn_rows) == (8, 0)
    assert dataset.verify().problems == ()
    for seed in range(8):
        same(dataset.episode(seed), program["episode_of"](seed))


def test_a_place_that_cannot_be_written_is_named() -> None:
    with pytest.raises(DatasetError, match="/proc/nowhere cannot be written"):
        swm.data.create("/proc/nowhere")


def test_a_read_only_dataset_can_be_read_and_measured(make_dataset: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = make_dataset()
    expected = dataset.statistics("state")
    shutil.rmtree(Path(dataset.uri) / "statistics")

    def refuse(place: Location, name: str, content: bytes) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Location, "write_bytes", refuse)
    np.testing.assert_array_equal(swm.data.open(dataset.uri).statistics("state").mean, expected.mean)


@pytest.mark.parametrize("codec", ["png", "h264-lossless"])
@pytest.mark.parametrize("table", ["steps.lance", "videos.lance", "episodes.lance"])
def test_a_damaged_file_is_one_clear_error(codec: str, table: str, make_dataset: Any) -> None:
    dataset = make_dataset((5, 9, 3), codec=codec)
    files = [file for file in (Path(dataset.uri) / table).rglob("*") if file.suffix in (".lance", ".blob")]
    if table == "videos.lance" and codec == "png":
        assert not files
        return
    for file in files:
        content = np.frombuffer(file.read_bytes(), np.uint8).copy()
        content[: len(content) // 2] ^= 0xFF
        file.write_bytes(content.tobytes())
    try:
        damaged = swm.data.open(dataset.uri, cache_bytes=0)
        for index in range(3):
            damaged.episode(index)
        problems = damaged.verify().problems
    except DatasetError as error:
        problems = (str(error),)
    assert problems


@pytest.mark.parametrize("name", ["steps.lance", "videos.lance"])
def test_a_table_that_is_gone_is_named(name: str, make_dataset: Any) -> None:
    dataset = make_dataset((5, 9), codec="h264-lossless")
    shutil.rmtree(Path(dataset.uri) / name)
    with pytest.raises(DatasetError, match=dataset.uri):
        swm.data.open(dataset.uri).episode(0)


def test_nan_actions_are_kept_and_counted(tmp_path: Path, make_episode: Any) -> None:
    base = make_episode(0)
    action = base.action.copy()
    action[3, 1] = np.nan
    with swm.data.create(tmp_path / "d") as writer:
        writer.write(swm.data.Episode(**{**vars(base), "action": action}))
    np.testing.assert_array_equal(swm.data.open(tmp_path / "d").episode(0).action, action)


def test_a_payload_with_objects_is_refused(make_episode: Any) -> None:
    base = make_episode(0)
    with pytest.raises(swm.core.errors.ShapeError, match="'note' of the episode's payload"):
        swm.data.Episode(**{**vars(base), "payload": {"note": np.array([object()])}})


def test_a_text_without_utf8_form_is_refused_before_anything_is_written(tmp_path: Path, make_episode: Any) -> None:
    base = make_episode(0)
    odd = swm.data.Episode(**{**vars(base), "observation": {"task": np.array(["\ud800"] * 8)}})
    with swm.data.create(tmp_path / "d") as writer:
        with pytest.raises(swm.core.errors.InvalidValueError, match="'task' holds a text that has no UTF-8 form"):
            writer.write(odd)
        writer.write(base)
    assert len(swm.data.open(tmp_path / "d")) == 1
