"""The experts of DeepMind Control solve what they should and depend on the episode's seed alone."""

import json

import numpy as np
import pytest

from swm.core.errors import InvalidValueError
from swm.envs import ENVS, make_executor, make_expert
from swm.rollout import EpisodeRecord, EpisodeRequest, run_episodes

BUDGETS = {
    "swm/DMC-ReacherEasy-v0": 120,
    "swm/DMC-ReacherHard-v0": 120,
    "swm/DMC-ReacherJoints-v0": 120,
    "swm/DMC-PendulumSwingup-v0": 400,
    "swm/DMC-CartpoleSwingup-v0": 1000,
    "swm/DMC-CartpoleSwingupSparse-v0": 1000,
    "swm/DMC-CartpoleBalance-v0": 600,
    "swm/DMC-CartpoleBalanceSparse-v0": 600,
}


def run(env_id: str, count: int, num_envs: int = 4, **kwargs: float) -> list[EpisodeRecord]:
    requests = [EpisodeRequest(seed=seed, max_steps=BUDGETS[env_id]) for seed in range(count)]
    executor = make_executor(env_id, num_envs, 16, "inline", render_mode=None)
    return list(run_episodes(executor, make_expert(env_id, **kwargs), requests, keep=["state"]))


def test_these_have_experts() -> None:
    assert {env_id for env_id, row in ENVS.items() if "/DMC-" in env_id and row.expert} == set(BUDGETS)


@pytest.mark.parametrize("env_id", ["swm/DMC-ReacherHard-v0", "swm/DMC-PendulumSwingup-v0"])
def test_the_oracle_arrives_and_stays(env_id: str) -> None:
    records = run(env_id, 12, **ENVS[env_id].oracle)
    assert all(record.success[-20:].all() for record in records)


@pytest.mark.slow
@pytest.mark.parametrize("env_id", BUDGETS)
def test_the_oracle_arrives_and_stays_in_nearly_all_of_many_tasks(env_id: str) -> None:
    records = run(env_id, 100, **ENVS[env_id].oracle)
    assert np.mean([record.success[-20:].all() for record in records]) > 0.95


@pytest.mark.slow
@pytest.mark.parametrize("env_id", BUDGETS)
def test_the_default_expert_arrives_too(env_id: str) -> None:
    assert np.mean([record.success.any() for record in run(env_id, 100)]) > 0.9


def test_an_episode_depends_on_its_seed_alone() -> None:
    few, many = run("swm/DMC-ReacherEasy-v0", 5, num_envs=2), run("swm/DMC-ReacherEasy-v0", 5, num_envs=5)
    for a, b in zip(few, many, strict=True):
        assert a.action.tobytes() == b.action.tobytes()
    assert few[0].action.tobytes() != few[1].action.tobytes()


def test_parameters_are_described_and_checked() -> None:
    expert = make_expert("swm/DMC-ReacherHard-v0", noise=0.1)
    assert json.loads(json.dumps(expert.describe()))["noise"] == 0.1
    for bad in ({"noise": -1.0}, {"random_prob": 1.5}, {"random_steps": 0}):
        with pytest.raises(InvalidValueError, match="noise must be at least 0"):
            make_expert("swm/DMC-ReacherHard-v0", **bad)
