"""The constants, tasks, goals and mazes of OGBench's environments, as the papers and OGBench have them."""

import numpy as np
import pytest
from ogbench.locomaze.maze import make_maze_env

from swm.core.errors import InvalidValueError
from swm.core.factors import FactorSpace
from swm.envs import ENVS, make
from swm.envs.ogbench.build import copy_manipulation
from swm.envs.ogbench.cube import CubeEnv
from swm.envs.ogbench.maze import MazeEnv
from swm.envs.ogbench.places import Column
from swm.envs.ogbench.scene import SceneEnv

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
CUBES = {"single": 1, "double": 2, "octuple": 8}


@pytest.fixture(scope="module")
def single() -> CubeEnv:
    env = CubeEnv("single", image_size=32, render_mode=None)
    env.reset(seed=0)
    return env


def test_constants(single: CubeEnv) -> None:
    original = copy_manipulation("single", "fast")
    assert original._physics_timestep * original._n_steps == pytest.approx(0.05)
    assert single.model.opt.timestep == 0.002
    assert original.action_high.tolist() == [0.05, 0.05, 0.05, 0.3, 1.0]
    assert original._workspace_bounds.tolist() == [[0.25, -0.35, 0.02], [0.6, 0.35, 0.35]]
    train = single.factors["cube.start_position"].train
    assert np.array_equal([train.low, train.high], original._object_sampling_bounds)
    assert single.factors["cube.size"].default == 0.02
    assert single.action_space.shape == (5,)


@pytest.mark.parametrize(("kind", "count"), CUBES.items())
def test_the_number_of_cubes(kind: str, count: int) -> None:
    env = CubeEnv(kind, image_size=32, render_mode=None)
    observation, info = env.reset(seed=0)
    assert len(observation["state"]) == 28 + 13 * count
    assert info["goal"].shape == (14 + 7 * count,)
    assert np.size(info["variation"]["cube.size"]) == count


def test_success_is_a_distance_of_4_cm(single: CubeEnv) -> None:
    for distance, success in ((0.0399, True), (0.0401, False)):
        state = single.goal_state()
        state[14] += distance
        single.set_state(state)
        assert single.observe()[1]["success"] is success
        assert single.observe()[1]["distance"] == pytest.approx(distance)


def test_the_goal_is_drawn_where_it_is_scored() -> None:
    env = CubeEnv("double", image_size=32)
    env.reset(seed=3, options={"variation": {"target.visible": 1, "camera.angle": [3.0, -2.0]}})
    for seed in (0, 1):
        goal = env.sample_goal(np.random.default_rng(seed))
        env.set_goal(goal)
        drawn = [env.data.geom(f"target_object_{cube}").xpos for cube in range(2)]
        np.testing.assert_allclose(drawn, goal[14:].reshape(2, 7)[:, :3], atol=1e-12)
        before = env.observe()[0]["pixels"].copy()
    env.reset(seed=3)
    assert not np.array_equal(before, env.observe()[0]["pixels"])


def test_a_goal_from_a_state_shows_the_arm_of_that_state(single: CubeEnv) -> None:
    env = CubeEnv("single", image_size=32)
    observation, _ = env.reset(seed=5)
    env.set_goal(observation["state"])
    assert np.array_equal(env.goal_pixels(), observation["pixels"])


@pytest.mark.parametrize("task", [1, 2, 3, 4, 5])
def test_evaluation_tasks_of_the_scene(task: int) -> None:
    env = SceneEnv(task=task, image_size=32, render_mode=None)
    given = env._scene.task_infos[task - 1]
    observation, info = env.reset(seed=7)
    state, goal = observation["state"], info["goal"]
    np.testing.assert_allclose(goal[14:17], given["goal"]["block_xyzs"][0], atol=1e-6)
    np.testing.assert_allclose(goal[23:25], [given["goal"]["drawer_pos"], given["goal"]["window_pos"]])
    assert goal[-2:].tolist() == given["goal"]["button_states"].tolist()
    assert state[-2:].tolist() == given["init"]["button_states"].tolist()
    np.testing.assert_allclose(state[14:17], given["init"]["block_xyzs"][0], atol=0.0101)
    assert not info["success"]


