"""DeepMind Control: parity with dm_control, further tasks, goals, factors that act as they say."""

from typing import Any

import numpy as np
import pytest

from swm.core.errors import InvalidValueError, UnknownNameError
from swm.core.spaces import action_bounds
from swm.envs import ENVS, make
from swm.envs.dmc import tasks
from swm.envs.dmc.env import DMControlEnv, task_seed
from swm.envs.dmc.rows import ROWS
from swm.envs.dmc.simulator import suite
from swm.envs.mujoco.render import Renderer

OWN = [env_id for env_id, row in ROWS.items() if (row.kwargs["domain"], row.kwargs["task"]) in tasks.TASKS]
OTHERS = [env_id for env_id in ROWS if env_id not in OWN]
LOCKED = {
    "swm/DMC-HumanoidWalk-v0": "left_knee",
    "swm/DMC-CheetahRun-v0": "bfoot",
    "swm/DMC-HopperHop-v0": "ankle",
    "swm/DMC-WalkerWalk-v0": "right_knee",
    "swm/DMC-QuadrupedRun-v0": "knee_back_left",
    "swm/DMC-ReacherHard-v0": "wrist",
    "swm/DMC-FingerSpin-v0": "distal",
    "swm/DMC-AcrobotSwingup-v0": "shoulder",
}
_RESETS = 20


def quick(env_id: str, **kwargs: Any) -> DMControlEnv:
    env = make(env_id, render_mode=None, image_size=16, **kwargs)
    assert isinstance(env, DMControlEnv)
    return env


def original(env_id: str, seed: int) -> Any:
    """dm_control's environment with the random numbers of our episode of `seed`."""
    kwargs = ROWS[env_id].kwargs
    random = np.random.RandomState(task_seed(seed))
    return suite.load(kwargs["domain"], kwargs["task"], task_kwargs={"random": random})


def random_actions(env: DMControlEnv, count: int) -> Any:
    return np.random.default_rng(0).uniform(*action_bounds(env.action_space), (count, env.model.nu))


@pytest.mark.parametrize("env_id", OTHERS)
def test_episodes_are_those_of_dm_control_to_the_last_bit(env_id: str) -> None:
    env = quick(env_id)
    for seed in range(2):
        theirs, resets = original(env_id, seed), 0
        env.reset(seed=seed)
        theirs.reset()
        while not np.array_equal(theirs.physics.data.qpos, env.data.qpos):  # a start at the goal is drawn again
            theirs.reset()
            resets += 1
            assert resets < _RESETS, "the start is one of dm_control's"
        assert theirs._step_limit == pytest.approx(ROWS[env_id].max_episode_steps, abs=1e-6)
        assert theirs.task.get_termination(theirs.physics) is None
        for action in random_actions(env, 40):
            step = theirs.step(action)
            _, reward, terminated, truncated, _ = env.step(action)
            assert reward == step.reward
            assert not terminated
            assert not truncated
            assert env.data.qpos.tobytes() == theirs.physics.data.qpos.tobytes()
            assert env.data.qvel.tobytes() == theirs.physics.data.qvel.tobytes()


@pytest.mark.parametrize("env_id", ROWS)
def test_the_table_says_the_radius_that_the_environment_uses_and_rewards_are_shares(env_id: str) -> None:
    env = quick(env_id)
    env.reset(seed=0)
    assert env.success_radius == pytest.approx(ROWS[env_id].success_radius)
    assert len(env.factors) >= 10
    rewards = [float(env.step(action)[1]) for action in random_actions(env, 20)]
    assert 0 <= min(rewards) <= max(rewards) <= 1


