"""The executors give the same batches to the last bit, keep them apart, and fail loudly."""

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from swm.core.errors import InvalidValueError, ShapeError, SwmError, UnknownNameError
from swm.core.factors import Request
from swm.core.protocols import Array, Executor, StepBatch
from swm.core.spaces import sample_action
from swm.envs import ENVS, EXECUTORS, make, make_executor
from swm.envs.executors.inline import InlineExecutor
from swm.envs.executors.process import ProcessExecutor
from swm.envs.two_room.env import TwoRoomEnv

COUNT = 5
TWO_ROOM = "swm/TwoRoom-v0"


def contents(batch: StepBatch) -> list[Any]:
    arrays = [batch.reward, batch.terminated, batch.truncated, batch.success, batch.distance, batch.goal]
    arrays += [batch.observation[name] for name in sorted(batch.observation)]
    return [(array.dtype, array.shape, array.tobytes()) for array in arrays] + [batch.variation]


class Together:
    """All executors of one environment, which must show the same after each call."""

    def __init__(self, env_id: str) -> None:
        names = [name for name in EXECUTORS if name != "native" or ENVS[env_id].native]
        self.env_id = env_id
        self.executors = [make_executor(env_id, COUNT, (32, 48), name) for name in names]
        self.action_space = self.executors[0].action_space

    def __call__(self, call: Callable[[Executor], StepBatch]) -> StepBatch:
        batches = [call(executor) for executor in self.executors]
        for batch in batches[1:]:
            assert contents(batches[0]) == contents(batch)
        return batches[0]

    def actions(self, seed: int) -> Array:
        """One action per environment; those of a Box may lie outside and are clipped."""
        rng, space = np.random.default_rng(seed), self.action_space
        if isinstance(space, spaces.Box):
            return rng.uniform(2 * space.low, 2 * space.high, (COUNT, *space.shape))
        return np.stack([sample_action(space, rng) for _ in range(COUNT)])

    def goal_pixels(self) -> Array:
        pictures = [executor.goal_pixels() for executor in self.executors]
        assert len({picture.tobytes() for picture in pictures}) == 1
        return pictures[0]


IDS = [pytest.param(env_id, marks=pytest.mark.slow) if row.nightly else env_id for env_id, row in ENVS.items()]


@pytest.fixture(params=IDS)
def together(request: pytest.FixtureRequest) -> Iterator[Together]:
    all_of_them = Together(request.param)
    yield all_of_them
    for executor in all_of_them.executors:
        executor.close()


def test_the_same_under_masks_variations_states_and_goals(together: Together) -> None:
    rng = np.random.default_rng(0)
    factors = list(together.executors[0].factors.values())
    exact = {factors[0].name: factors[0].sample(rng)}
    requests: list[Request] = [None, "all", "train", [factors[1].name, factors[-1].group], exact]
    begun = np.array([True, True, False, True, True])
    assert not together.goal_pixels().any()
    first = together(lambda executor: executor.reset([5, 6, 7, 8, 9], requests, begun))
    assert not first.observation["pixels"][2].any()
    for index in range(40):
        if index == 10:
            begun[2] = True
            again = np.arange(COUNT) == 2
            together(lambda executor, mask=again: executor.reset([1] * COUNT, ["all"] * COUNT, mask))  # type: ignore[misc]
        mask = begun & (rng.random(COUNT) < 0.7)
        actions = together.actions(index)
        batch = together(lambda executor, a=actions, m=mask: executor.step(a, m))  # type: ignore[misc]
        if index % 15 == 12:
            states = batch.observation["state"][[0] * COUNT]
            only = np.arange(COUNT) == 0
            together(lambda executor, s=states, m=only: executor.set_goal(s, m))  # type: ignore[misc]
            together(lambda executor, s=states, m=only: executor.set_state(s, m))  # type: ignore[misc]
            together.goal_pixels()


def test_rows_outside_the_mask_repeat_what_was_shown(together: Together) -> None:
    together(lambda executor: executor.reset([1] * COUNT, [None] * COUNT))
    before = together(lambda executor: executor.step(together.actions(0)))
    mask = np.arange(COUNT) < 2
    after = together(lambda executor: executor.step(together.actions(1), mask))
    for name in before.observation:
        assert np.array_equal(before.observation[name][2:], after.observation[name][2:])
    assert np.array_equal(before.reward[2:], after.reward[2:])
    assert not np.array_equal(before.observation["state"][:2], after.observation["state"][:2])


def test_an_episode_does_not_depend_on_its_row_or_on_the_others(together: Together) -> None:
    alone = make(together.env_id, image_size=(32, 48))
    together(lambda executor: executor.reset([3, 4, 5, 6, 7], ["all"] * COUNT))
    alone.reset(seed=6, options={"variation": "all"})
    for index in range(30):
        actions = together.actions(index)
        batch = together(lambda executor, a=actions: executor.step(a))  # type: ignore[misc]
        observation, reward, _, _, info = alone.step(actions[3])
        assert batch.observation["pixels"][3].tobytes() == observation["pixels"].tobytes()
        assert batch.observation["state"][3].tobytes() == observation["state"].tobytes()
        assert (batch.reward[3], batch.distance[3]) == (reward, info["distance"])


