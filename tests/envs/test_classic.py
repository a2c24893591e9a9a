"""Classic control: the motion of Gymnasium's environments, goals, and what set_state takes."""

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box

from swm.core.errors import InvalidValueError
from swm.core.factors import Variation
from swm.core.protocols import Array
from swm.core.spaces import sample_action
from swm.envs import ENVS, make
from swm.envs.base import FactoredEnv
from swm.envs.classic import geometry
from swm.testing.common import family

RIGHT = np.array(1)
IDS = [env_id for env_id in ENVS if family(env_id) == "classic"]
ORIGINAL = {
    "swm/CartPole-v0": "CartPole-v1",
    "swm/MountainCar-v0": "MountainCar-v0",
    "swm/MountainCarContinuous-v0": "MountainCarContinuous-v0",
    "swm/Acrobot-v0": "Acrobot-v1",
    "swm/Pendulum-v0": "Pendulum-v1",
}
ATTRIBUTES: dict[str, dict[str, tuple[str, ...]]] = {
    "swm/CartPole-v0": {
        "world.gravity": ("gravity",),
        "world.timestep": ("tau",),
        "cart.mass": ("masscart",),
        "cart.force": ("force_mag",),
        "pole.length": ("length",),
        "pole.mass": ("masspole",),
    },
    "swm/MountainCar-v0": {
        "world.gravity": ("gravity",),
        "car.force": ("force",),
        "car.max_speed": ("max_speed",),
        "flag.position": ("goal_position",),
    },
    "swm/MountainCarContinuous-v0": {
        "car.force": ("power",),
        "car.max_speed": ("max_speed",),
        "flag.position": ("goal_position",),
    },
    "swm/Acrobot-v0": {
        "world.timestep": ("dt",),
        "upper.mass": ("LINK_MASS_1",),
        "lower.mass": ("LINK_MASS_2",),
    },
    "swm/Pendulum-v0": {
        "world.gravity": ("g",),
        "world.timestep": ("dt",),
        "rod.mass": ("m",),
        "rod.length": ("l",),
        "rod.max_speed": ("max_speed",),
    },
}
"""The factors that Gymnasium has as attributes."""


def original(env_id: str, variation: Variation) -> Any:
    """Gymnasium's environment with the values of `variation`."""
    env: Any = gymnasium.make(ORIGINAL[env_id], disable_env_checker=True).unwrapped
    env.reset(seed=0)
    for name, attributes in ATTRIBUTES[env_id].items():
        for attribute in attributes:
            setattr(env, attribute, variation[name])
    if env_id == "swm/CartPole-v0":
        env.total_mass = env.masspole + env.masscart
        env.polemass_length = env.masspole * env.length
    return env


def given_state(env_id: str, state: np.ndarray) -> np.ndarray:
    """The state in the precision in which Gymnasium's environment keeps it between steps."""
    return state.astype(np.float32) if "Continuous" in env_id else state.copy()


def drawn(env: FactoredEnv) -> Array:
    """A random action."""
    return sample_action(env.action_space, np.random.default_rng(0))


def given_action(env: FactoredEnv, env_id: str, rng: np.random.Generator) -> tuple[Any, Any]:
    """One action for our environment and for Gymnasium's."""
    if isinstance(env.action_space, gymnasium.spaces.Discrete):
        action = np.int64(rng.integers(env.action_space.n))
        return action, action
    share = rng.uniform(-1, 1, 1).astype(np.float32)
    return share, 2 * share if env_id == "swm/Pendulum-v0" else share


@pytest.mark.parametrize("env_id", IDS)
def test_the_motion_is_that_of_gymnasium_to_the_last_bit(env_id: str) -> None:
    env, rng = make(env_id, image_size=16, render_mode=None), np.random.default_rng(0)
    kept = (*ATTRIBUTES[env_id], *(name for name, factor in env.factors.items() if factor.sampled))
    for seed in range(12):
        drawn = env.reset(seed=seed, options={"variation": list(kept) if seed % 2 else None})[1]["variation"]
        theirs = original(env_id, drawn)
        theirs.state = given_state(env_id, env.get_state())
        for step in range(150):
            ours, action = given_action(env, env_id, rng)
            _, reward, terminated, _, _ = env.step(ours)
            _, expected, their_end, _, _ = theirs.step(action)
            assert np.asarray(theirs.state, np.float64).tobytes() == env.get_state().tobytes(), f"step {step}"
            assert reward == float(expected)
            assert terminated == their_end
            if terminated:
                break


