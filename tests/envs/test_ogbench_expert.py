"""The experts of OGBench's environments solve their tasks and depend on the episode's seed alone."""

import json
from typing import Any

import numpy as np
import pytest

from swm.core.errors import InvalidValueError
from swm.core.factors import Request
from swm.envs import ENVS, make_executor, make_expert
from swm.rollout import EpisodeRecord, EpisodeRequest, run_episodes

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
WITH_EXPERT = [env_id for env_id, row in ENVS.items() if env_id.startswith("swm/OGB") and row.expert]


def run(
    env_id: str,
    count: int,
    *,
    variation: Request = None,
    num_envs: int = 4,
    steps: int | None = None,
    expert: dict[str, Any] | None = None,
    **kwargs: Any,
) -> list[EpisodeRecord]:
    """Episodes of the oracle, or of the expert with the arguments `expert`."""
    row = ENVS[env_id]
    executor = make_executor(env_id, num_envs, 16, "inline", render_mode=None, **kwargs)
    steps = row.max_episode_steps if steps is None else steps
    requests = [EpisodeRequest(seed=seed, max_steps=steps, variation=variation) for seed in range(count)]
    policy = make_expert(env_id, **(row.oracle if expert is None else expert))
    records = list(run_episodes(executor, policy, requests, keep=["state"]))
    executor.close()
    return records


def solved(records: list[EpisodeRecord]) -> float:
    """Share of the episodes at whose end the goal is reached."""
    return float(np.mean([record.success[-1] for record in records]))


@pytest.mark.parametrize(("env_id", "steps"), [("swm/OGBCubeSingle-v0", 120), ("swm/OGBPointMazeMedium-v0", 250)])
def test_the_oracle_solves_random_tasks(env_id: str, steps: int) -> None:
    assert solved(run(env_id, 5, steps=steps)) == 1.0


def test_the_oracle_builds_a_stack() -> None:
    assert solved(run("swm/OGBCubeDouble-v0", 2, task=5, steps=180)) == 1.0


def test_the_oracle_puts_the_cube_into_the_drawer() -> None:
    assert solved(run("swm/OGBScene-v0", 2, task=4, steps=400)) == 1.0


@pytest.mark.slow
@pytest.mark.parametrize("env_id", WITH_EXPERT)
def test_the_oracle_solves_many_tasks(env_id: str) -> None:
    assert solved(run(env_id, 20)) >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize("env_id", [env_id for env_id in WITH_EXPERT if "Maze" not in env_id])
@pytest.mark.parametrize("task", [1, 2, 3, 4, 5])
def test_the_oracle_solves_evaluation_tasks(env_id: str, task: int) -> None:
    assert solved(run(env_id, 4, task=task)) >= 0.75


@pytest.mark.parametrize("env_id", ["swm/OGBCubeSingle-v0", "swm/OGBPointMazeMedium-v0"])
def test_the_expert_strays_and_depends_on_the_seed_alone(env_id: str) -> None:
    alone, together = (run(env_id, 3, num_envs=n, steps=30, expert={}) for n in (1, 3))
    for a, b in zip(alone, together, strict=True):
        assert np.array_equal(a.action, b.action)
    assert not np.array_equal(alone[0].action, run(env_id, 1, num_envs=1, steps=30)[0].action)


@pytest.mark.parametrize("env_id", ["swm/OGBScene-v0", "swm/OGBPointMazeMedium-v0"])
def test_arguments_are_checked_and_described(env_id: str) -> None:
    described = make_expert(env_id, noise=0.25).describe()
    assert described["noise"] == 0.25
    assert json.loads(json.dumps(described)) == described
    for wrong in ({"noise": -1.0}, {"random_prob": 1.5}, {"random_steps": 0}):
        with pytest.raises(InvalidValueError, match="noise must be at least 0"):
            make_expert(env_id, **wrong)
