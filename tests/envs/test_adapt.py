"""Any Gymnasium environment keeps the contract: laws, parity with the original, exact states, honest success."""

import pickle
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st

import swm
from swm.core.errors import InvalidValueError, ShapeError, UnknownNameError
from swm.core.protocols import Array
from swm.core.spaces import sample_action
from swm.envs import ENVS, adapt, make, make_executor
from swm.envs.adapters.ale import pack, unpack
from swm.envs.adapters.backend import convert_actions
from swm.envs.adapters.env import AdaptedEnv
from swm.envs.adapters.flatten import Flattener
from swm.envs.adapters.resize import resize
from swm.envs.adapters.success import Achieved
from swm.envs.base import FactoredEnv
from swm.policy import make_policy
from swm.testing import ENV_LAWS, check_env

PONG, GRID, PENDULUM, HOPPER = "gym:ALE/Pong-v5", "gym:MiniGrid-DoorKey-6x6-v0", "gym:Pendulum-v1", "gym:Hopper-v5"
PLAIN = {"repeat_action_probability": 0.0}
ADAPTED: dict[str, dict[str, Any]] = {
    PONG: {"goal": "state", "radius": 30.0, "goal_steps": 10},
    GRID: {"goal": ("agent.x", "agent.y"), "radius": 0.5},
    PENDULUM: {"goal": "state", "radius": 0.2},
    HOPPER: {"goal": "state", "radius": 0.1, "goal_steps": 5},
}
ZERO, ONE = np.array(0), np.array(1)
LIGHT = {PONG: ("memory", "goals", "pickling"), PENDULUM: ("states", "goals"), HOPPER: ("goals", "pickling")}
"""Laws of the default run for environments that are slow to make or to draw."""
pytestmark = pytest.mark.filterwarnings("ignore:.*symmetric and normalized space")


def cases() -> list[Any]:
    return [
        pytest.param(env_id, law, marks=[] if law in LIGHT.get(env_id, ENV_LAWS) else pytest.mark.slow)
        for env_id in ADAPTED
        for law in ENV_LAWS
    ]


@pytest.mark.parametrize(("env_id", "law"), cases())
def test_laws(env_id: str, law: str) -> None:
    check_env(partial(make, env_id, **ADAPTED[env_id]), [law])


@pytest.mark.parametrize("law", ["observations", "determinism", "states", "sizes", "pickling"])
def test_laws_without_goals(law: str) -> None:
    check_env(partial(make, GRID, visual="all"), [law])


# --------------------------------------------------------------------------------------- parity


@pytest.mark.parametrize("env_id", [PONG, GRID, PENDULUM])
def test_the_same_episode_as_the_original(env_id: str) -> None:
    original = gymnasium.make(env_id.removeprefix("gym:"), render_mode="rgb_array", disable_env_checker=True)
    env = make(env_id)
    assert isinstance(env, AdaptedEnv)
    shown, _ = original.reset(seed=5)
    env.reset(seed=5)
    original.action_space.seed(1)
    for _ in range(60):
        action = original.action_space.sample()
        shown, *outcome, _ = original.step(action)
        _, *adapted, _ = env.step(action)
        assert tuple(outcome[:3]) == tuple(adapted)
        inside = env._backend.last.observation
        assert pickle.dumps(inside) == pickle.dumps(shown) or str(inside) == str(shown)
    picture: Any = original.render()
    assert np.array_equal(env.observe()[0]["pixels"], resize(picture, (64, 64)))


