"""HDF5: laws that the three formats in HDF5 share, and the layout of flat columns."""

import os
import pickle
import signal
import subprocess
import sys
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swm.data
from swm.core.errors import DatasetError
from tests.data.formats.rich_episodes import assert_equal, rich_episode

FORMATS = {"hdf5": "data.h5", "robomimic": "data.hdf5", "minari": "data-v0"}
"""Format -> name of a dataset."""
LENGTHS = (4, 1, 7)

EPISODES = [rich_episode(seed, length) for seed, length in enumerate(LENGTHS)]


@pytest.fixture(params=FORMATS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def write(kind: str, folder: Path, episodes: list[swm.data.Episode], **options: Any) -> Path:
    path = folder / FORMATS[kind]
    with swm.data.create(path, format=kind, **options) as writer:
        for episode in episodes:
            writer.write(episode)
    assert writer.num_episodes >= len(episodes)
    return path


def file_of(path: Path) -> Path:
    """The HDF5 file of a dataset."""
    return path / "data" / "main_data.hdf5" if path.is_dir() else path


def check(path: Path, episodes: list[swm.data.Episode]) -> None:
    dataset = swm.data.open(path)
    assert dataset.num_episodes == len(episodes)
    for index, episode in enumerate(episodes):
        assert_equal(dataset.episode(index), episode)


@pytest.mark.parametrize("codec", [None, "raw", "jpeg"])
def test_everything_comes_back(kind: str, tmp_path: Path, codec: Any) -> None:
    path = write(kind, tmp_path, EPISODES, codec=codec, provenance={"command": "test"})
    check(path, EPISODES)
    dataset = swm.data.open(path)
    assert dataset.verify().ok
    assert dataset.provenance[0]["command"] == "test"
    assert dataset.columns["pixels"].codec == "raw"


def test_a_lossy_codec_is_noted(kind: str, tmp_path: Path) -> None:
    with swm.data.create(tmp_path / FORMATS[kind], format=kind, codec="jpeg") as writer:
        writer.write(EPISODES[0])
    assert any("not as jpeg" in note for note in writer.notes)


def test_splits_are_those_that_were_asked_for(kind: str, tmp_path: Path) -> None:
    path = write(kind, tmp_path, EPISODES, val_fraction=1.0)
    assert len(swm.data.open(path).split("val")) == 3


def test_some_rows_are_a_part_of_all_rows(kind: str, tmp_path: Path) -> None:
    dataset = swm.data.open(write(kind, tmp_path, EPISODES))
    rng = np.random.default_rng(0)
    for role in ("observation", "transition"):
        names = [name for name, column in dataset.columns.items() if column.role == role]
        rows = dataset.rows(np.arange(3), role)
        every = dataset.reader.read(names, rows)
        for count in (0, 1, 5, len(rows)):
            order = rng.permutation(len(rows))[:count]
            for name, values in dataset.reader.read(names, rows[order]).items():
                assert values.shape == (count, *dataset.columns[name].shape)
                np.testing.assert_array_equal(values, every[name][order])


def test_pictures_may_be_reduced_while_they_are_read(kind: str, tmp_path: Path) -> None:
    dataset = swm.data.open(write(kind, tmp_path, EPISODES))
    rows = dataset.rows(np.array([0]), "observation")
    assert dataset.reader.read(["pixels"], rows, (4, 3))["pixels"].shape == (5, 4, 3, 3)


def test_columns_may_be_left_on_the_disk(tmp_path: Path) -> None:
    path = write("hdf5", tmp_path, EPISODES)
    dataset = swm.data.open(path, cache_bytes=0)
    for index, episode in enumerate(EPISODES):
        assert_equal(dataset.episode(index), episode)


def test_append_continues(kind: str, tmp_path: Path) -> None:
    write(kind, tmp_path, EPISODES[:1])
    path = write(kind, tmp_path, EPISODES[1:], mode="append")
    check(path, EPISODES)
    dataset = swm.data.open(path)
    assert dataset.verify().ok
    assert [session["first_episode"] for session in dataset.provenance] == [0, 1]


def test_overwrite_replaces_at_the_end_alone(kind: str, tmp_path: Path) -> None:
    path = write(kind, tmp_path, EPISODES)
    with swm.data.create(path, format=kind, mode="overwrite") as writer:
        writer.write(EPISODES[1])
        check(path, EPISODES)
    check(path, EPISODES[1:2])
    with swm.data.create(path, format=kind, mode="overwrite"):
        pass
    check(path, EPISODES[1:2])
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [path.name]


def test_an_existing_dataset_is_refused(kind: str, tmp_path: Path) -> None:
    path = write(kind, tmp_path, EPISODES[:1])
    with pytest.raises(DatasetError, match="exists already"):
        swm.data.create(path, format=kind)


def test_episodes_before_an_error_are_kept(kind: str, tmp_path: Path) -> None:
    path = tmp_path / FORMATS[kind]

    def record() -> None:
        with swm.data.create(path, format=kind) as writer:
            writer.write(EPISODES[0])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        record()
    check(path, EPISODES[:1])


def test_an_episode_that_fails_half_way_leaves_nothing(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / FORMATS[kind]
    with swm.data.create(path, format=kind) as writer:
        writer.write(EPISODES[0])
        with monkeypatch.context() as patch:
            module = "flat_writer" if kind == "hdf5" else "groups"

            def fail(*arguments: Any) -> None:
                raise OSError("no space left on device")

            patch.setattr(f"swm.data.formats.hdf5.{module}.write_attribute", fail)
            with pytest.raises(DatasetError, match="no space left"):
                writer.write(EPISODES[1])
        writer.write(EPISODES[2])
    check(path, [EPISODES[0], EPISODES[2]])
    assert swm.data.open(path).verify().ok


def test_other_columns_are_refused(kind: str, tmp_path: Path) -> None:
    with swm.data.create(tmp_path / FORMATS[kind], format=kind) as writer:
        writer.write(EPISODES[0])
        other = dict(EPISODES[1].observation)
        other["state"] = other["state"].astype(np.float32)
        changed = swm.data.Episode(
            observation=other, **{name: getattr(EPISODES[1], name) for name in swm.data.episode.TRANSITIONS}
        )
        with pytest.raises(DatasetError, match="'state' has dtype float32"):
            writer.write(changed)


def test_there_is_one_writer(kind: str, tmp_path: Path) -> None:
    path = tmp_path / FORMATS[kind]
    with swm.data.create(path, format=kind) as writer:
        with pytest.raises(DatasetError, match="another writer"):
            swm.data.create(path, format=kind)
        writer.write(EPISODES[0])
    check(path, EPISODES[:1])
    with pytest.raises(DatasetError, match="closed"):
        writer.write(EPISODES[0])


_KILLED = """
import sys
import swm.data
from tests.data.formats.rich_episodes import rich_episode
writer = swm.data.create(sys.argv[1], format=sys.argv[2], mode=sys.argv[3])
print("begun", flush=True)
for seed in range(10_000_000):
    writer.write(rich_episode(seed % 3))
"""


@pytest.mark.parametrize("mode", ["append", "overwrite"])
def test_a_killed_writer_harms_nothing(kind: str, tmp_path: Path, mode: str) -> None:
    path = write(kind, tmp_path, EPISODES)
    command = [sys.executable, "-c", _KILLED, str(path), kind, mode]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3])
    assert child.stdout is not None
    assert child.stdout.readline() == b"begun\n"
    time.sleep(0.2)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    check(path, EPISODES)
    write(kind, tmp_path, EPISODES[:1], mode="append")
    check(path, [*EPISODES, EPISODES[0]])
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [path.name]


