"""The expert solves what it should, explores, and depends on the episode's seed alone."""

import json
from collections.abc import Sequence

import numpy as np
import pytest

from swm.core.errors import InvalidValueError
from swm.core.factors import Request, Variation
from swm.envs import make_executor, make_expert
from swm.envs.arena.geometry import stack
from swm.envs.two_room import geometry, route
from swm.envs.two_room.expert import TwoRoomExpert
from swm.envs.two_room.factors import FACTORS, SUCCESS_DISTANCE
from swm.rollout import EpisodeRecord, EpisodeRequest, run_episodes

ENV_ID = "swm/TwoRoom-v0"


def run(requests: Sequence[EpisodeRequest], expert: TwoRoomExpert, num_envs: int = 50) -> list[EpisodeRecord]:
    executor = make_executor(ENV_ID, num_envs, 16)
    return list(run_episodes(executor, expert, requests, keep=["state"]))


def oracle() -> TwoRoomExpert:
    return TwoRoomExpert(noise=0.0, random_prob=0.0, wander=False)


def budget(record: EpisodeRecord) -> float:
    """Steps for the shortest way at the agent's speed, with a tenth and some steps of lag to spare."""
    values = stack([record.variation])
    _, length = route.next_point(record.observation["state"][:1, :2], record.goal[None], route.doors(values))
    return float(1.1 * length[0] / record.variation["agent.speed"] + 10 / record.variation["agent.drag"])


def solved(records: Sequence[EpisodeRecord]) -> float:
    """Share of episodes solved within the budget."""
    return float(np.mean([r.success.any() and r.success.argmax() <= budget(r) for r in records]))


def test_the_oracle_solves_default_tasks_within_the_shortest_path() -> None:
    records = run([EpisodeRequest(seed=seed, max_steps=120) for seed in range(300)], oracle())
    assert solved(records) >= 0.99
    assert np.mean([record.success[-1] for record in records]) >= 0.99


@pytest.mark.parametrize("name", [name for name in FACTORS if name != "agent.actuator_noise"])
def test_the_oracle_solves_every_shift(name: str) -> None:
    requests: list[Variation] = [FACTORS.shift({name: 1.0}, seed) for seed in range(40)]
    records = run([EpisodeRequest(seed=i, max_steps=250, variation=v) for i, v in enumerate(requests)], oracle())
    assert solved(records) >= 0.97


def test_the_oracle_solves_random_arenas() -> None:
    request: Request = "all"
    records = run([EpisodeRequest(seed=i, max_steps=300, variation=request) for i in range(100)], oracle())
    assert np.mean([record.success.any() for record in records]) >= 0.99


def test_the_default_expert_solves_explores_and_goes_on_afterwards() -> None:
    records = run([EpisodeRequest(seed=seed, max_steps=200) for seed in range(100)], TwoRoomExpert())
    assert np.mean([record.success.any() for record in records]) >= 0.98
    actions = np.concatenate([record.action for record in records])
    counts, _, _ = np.histogram2d(actions[:, 0], actions[:, 1], bins=8, range=[[-1, 1], [-1, 1]])
    assert (counts > 0.002 * len(actions)).all(), "the data cover the action space"
    places = np.concatenate([record.observation["state"][:, :2] for record in records])
    visits, _, _ = np.histogram2d(places[:, 0], places[:, 1], bins=5, range=[[21, 203], [21, 203]])
    assert (visits > 0).all(), "the data cover the arena"
    left = [np.linalg.norm(r.observation["state"][-1, :2] - r.goal) > SUCCESS_DISTANCE for r in records]
    assert np.mean(left) > 0.5


def test_an_episode_does_not_depend_on_the_number_of_environments_or_the_executor() -> None:
    requests = [EpisodeRequest(seed=seed, max_steps=15 + seed, variation="all") for seed in range(9)]
    expected = run(requests, TwoRoomExpert(), num_envs=9)
    few = run(requests, TwoRoomExpert(), num_envs=2)
    looped = list(run_episodes(make_executor(ENV_ID, 3, 16, "inline"), TwoRoomExpert(), requests, keep=["state"]))
    for a, b, c in zip(expected, few, looped, strict=True):
        assert a.action.tobytes() == b.action.tobytes() == c.action.tobytes()
        assert a.observation["state"].tobytes() == b.observation["state"].tobytes() == c.observation["state"].tobytes()
    again = TwoRoomExpert()
    run([EpisodeRequest(seed=seed, max_steps=10) for seed in range(3)], again, num_envs=9)
    assert run(requests, again, num_envs=9)[4].action.tobytes() == expected[4].action.tobytes()


def test_the_way_is_the_shortest_one() -> None:
    """Against a search over many points of entry and exit in every door."""
    names = {*geometry.SHAPE, "agent.position", "target.position"} - {"wall.axis"}
    for seed in range(60):
        variation = FACTORS.resolve(sorted(names), seed)
        values = stack([variation])
        start, goal = variation["agent.position"], variation["target.position"]
        _, length = route.next_point(start[None], goal[None], route.doors(values))
        reach = variation["wall.thickness"] / 2 + variation["agent.radius"]
        low, high = variation["wall.position"] - reach, variation["wall.position"] + reach
        if not (start[0] <= low and goal[0] >= high):
            continue
        best = np.inf
        begin, end = (edge[0] for edge in geometry.door_edges(values))
        for door in range(variation["door.number"]):
            spare = variation["agent.radius"] + min(1.0, (end[door] - begin[door]) / 2 - variation["agent.radius"])
            along = np.linspace(begin[door] + spare, end[door] - spare, 200)
            first = np.hypot(low - start[0], along - start[1])
            middle = np.hypot(high - low, along[None] - along[:, None])
            last = np.hypot(goal[0] - high, goal[1] - along)
            best = min(best, (first[:, None] + middle + last[None]).min())
        assert length[0] == pytest.approx(best, rel=2e-3)


def test_from_inside_one_door_to_a_goal_inside_another() -> None:
    exact = {"door.number": 2, "agent.position": [112.0, 49.0], "target.position": [112.0, 112.0]}
    records = run([EpisodeRequest(seed=0, max_steps=60, variation=exact)], oracle(), num_envs=1)
    assert records[0].success[-1]


def test_an_empty_mask_asks_for_nothing() -> None:
    step = make_executor(ENV_ID, 2, 16).reset([0, 1], [None, None])
    expert, nothing = TwoRoomExpert(), np.zeros(2, np.bool_)
    expert.begin(step, [0, 1], nothing, None)
    assert expert.act(step, nothing).shape == (2, 2)


def test_parameters_are_described_and_checked() -> None:
    expert = make_expert(ENV_ID, noise=0.1)
    assert json.loads(json.dumps(expert.describe()))["noise"] == 0.1
    for bad in ({"noise": -1.0}, {"random_prob": 1.5}, {"random_steps": 0}):
        with pytest.raises(InvalidValueError, match="noise must be at least 0"):
            make_expert(ENV_ID, **bad)
