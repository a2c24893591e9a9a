"""Fetch moves and rewards like Gymnasium-Robotics' own, and its factors, starts and goals are what they say."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import swm.envs
from swm.core.errors import InvalidValueError, ShapeError, UnknownNameError
from swm.envs.fetch.env import FetchEnv
from swm.envs.fetch.task import TASKS

ORIGINAL = Path(__file__).parent / "fetch_original.py"
NAMES = {"reach": "FetchReach", "push": "FetchPush", "slide": "FetchSlide", "pick_and_place": "FetchPickAndPlace"}
PEER = ("table.color", "object.color", "background.color", "light.intensity", "camera.angle", "agent.position")
PEER_OBJECT = ("object.position", "object.mass")


def blind(task: str, **kwargs: str) -> FetchEnv:
    return FetchEnv(task, image_size=16, render_mode=None, **kwargs)  # type: ignore[arg-type]


@pytest.mark.parametrize("reward", ["sparse", "dense"])
@pytest.mark.parametrize("task", TASKS)
def test_from_the_same_state_it_moves_and_rewards_like_the_original(task: str, reward: str, tmp_path: Path) -> None:
    out = tmp_path / "original.npz"
    command = [sys.executable, str(ORIGINAL), f"{NAMES[task]}-v4", reward, "3", str(out)]
    subprocess.run(command, check=True, capture_output=True)
    original = np.load(out)
    np.testing.assert_allclose(TASKS[task].home, original["home"], atol=1e-4)
    if TASKS[task].has_object:
        assert TASKS[task].rest_height == pytest.approx(float(original["rest"]), abs=1e-4)
    env = blind(task, reward=reward)
    env.reset(seed=0)
    start, extra = original["start"], len(env.get_state()) - len(original["start"])
    env.set_goal(original["goal"])
    env.set_state(np.concatenate([start, start[1 : 1 + extra]]))
    fingers, velocities = (slice(3, 5), slice(5, 10)) if task == "reach" else (slice(9, 11), slice(20, 25))
    for index, action in enumerate(original["actions"]):
        observation, reward_now, terminated, _, info = env.step(action)
        seen = original["observation"][index]
        expected = np.concatenate([seen[:3], seen[fingers], seen[velocities]])
        np.testing.assert_allclose(observation["proprio"], expected, atol=1e-9)
        state = np.concatenate([original["qpos"][index], original["qvel"][index]])
        np.testing.assert_allclose(observation["state"], state, atol=1e-9)
        distance = float(np.linalg.norm(original["achieved"][index] - original["goal"]))
        assert info["distance"] == pytest.approx(distance, abs=1e-9)
        assert info["success"] == bool(original["success"][index])
        assert float(reward_now) == pytest.approx(float(original["reward"][index]), abs=1e-9)
        assert not terminated


def test_the_package_is_neither_imported_nor_patched() -> None:
    code = (
        "import sys; import swm.envs; env = swm.envs.make('swm/FetchPush-v0', image_size=16, render_mode=None); "
        "env.reset(seed=0); assert not [name for name in sys.modules if name.startswith('gymnasium_robotics')]"
    )
    result = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not result.stdout


@pytest.mark.parametrize("task", TASKS)
def test_starts_and_goals_are_drawn_around_the_gripper(task: str) -> None:
    env, given = blind(task), TASKS[task]
    things, goals = [], []
    for seed in range(60):
        observation, info = env.reset(seed=seed)
        things.append(observation["state"][15:17] if given.has_object else observation["proprio"][:2])
        goals.append(info["goal"])
        np.testing.assert_allclose(observation["proprio"][:3], given.home, atol=2e-4)
    offset = np.array(goals)[:, :2] - given.home[:2] - [given.target_offset, 0.0]
    assert given.target_range * 0.9 < np.abs(offset).max() <= given.target_range
    if given.has_object:
        apart = np.array(things) - given.home[:2]
        assert np.abs(apart).max() <= given.object_range
        assert np.linalg.norm(apart, axis=1).min() >= 0.1
    lifted = np.array(goals)[:, 2] - given.rest_height
    if given.lifts:
        assert 0.3 < np.mean(lifted > 0) < 0.7
        assert lifted.max() <= 0.45
    elif given.has_object:
        assert not lifted.any()


@pytest.mark.parametrize("task", TASKS)
def test_the_peers_factors_are_all_there(task: str) -> None:
    factors = blind(task).factors
    if not TASKS[task].has_object:
        assert {*PEER} - {"object.color"} <= {*factors}
        return
    assert {*PEER, *PEER_OBJECT} <= {*factors}
    assert ("object.angle" in factors) == TASKS[task].square


def test_goals_of_reach_and_pick_and_place_have_a_height() -> None:
    assert blind("reach").factors["target.position"].space.shape == (3,)
    env = blind("pick_and_place")
    _, info = env.reset(seed=0, options={"variation": {"target.height": 0.3}})
    assert info["goal"][2] == pytest.approx(TASKS["pick_and_place"].rest_height + 0.3)
    _, info = env.reset(seed=0, options={"variation": {"target.height": -0.3}})
    assert info["goal"][2] == pytest.approx(TASKS["pick_and_place"].rest_height)


@pytest.mark.parametrize("size", [0.7, 1.4])
@pytest.mark.parametrize("task", ["push", "slide", "pick_and_place"])
def test_an_object_of_another_size_rests_on_the_table(task: str, size: float) -> None:
    env = blind(task)
    first, _ = env.reset(seed=1, options={"variation": {"object.size": size}})
    for _ in range(5):
        last, *_ = env.step(np.zeros(4))
    np.testing.assert_allclose(last["state"][15:18], first["state"][15:18], atol=3e-4)


def test_factors_that_change_constants_leave_the_gripper_where_it_follows_its_aim() -> None:
    env = blind("push")
    places = []
    for variation in ({}, {"object.mass": 2.01}, {"agent.damping": 1.01}):
        env.reset(seed=1, options={"variation": variation})
        for _ in range(5):
            observation, *_ = env.step(np.array([0.5, 0.0, 0.5, 0.0]))
        places.append(observation["proprio"][:3])
    np.testing.assert_allclose(places, places[:1] * 3, atol=1e-3)


def test_the_strength_of_the_gripper_decides_whether_it_holds_the_box() -> None:
    heights = []
    for strength in (0.001, 1.0):
        env = blind("pick_and_place")
        variation = {"agent.strength": strength, "object.mass": 8.0, "target.height": 0.2}
        env.reset(seed=0, options={"variation": variation})
        env.set_state(env.goal_state())
        for _ in range(10):
            observation, *_ = env.step(np.array([0.0, 0.0, 0.0, -1.0]))
        heights.append(observation["state"][17])
    assert heights[0] < heights[1] - 0.03


def test_the_gripper_is_at_the_goal_as_each_task_ends() -> None:
    for task, given in TASKS.items():
        env = blind(task)
        for seed in range(5):
            observation, info = env.reset(seed=seed)
            home = observation["proprio"][:3]
            env.set_state(env.goal_state())
            observation, _ = env.observe()
            gap = float(np.linalg.norm(observation["proprio"][:3] - info["goal"]))
            if task == "slide":
                np.testing.assert_allclose(observation["proprio"][:3], home, atol=1e-6)
            elif task == "push":
                assert 0.05 < gap < 0.09
            else:
                assert gap < (0.05 if task == "reach" else 0.01)
            assert not observation["state"][len(observation["state"]) - env.model.nv :].any()
            assert given.has_object or task == "reach"


def test_every_goal_of_the_full_range_can_be_reached() -> None:
    env = blind("reach")
    space = env.factors["target.position"].space
    low, high = space.low, space.high  # type: ignore[attr-defined]
    for corner in np.ndindex(2, 2, 2):
        env.reset(seed=0, options={"variation": {"target.position": np.where(corner, high, low)}})
        env.set_state(env.goal_state())
        assert env.observe()[1]["success"], corner


def test_a_goal_out_of_reach_has_no_state() -> None:
    env = blind("reach")
    env.reset(seed=0)
    env.set_goal(np.array([3.0, 0.0, 1.0]))
    with pytest.raises(InvalidValueError, match="cannot come nearer than"):
        env.goal_state()


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="task of Fetch"):
        blind("stack")
    with pytest.raises(UnknownNameError, match="reward of Fetch"):
        blind("reach", reward="shaped")
    env = blind("push")
    env.reset(seed=0)
    with pytest.raises(ShapeError, match=r"\(3,\), \(43,\)"):
        env.set_goal(np.zeros(7))


def test_the_rows_are_the_four_tasks_with_both_rewards() -> None:
    ids = {env_id: row for env_id, row in swm.envs.ENVS.items() if env_id.startswith("swm/Fetch")}
    assert set(ids) == {f"swm/{name}{suffix}-v0" for name in NAMES.values() for suffix in ("", "Dense")}
    assert all(row.extra == "robotics" for row in ids.values())