def test_states_have_the_names_of_what_they_hold() -> None:
    grid = make(GRID)
    observation, _ = grid.reset(seed=0)
    state = dict(zip(grid.state_names, observation["state"], strict=True))
    inside: Any = grid.gym_env.unwrapped  # type: ignore[attr-defined]
    assert (state["agent.x"], state["agent.y"], state["agent.direction"]) == (*inside.agent_pos, inside.agent_dir)
    assert state["cell.0.0.object"] == 2
    assert make(HOPPER).state_names[:3] == ("rootx", "rootz", "rooty")
    assert len(make(PONG).state_names) == 128
    space = spaces.Dict(
        {
            "image": spaces.Box(0, 255, (32, 40, 1), np.uint8),
            "codes": spaces.Box(0, 9, (2, 2), np.uint8),
            "pair": spaces.Tuple([spaces.Discrete(3), spaces.MultiBinary(2)]),
            "text": spaces.Text(5),
        }
    )
    flattener = Flattener(space)
    sample = space.sample()
    assert flattener.names == ("codes.0.0", "codes.0.1", "codes.1.0", "codes.1.1", "pair.0", "pair.1.0", "pair.1.1")
    expected = [*sample["codes"].ravel(), sample["pair"][0], *sample["pair"][1]]
    assert flattener.numbers(sample).tolist() == expected
    assert np.array_equal(flattener.picture(sample)[..., 2], sample["image"][..., 0])


# -------------------------------------------------------------------------------------- success


def far_left(info: Mapping[str, Any], reward: float, terminated: bool, observation: Any) -> bool:
    return bool(observation[0] < -0.05)


def until_the_end(env: FactoredEnv, action: Any) -> list[tuple[float, bool, bool, bool]]:
    """Reward, terminated, truncated and success of an episode of one action, and of three steps beyond its end."""
    env.reset(seed=0)
    rows: list[tuple[float, bool, bool, bool]] = []
    after = 0
    while after < 3:
        _, reward, terminated, truncated, info = env.step(action)
        rows.append((float(reward), terminated, truncated, info["success"]))
        after += terminated or truncated
    return rows


def test_a_death_is_no_success_unless_one_says_so() -> None:
    assert not any(success for *_, success in until_the_end(adapt("CartPole-v1"), 0))
    assert until_the_end(adapt("CartPole-v1", success="terminated"), 0)[-1][3]
    assert any(success for *_, success in until_the_end(adapt("CartPole-v1", success=far_left), 0))
    rewarded = until_the_end(adapt("CartPole-v1", success="reward>0"), 0)
    assert all(success for *_, success in rewarded)


def test_named_rules_read_the_info() -> None:
    for name in ("is_success", "success"):
        env = adapt(partial(Counter, key=name), success=name)
        assert [success for *_, success in until_the_end(env, 1)][:3] == [False, False, True]
    assert Achieved("wood")({"achievements": ("wood",)}, 0.0, False, None)
    assert not Achieved("wood")({}, 0.0, True, None)


def test_an_ended_episode_stays_as_it_ended() -> None:
    env = adapt("CartPole-v1", goal="state", radius=0.01)
    env.reset(seed=0)
    while not env.step(ONE)[2]:
        pass
    before, end = env.observe(), env.get_state()
    observation, reward, terminated, truncated, info = env.step(ONE)
    assert (reward, terminated, truncated) == (0.0, True, False)
    assert np.array_equal(observation["pixels"], before[0]["pixels"])
    assert info["distance"] == before[1]["distance"]
    env.reset(seed=3)
    env.set_state(end)
    assert env.step(ZERO)[1:3] == (0.0, True)


def test_truncation_is_told_from_the_end() -> None:
    rows = until_the_end(make(GRID, env_kwargs={"max_steps": 6}), 0)
    assert [row[1:3] for row in rows] == [(False, False)] * 5 + [(False, True)] * 3
    rows = until_the_end(adapt("Pendulum-v1", max_episode_steps=4), np.zeros(1))
    assert [row[1:3] for row in rows] == [(False, False)] * 3 + [(False, True)] * 3


# --------------------------------------------------------------------------------------- states


