"""Running episodes: each depends on its request alone."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from swm import envs
from swm.core.errors import InvalidValueError
from swm.core.protocols import Array, Executor, Mask, Policy, StepBatch
from swm.policy import RandomPolicy
from swm.rollout import EpisodeRecord, EpisodeRequest, run_episodes

ENV_ID = "swm/TwoRoom-v0"
REQUESTS = [
    EpisodeRequest(seed=10 + index, max_steps=(4, 7, 3, 9, 1)[index % 5], variation=("train", None, "all")[index % 3])
    for index in range(10)
]


def run(
    requests: Sequence[EpisodeRequest], num_envs: int = 3, policy: Policy | None = None, **options: Any
) -> list[EpisodeRecord]:
    executor = envs.make_executor(ENV_ID, num_envs, 16)
    acting = policy or envs.make_expert(ENV_ID)
    return list(run_episodes(executor, acting, requests, **options))


def arrays(record: EpisodeRecord) -> dict[str, Array]:
    names = ("goal", "action", "reward", "terminated", "truncated", "success", "distance")
    return {**record.observation, **{name: getattr(record, name) for name in names}}


def assert_same(left: EpisodeRecord, right: EpisodeRecord) -> None:
    assert left.variation.to_json() == right.variation.to_json()
    assert arrays(left).keys() == arrays(right).keys()
    for name, array in arrays(left).items():
        np.testing.assert_array_equal(array, arrays(right)[name], err_msg=name)


@pytest.fixture
def executor() -> Iterator[Executor]:
    made = envs.make_executor(ENV_ID, 3, 16)
    yield made
    made.close()


@pytest.mark.parametrize("num_envs", [1, 8, 25])
def test_the_number_of_environments_changes_nothing(num_envs: int) -> None:
    expected = run(REQUESTS)
    found = run(REQUESTS, num_envs)
    assert len(found) == len(REQUESTS)
    for left, right in zip(expected, found, strict=True):
        assert_same(left, right)


def test_the_order_of_the_requests_changes_nothing_but_the_order_of_the_records() -> None:
    expected = run(REQUESTS)
    assert [record.request for record in expected] == REQUESTS
    order = np.random.default_rng(0).permutation(len(REQUESTS)).tolist()
    found = run([REQUESTS[index] for index in order])
    for index, record in zip(order, found, strict=True):
        assert_same(expected[index], record)


def test_a_random_policy_acts_by_the_episode_too(executor: Executor) -> None:
    policy = RandomPolicy(executor.action_space)
    one = run(REQUESTS[:5], 1, policy)
    for left, right in zip(one, run(REQUESTS[:5], 4, RandomPolicy(executor.action_space)), strict=True):
        assert_same(left, right)
    assert len({record.action.tobytes() for record in one}) == len(one)


def test_t_actions_lie_between_t_plus_one_observations() -> None:
    for record in run(REQUESTS):
        steps = len(record.action)
        assert steps == record.request.max_steps
        assert {len(part) for part in (record.reward, record.terminated, record.truncated)} == {steps}
        assert {len(part) for part in (*record.observation.values(), record.success, record.distance)} == {steps + 1}
        assert record.truncated.tolist() == [False] * (steps - 1) + [True]
        assert not record.terminated.any()


def test_rows_are_what_the_environment_shows() -> None:
    request = EpisodeRequest(seed=3, max_steps=6, variation="train")
    (record,) = run([request], 5)
    alone = envs.make_executor(ENV_ID, 1, 16)
    step = alone.reset([3], ["train"])
    for index in range(7):
        np.testing.assert_array_equal(record.observation["pixels"][index], step.observation["pixels"][0])
        np.testing.assert_array_equal(record.observation["state"][index], step.observation["state"][0])
        assert record.distance[index] == step.distance[0]
        if index < 6:
            step = alone.step(record.action[index][None])
            assert record.reward[index] == step.reward[0]


def test_given_starts_and_goals_are_honoured_beside_drawn_ones() -> None:
    start, goal = np.array([50.0, 60.0, 0.0, 0.0]), np.array([170.0, 100.0])
    plain = EpisodeRequest(seed=1, max_steps=3)
    requests = [
        plain,
        EpisodeRequest(seed=1, max_steps=3, start=start, goal=goal),
        EpisodeRequest(seed=1, max_steps=3, goal=goal),
        EpisodeRequest(seed=1, max_steps=3, start=start),
    ]
    drawn, both, only_goal, only_start = run(requests, 4)
    np.testing.assert_array_equal(both.observation["state"][0], start)
    np.testing.assert_array_equal(only_start.observation["state"][0], start)
    np.testing.assert_array_equal(only_goal.observation["state"][0], drawn.observation["state"][0])
    np.testing.assert_array_equal(both.goal, goal)
    np.testing.assert_array_equal(only_goal.goal, goal)
    np.testing.assert_array_equal(only_start.goal, drawn.goal)
    assert both.distance[0] == pytest.approx(np.linalg.norm(goal - start[:2]))
    assert_same(drawn, run([plain], 1)[0])


@pytest.mark.parametrize(("keep", "expected"), [(None, {"pixels", "state"}), (("state",), {"state"}), ((), set())])
def test_keep_selects_the_components(keep: Sequence[str] | None, expected: set[str]) -> None:
    (record,) = run(REQUESTS[:1], keep=keep)
    assert set(record.observation) == expected
    assert len(record.success) == len(record.action) + 1


def test_no_requests_run_nothing(executor: Executor) -> None:
    assert list(run_episodes(executor, envs.make_expert(ENV_ID), [])) == []


def test_on_step_counts_the_environments_that_were_stepped() -> None:
    counts: list[int] = []
    records = run(REQUESTS, on_step=counts.append)
    assert sum(counts) == sum(len(record.action) for record in records)
    assert max(counts) == 3


class Broken(RandomPolicy):
    """Acts well at first, then not."""

    def __init__(self, executor: Executor, spoil: str, after: int = 1) -> None:
        super().__init__(executor.action_space)
        self.spoil, self.left = spoil, after

    def act(self, step: StepBatch, mask: Mask) -> Array:
        actions = super().act(step, mask)
        self.left -= 1
        if self.left >= 0:
            return actions
        if self.spoil == "shape":
            return actions[:, :1]
        actions[1, 0] = np.nan if self.spoil == "nan" else np.inf
        return actions


@pytest.mark.parametrize("spoil", ["nan", "inf"])
def test_actions_that_are_not_finite_name_their_environments(executor: Executor, spoil: str) -> None:
    with pytest.raises(InvalidValueError, match=r"environments \[1\] are not finite"):
        list(run_episodes(executor, Broken(executor, spoil), REQUESTS))


def test_rows_of_idle_environments_may_hold_anything(executor: Executor) -> None:
    assert len(list(run_episodes(executor, Broken(executor, "nan", after=0), REQUESTS[:1]))) == 1


def test_actions_of_the_wrong_shape_are_named(executor: Executor) -> None:
    with pytest.raises(InvalidValueError, match=r"shape \(3, 1\), the environments need \(3, 2\)"):
        list(run_episodes(executor, Broken(executor, "shape"), REQUESTS))


def test_an_unknown_component_is_named_before_anything_runs(executor: Executor) -> None:
    with pytest.raises(InvalidValueError, match="Did you mean 'pixels'"):
        list(run_episodes(executor, envs.make_expert(ENV_ID), REQUESTS, keep=("pixel",)))