@pytest.mark.parametrize(
    ("env_id", "places", "rates"),
    [
        ("swm/DMC-CheetahRunBackward-v0", {}, {"rootx": -10.0}),
        ("swm/DMC-CheetahLieDown-v0", {"rootz": -0.55}, {}),
        ("swm/DMC-CheetahLegsUp-v0", {"rooty": np.pi, "rootz": -0.5}, {}),
        ("swm/DMC-CheetahStandFront-v0", {"rooty": np.pi / 2, "rootz": -0.1}, {}),
        ("swm/DMC-CheetahStandBack-v0", {"rooty": -np.pi / 2, "rootz": 0.05}, {}),
        ("swm/DMC-CheetahJump-v0", {"rootz": 1.5}, {}),
        ("swm/DMC-CheetahRunFront-v0", {"rooty": 0.8, "rootz": 0.3}, {"rootx": 5.0}),
        ("swm/DMC-CheetahRunBack-v0", {"rooty": -0.8, "rootz": 0.3}, {"rootx": 5.0}),
        ("swm/DMC-CheetahFlip-v0", {"rootz": 0.5}, {"rooty": 8.0}),
        ("swm/DMC-CheetahFlipBackward-v0", {"rootz": 0.5}, {"rooty": -8.0}),
        ("swm/DMC-WalkerWalkBackward-v0", {}, {"rootx": -1.5}),
        ("swm/DMC-WalkerArabesque-v0", {"left_hip": -1.9, "rooty": 0.3}, {}),
        ("swm/DMC-WalkerLieDown-v0", {"rooty": np.pi / 2, "rootz": -1.2}, {}),
        ("swm/DMC-WalkerLegsUp-v0", {"rooty": -np.pi / 2, "rootz": -1.2, "right_hip": 1.5, "left_hip": 1.5}, {}),
        ("swm/DMC-WalkerFlip-v0", {}, {"rooty": 8.0}),
        ("swm/DMC-HopperHopBackward-v0", {}, {"rootx": -3.0}),
        ("swm/DMC-HopperFlip-v0", {}, {"rooty": 8.0}),
        ("swm/DMC-HopperFlipBackward-v0", {}, {"rooty": -8.0}),
    ],
)
def test_further_rewards_are_high_where_the_task_is_done(
    env_id: str, places: dict[str, float], rates: dict[str, float]
) -> None:
    """Against the reference pose at rest."""
    env = quick(env_id)
    env.reset(seed=0)
    assert env._reward is not None
    rewards = []
    for wanted, pushed in (({}, {}), (places, rates)):
        state = np.concatenate([env.model.qpos0, np.zeros(env.model.nv)])
        for name, value in wanted.items():
            state[env.state_names.index(name)] = value
        for name, value in pushed.items():
            state[env.state_names.index(f"{name}.velocity")] = value
        env.set_state(state)
        rewards.append(float(env._reward(env._physics)))
    assert rewards[1] > max(0.6, rewards[0] + 0.2)


def test_action_repeat_sums_rewards() -> None:
    once, twice = quick("swm/DMC-WalkerWalk-v0"), quick("swm/DMC-WalkerWalk-v0", action_repeat=2)
    once.reset(seed=0)
    twice.reset(seed=0)
    for action in random_actions(once, 5):
        total = sum(float(once.step(action)[1]) for _ in range(2))
        observation, reward, *_ = twice.step(action)
        assert reward == total
        assert observation["state"].tobytes() == once.observe()[0]["state"].tobytes()
    assert twice.metadata["render_fps"] * 2 == once.metadata["render_fps"]