def _first(dataset: swm.data.Dataset) -> Any:
    return dataset.episode(2).observation["pixels"]


def test_readers_cross_to_other_processes(kind: str, tmp_path: Path) -> None:
    dataset = swm.data.open(write(kind, tmp_path, EPISODES))
    expected = _first(dataset)
    with get_context("spawn").Pool(1) as pool:
        for pixels in pool.map(_first, [dataset] * 2):
            np.testing.assert_array_equal(pixels, expected)
    assert len(pickle.dumps(dataset)) < 1000


_FORKED = """
import os, sys
import numpy as np
import swm.data
from tests.data.formats.rich_episodes import rich_episode
dataset = swm.data.open(sys.argv[1], cache_bytes=0)
expected = rich_episode(2, 7)
def same():
    got = dataset.episode(2)
    return all(np.array_equal(got.observation[name], expected.observation[name]) for name in ("pixels", "state"))
assert same()
handle = dataset.reader._handle.file
child = os.fork()
agree = all(same() for _ in range(10))
if child == 0:
    os._exit(0 if agree and dataset.reader._handle.file is not handle else 1)
assert agree and dataset.reader._handle.file is handle
assert os.waitpid(child, 0)[1] == 0
"""


def test_an_open_handle_is_not_shared_by_a_forked_child(tmp_path: Path) -> None:
    path = write("hdf5", tmp_path, EPISODES)
    subprocess.run([sys.executable, "-c", _FORKED, str(path)], check=True, cwd=Path(__file__).parents[3])


