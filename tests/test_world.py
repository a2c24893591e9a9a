"""Recording and evaluating: the same data whatever steps them, and nothing lost whatever stops them."""

import dataclasses
import subprocess
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swm
from swm import data, envs
from swm.core.errors import DatasetError, InvalidValueError, UnknownNameError
from swm.core.protocols import Array, Mask, StepBatch
from swm.evaluation import load_tasks
from swm.policy import RandomPolicy, make_policy
from swm.world import World

ENV_ID = "swm/TwoRoom-v0"
ROOT = Path(__file__).parents[1]


def collect(path: Path, num_envs: int = 4, executor: str = "auto", **changes: Any) -> data.Dataset:
    settings: dict[str, Any] = {"episodes": 12, "max_steps": 5, "progress": False, **changes}
    with World(ENV_ID, num_envs=num_envs, image_size=16, executor=executor) as world:
        return world.collect(str(path), **settings)


def variations(dataset: data.Dataset) -> list[dict[str, Any]]:
    return [episode["metadata"]["variation"] for episode in dataset.episodes]


# ------------------------------------------------------------------------------------- recording


@pytest.mark.parametrize(("executor", "num_envs"), [("native", 1), ("native", 16), ("inline", 3), ("process", 2)])
def test_executor_and_number_of_environments_change_no_byte(tmp_path: Path, executor: str, num_envs: int) -> None:
    expected = collect(tmp_path / "a", variation="train")
    found = collect(tmp_path / "b", num_envs, executor, variation="train")
    assert found.fingerprint == expected.fingerprint
    assert collect(tmp_path / "c", seed=1, variation="train").fingerprint != expected.fingerprint


def test_a_dataset_is_what_was_asked_for(tmp_path: Path) -> None:
    dataset = collect(tmp_path / "d", codec="png")
    assert dataset.num_episodes == 12
    assert dataset.lengths.tolist() == [5] * 12
    assert dataset.columns["pixels"].shape == (16, 16, 3)
    assert [episode["metadata"]["index"] for episode in dataset.episodes] == list(range(12))
    assert dataset.verify().ok
    with World(ENV_ID, num_envs=2, image_size=16) as world:
        records = world.rollout(make_policy("expert", world.executor.action_space, ENV_ID), episodes=12, max_steps=5)
    for index, record in enumerate(records):
        episode = dataset.episode(index)
        for name in ("pixels", "state"):
            np.testing.assert_array_equal(episode.observation[name], record.observation[name])
        np.testing.assert_array_equal(episode.action, record.action)
        np.testing.assert_array_equal(episode.success, record.success[1:])


def test_recording_in_parts_gives_the_whole(tmp_path: Path) -> None:
    whole = collect(tmp_path / "whole")
    collect(tmp_path / "parts", episodes=6)
    parts = collect(tmp_path / "parts")
    assert parts.fingerprint == whole.fingerprint
    assert len(parts.provenance) == 2
    again = collect(tmp_path / "parts")
    assert (again.fingerprint, again.version) == (parts.fingerprint, parts.version)


class Failing(RandomPolicy):
    """Raises at its n-th action."""

    def __init__(self, world: World, fail_at: int | None) -> None:
        super().__init__(world.executor.action_space)
        self.left = fail_at

    def act(self, step: StepBatch, mask: Mask) -> Array:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise RuntimeError("the policy broke")
        return super().act(step, mask)


@pytest.mark.parametrize("fail_at", [2, 7, 12])
def test_a_recording_that_failed_continues(tmp_path: Path, fail_at: int) -> None:
    with World(ENV_ID, num_envs=4, image_size=16) as world:
        settings: dict[str, Any] = {"episodes": 12, "max_steps": 5, "progress": False}
        whole = world.collect(str(tmp_path / "whole"), policy=Failing(world, None), **settings)
        with pytest.raises(RuntimeError, match="the policy broke"):
            world.collect(str(tmp_path / "parts"), policy=Failing(world, fail_at), **settings)
        parts = world.collect(str(tmp_path / "parts"), policy=Failing(world, None), **settings)
    assert parts.fingerprint == whole.fingerprint


ENDLESS = """
import sys
import swm
with swm.World("swm/TwoRoom-v0", num_envs=8, image_size=16) as world:
    print("ready", flush=True)
    world.collect(sys.argv[1], episodes=100_000, max_steps=5, variation="train", progress=False)
"""


