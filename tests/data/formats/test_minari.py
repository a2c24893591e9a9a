"""Minari: what the real package wrote is read exactly, and what is written here is what it reads."""

import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swm.data
from swm.core.errors import DatasetError
from tests.data.formats.rich_episodes import assert_equal, rich_episode

GOLDEN = Path(__file__).parents[2] / "golden" / "minari" / "datasets.zip"
EXPECTED = {
    "nested-hdf5-jpeg-v0": "nested-hdf5-jpeg-v0",
    "nested-hdf5-raw-v0": "nested-hdf5-raw-v0",
    "nested-arrow-raw-v0": "nested-hdf5-raw-v0",
    "nested-parquet-jpeg-v0": "nested-hdf5-jpeg-v0",
    "plain-hdf5-v1": "plain-hdf5-v1",
}
"""Dataset -> the file that says what it holds."""
COMPONENTS = {
    "camera": "observations/camera",
    "arm.angle": "observations/arm/angle",
    "arm.grip": "observations/arm/grip",
    "pair._index_0": "observations/pair/_index_0",
    "pair._index_1": "observations/pair/_index_1",
    "task": "observations/task",
    "infos.success": "infos/success",
    "infos.forces": "infos/forces",
}


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The datasets that the real package made."""
    folder = tmp_path_factory.mktemp("minari")
    with zipfile.ZipFile(GOLDEN) as archive:
        archive.extractall(folder)
    return folder


@pytest.mark.parametrize("name", [name for name in EXPECTED if name.startswith("nested")])
def test_datasets_of_the_real_package_are_read_exactly(golden: Path, name: str) -> None:
    dataset = swm.data.open(golden / name)
    assert dataset.lengths.tolist() == [3, 2]
    assert dataset.columns["camera"].codec == ("jpeg" if "jpeg" in name else "raw")
    expected = np.load(golden / f"{EXPECTED[name]}.npz")
    for index, seed in enumerate((3, 7)):
        episode = dataset.episode(index)
        assert set(episode.observation) == set(COMPONENTS)
        for component, place in COMPONENTS.items():
            np.testing.assert_array_equal(episode.observation[component], expected[f"{index}/{place}"], component)
        np.testing.assert_array_equal(episode.action, expected[f"{index}/actions"], strict=True)
        np.testing.assert_array_equal(episode.reward, expected[f"{index}/rewards"], strict=True)
        np.testing.assert_array_equal(episode.terminated, expected[f"{index}/terminations"])
        np.testing.assert_array_equal(episode.truncated, expected[f"{index}/truncations"])
        np.testing.assert_array_equal(episode.success, expected[f"{index}/infos/success"][1:])
        assert episode.metadata == {"seed": seed, "options": {"level": seed, "start": {"x": 0.5}}}
    assert dataset.verify().ok


def test_plain_observations_and_actions_in_parts_are_read(golden: Path) -> None:
    dataset = swm.data.open(golden / "plain-hdf5-v1")
    expected = np.load(golden / "plain-hdf5-v1.npz")
    episode = dataset.episode(1)
    np.testing.assert_array_equal(episode.observation["observation"], expected["1/observations"], strict=True)
    np.testing.assert_array_equal(episode.action[:, 0], expected["1/actions/mode"])
    np.testing.assert_array_equal(episode.action[:, 1:].astype(np.float32), expected["1/actions/move"])
    assert any("mode (1), move (2)" in note for note in dataset.reader.notes)
    assert any("no 'success'" in note for note in dataset.reader.notes)
    assert dataset.provenance[0]["minari"]["author"] == ["somebody"]


def test_jpeg_pictures_can_be_had_as_they_are_stored(golden: Path) -> None:
    dataset = swm.data.open(golden / "nested-hdf5-jpeg-v0")
    stored: Any = dataset.episode(0, decode=False).observation["camera"]
    assert all(blob.startswith(b"\xff\xd8") for blob in stored.blobs)
    np.testing.assert_array_equal(stored.decode(), dataset.episode(0).observation["camera"])


@pytest.mark.parametrize("name", EXPECTED)
def test_some_rows_are_a_part_of_all_rows(golden: Path, name: str) -> None:
    dataset = swm.data.open(golden / name)
    rows = dataset.rows(np.arange(2), "observation")
    names = [name for name, column in dataset.columns.items() if column.role == "observation"]
    every = dataset.reader.read(names, rows)
    order = np.random.default_rng(0).permutation(len(rows))[:4]
    for component, values in dataset.reader.read(names, rows[order]).items():
        np.testing.assert_array_equal(values, every[component][order])


@pytest.mark.parametrize("name", EXPECTED)
def test_a_dataset_of_the_real_package_survives_a_round_trip(golden: Path, tmp_path: Path, name: str) -> None:
    source = swm.data.open(golden / name)
    with swm.data.create(tmp_path / name, format="minari", provenance=source.provenance[0]) as writer:
        for index in range(source.num_episodes):
            writer.write(source.episode(index))
    copy = swm.data.open(tmp_path / name)
    for index in range(source.num_episodes):
        got, expected = copy.episode(index), source.episode(index)
        assert got.metadata == expected.metadata
        for column, values in expected.arrays().items():
            np.testing.assert_array_equal(got.arrays()[column], values, column)
    description = json.loads((tmp_path / name / "data" / "metadata.json").read_text())
    assert description["data_format"] == "hdf5"
    assert description["jpeg_encoding"] is False
    space = json.loads(description["action_space"])
    if name == "plain-hdf5-v1":
        assert description["author"] == ["somebody"]
        assert (space["type"], space["shape"]) == ("Box", [3])
    else:
        assert space == {"type": "Discrete", "dtype": "int64", "start": 0, "n": 5}


def test_a_plain_observation_is_written_plain(tmp_path: Path) -> None:
    episode = rich_episode(0)
    plain = swm.data.Episode(
        observation={"observation": episode.observation["state"]},
        **{name: getattr(episode, name) for name in ("action", "reward", "terminated", "truncated", "success")},
    )
    with swm.data.create(tmp_path / "plain-v0", format="minari") as writer:
        writer.write(plain)
    description = json.loads((tmp_path / "plain-v0" / "data" / "metadata.json").read_text())
    assert json.loads(description["observation_space"])["type"] == "Box"
    assert_equal(swm.data.open(tmp_path / "plain-v0").episode(0), plain)


def test_names_that_cannot_be_nested_stay_whole(tmp_path: Path) -> None:
    episode = rich_episode(0)
    names = ("a", "a.b", "a.b.c", "c.d", "c._index_0", "t._index_0", "t._index_1", ".x", "y.", "s/l", "infos.success")
    values = {name: np.full((5, 1), index, np.float32) for index, name in enumerate(names)}
    odd = swm.data.Episode(
        observation=values,
        **{name: getattr(episode, name) for name in ("action", "reward", "terminated", "truncated", "success")},
    )
    with swm.data.create(tmp_path / "odd-v0", format="minari") as writer:
        writer.write(odd)
    assert_equal(swm.data.open(tmp_path / "odd-v0").episode(0), odd)
    description = json.loads((tmp_path / "odd-v0" / "data" / "metadata.json").read_text())
    members = json.loads(description["observation_space"])["subspaces"]
    assert {"a", "a.b", "a.b.c", "s%2Fl", ".x"} < set(members)
    assert (members["t"]["type"], members["c"]["type"]) == ("Tuple", "Dict")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data_format": "zarr"}, "zarr"),
        ({"total_episodes": 9}, "9"),
        ({"total_episodes": "many"}, "many"),
        ({"observation_space": '{"type": "Dict"}'}, "observation_space"),
        ({"observation_space": "{"}, "observation_space"),
    ],
)
@pytest.mark.parametrize("name", ["nested-hdf5-raw-v0", "nested-arrow-raw-v0"])
def test_damaged_descriptions_are_named(
    golden: Path, tmp_path: Path, name: str, change: dict[str, Any], message: str
) -> None:
    shutil.copytree(golden / name, tmp_path / name)
    file = tmp_path / name / "data" / "metadata.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(DatasetError, match=message):
        swm.data.open(tmp_path / name)


@pytest.mark.parametrize("name", EXPECTED)
def test_truncated_files_are_named(golden: Path, tmp_path: Path, name: str) -> None:
    for number, file in enumerate(sorted((golden / name / "data").rglob("*"))):
        if file.is_file():
            copy = tmp_path / str(number)
            shutil.copytree(golden / name, copy)
            target = copy / file.relative_to(golden / name)
            target.write_bytes(target.read_bytes()[: target.stat().st_size // 2])
            try:
                problems = swm.data.open(copy).verify().problems
            except DatasetError:
                continue
            assert problems, file


def test_episodes_that_another_program_adds_are_read(tmp_path: Path) -> None:
    import h5py

    with swm.data.create(tmp_path / "toy-v0", format="minari") as writer:
        writer.write(rich_episode(0, nul=False))
    file = tmp_path / "toy-v0" / "data" / "main_data.hdf5"
    with h5py.File(file, "r+") as stored:
        stored.copy("episode_0", "episode_1")
        for name in ("swm", "swm_sha256"):
            del stored["episode_1"].attrs[name]
    description = file.with_name("metadata.json")
    description.write_text(json.dumps({**json.loads(description.read_text()), "total_episodes": 2}))
    dataset = swm.data.open(tmp_path / "toy-v0")
    assert dataset.num_episodes == 2
    assert any("another program" in note for note in dataset.reader.notes)
    np.testing.assert_array_equal(dataset.episode(1).observation["pixels"], rich_episode(0).observation["pixels"])
    with pytest.raises(DatasetError, match="another program"):
        swm.data.create(tmp_path / "toy-v0", format="minari", mode="append")


_READ = """
import sys, numpy as np, minari
out = {}
dataset = minari.load_dataset(sys.argv[1])
def flat(place, value):
    if isinstance(value, dict):
        for key, inner in value.items(): flat(place + "/" + key, inner)
    elif isinstance(value, tuple):
        for index, inner in enumerate(value): flat(f"{place}/_index_{index}", inner)
    else:
        out[place.replace("/", "|")] = np.asarray(value)
