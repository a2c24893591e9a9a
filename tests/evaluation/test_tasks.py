"""Task sets: held out, never solved at the start, deterministic, and safe against change."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swm.core.errors import DatasetError, InvalidValueError, UnknownNameError
from swm.core.protocols import Executor, Policy
from swm.core.seeding import episode_seeds
from swm.evaluation.tasks import RECIPES, Protocol, TaskSet, build_tasks, list_task_sets, load_tasks, make_task_set

PROTOCOL = Protocol(goal_offset=10, budget=20, min_distance=0.1, episode_steps=20)


def build(executor: Executor, expert: Policy, **changes: Any) -> TaskSet:
    arguments: dict[str, Any] = {"env_id": "point", "count": 12, "seed": 3, "protocol": PROTOCOL} | changes
    return build_tasks(executor, expert, **arguments)


def test_the_set_does_not_depend_on_how_many_environments_build_it(
    make_world: Callable[..., Executor], walker: Policy
) -> None:
    one, many = build(make_world(1), walker), build(make_world(7), walker)
    assert one == many
    assert one.sha256 == many.sha256
    assert one.sha256 != build(make_world(7), walker, seed=4).sha256


def test_starts_are_neither_solved_nor_near_and_the_expert_reaches_the_goal(world: Executor, walker: Policy) -> None:
    tasks = build(world, walker, count=30)
    for task in tasks.tasks:
        distance = np.linalg.norm(np.subtract(task.start, task.goal))
        assert distance == pytest.approx(task.start_distance)
        assert distance >= PROTOCOL.min_distance
        assert distance <= PROTOCOL.goal_offset * 0.03 * np.sqrt(2)


def test_seeds_are_held_out_from_recording(world: Executor, walker: Policy) -> None:
    held_out = {task.seed for task in build(world, walker).tasks}
    assert len(held_out) == 12
    assert not held_out & set(episode_seeds(3, 0, 10_000))


def test_severities_are_stored_as_exact_values(world: Executor, walker: Policy) -> None:
    tasks = build(world, walker, severities={"agent.speed": 0.5})
    for task in tasks.tasks:
        assert task.variation is not None
        assert task.variation["agent.speed"] == pytest.approx(0.7) or task.variation["agent.speed"] == pytest.approx(
            1.55
        )
        assert task.variation["agent.color"] == [200, 30, 30]
        assert world.factors.complete(task.variation).to_json() == task.variation
    assert tasks.built["severities"] == {"agent.speed": 0.5}


def test_a_visual_shift_keeps_start_and_goal(world: Executor, walker: Policy) -> None:
    usual, shifted = build(world, walker), build(world, walker, severities={"agent.color": 1.0})
    assert [(t.seed, t.start, t.goal) for t in usual.tasks] == [(t.seed, t.start, t.goal) for t in shifted.tasks]
    assert all(t.variation is None for t in usual.tasks)
    assert len({str((t.variation or {})["agent.color"]) for t in shifted.tasks}) > 1


def test_save_and_load(world: Executor, walker: Policy, tmp_path: Path) -> None:
    tasks = build(world, walker, severities={"agent.color": 0.5})
    tasks.save(tmp_path / "mine.json")
    assert load_tasks(tmp_path / "mine.json") == tasks
    assert load_tasks(str(tmp_path / "mine.json")).sha256 == tasks.sha256


def test_a_changed_file_is_refused(world: Executor, walker: Policy, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    build(world, walker).save(path)
    data = json.loads(path.read_text())
    data["tasks"][0]["goal"][0] += 1e-9
    path.write_text(json.dumps(data))
    with pytest.raises(DatasetError, match="compare with nothing"):
        load_tasks(path)


def test_unknown_sets_name_the_closest() -> None:
    with pytest.raises(UnknownNameError, match="task set: 'two_rooms-v1'"):
        load_tasks("two_rooms-v1")
    with pytest.raises(UnknownNameError, match="task set"):
        make_task_set("two_rooms-v1")


def test_impossible_tasks_are_an_error(world: Executor, walker: Policy) -> None:
    with pytest.raises(InvalidValueError, match="12 of 12 tasks found no start"):
        build(world, walker, protocol=Protocol(goal_offset=1, min_distance=0.5, episode_steps=4))


def test_a_protocol_must_leave_time_for_the_goal() -> None:
    with pytest.raises(InvalidValueError, match="goal_offset <= budget"):
        Protocol(goal_offset=60, budget=50, min_distance=0.1)


def test_every_recipe_has_its_file() -> None:
    assert set(list_task_sets()) == set(RECIPES)


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_the_stored_file_equals_regeneration(name: str) -> None:
    stored, made = load_tasks(name), make_task_set(name)
    assert [task.seed for task in made.tasks] == [task.seed for task in stored.tasks]
    for attribute in ("start", "goal", "start_distance"):
        np.testing.assert_allclose(
            [getattr(task, attribute) for task in made.tasks],
            [getattr(task, attribute) for task in stored.tasks],
            rtol=1e-9,
            atol=1e-12,
        )
    assert (made.protocol, made.built, made.env_id) == (stored.protocol, stored.built, stored.env_id)