def test_a_killed_recording_keeps_what_was_committed_and_continues(tmp_path: Path) -> None:
    path = tmp_path / "d"
    process = subprocess.Popen([sys.executable, "-c", ENDLESS, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        while not list(path.glob("episodes.lance/_versions/*.manifest")):
            assert process.poll() is None
    finally:
        process.kill()
        process.communicate()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        kept = data.open(path)
        count = kept.num_episodes
        continued = collect(path, episodes=count + 3, variation="train")
    assert count >= 1
    assert continued.num_episodes == count + 3
    assert continued.torn_rows == 0
    assert continued.verify().ok
    expected = collect(tmp_path / "whole", episodes=count + 3, num_envs=16, variation="train")
    assert continued.fingerprint == expected.fingerprint


def test_a_recording_killed_before_its_first_commit_begins_anew(tmp_path: Path) -> None:
    for table in ("steps.lance", "episodes.lance"):
        (tmp_path / "d" / table / "_versions").mkdir(parents=True)
    with pytest.raises(DatasetError, match="no committed episode"):
        data.open(tmp_path / "d")
    assert collect(tmp_path / "d", episodes=2).fingerprint == collect(tmp_path / "whole", episodes=2).fingerprint


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"seed": 3}, "seed: 0 there, 3 now"),
        ({"max_steps": 6}, "max_steps: 5 there, 6 now"),
        ({"policy": "random"}, "policy: .*random.* now"),
        ({"variation": "train"}, "variation: None there, 'train' now"),
        ({"codec": "png"}, "codec: 'jpeg' there, 'png' now"),
        ({"quality": 80}, "quality: 95 there, 80 now"),
    ],
)
def test_another_recipe_is_refused_and_changes_nothing(tmp_path: Path, changes: dict[str, Any], named: str) -> None:
    before = collect(tmp_path / "d", episodes=2)
    with pytest.raises(DatasetError, match=named):
        collect(tmp_path / "d", **changes)
    after = data.open(tmp_path / "d")
    assert (after.fingerprint, after.version) == (before.fingerprint, before.version)


def test_a_dataset_of_more_episodes_is_not_taken_for_fewer(tmp_path: Path) -> None:
    collect(tmp_path / "d", episodes=3)
    with pytest.raises(DatasetError, match="holds 3 episodes already, 2 were asked for"):
        collect(tmp_path / "d", episodes=2)


def test_a_dataset_of_unknown_origin_is_not_continued(tmp_path: Path) -> None:
    with data.create(tmp_path / "d") as writer:
        writer.write(collect(tmp_path / "other", episodes=1).episode(0))
    with pytest.raises(DatasetError, match="holds another recording"):
        collect(tmp_path / "d")


def test_overwrite_replaces(tmp_path: Path) -> None:
    collect(tmp_path / "d", episodes=3, seed=5)
    assert collect(tmp_path / "d", overwrite=True).fingerprint == collect(tmp_path / "e").fingerprint


# ------------------------------------------------------------------------------------- variation


@pytest.mark.parametrize(
    ("variation", "changing"),
    [
        (None, {"agent.position", "target.position"}),
        ("train", {"agent.position", "target.position"}),
        (["agent.color", "agent.speed"], {"agent.color", "agent.speed", "agent.position", "target.position"}),
        ("wall", {"wall.color", "wall.axis", "wall.thickness", "wall.position", "agent.position", "target.position"}),
        ({"agent.color": [1, 2, 3]}, {"agent.position", "target.position"}),
    ],
)
def test_each_episode_has_its_own_variation(tmp_path: Path, variation: Any, changing: set[str]) -> None:
    rows = variations(collect(tmp_path / "d", variation=variation))
    names = set(envs.make(ENV_ID).factors)
    assert all(set(row) == names for row in rows)
    distinct = {name: len({str(row[name]) for row in rows}) for name in names}
    assert {name for name, count in distinct.items() if count > 1} == changing
    assert distinct["agent.position"] == len(rows)


def test_all_varies_every_factor_that_can_vary(tmp_path: Path) -> None:
    rows = variations(collect(tmp_path / "d", variation="all"))
    same = {name for name in rows[0] if len({str(row[name]) for row in rows}) == 1}
    assert same <= {"wall.axis", "target.visible"}