def test_a_reader_does_not_stop_a_writer(kind: str, tmp_path: Path) -> None:
    path = write(kind, tmp_path, EPISODES[:1])
    dataset = swm.data.open(path)
    write(kind, tmp_path, EPISODES[1:2], mode="append")
    assert_equal(dataset.episode(0), EPISODES[0])
    check(path, EPISODES[:2])


def test_a_file_may_be_open_elsewhere_in_the_process(kind: str, tmp_path: Path) -> None:
    import h5py

    path = write(kind, tmp_path, EPISODES[:1])
    with h5py.File(file_of(path)):
        check(path, EPISODES[:1])


def _outcome(path: Path) -> str:
    """What becomes of a damaged dataset; anything but a `DatasetError` fails the test."""
    try:
        dataset = swm.data.open(path, format="hdf5" if path.suffix == ".h5" else None)
        if not dataset.verify().ok:
            return "reported"
        for index, episode in enumerate(EPISODES):
            assert_equal(dataset.episode(index), episode)
    except DatasetError:
        return "refused"
    return "whole"


def test_truncated_files_are_refused_or_reported(kind: str, tmp_path: Path) -> None:
    path = write(kind, tmp_path, EPISODES)
    content = file_of(path).read_bytes()
    for part in (0, 1, 100, len(content) // 3, len(content) // 2, len(content) - 1):
        file_of(path).write_bytes(content[:part])
        assert _outcome(path) != "whole", part


def test_flipped_bits_are_found_or_harmless(kind: str, tmp_path: Path) -> None:
    path = write(kind, tmp_path, EPISODES)
    content = file_of(path).read_bytes()
    rng = np.random.default_rng(0)
    used = np.flatnonzero(np.frombuffer(content, np.uint8))
    outcomes = []
    for place in rng.choice(used, 25, replace=False):
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(rng.integers(8))
        file_of(path).write_bytes(damaged)
        outcomes.append(_outcome(path))
    assert {"refused", "reported"} & set(outcomes)


def test_a_newer_schema_is_refused(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("swm.data.formats.hdf5.session.SCHEMA_VERSION", 2)
        path = write(kind, tmp_path, EPISODES[:1])
    with pytest.raises(DatasetError, match="schema version 2; this installation reads up to 1"):
        swm.data.open(path)


def test_there_are_no_other_versions(kind: str, tmp_path: Path) -> None:
    path = write(kind, tmp_path, EPISODES[:1])
    assert swm.data.open(path, version=1).num_episodes == 1
    with pytest.raises(DatasetError, match="no version 2"):
        swm.data.open(path, version=2)


def test_actions_that_are_no_numbers_are_reported(kind: str, tmp_path: Path) -> None:
    action = np.array([[np.nan, 0], [1, 2]], np.float32)
    episode = swm.data.Episode(
        observation={"state": np.zeros((3, 1))},
        action=action,
        reward=np.zeros(2),
        terminated=np.zeros(2, bool),
        truncated=np.zeros(2, bool),
        success=np.zeros(2, bool),
    )
    dataset = swm.data.open(write(kind, tmp_path, [episode]))
    assert dataset.verify().problems == ("episode 0: 1 actions hold NaN",)
    assert dataset.reader.checksums() == swm.data.open(dataset.uri).reader.checksums()


def foreign(path: Path, last_action: float = np.nan, **changes: Any) -> dict[str, Any]:
    """A file as another program writes it: two episodes of 3 and 2 rows."""
    import h5py

    rng = np.random.default_rng(0)
    columns: dict[str, Any] = {
        "pixels": rng.integers(0, 256, (5, 4, 4, 3), dtype=np.uint8),
        "proprio": rng.normal(size=(5, 2)).astype(np.float32),
        "action": rng.normal(size=(5, 2)).astype(np.float32),
        "reward": np.array([np.nan, 1, 2, np.nan, 3]),
        "terminated": np.array([0, 0, 1, 0, 0], np.uint8),
        "truncated": np.array([[False], [False], [False], [False], [True]]),
        "step_idx": np.array([0, 1, 2, 0, 1]),
        "caption": np.array([b"push", b"", "ü".encode(), b"a", b"b"], object),
        "ep_len": np.array([3, 2], np.int32),
        "ep_offset": np.array([0, 3]),
        **changes,
    }
    if last_action is not None:
        columns["action"][[2, 4]] = last_action
    with h5py.File(path, "w", libver="latest") as file:
        for name, values in columns.items():
            if values is not None:
                dtype = h5py.string_dtype() if values.dtype == object else None
                file.create_dataset(name, data=values, dtype=dtype)
    return columns


def test_a_file_of_another_program_is_read(tmp_path: Path) -> None:
    columns = foreign(tmp_path / "other.h5")
    dataset = swm.data.open(tmp_path / "other.h5")
    assert dataset.lengths.tolist() == [2, 1]
    first, second = dataset.episode(0), dataset.episode(1)
    np.testing.assert_array_equal(first.observation["pixels"], columns["pixels"][:3], strict=True)
    np.testing.assert_array_equal(second.observation["proprio"], columns["proprio"][3:], strict=True)
    assert first.observation["caption"].tolist() == ["push", "", "ü"]
    np.testing.assert_array_equal(first.action, columns["action"][:2], strict=True)
    assert (first.reward.tolist(), second.reward.tolist()) == ([1, 2], [3])
    assert (first.terminated.tolist(), second.truncated.tolist()) == ([False, True], [True])
    assert np.isnan(first.payload["final.action"]).all()
    assert any("no 'success'" in note for note in dataset.reader.notes)
    assert dataset.verify().ok


def test_a_file_of_another_program_written_again_has_the_same_rows(tmp_path: Path) -> None:
    import h5py

    columns = foreign(tmp_path / "other.h5", last_action=7.0)
    source = swm.data.open(tmp_path / "other.h5")
    path = write("hdf5", tmp_path, [source.episode(0), source.episode(1)])
    with h5py.File(path) as file:
        for name in ("pixels", "proprio", "action", "reward", "ep_len", "ep_offset", "step_idx"):
            np.testing.assert_array_equal(file[name][()], columns[name])
        assert file["is_last"][()].tolist() == [False, False, True, False, True]
        assert not any(isinstance(member, h5py.Group) for member in file.values())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"action": None}, "'action'"),
        ({"pixels": None, "proprio": None, "caption": None}, "at least one observation"),
        ({"ep_len": np.array([3, 1])}, "overlap or leave gaps|rows"),
        ({"ep_len": np.array([3, 3])}, "rows, but the episodes"),
        ({"ep_offset": np.array([0, 4])}, "overlap or leave gaps"),
        ({"ep_len": np.array([3])}, "one number per episode"),
        ({"ep_len": np.array([], int), "ep_offset": np.array([], int)}, "damaged or empty"),
        ({"proprio": np.zeros((4, 2))}, "'proprio' has 4 rows"),
        ({"ep_len": np.ones(5, int), "ep_offset": np.arange(5)}, "no episode has two rows"),
    ],
)
def test_what_does_not_fit_together_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    foreign(tmp_path / "other.h5", last_action=0.0 if "action" not in changes else None, **changes)  # type: ignore[arg-type]
    with pytest.raises(DatasetError, match=message):
        swm.data.open(tmp_path / "other.h5")


