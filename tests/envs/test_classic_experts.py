"""The experts of classic control solve default and shifted tasks, and depend on the episode's seed alone."""

import json
from collections.abc import Callable

import numpy as np
import pytest

from swm.core.errors import InvalidValueError
from swm.core.factors import Request
from swm.envs import ENVS, make, make_executor, make_expert
from swm.envs.classic.experts import cart_pole_linear, lqr_gain
from swm.rollout import EpisodeRecord, EpisodeRequest, run_episodes
from swm.testing.common import family

IDS = [env_id for env_id in ENVS if family(env_id) == "classic"]


def run(env_id: str, count: int, request: Callable[[int], Request], oracle: bool = True) -> list[EpisodeRecord]:
    row = ENVS[env_id]
    executor = make_executor(env_id, 8, 16, "inline", render_mode=None)
    policy = make_expert(env_id, **(row.oracle if oracle else {}))
    requests = [
        EpisodeRequest(seed=seed, max_steps=row.max_episode_steps, variation=request(seed)) for seed in range(count)
    ]
    return list(run_episodes(executor, policy, requests, keep=["state"]))


def solved(records: list[EpisodeRecord]) -> float:
    return float(np.mean([record.success.any() for record in records]))


@pytest.mark.parametrize("env_id", IDS)
def test_the_oracle_ends_at_the_goal(env_id: str) -> None:
    assert np.mean([record.success[-1] for record in run(env_id, 20, lambda seed: None)]) >= 0.95


@pytest.mark.parametrize("env_id", IDS)
def test_the_explorer_solves_too_and_strays(env_id: str) -> None:
    records = run(env_id, 10, lambda seed: None, oracle=False)
    assert solved(records) >= 0.8
    straight = run(env_id, 1, lambda seed: None)
    assert not np.array_equal(records[0].action[:100], straight[0].action[:100])


@pytest.mark.slow
@pytest.mark.parametrize("env_id", IDS)
def test_the_oracle_solves_a_hundred_tasks_and_moderate_shifts(env_id: str) -> None:
    assert solved(run(env_id, 100, lambda seed: None)) >= 0.98
    space = make(env_id).factors
    for name, factor in space.items():
        if factor.kind in ("physical", "geometric"):
            shifts = [space.shift({name: 0.5}, seed) for seed in range(20)]
            assert solved(run(env_id, 20, shifts.__getitem__)) >= 0.9, name


def test_the_pendulum_reaches_goals_that_the_motor_cannot_hold() -> None:
    records = run("swm/Pendulum-v0", 20, lambda seed: {"target.angle": (-2.0, -0.5, 1.0, 2.5)[seed % 4]})
    assert solved(records) >= 0.9


def test_the_mountain_car_passes_goals_of_the_valley() -> None:
    executor = make_executor("swm/MountainCar-v0", 4, 16, "inline", render_mode=None)
    requests = [
        EpisodeRequest(seed=seed, max_steps=300, goal=np.array([goal]))
        for seed, goal in enumerate((-1.1, -0.9, 0.0, 0.3))
    ]
    records = list(run_episodes(executor, make_expert("swm/MountainCar-v0", random_prob=0.0), requests, keep=["state"]))
    assert solved(records) == 1.0


def test_the_regulator_is_the_optimum_of_a_scalar_system() -> None:
    """With a = b = q = r = 1 the cost-to-go is the golden ratio, and the gain its inverse."""
    one = np.ones((1, 1))
    assert lqr_gain(one, np.ones(1), one, 1.0) == pytest.approx([2 / (1 + np.sqrt(5))])


def test_the_linear_cart_pole_is_the_derivative_of_the_motion() -> None:
    env = make("swm/CartPole-v0", image_size=16, render_mode=None)
    values = {"cart.friction": 1.0, "pole.friction": 0.02, "pole.mass": 0.3, "pole.length": 0.4}
    _, info = env.reset(seed=0, options={"variation": values})
    a, b = cart_pole_linear(info["variation"])
    rng = np.random.default_rng(0)
    for _ in range(5):
        state = 1e-5 * rng.normal(size=4)
        moved = []
        for action in (0, 1):
            env.set_state(state)
            env.step(np.array(action))
            moved.append(env.get_state())
        assert np.allclose((moved[0] + moved[1]) / 2, a @ state, atol=1e-12)
        assert np.allclose((moved[1] - moved[0]) / 20, b, atol=1e-9)


def test_parameters_are_described_and_checked() -> None:
    for env_id in IDS:
        expert = make_expert(env_id, random_prob=0.25)
        assert json.loads(json.dumps(expert.describe()))["random_prob"] == 0.25
        for bad in ({"random_prob": 1.5}, {"random_steps": 0}):
            with pytest.raises(InvalidValueError, match="random_prob must be in"):
                make_expert(env_id, **bad)