class Counter(gymnasium.Env[Array, Any]):
    """Counts; its noise makes it depend on every action since the reset."""

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"]}  # noqa: RUF012 - as in gymnasium

    def __init__(self, key: str = "is_success", render_mode: str | None = "rgb_array") -> None:
        self.render_mode, self.key = render_mode, key
        self.observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float64)
        self.action_space = spaces.Discrete(3, start=-1)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        super().reset(seed=seed)
        self.count, self.noise = 0, self.np_random.normal()
        return self._see(), {}

    def step(self, action: int) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        self.count += int(action)
        self.noise += self.np_random.normal() * self.count
        return self._see(), self.noise, self.count > 5, False, {self.key: self.count >= 3}

    def _see(self) -> Array:
        return np.array([self.count, self.noise])

    def render(self) -> Any:
        return np.full((20, 30, 3), min(40 * abs(self.count), 255), np.uint8)


STATES: dict[str, Callable[[], FactoredEnv]] = {
    **{env_id: partial(make, env_id) for env_id in (GRID, PENDULUM, HOPPER)},
    "plain Pong": partial(make, PONG, env_kwargs=PLAIN),
    "sticky Breakout": partial(make, "gym:ALE/Breakout-v5", env_kwargs={"repeat_action_probability": 0.8}),
    "counter": lambda: adapt(Counter),
}


@pytest.mark.parametrize("name", STATES)
def test_a_state_continues_in_a_copy_in_another_episode(name: str) -> None:
    made = [STATES[name]() for _ in range(2)]
    rng = np.random.default_rng(0)
    space = made[0].action_space
    moves = [sample_action(space, rng) if name != PENDULUM else rng.uniform(-2, 2, 1) for _ in range(12)]
    made[0].reset(seed=1)
    made[1].reset(seed=2**40)
    made[1].step(moves[0])
    for count in (0, 1, 7):
        for _ in range(count):
            made[0].step(moves[rng.integers(12)])
        made[1].set_state(made[0].get_state())
        assert np.array_equal(made[0].get_state(), made[1].get_state())
        for move in moves:
            rows = [env.step(move) for env in made]
            assert rows[0][0]["pixels"].tobytes() == rows[1][0]["pixels"].tobytes()
            assert rows[0][0]["state"].tobytes() == rows[1][0]["state"].tobytes()
            assert rows[0][1:4] == rows[1][1:4]


def test_observed_states_are_restored_where_they_decide_what_follows() -> None:
    hopper = make(HOPPER, success="reward>0")
    first, _ = hopper.reset(seed=0)
    placed = first["state"] + 0.01
    hopper.set_state(placed)
    assert np.array_equal(hopper.observe()[0]["state"], placed)
    state = hopper.get_state()
    once = hopper.step(np.ones(3))[0]["state"]
    hopper.set_state(state)
    assert np.array_equal(hopper.step(np.ones(3))[0]["state"], once)
    while not hopper.step(-np.ones(3))[2]:
        pass
    hopper.set_state(placed)
    assert not hopper.step(np.ones(3))[2]
    hopper.set_state(first["state"])
    assert np.array_equal(hopper.observe()[0]["state"], first["state"])
    counter = adapt(Counter)
    first, _ = counter.reset(seed=0)
    later = counter.step(ONE)[0]["state"]
    counter.set_state(later)
    counter.set_state(first["state"])
    with pytest.raises(InvalidValueError, match=r"does not decide what follows.*Use get_state\(\)"):
        counter.set_state(later)


def test_wrong_states_are_refused() -> None:
    for env, faults in (
        (adapt(Counter), ((1, 0.5), (3, -1.0), (3, 1e9), (5, 0.5))),
        (make(PONG, env_kwargs=PLAIN), ((1, 0.5), (3, -1.0), (5, 3.0), (7, -1.0), (8, 0.5))),
    ):
        env.reset(seed=0)
        env.step(ONE)
        state = env.get_state()
        for index, value in faults:
            wrong = state.copy()
            wrong[index] = value
            with pytest.raises(InvalidValueError):
                env.set_state(wrong)
        with pytest.raises(ShapeError):
            env.set_state(state[:-1])
        env.set_state(state)
        assert np.array_equal(env.get_state(), state)


@given(st.binary(min_size=1, max_size=4000))
def test_bytes_pass_through_numbers(data: bytes) -> None:
    packed = pack(data)
    assert np.isfinite(packed).all()
    assert unpack(packed) == data


