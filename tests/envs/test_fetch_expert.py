"""The experts solve what they should, explore, and depend on the episode's seed alone."""

import json
from functools import partial
from typing import Any

import numpy as np
import pytest

import swm.envs
from swm.core.errors import InvalidValueError, UnknownNameError
from swm.core.factors import Request
from swm.envs.executors.inline import InlineExecutor
from swm.rollout import EpisodeRecord, EpisodeRequest, run_episodes

RATES = {
    "FetchReach": (1.0, 0.99),
    "FetchPush": (0.95, 0.97),
    "FetchPickAndPlace": (0.95, 0.97),
    "FetchSlide": (0.2, 0.4),
}
"""Least share of default episodes that the oracle solves: of a few, and of 100."""


def run(name: str, count: int, request: Request = None, num_envs: int = 4, **options: Any) -> list[EpisodeRecord]:
    env_id = f"swm/{name}-v0"
    executor = InlineExecutor(partial(swm.envs.make, env_id, image_size=16, render_mode=None), num_envs)
    expert = swm.envs.make_expert(env_id, **options)
    requests = [EpisodeRequest(seed=seed, max_steps=50, variation=request) for seed in range(count)]
    return list(run_episodes(executor, expert, requests, keep=["state"]))


def solved(records: list[EpisodeRecord]) -> float:
    return float(np.mean([record.success.any() for record in records]))


def oracle(name: str) -> dict[str, Any]:
    return dict(swm.envs.ENVS[f"swm/{name}-v0"].oracle)


@pytest.mark.parametrize("name", ["FetchReach", "FetchPush", "FetchPickAndPlace"])
def test_the_oracle_solves_default_tasks_and_stays(name: str) -> None:
    records = run(name, 20, **oracle(name))
    assert solved(records) >= RATES[name][0]
    assert np.mean([record.success[-1] for record in records]) >= RATES[name][0]


def test_the_oracle_strikes_the_puck() -> None:
    records = run("FetchSlide", 6, **oracle("FetchSlide"))
    assert solved(records) >= RATES["FetchSlide"][0]


@pytest.mark.slow
@pytest.mark.parametrize("name", RATES)
def test_the_oracle_solves_a_hundred_tasks(name: str) -> None:
    assert solved(run(name, 100, **oracle(name))) >= RATES[name][1]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["FetchReach", "FetchPush", "FetchPickAndPlace"])
def test_the_oracle_solves_most_shifted_tasks(name: str) -> None:
    assert solved(run(name, 100, "all", **oracle(name))) >= 0.65


@pytest.mark.parametrize("name", ["FetchReach", "FetchPush", "FetchPickAndPlace"])
def test_the_exploring_expert_still_solves_most(name: str) -> None:
    records = run(name, 20)
    assert solved(records) >= 0.7
    actions = np.concatenate([record.action for record in records])
    assert (np.abs(actions) <= 1).all()
    assert (actions.std(axis=0) > 0.1).all()


@pytest.mark.parametrize("name", ["FetchPush", "FetchPickAndPlace"])
def test_an_episode_does_not_depend_on_the_number_of_environments(name: str) -> None:
    for one, four in zip(run(name, 4, "all", 1), run(name, 4, "all", 4), strict=True):
        assert one.action.tobytes() == four.action.tobytes()
        assert one.observation["state"].tobytes() == four.observation["state"].tobytes()


def test_parameters_are_described_and_checked() -> None:
    expert = swm.envs.make_expert("swm/FetchPush-v0", noise=0.3)
    assert json.loads(json.dumps(expert.describe())) == {
        "name": "FetchExpert",
        "task": "push",
        "noise": 0.3,
        "random_prob": 0.02,
        "random_steps": 4,
    }
    for bad in ({"noise": -1.0}, {"random_prob": 1.5}, {"random_steps": 0}):
        with pytest.raises(InvalidValueError, match="noise must be at least 0"):
            swm.envs.make_expert("swm/FetchPush-v0", **bad)
    with pytest.raises(UnknownNameError, match="task of Fetch"):
        swm.envs.make_expert("swm/FetchPush-v0", task="stack")