@pytest.mark.parametrize("env_id", ["swm/DMC-ReacherHard-v0", "swm/DMC-FingerTurnHard-v0", "swm/DMC-AcrobotSwingup-v0"])
def test_with_a_target_success_is_full_reward_and_the_target_moves_with_the_goal(env_id: str) -> None:
    env = quick(env_id)
    env.reset(seed=3)
    assert env._reward is not None
    for action in random_actions(env, 10):
        reached = env.step(action)[0]["state"]
    env.reset(seed=4)
    assert not env.observe()[1]["success"]
    env.set_goal(reached)
    env.set_state(reached)
    assert env.observe()[1]["success"]
    assert env._reward(env._physics) == 1
    assert env.observe()[1]["distance"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("env_id", ["swm/DMC-PendulumSwingup-v0", "swm/DMC-CartpoleSwingupSparse-v0"])
def test_the_fixed_goals_are_where_the_reward_is(env_id: str) -> None:
    env = quick(env_id)
    env.reset(seed=0)
    assert env._reward is not None
    rng, found = np.random.default_rng(0), set()
    for _ in range(300):
        pose = rng.uniform(-0.3, 0.3, env.model.nq)
        env.set_state(np.concatenate([pose, np.zeros(env.model.nv)]))
        success = env.observe()[1]["success"]
        assert success == (env._reward(env._physics) == 1)
        found.add(success)
    assert found == {True, False}


def test_the_ball_is_in_the_cup_where_the_task_says_so() -> None:
    env = quick("swm/DMC-BallInCupCatch-v0")
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(200):
        pose = env.goal_state()[:4] + rng.uniform(-0.05, 0.05, 4)
        env.set_state(np.concatenate([pose, np.zeros(4)]))
        assert env.observe()[1]["success"] == bool(env._physics.in_target())


def test_goals_of_robots_ignore_place_and_heading() -> None:
    env = quick("swm/DMC-QuadrupedWalk-v0")
    env.reset(seed=0)
    state = env.goal_state()
    state[:2] += 5.0
    turn, rotation = np.array([np.cos(0.7), 0.0, 0.0, np.sin(0.7)]), state[3:7].copy()
    w, z = turn[0], turn[3]
    a, b, c, d = rotation
    state[3:7] = [w * a - z * d, w * b - z * c, w * c + z * b, w * d + z * a]
    env.set_state(state)
    assert env.observe()[1]["distance"] < 1e-6
    state[2] += 0.4
    env.set_state(state)
    assert env.observe()[1]["distance"] == pytest.approx(0.4)


@pytest.mark.parametrize(("env_id", "joint"), LOCKED.items())
def test_locked_joints_stay(env_id: str, joint: str) -> None:
    env = quick(env_id)
    index = env.state_names.index(joint)
    moved = {}
    for value in (0, 1):
        observation, _ = env.reset(seed=0, options={"variation": {f"{joint}.locked": value}})
        start = observation["state"][index]
        for action in np.repeat(random_actions(env, 20), 5, axis=0):
            observation = env.step(action)[0]
        moved[value] = abs(observation["state"][index] - start)
    assert moved[1] < 0.02
    assert moved[0] > 5 * moved[1]


def test_masses_do_not_move_a_camera_that_follows_the_robot() -> None:
    env = make("swm/DMC-CheetahRun-v0", image_size=32)
    pictures = [
        env.reset(seed=0, options={"variation": variation})[0]["pixels"] for variation in ({}, {"bfoot.mass": 2.0})
    ]
    assert pictures[0].tobytes() == pictures[1].tobytes()


def test_pictures_are_those_of_dm_controls_model_and_camera() -> None:
    env = make("swm/DMC-WalkerWalk-v0", image_size=96)
    pixels = env.reset(seed=0)[0]["pixels"]
    theirs = original("swm/DMC-WalkerWalk-v0", 0)
    theirs.reset()
    renderer = Renderer(theirs.physics.model.ptr, (96, 96), camera=0)
    assert np.abs(pixels.astype(float) - renderer.render(theirs.physics.data.ptr)).max() <= 2


def test_goals_do_not_undo_physical_factors() -> None:
    env = quick("swm/DMC-FingerSpin-v0")
    env.reset(seed=0, options={"variation": {"spinner.damping": 0.05}})
    before = env.model.dof_damping.copy()
    env.sample_goal(np.random.default_rng(0))
    assert env.model.dof_damping.tobytes() == before.tobytes()


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="task of DeepMind Control"):
        DMControlEnv("walker", "swim")
    with pytest.raises(UnknownNameError, match="humanoid_CMU"):
        DMControlEnv("humanoid_CMU", "run")
    with pytest.raises(UnknownNameError, match="cartpole two_poles"):
        DMControlEnv("cartpole", "two_poles")
    for bad in (0, 1.5, "2"):
        with pytest.raises(InvalidValueError, match="action_repeat"):
            DMControlEnv("walker", "walk", action_repeat=bad)  # type: ignore[arg-type]


def test_the_rows_name_every_task_once() -> None:
    assert len({tuple(row.kwargs.values()) for row in ROWS.values()}) == len(ROWS) == 44
    assert all(row.extra == "dmc" for row in ROWS.values())
    assert {row.kwargs["domain"] for row in ROWS.values()} == set(tasks.SUITE)
    assert set(ROWS) <= set(ENVS)