@pytest.mark.parametrize("env_id", IDS)
def test_observations_are_those_of_gymnasium(env_id: str) -> None:
    env = make(env_id, image_size=16, render_mode=None)
    observation, info = env.reset(seed=3)
    theirs = original(env_id, info["variation"])
    theirs.state = given_state(env_id, env.get_state())
    for _ in range(5):
        action = drawn(env)
        observation = env.step(action)[0]
        expected = theirs.step(2 * action if env_id == "swm/Pendulum-v0" else action)[0]
        assert np.array_equal(observation["state"].astype(np.float32), expected)


@pytest.mark.parametrize("env_id", IDS)
def test_starts_lie_where_gymnasium_draws_them(env_id: str) -> None:
    bounds = {
        "swm/CartPole-v0": ([-0.05] * 4, [0.05] * 4),
        "swm/MountainCar-v0": ([-0.6, 0.0], [-0.4, 0.0]),
        "swm/MountainCarContinuous-v0": ([-0.6, 0.0], [-0.4, 0.0]),
        "swm/Acrobot-v0": ([-0.1] * 4, [0.1] * 4),
        "swm/Pendulum-v0": ([-2.8, -1.0], [2.8, 1.0]),
    }[env_id]
    env = make(env_id, image_size=16, render_mode=None)
    states = []
    for seed in range(200):
        env.reset(seed=seed)
        states.append(env.get_state())
    low, high = np.min(states, axis=0), np.max(states, axis=0)
    assert np.all((low >= np.subtract(bounds[0], 1e-7)) & (high <= np.add(bounds[1], 1e-7)))
    assert np.all(high - low >= 0.9 * np.subtract(bounds[1], bounds[0]) - 1e-9)


@pytest.mark.parametrize("env_id", IDS)
def test_observed_states_are_taken_back(env_id: str) -> None:
    env = make(env_id, image_size=16, render_mode=None)
    for seed in range(5):
        env.reset(seed=seed, options={"variation": "all"})
        for _ in range(30):
            observation = env.step(drawn(env))[0]
        state = env.get_state()
        env.set_state(observation["state"])
        assert np.allclose(geometry.difference(env.get_state(), state), 0.0, atol=1e-12)
        assert np.allclose(env.observe()[0]["state"], observation["state"], atol=1e-12)


@pytest.mark.parametrize("env_id", IDS)
def test_states_and_goals_out_of_range_are_refused(env_id: str) -> None:
    env = make(env_id, image_size=16)
    env.reset(seed=0)
    before = env.get_state()
    cases: list[tuple[Any, Array]] = [(env.set_state, before), (env.set_goal, env.observe()[1]["goal"])]
    for call, vector in cases:
        for bad in ("left", vector[None], np.append(before, [0.0, 0.0, 0.0]), np.full(len(vector), np.nan)):
            with pytest.raises(InvalidValueError, match=r"^(state|goal)"):
                call(bad)
    if env_id != "swm/CartPole-v0":
        with pytest.raises(InvalidValueError, match="outside"):
            env.set_state(np.full(len(before), 1e3))
        with pytest.raises(InvalidValueError, match="outside"):
            env.set_goal(np.full(len(env.goal_names), 1e3))
    if len(env.state_names) != len(before):
        with pytest.raises(InvalidValueError, match="no angle has the cosine"):
            env.set_state(np.zeros(len(env.state_names)))
    assert np.array_equal(env.get_state(), before)


def test_cart_pole_terminates_and_pays_as_the_original() -> None:
    env = make("swm/CartPole-v0", image_size=16, render_mode=None)
    env.reset(seed=0)
    outcomes = [env.step(RIGHT)[1:3] for _ in range(12)]
    ended = [bool(terminated) for _, terminated in outcomes]
    last = ended.index(True)
    assert all(reward == 1.0 for reward, _ in outcomes[: last + 1])
    assert all(reward == 0.0 for reward, _ in outcomes[last + 1 :])
    env.set_state(np.array([2.39, 1.0, 0.0, 0.0]))
    assert env.step(RIGHT)[2]


