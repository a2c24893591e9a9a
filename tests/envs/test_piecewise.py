"""The zones push as documented, and the expert goes against them."""

import numpy as np
import pytest

from swm.core.errors import InvalidValueError
from swm.core.factors import Request
from swm.envs import ENVS, make, make_executor, make_expert
from swm.envs.piecewise import zones
from swm.envs.piecewise.env import PiecewiseEnv
from swm.envs.piecewise.factors import SUCCESS_DISTANCE
from swm.rollout import EpisodeRequest, run_episodes

ENV_ID = "swm/Piecewise-v0"
PLACES = {"agent.position": [60.0, 60.0], "target.position": [180.0, 180.0]}


@pytest.mark.parametrize("grid_n", [1, 2, 3])
def test_there_are_as_many_factors_as_documented(grid_n: int) -> None:
    factors = PiecewiseEnv(grid_n, 16).factors
    assert len(factors) == 14 + 2 * grid_n**2
    biases = [factors[name].default for name in zones.bias_names(grid_n)]
    assert np.linalg.norm(biases, axis=1) == pytest.approx(2.0)
    assert ENVS[ENV_ID].success_radius == SUCCESS_DISTANCE


def test_a_step_is_the_velocity_and_the_push_of_the_zone_in_which_it_begins() -> None:
    env = PiecewiseEnv(3, 16)
    pushes = {f"zones.bias_{i}": [0.25 * i, -0.5 + 0.125 * i] for i in range(9)}
    env.reset(seed=0, options={"variation": {**PLACES, **pushes, "agent.drag": 0.5}})
    rng = np.random.default_rng(0)
    for _ in range(200):
        x, y, vx, vy = (state := np.array([*rng.uniform(40, 184, 2), *rng.uniform(-3, 3, 2)]))
        zone = 3 * int(y // (224 / 3)) + int(x // (224 / 3))
        assert zones.zone_at(state[None, :2], 3)[0] == zone
        action = rng.uniform(-1, 1, 2)
        env.set_state(state)
        velocity = 0.5 * np.array([vx, vy]) + 0.5 * 5.0 * action
        expected = np.concatenate([[x, y] + velocity + pushes[f"zones.bias_{zone}"], velocity])
        assert env.step(action)[0]["state"] == pytest.approx(expected, abs=1e-12)


def test_without_a_command_the_agent_drifts_to_the_border_and_stays_inside() -> None:
    env = PiecewiseEnv(1, 16)
    env.reset(seed=0, options={"variation": {**PLACES, "zones.bias_0": [4.0, 0.0]}})
    for _ in range(60):
        state = env.step(np.zeros(2, np.float32))[0]["state"]
    assert state.tolist() == [224 - 14 - 7, 60.0, 0.0, 0.0]


def test_hidden_zones_look_all_the_same_and_visible_ones_have_their_colours() -> None:
    colors = {f"zones.color_{i}": [60 * i, 200, 40] for i in range(4)}
    env = PiecewiseEnv(2, 64)
    hidden = env.reset(seed=0, options={"variation": {**PLACES, **colors, "zones.visible": 0}})[0]["pixels"]
    plain = env.reset(seed=0, options={"variation": PLACES})[0]["pixels"]
    assert np.array_equal(hidden, plain)
    seen = env.reset(seed=0, options={"variation": {**PLACES, **colors}})[0]["pixels"]
    corners = [seen[y, x].tolist() for y in (8, 55) for x in (8, 55)]
    assert corners == [[60 * i, 200, 40] for i in range(4)]
    assert seen[2, 2].tolist() == env.factors["border.color"].default.tolist()


@pytest.mark.parametrize("grid_n", [0, 9, 2.0])
def test_numbers_of_zones_are_checked(grid_n: int) -> None:
    with pytest.raises(InvalidValueError, match="grid_n"):
        PiecewiseEnv(grid_n, 16)


def test_an_agent_that_a_push_could_hold_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="the agent can go against every push"):
        make(ENV_ID).reset(seed=0, options={"variation": {"agent.speed": 3.0, "zones.bias_1": [0.0, 3.0]}})


@pytest.mark.parametrize(("request_", "least"), [(None, 1.0), ("train", 1.0), ("all", 0.9), (["agent", "zones"], 0.9)])
def test_the_oracle_solves_what_is_possible(request_: Request, least: float) -> None:
    """The failures with all factors drawn have noise that leaves less of a full action than the pushes need."""
    expert = make_expert(ENV_ID, **ENVS[ENV_ID].oracle)
    requests = [EpisodeRequest(seed=seed, max_steps=200, variation=request_) for seed in range(100)]
    records = list(run_episodes(make_executor(ENV_ID, 50, 16), expert, requests, keep=["state"]))
    assert np.mean([record.success.any() for record in records]) >= least


def test_the_expert_goes_straight_whatever_the_zone_adds() -> None:
    executor = make_executor(ENV_ID, 1, 16, grid_n=1)
    step = executor.reset([0], [{**PLACES, "zones.bias_0": [1.5, -2.5]}])
    expert = make_expert(ENV_ID, grid_n=1, **ENVS[ENV_ID].oracle)
    expert.begin(step, [0], np.array([True]), None)
    for _ in range(10):
        before = step.observation["state"][0, :2]
        step = executor.step(expert.act(step, np.array([True])))
        across, down = step.observation["state"][0, :2] - before
        assert across == pytest.approx(down, abs=1e-5)
        assert across == pytest.approx(5.0 - 2.5, abs=1e-5), "as fast as the agent can go down"