def test_what_is_no_column_is_left_out_and_noted(tmp_path: Path) -> None:
    foreign(tmp_path / "other.h5", phase=np.zeros(5, complex), table=np.zeros(5, [("a", "f4")]))
    dataset = swm.data.open(tmp_path / "other.h5")
    assert {"phase", "table"}.isdisjoint(dataset.columns)
    assert sum("left out" in note for note in dataset.reader.notes) == 2


def test_actions_that_are_no_numbers_in_a_file_of_another_program_are_reported(tmp_path: Path) -> None:
    action = np.zeros((5, 2), np.float32)
    action[0, 1] = np.nan
    foreign(tmp_path / "other.h5", action=action)
    assert swm.data.open(tmp_path / "other.h5").verify().problems == ("episode 0: 1 actions hold NaN",)


def test_other_files_are_no_datasets(tmp_path: Path) -> None:
    import h5py

    (tmp_path / "text.h5").write_text("no")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    for name in ("text.h5", "other.h5"):
        with pytest.raises(DatasetError, match="not a dataset of a known format"):
            swm.data.open(tmp_path / name)
        for kind in ("hdf5", "robomimic"):
            with pytest.raises(DatasetError):
                swm.data.open(tmp_path / name, format=kind)


def test_a_file_of_another_program_is_not_added_to(tmp_path: Path) -> None:
    foreign(tmp_path / "other.h5")
    before = (tmp_path / "other.h5").read_bytes()
    with pytest.raises(DatasetError, match="not written by this package"):
        swm.data.create(tmp_path / "other.h5", format="hdf5", mode="append")
    assert (tmp_path / "other.h5").read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["other.h5"]


