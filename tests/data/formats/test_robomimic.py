"""robomimic: the layout that is written, and files of other programs."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swm.data
from swm.core.errors import DatasetError
from tests.data.formats.rich_episodes import rich_episode


def demonstrations(path: Path, *, next_obs: bool = True, **changes: Any) -> list[dict[str, np.ndarray]]:
    """Three demonstrations as robosuite records them; returns what each holds, with T + 1 observations."""
    import h5py

    made = []
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = json.dumps({"env_name": "Lift", "type": 1, "env_kwargs": {"robots": ["Panda"]}})
        for number, length in enumerate((3, 12, 2)):
            rng = np.random.default_rng(number)
            demo = data.create_group(f"demo_{number * 5}")
            demo.attrs["num_samples"] = length
            demo.attrs["model_file"] = "<mujoco/>"
            arrays = {
                "agentview_image": rng.integers(0, 256, (length + 1, 4, 4, 3), dtype=np.uint8),
                "robot0/eef_pos": rng.normal(size=(length + 1, 3)),
                "actions": rng.normal(size=(length, 7)),
                "rewards": rng.normal(size=length),
                "dones": (np.arange(length) == length - 1).astype(np.int64),
                "states": rng.normal(size=(length, 32)),
            }
            arrays.update(changes)
            for name, values in arrays.items():
                if "/" in name or "image" in name:
                    demo[f"obs/{name}"] = values[:length]
                    if next_obs:
                        demo[f"next_obs/{name}"] = values[1:]
                elif values is not None:
                    demo[name] = values
            demo["datagen_info/object"] = np.full((2, 2), number)
            made.append(arrays)
        file["mask/train"] = np.array([b"demo_0", b"demo_10"])
        file["mask/valid"] = np.array([b"demo_5"])
        file["mask/20_percent"] = np.array([b"demo_10"])
    return made


def test_demonstrations_are_read_with_their_last_observation(tmp_path: Path) -> None:
    made = demonstrations(tmp_path / "lift.hdf5")
    dataset = swm.data.open(tmp_path / "lift.hdf5")
    assert dataset.lengths.tolist() == [3, 12, 2]
    assert dataset.columns["agentview_image"].codec == "raw"
    for index, arrays in enumerate(made):
        episode = dataset.episode(index)
        np.testing.assert_array_equal(episode.observation["agentview_image"], arrays["agentview_image"], strict=True)
        np.testing.assert_array_equal(episode.observation["robot0.eef_pos"], arrays["robot0/eef_pos"], strict=True)
        np.testing.assert_array_equal(episode.action, arrays["actions"], strict=True)
        np.testing.assert_array_equal(episode.reward, arrays["rewards"], strict=True)
        assert episode.terminated.tolist() == [False] * (len(arrays["dones"]) - 1) + [True]
        np.testing.assert_array_equal(episode.payload["states"], arrays["states"], strict=True)
        np.testing.assert_array_equal(episode.payload["datagen_info/object"], np.full((2, 2), index))
    assert [facts["split"] for facts in dataset.episodes] == ["train", "val", "train"]
    assert dataset.episodes[2]["metadata"] == {"model_file": "<mujoco/>", "filters": ["20_percent"]}
    assert dataset.provenance[0]["env_args"]["env_name"] == "Lift"
    assert dataset.verify().ok


def test_without_next_obs_the_last_row_goes_to_the_payload(tmp_path: Path) -> None:
    made = demonstrations(tmp_path / "lift.hdf5", next_obs=False)
    dataset = swm.data.open(tmp_path / "lift.hdf5")
    assert dataset.lengths.tolist() == [2, 11, 1]
    episode = dataset.episode(0)
    np.testing.assert_array_equal(episode.observation["agentview_image"], made[0]["agentview_image"][:3])
    np.testing.assert_array_equal(episode.action, made[0]["actions"][:2])
    np.testing.assert_array_equal(episode.payload["final.action"], made[0]["actions"][2:])
    assert episode.payload["final.terminated"].tolist() == [True]
    assert any("next_obs" in note for note in dataset.reader.notes)


def test_demonstrations_survive_a_round_trip(tmp_path: Path) -> None:
    import h5py

    made = demonstrations(tmp_path / "lift.hdf5")
    source = swm.data.open(tmp_path / "lift.hdf5")
    path = tmp_path / "copy.hdf5"
    with swm.data.create(path, format="robomimic", provenance=source.provenance[0], val_fraction=0.0) as writer:
        for index in range(3):
            writer.write(source.episode(index))
    with h5py.File(path) as file:
        assert json.loads(file["data"].attrs["env_args"])["env_name"] == "Lift"
        assert file["data"].attrs["total"] == 17
        assert file["mask/20_percent"][()].tolist() == [b"demo_2"]
        assert file["mask/train"][()].tolist() == [b"demo_0", b"demo_1", b"demo_2"]
        for index, arrays in enumerate(made):
            demo = file[f"data/demo_{index}"]
            assert (demo.attrs["num_samples"], demo.attrs["model_file"]) == (len(arrays["actions"]), "<mujoco/>")
            for name in ("actions", "rewards", "dones", "states"):
                np.testing.assert_array_equal(demo[name][()], arrays[name], strict=True)
            np.testing.assert_array_equal(demo["obs/agentview_image"][()], arrays["agentview_image"][:-1])
            np.testing.assert_array_equal(demo["next_obs/agentview_image"][()], arrays["agentview_image"][1:])


def test_the_split_becomes_masks(tmp_path: Path) -> None:
    import h5py

    with swm.data.create(tmp_path / "data.hdf5", format="robomimic", val_fraction=0.5) as writer:
        for seed in range(8):
            writer.write(rich_episode(seed, 1))
    dataset = swm.data.open(tmp_path / "data.hdf5")
    with h5py.File(tmp_path / "data.hdf5", locking=False) as file:
        for name, mask in (("train", "train"), ("val", "valid")):
            assert file[f"mask/{mask}"][()].astype(str).tolist() == [f"demo_{i}" for i in dataset.split(name)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"actions": None}, "actions"),
        ({"actions": np.zeros((5, 7))}, "num_samples"),
        ({"agentview_image": np.zeros((2, 4, 4, 3), np.uint8)}, "expected"),
        ({"rewards": np.zeros(1)}, "expected"),
    ],
)
def test_what_does_not_fit_together_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    demonstrations(tmp_path / "lift.hdf5", **changes)

    def verify() -> None:
        problems = swm.data.open(tmp_path / "lift.hdf5").verify().problems
        raise DatasetError("; ".join(problems))

    with pytest.raises(DatasetError, match=message):
        verify()


_READ = """
import sys
import numpy as np
import robomimic.utils.obs_utils as utils
from robomimic.utils.dataset import SequenceDataset
names = ["agentview_image", "robot0.eef_pos"]
utils.initialize_obs_utils_with_obs_specs({"obs": {"rgb": names[:1], "low_dim": names[1:]}})
for mode in ("all", None):
    dataset = SequenceDataset(sys.argv[1], names, ("actions", "rewards", "dones"), load_next_obs=True,
                              filter_by_attribute="train", hdf5_cache_mode=mode)
    steps = [dataset[index] for index in range(len(dataset))]