for episode in dataset.iterate_episodes():
    for part in ("observations", "actions", "rewards", "terminations", "truncations", "infos"):
        flat(f"{episode.id}/{part}", getattr(episode, part))
assert dataset.observation_space and dataset.action_space and dataset.sample_episodes(1)
np.savez(sys.argv[2], **out)
"""


@pytest.mark.slow
@pytest.mark.skipif("SWM_MINARI_PYTHON" not in os.environ, reason="SWM_MINARI_PYTHON names a Python with minari 0.5.4")
def test_the_real_package_reads_what_is_written(tmp_path: Path) -> None:
    episodes = [rich_episode(seed, nul=False) for seed in range(2)]
    with swm.data.create(tmp_path / "toy" / "rich-v0", format="minari") as writer:
        for episode in episodes:
            writer.write(episode)
    environment = {**os.environ, "MINARI_DATASETS_PATH": str(tmp_path)}
    command = [os.environ["SWM_MINARI_PYTHON"], "-c", _READ, "toy/rich-v0", str(tmp_path / "read.npz")]
    subprocess.run(command, check=True, env=environment)
    read = np.load(tmp_path / "read.npz")
    for index, episode in enumerate(episodes):
        for name, place in (("action", "actions"), ("reward", "rewards"), ("terminated", "terminations")):
            np.testing.assert_array_equal(read[f"{index}|{place}"], getattr(episode, name), strict=True)
        for name, key in (("n.float16", "n|float16"), ("a/b", "a%2Fb"), ("a%2Fb", "a%252Fb")):
            np.testing.assert_array_equal(read[f"{index}|observations|{key}"], episode.observation[name], strict=True)
        for name in ("pixels", "pixels.front", "mask", "instruction", "state"):
            np.testing.assert_array_equal(read[f"{index}|observations|{name}"], episode.observation[name])
        np.testing.assert_array_equal(read[f"{index}|infos|success"][1:], episode.success)