def test_numbers_that_are_no_bytes_are_refused() -> None:
    for wrong in ([0.0, 1.0], [9.0, 1.0], [2.0, 0.5], [2.0, -1.0], [2.0, 2.0**48]):
        with pytest.raises(InvalidValueError, match="not the saved state"):
            unpack(np.array(wrong))


# ---------------------------------------------------------------------------------------- goals


def test_goals_of_the_environment_itself() -> None:
    env = make("gym:PointMaze_UMaze-v3", image_size=32, goal="desired_goal", radius=0.45)
    observation, info = env.reset(seed=0)
    inside = env._backend.last.observation  # type: ignore[attr-defined]
    assert np.array_equal(info["goal"], inside["desired_goal"])
    assert info["distance"] == pytest.approx(np.linalg.norm(inside["achieved_goal"] - inside["desired_goal"]))
    assert not info["success"]
    with pytest.raises(InvalidValueError, match="no known state at its goal"):
        env.goal_pixels()
    env.set_goal(observation["state"])
    assert env.observe()[1]["success"]
    env.set_goal(env.sample_goal(np.random.default_rng(0)))
    assert env.goal_pixels().shape == (32, 32, 3)
    env.close()


def test_mujoco_environments_do_not_black_out_each_other() -> None:
    made = [make(env_id, image_size=32) for env_id in (HOPPER, *["gym:PointMaze_UMaze-v3"] * 2)]
    first = [env.reset(seed=0)[0]["pixels"] for env in made]
    assert all(picture.std() > 5 for picture in first)
    assert all(np.array_equal(env.observe()[0]["pixels"], picture) for env, picture in zip(made, first, strict=True))
    assert make_executor(HOPPER, 1, 32, executor="inline").rendering["backend"] == made[1].rendering["backend"]


def test_without_goals() -> None:
    env = adapt("CartPole-v1", success="reward>0")
    _, info = env.reset(seed=0)
    assert info["goal"].shape == env.sample_goal(np.random.default_rng(0)).shape == (0,)
    assert info["distance"] == 1.0
    assert env.step(ZERO)[4]["distance"] == 0.0
    with pytest.raises(InvalidValueError, match="adapted without goals"):
        env.goal_pixels()
    with pytest.raises(ShapeError, match=r"goal: expected \(0,\)"):
        env.set_goal(np.zeros(2))


def test_goals_are_checked() -> None:
    with pytest.raises(InvalidValueError, match="either a success rule or a radius"):
        adapt("CartPole-v1", goal="state")
    with pytest.raises(InvalidValueError, match="either a success rule or a radius"):
        adapt("CartPole-v1", goal="state", radius=0.1, success="terminated")
    with pytest.raises(InvalidValueError, match="radius belongs to a goal"):
        adapt("CartPole-v1", radius=0.1)
    with pytest.raises(UnknownNameError, match=r"number of the state: 'observation.9'"):
        adapt("CartPole-v1", goal=("observation.9",), radius=0.1)
    with pytest.raises(InvalidValueError, match="needs observations with achieved_goal"):
        adapt("CartPole-v1", goal="desired_goal", radius=0.1)
    with pytest.raises(InvalidValueError, match="goal_steps"):
        adapt("CartPole-v1", goal_steps=0)
    env = adapt("CartPole-v1", goal="state", radius=1e6)
    with pytest.raises(InvalidValueError, match="found no goal at a distance"):
        env.reset(seed=0)


# -------------------------------------------------------------------------------------- sources


def test_every_source_gives_the_same_environment() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        instance = gymnasium.make("CartPole-v1", render_mode="rgb_array")
    made = [
        adapt("CartPole-v1"),
        make("gym:CartPole-v1"),
        make("gym:gymnasium.envs.classic_control:CartPole-v1"),
        adapt(instance),
        adapt(partial(gymnasium.make, "CartPole-v1", render_mode="rgb_array")),
    ]
    shown = []
    for env in [*made, *(pickle.loads(pickle.dumps(env)) for env in made)]:
        env.reset(seed=3)
        observation, *_ = env.step(ONE)
        shown.append((observation["pixels"].tobytes(), observation["state"].tobytes()))
    assert len(set(shown)) == 1