def test_exact_values_reach_every_episode_and_its_pictures(tmp_path: Path) -> None:
    dataset = collect(tmp_path / "d", codec="png", variation={"background.color": [10, 20, 30], "agent.speed": 3})
    for index, row in enumerate(variations(dataset)):
        assert row["background.color"] == [10, 20, 30]
        assert row["agent.speed"] == 3.0
        colours = dataset.episode(index).observation["pixels"].reshape(6, -1, 3)
        assert all((picture == (10, 20, 30)).all(axis=-1).mean() > 0.1 for picture in colours)


# ------------------------------------------------------------------------------------ bad requests


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"policy": "expart"}, "unknown policy: 'expart'. Did you mean 'expert'"),
        ({"variation": ["agent.colour"]}, "unknown factor or group of factors: 'agent.colour'. Did you mean 'agent.co"),
        ({"variation": {"agent.colr": [0, 0, 0]}}, "unknown factor: 'agent.colr'. Did you mean 'agent.color'"),
        ({"variation": {"agent.speed": 99.0}}, "agent.speed"),
        ({"codec": "jpg"}, "unknown codec: 'jpg'. Did you mean 'jpeg'"),
        ({"quality": 0}, r"quality must be in \[1, 100\], got 0"),
        ({"max_steps": 0}, "max_steps must be at least 1, got 0"),
        ({"episodes": 0}, "episodes must be at least 1, got 0"),
    ],
)
def test_a_bad_request_is_named_before_anything_is_written(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidValueError, match=message):
        collect(tmp_path / "d", **changes)
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize(
    ("env_id", "changes", "error", "message"),
    [
        ("swm/TwoRooms-v0", {}, UnknownNameError, "Did you mean 'swm/TwoRoom-v0'"),
        (ENV_ID, {"executor": "proces"}, UnknownNameError, "unknown executor: 'proces'. Did you mean 'process'"),
        (ENV_ID, {"num_envs": 0}, InvalidValueError, "num_envs must be at least 1, got 0"),
        (ENV_ID, {"image_size": 8}, InvalidValueError, "8"),
    ],
)
def test_a_bad_world_is_named(env_id: str, changes: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        World(env_id, **changes)


def test_a_world_says_what_it_is() -> None:
    with swm.World(ENV_ID, num_envs=3, image_size=(24, 32)) as world:
        assert (world.num_envs, world.image_size, world.executor_name) == (3, (24, 32), "native")
        assert "agent.color" in world.factors


# ------------------------------------------------------------------------------------- evaluation


@pytest.fixture(scope="module")
def successes() -> dict[str, Sequence[bool]]:
    """Policy -> its outcomes on the task set of the package, with two numbers of environments."""
    found = {}
    for num_envs in (7, 50):
        with World(ENV_ID, num_envs=num_envs, image_size=16) as world:
            space = world.executor.action_space
            policies = {
                "oracle": make_policy("expert", space, ENV_ID, **envs.ENVS[ENV_ID].oracle),
                "random": make_policy("random", space),
            }
            for name, policy in policies.items():
                evaluation = world.evaluate(policy, "two_room-v1", progress=False)
                found[f"{name} {num_envs}"] = evaluation.outcomes.tolist()
    return found


def test_the_oracle_solves_every_task_and_chance_few(successes: dict[str, Sequence[bool]]) -> None:
    assert np.mean(successes["oracle 7"]) == 1.0
    assert np.mean(successes["random 7"]) < 0.15


def test_the_number_of_environments_changes_no_outcome(successes: dict[str, Sequence[bool]]) -> None:
    assert successes["oracle 7"] == successes["oracle 50"]
    assert successes["random 7"] == successes["random 50"]


def test_tasks_of_another_environment_are_refused() -> None:
    tasks = dataclasses.replace(load_tasks("two_room-v1"), env_id="swm/Other-v0")
    with World(ENV_ID, num_envs=1, image_size=16) as world:
        policy = RandomPolicy(world.executor.action_space)
        with pytest.raises(InvalidValueError, match=r"is for swm/Other-v0, this world is swm/TwoRoom-v0"):
            world.evaluate(policy, tasks, progress=False)
        with pytest.raises(UnknownNameError, match="Did you mean 'two_room-v1'"):
            world.evaluate(policy, "two_rooms-v1", progress=False)