np.savez(sys.argv[2], actions=[s["actions"][0] for s in steps], dones=[s["dones"][0] for s in steps],
         **{f"{part}|{name}": [s[part][name][0] for s in steps] for part in ("obs", "next_obs") for name in names})
"""


@pytest.mark.slow
@pytest.mark.skipif("SWM_ROBOMIMIC_PYTHON" not in os.environ, reason="SWM_ROBOMIMIC_PYTHON names one with robomimic")
def test_robomimic_reads_what_is_written(tmp_path: Path) -> None:
    demonstrations(tmp_path / "lift.hdf5")
    source = swm.data.open(tmp_path / "lift.hdf5")
    with swm.data.create(tmp_path / "copy.hdf5", format="robomimic", val_fraction=0.0) as writer:
        for index in range(3):
            writer.write(source.episode(index))
    command = [os.environ["SWM_ROBOMIMIC_PYTHON"], "-W", "ignore", "-c", _READ]
    subprocess.run([*command, str(tmp_path / "copy.hdf5"), str(tmp_path / "read.npz")], check=True, cwd=tmp_path)
    read = np.load(tmp_path / "read.npz")
    episodes = [source.episode(index) for index in range(3)]
    np.testing.assert_array_equal(read["actions"], np.concatenate([episode.action for episode in episodes]))
    for name in ("agentview_image", "robot0.eef_pos"):
        frames = [episode.observation[name] for episode in episodes]
        np.testing.assert_array_equal(read[f"obs|{name}"], np.concatenate([part[:-1] for part in frames]))
        np.testing.assert_array_equal(read[f"next_obs|{name}"], np.concatenate([part[1:] for part in frames]))