_PEER = """
import sys, numpy as np
from stable_worldmodel.data.formats.hdf5 import HDF5Dataset
dataset = HDF5Dataset(path=sys.argv[1], num_steps=2)
assert len(dataset) > 0
for index in range(len(dataset)):
    dataset[index]
whole = [dataset.load_episode(index) for index in range(len(dataset.lengths))]
names = ("pixels", "state", "action", "reward", "is_last")
np.savez(sys.argv[2], **{f"{i}|{n}": np.asarray(e[n]) for i, e in enumerate(whole) for n in names})
"""


@pytest.mark.slow
@pytest.mark.skipif("SWM_PEER_PYTHON" not in os.environ, reason="SWM_PEER_PYTHON names one with stable-worldmodel")
def test_stable_worldmodel_reads_what_is_written(tmp_path: Path) -> None:
    episodes = [rich_episode(seed, length, nul=False) for seed, length in enumerate(LENGTHS)]
    path = write("hdf5", tmp_path, episodes)
    command = [os.environ["SWM_PEER_PYTHON"], "-W", "ignore", "-c", _PEER, str(path), str(tmp_path / "read.npz")]
    subprocess.run(command, check=True, cwd=tmp_path)
    read = np.load(tmp_path / "read.npz")
    for index, episode in enumerate(episodes):
        pixels = episode.observation["pixels"].transpose(0, 3, 1, 2)
        np.testing.assert_array_equal(read[f"{index}|pixels"], pixels, strict=True)
        np.testing.assert_array_equal(read[f"{index}|state"], episode.observation["state"], strict=True)
        np.testing.assert_array_equal(read[f"{index}|action"][:-1], episode.action, strict=True)
        np.testing.assert_array_equal(read[f"{index}|reward"][1:], episode.reward, strict=True)
        assert read[f"{index}|is_last"].tolist() == [False] * episode.num_steps + [True]