def test_sources_are_checked() -> None:
    with pytest.raises(UnknownNameError, match=r"'ALE/Ping-v5'.*'ALE/Pong-v5'"):
        make("gym:ALE/Ping-v5")
    with pytest.raises(InvalidValueError, match="not made by gymnasium"):
        adapt(Counter())
    with pytest.raises(InvalidValueError, match="cannot draw itself"):
        adapt(partial(Counter, render_mode=None))
    with pytest.raises(InvalidValueError, match="not a gymnasium"):
        adapt(dict)  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="success rule"):
        adapt("CartPole-v1", success="died")
    with pytest.raises(InvalidValueError, match="max_episode_steps"):
        adapt("CartPole-v1", max_episode_steps=0)


def test_actions_are_those_of_this_suite() -> None:
    assert convert_actions(spaces.MultiBinary(3)) == spaces.MultiDiscrete([2, 2, 2])
    box = convert_actions(spaces.Box(-1, 1, (2, 3), np.float32))
    assert box == spaces.Box(-1, 1, (6,), np.float32)
    wrong: list[spaces.Space[Any]] = [spaces.Box(-np.inf, 1, (2,)), spaces.Tuple([spaces.Discrete(2)])]
    for space in wrong:
        with pytest.raises(InvalidValueError, match="actions must be"):
            convert_actions(space)


def test_rows_of_ids_of_gymnasium() -> None:
    assert ENVS["gym:Pendulum-v1"].max_episode_steps == 200
    assert ENVS[PONG].max_episode_steps == 27000
    assert ENVS[GRID].max_episode_steps == 1000
    assert PONG in ENVS
    assert PONG not in list(ENVS)


def test_resizing_keeps_the_mean_and_the_identity() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (210, 160, 3), dtype=np.uint8)
    assert np.array_equal(resize(picture, (210, 160)), picture)
    for size in ((64, 64), (96, 32), (500, 224)):
        small = resize(picture, size)
        assert small.shape == (*size, 3)
        assert abs(small.mean() - picture.mean()) < 0.3
    blocks = picture[:, :, :1].repeat(3, axis=2).reshape(42, 5, 40, 4, 3).mean(axis=(1, 3))
    assert np.abs(resize(picture[:, :, :1].repeat(3, axis=2), (42, 40)) - blocks).max() <= 0.7


# ---------------------------------------------------------------------------------------- World


def test_a_world_records_an_atari_game(tmp_path: Path) -> None:
    with swm.World(PONG, num_envs=2, image_size=32, success="reward>0", visual=("noise", "background")) as world:
        dataset = world.collect(
            str(tmp_path / "pong"), episodes=3, policy="random", max_steps=8, variation="all", progress=False
        )
    assert dataset.num_episodes == 3
    episode = next(iter(dataset.episodes))
    assert set(episode["metadata"]["variation"]) == {"visual.noise", "visual.background"}
    assert episode["metadata"]["env_id"] == PONG


def test_executors_agree_on_adapted_environments() -> None:
    made = [make_executor(GRID, 3, 32, executor=name, goal="state", radius=0.5) for name in ("inline", "process")]
    policy = make_policy("random", made[0].action_space)
    step, _ = (executor.reset([1, 2, 3], [None] * 3) for executor in made)
    everyone = np.ones(3, np.bool_)
    policy.begin(step, [1, 2, 3], everyone, None)
    for _ in range(10):
        actions = policy.act(step, everyone)
        step, other = (executor.step(actions) for executor in made)
        for name, value in step.observation.items():
            assert value.tobytes() == other.observation[name].tobytes()
        assert np.array_equal(step.distance, other.distance)
    assert made[0].goal_pixels().tobytes() == made[1].goal_pixels().tobytes()
    for executor in made:
        executor.close()