@pytest.mark.parametrize("env_id", ["swm/MountainCar-v0", "swm/MountainCarContinuous-v0"])
def test_beyond_the_flag_every_place_is_the_goal(env_id: str) -> None:
    env = make(env_id, image_size=16, render_mode=None)
    env.reset(seed=0)
    flag = env.observe()[1]["goal"][0]
    for place, solved in ((flag, True), (0.59, True), (flag - 1e-3, False)):
        env.set_state(np.array([place, 0.0]))
        assert env.observe()[1]["success"] is solved
    env.set_goal(np.array([-0.9]))
    for place, solved in ((-0.9, True), (-0.86, True), (-0.84, False), (0.59, False)):
        env.set_state(np.array([place, 0.0]))
        assert env.observe()[1]["success"] is solved
    env.set_state(np.array([flag - 0.01, 0.05]))
    assert env.step(drawn(env))[2], "the flag ends the episode whatever the goal is"


def test_acrobot_solves_with_every_arm_above_the_line() -> None:
    env = make("swm/Acrobot-v0", image_size=16, render_mode=None)
    env.reset(seed=0)
    for posture, solved in (([np.pi, 0.0], True), ([np.pi - 0.9, 0.0], True), ([np.pi - 1.1, 0.0], False)):
        env.set_state(np.array([*posture, 0.0, 0.0]))
        assert env.observe()[1]["success"] is solved
    env.set_goal(np.array([1.0, 0.5]))
    env.set_state(np.array([1.05, 0.5, 3.0, 0.0]))
    assert env.observe()[1]["success"]
    env.set_state(np.array([1.3, 0.5, 0.0, 0.0]))
    assert not env.observe()[1]["success"]


def test_pendulum_solves_only_at_the_goal_and_slowly() -> None:
    env = make("swm/Pendulum-v0", image_size=16, render_mode=None)
    env.reset(seed=0, options={"variation": {"target.angle": 1.0}})
    for state, solved in (([1.0, 0.0], True), ([1.0 + 2 * np.pi, 0.5], True), ([1.2, 0.0], False), ([1.0, 0.9], False)):
        env.set_state(np.array(state))
        assert env.observe()[1]["success"] is solved
    env.set_goal(np.array([-2.0, 6.0]))
    env.set_state(np.array([-2.0, 6.3]))
    assert env.observe()[1]["success"]


def test_derived_constants_follow_the_factors() -> None:
    env = make("swm/CartPole-v0", image_size=16, render_mode=None)
    ends = []
    for mass in (0.05, 0.5):
        env.reset(seed=0, options={"variation": {"pole.mass": mass}})
        env.set_state(np.zeros(4))
        env.step(RIGHT)
        env.step(RIGHT)
        ends.append(env.get_state()[1])
    total = np.array([1.05, 1.5])
    push = 10 / total
    pole = np.array([0.05, 0.5])
    slide = push * (1 + pole / total / (4 / 3 - pole / total))
    assert np.allclose(ends, 2 * 0.02 * slide, rtol=1e-3)


@pytest.mark.parametrize("env_id", IDS)
def test_the_rows_say_the_radius_of_the_classes(env_id: str) -> None:
    assert getattr(make(env_id), "success_radius") == ENVS[env_id].success_radius  # noqa: B009


def test_angles() -> None:
    assert geometry.difference(3.0, -3.0) == pytest.approx(6 - 2 * np.pi)
    assert geometry.wrap(np.pi) == np.pi
    assert geometry.wrap(7.0) == pytest.approx(7 - 2 * np.pi)
    assert geometry.angle_of(np.cos(2.5), np.sin(2.5)) == pytest.approx(2.5)


def test_the_documented_factors_are_the_real_ones() -> None:
    page = (Path(__file__).parents[2] / "docs" / "environments" / "classic.md").read_text()
    for env_id in IDS:
        if "Continuous" in env_id:
            continue
        section = page.partition(f"## Factors of {env_id}")[2].partition("\n## ")[0]
        rows = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in section.splitlines()]
        documented = {row[0]: row[1:] for row in rows if row and "." in row[0]}
        factors = make(env_id).factors
        assert list(documented) == list(factors)
        for name, (kind, default, allowed, summary) in documented.items():
            factor = factors[name]
            assert (kind, summary) == (factor.kind, factor.summary)
            if isinstance(factor.space, Box) and factor.space.shape == ():
                assert allowed.startswith(f"{factor.space.low:.4g} to {factor.space.high:.4g}")
                assert factor.sampled or default == f"{factor.default:.4g}"