def test_batches_belong_to_the_caller(together: Together) -> None:
    for executor in together.executors:
        first = executor.reset([1] * COUNT, [None] * COUNT)
        kept = contents(first)
        second = executor.step(together.actions(0))
        assert contents(first) == kept
        kept = contents(second)
        for batch in (first, second):
            for array in (*batch.observation.values(), batch.goal, batch.reward, batch.success, batch.distance):
                array[...] = 1
        nothing = np.zeros(COUNT, np.bool_)
        assert contents(executor.step(together.actions(0), nothing)) == kept


def test_bad_calls_are_refused_before_anything_moves(together: Together) -> None:
    good = together.actions(0)
    nan_last = good.astype(np.float64)
    nan_last[-1] = np.nan
    for executor in together.executors:
        with pytest.raises(InvalidValueError, match=r"no episode has begun in the environments \[0, 1, 2, 3, 4\]"):
            executor.step(good)
        batch = executor.reset([1] * COUNT, [None] * COUNT)
        kept, states = contents(batch), batch.observation["state"].copy()
        with pytest.raises(InvalidValueError, match="finite"):
            executor.step(nan_last)
        with pytest.raises(ShapeError, match=r"actions of step\(\)"):
            executor.step(good[:-1])
        with pytest.raises(ShapeError, match="mask"):
            executor.step(good, np.ones(COUNT))  # type: ignore[arg-type]
        with pytest.raises(UnknownNameError, match="nothing"):
            executor.reset([1] * COUNT, [None] * (COUNT - 1) + ["nothing"])
        with pytest.raises(ShapeError, match=r"seeds of reset\(\)"):
            executor.reset([1], [None] * COUNT)
        with pytest.raises(ShapeError):
            executor.set_state(np.zeros((COUNT, 999)))
        states[-1] = np.nan
        assert contents(executor.step(good, np.zeros(COUNT, np.bool_))) == kept
        with pytest.raises(InvalidValueError):
            executor.set_state(states)
        executor.step(good)


def test_a_state_inside_a_wall_is_refused_by_every_executor() -> None:
    states = np.full((COUNT, 4), [60.0, 60.0, 0.0, 0.0])
    states[-1] = 0.0
    for name in EXECUTORS:
        executor = make_executor(TWO_ROOM, COUNT, 16, name)
        executor.reset([1] * COUNT, [None] * COUNT)
        with pytest.raises(InvalidValueError, match="inside a wall"):
            executor.set_state(states)
        executor.close()


FAULTY = """
import os
from swm.core.errors import SwmError
from swm.envs.two_room.env import TwoRoomEnv

class Faulty(TwoRoomEnv):
    def _advance(self, action):
        if self.variation["agent.speed"] == 9.0:
            raise ZeroDivisionError("the simulator broke")
        if self.variation["agent.speed"] == 10.0:
            os._exit(7)
        return super()._advance(action)

def only_in(pid):
    if os.getpid() != pid:
        raise SwmError("only the parent can make it")
    return TwoRoomEnv(16)
"""


@pytest.fixture
def faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module that the workers can import, with an environment that fails as the test chooses."""
    (tmp_path / "faulty_env.py").write_text(FAULTY)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "faulty_env", raising=False)
    return importlib.import_module("faulty_env")


@pytest.mark.parametrize(
    ("speed", "kind", "match"),
    [
        (9.0, ZeroDivisionError, "the simulator broke"),
        (10.0, SwmError, r"the worker of the environments \[2, 3\] died with exit code 7"),
    ],
)
def test_a_failing_worker_is_reported_and_ends_the_executor(
    faulty: Any, speed: float, kind: type[Exception], match: str
) -> None:
    executor = ProcessExecutor(partial(faulty.Faulty, image_size=16), 4, num_workers=2)
    requests: list[Request] = [None, None, None, {"agent.speed": speed}]
    executor.reset([0] * 4, requests)
    with pytest.raises(kind, match=match) as caught:
        executor.step(np.zeros((4, 2)))
    if kind is ZeroDivisionError:
        note = caught.value.__notes__[0]
        assert "the worker of the environments [2, 3]" in note
        assert "_advance" in note
    with pytest.raises(InvalidValueError, match="closed"):
        executor.step(np.zeros((4, 2)))
    executor.close()


def test_a_factory_that_fails_in_the_worker_is_reported(faulty: Any) -> None:
    with pytest.raises(SwmError, match="only the parent can"):
        ProcessExecutor(partial(faulty.only_in, os.getpid()), 2)
    with pytest.raises(InvalidValueError, match="cannot be sent to a process"):
        ProcessExecutor(lambda: TwoRoomEnv(16), 2)
    with pytest.raises(InvalidValueError, match="num_workers"):
        ProcessExecutor(TwoRoomEnv, 2, num_workers=0)


def test_closing_ends_the_workers_and_can_be_repeated() -> None:
    executor = ProcessExecutor(partial(TwoRoomEnv, image_size=16), 3, num_workers=3)
    processes = [worker._process for worker in executor._workers]
    assert all(process.is_alive() for process in processes)
    executor.close()
    executor.close()
    for process in processes:
        with pytest.raises(ValueError, match="closed"):
            process.is_alive()


def test_inline_makes_as_many_as_asked() -> None:
    made: list[TwoRoomEnv] = []

    def make_one() -> TwoRoomEnv:
        made.append(TwoRoomEnv(16))
        return made[-1]

    executor = InlineExecutor(make_one, 3)
    assert len(made) == executor.num_envs == 3
    executor.close()