def test_stacks_are_as_high_as_their_cubes() -> None:
    column = Column.of(np.array([[0.4, 0.0, 0.06], [0.4, 0.0, 0.02], [0.5, 0.0, 0.02]]))
    half = np.array([0.03, 0.01, 0.02])
    np.testing.assert_allclose(column.heights(column.position, half), [0.05, 0.01, 0.02])
    apart = column.position.copy()
    apart[0, 1] = 0.1
    np.testing.assert_allclose(column.heights(apart, half), half)


@pytest.mark.parametrize("env_id", ["swm/OGBCubeSingle-v0", "swm/OGBScene-v0", "swm/OGBPointMazeMedium-v0"])
@pytest.mark.parametrize("task", [0, 6])
def test_unknown_tasks_are_refused(env_id: str, task: int) -> None:
    with pytest.raises(InvalidValueError, match="from 1 to 5"):
        make(env_id, task=task)


def test_cubes_of_an_episode_stand_apart() -> None:
    factors = CubeEnv("octuple", image_size=32, render_mode=None).factors
    for seed in range(20):
        values = factors.resolve("all", seed)
        for name in ("cube.start_position", "cube.goal_position"):
            apart = np.linalg.norm(values[name][:, None] - values[name][None], axis=2)
            assert apart[np.triu_indices(8, 1)].min() >= 2 * np.sqrt(2) * 0.03  # the largest cubes


@pytest.mark.parametrize("env_id", ["swm/OGBCubeSingle-v0", "swm/OGBScene-v0", "swm/OGBPointMazeMedium-v0"])
def test_goals_can_be_drawn_for_every_start_of_a_task(env_id: str) -> None:
    env = make(env_id, task=4, image_size=32, render_mode=None)
    for seed in range(30):
        env.reset(seed=seed, options={"variation": "all"})
        env.set_goal(env.sample_goal(np.random.default_rng(seed)))
        assert not env.observe()[1]["success"]


@pytest.mark.parametrize("agent", ["Point", "Ant"])
def test_mazes_move_as_in_ogbench(agent: str) -> None:
    original = make_maze_env(agent.lower(), "maze", maze_type="medium", reward_task_id=1, terminate_at_goal=False)
    original.reset(seed=0)
    env = make(f"swm/OGB{agent}MazeMedium-v0", task=1, image_size=32, render_mode=None)
    assert isinstance(env, MazeEnv)
    env.reset(seed=0)
    env.set_goal(np.r_[original.cur_goal_xy, np.zeros(env.model.nq - 2)])
    original.data.qacc_warmstart[:] = 0.0
    env.set_state(np.r_[original.data.qpos, original.data.qvel])
    rng = np.random.default_rng(0)
    for _ in range(150):
        action = rng.uniform(-1, 1, env.action_space.shape)
        _, reward, *_, info = original.step(action)
        observation, ours, *_, our_info = env.step(action)
        np.testing.assert_allclose(observation["state"], np.r_[info["qpos"], info["qvel"]], rtol=0, atol=1e-9)
        assert (ours, our_info["success"]) == (reward, info["success"] == 1.0)


def test_starts_and_goals_of_a_maze_lie_in_free_cells() -> None:
    env = MazeEnv("point", "medium", image_size=32, render_mode=None)
    for seed in range(20):
        observation, info = env.reset(seed=seed, options={"variation": "all"})
        for place in (observation["state"][:2], info["goal"][:2]):
            row, column = env._original.xy_to_ij(place)
            assert env._original.maze_map[row, column] == 0


@pytest.mark.parametrize("env_id", ["swm/OGBCubeSingle-v0", "swm/OGBScene-v0", "swm/OGBPointMazeMedium-v0"])
def test_the_defaults_are_an_episode(env_id: str) -> None:
    env = make(env_id, image_size=32, render_mode=None)
    for values in (
        env.factors.complete({}),
        *(make(env_id, task=task, render_mode=None).factors.complete({}) for task in (1, 5)),
    ):
        assert values
    _, info = env.reset(seed=0, options={"variation": env.factors.complete({})})
    assert not info["success"]


@pytest.mark.slow
def test_all_environments_have_at_least_twelve_factors() -> None:
    ids = [env_id for env_id in ENVS if env_id.startswith("swm/OGB")]
    assert len(ids) == 12
    for env_id in ids:
        factors: FactorSpace = make(env_id, render_mode=None).factors
        assert len(factors) >= 12
