"""The expert of PushT: its model of the contact, its success, and its independence of the other environments."""

from typing import Any

import numpy as np
import pytest

from swm.core.factors import Request
from swm.core.protocols import Array
from swm.envs import make_executor, make_expert
from swm.envs.push_t.contact import BlockModel
from swm.envs.push_t.factors import FACTORS
from swm.envs.push_t.simulator import Simulator, response
from swm.rollout import EpisodeRecord, EpisodeRequest, run_episodes

ORACLE: dict[str, Any] = {"noise": 0.0, "random_prob": 0.0, "wander": False}


def play(
    count: int, success: str, num_envs: int = 4, max_steps: int = 300, variation: Request = None, **kwargs: Any
) -> list[EpisodeRecord]:
    executor = make_executor("swm/PushT-v0", num_envs, 16, "inline", success=success)
    requests = [EpisodeRequest(seed=500 + i, max_steps=max_steps, variation=variation) for i in range(count)]
    return list(run_episodes(executor, make_expert("swm/PushT-v0", **kwargs), requests, keep=("state",)))


def moved(record: EpisodeRecord, steps: int) -> Array:
    block = record.observation["state"][:, 2:4]
    way: Array = np.linalg.norm(block[steps:] - block[:-steps], axis=1)
    return way


@pytest.mark.parametrize("success", ["pose", "block"])
def test_the_oracle_solves_random_tasks_and_stays(success: str) -> None:
    records = play(8, success, max_steps=150, **ORACLE)
    assert all(record.success.any() and record.success[-1] for record in records)


@pytest.mark.slow
@pytest.mark.parametrize("success", ["pose", "block"])
def test_the_oracle_solves_nearly_all_tasks(success: str) -> None:
    assert np.mean([record.success.any() for record in play(200, success, **ORACLE)]) > 0.95


@pytest.mark.slow
@pytest.mark.parametrize("names", ["block.shape", "block.scale", "agent.scale", "agent.reach", "block.friction"])
def test_the_oracle_copes_with_other_blocks_and_agents(names: str) -> None:
    assert np.mean([r.success.any() for r in play(40, "block", variation=[names], **ORACLE)]) > 0.8


def test_the_explorer_keeps_the_block_moving() -> None:
    records = play(4, "pose", max_steps=150)
    assert np.concatenate([moved(record, 25) > 10 for record in records]).mean() > 0.8
    assert np.abs(np.concatenate([record.action for record in records])).max() <= 1.0


def test_an_episode_does_not_depend_on_the_others() -> None:
    alone, together = (play(3, "pose", num_envs=count, max_steps=40) for count in (1, 3))
    for a, b in zip(alone, together, strict=True):
        assert a.action.tobytes() == b.action.tobytes()


def test_bad_arguments_are_refused() -> None:
    for wrong in ({"noise": -1.0}, {"random_prob": 2.0}, {"random_steps": 0}):
        with pytest.raises(ValueError, match="noise must be at least 0"):
            make_expert("swm/PushT-v0", **wrong)


def test_the_response_of_the_agent_is_exact() -> None:
    for stiffness in (25.0, 100.0, 225.0):
        values = {**FACTORS.default(), "agent.stiffness": stiffness}
        simulator = Simulator(values, np.array([100.0, 100, 400, 400, 0, 30, -20, 0, 0, 0]))
        by_target, by_velocity = response(stiffness)
        simulator.step(np.array([0.3, -0.4]))
        expected = [100 + 30 * by_target + 30 * by_velocity, 100 - 40 * by_target - 20 * by_velocity]
        assert simulator.state[:2] == pytest.approx(expected, abs=1e-9)


def test_the_contact_model_agrees_with_the_physics() -> None:
    values = FACTORS.default()
    model = BlockModel.of(values)
    pose = np.array([256.0, 256.0, 1.0])
    starts, directions = model.to_world(pose, model.starts), model.turned(pose, model.inward)
    way, poses, valid = model.push(pose, starts, directions, 80.0)
    assert valid.all()
    by_target, by_velocity = response(values["agent.stiffness"])
    for index in range(0, len(starts), 9):
        origin = pose[:2] - model.turned(pose, model.center[None])[0]
        simulator = Simulator(values, np.array([*starts[index], *origin, 1.0, 0, 0, 0, 0, 0]))
        for gone in np.linspace(10, way[-1], 8):
            wanted = starts[index] + gone * directions[index] - simulator.state[:2]
            simulator.step((wanted - by_velocity * np.array(simulator.state[5:7])) / by_target / 100)
        assert model.gravity(np.array(simulator.state[2:5])) == pytest.approx(poses[index, -1], abs=4.0)
