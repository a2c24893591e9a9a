"""Rows, rates and manifests of evaluations; what resumes and what is refused."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from swm.core.errors import InvalidValueError
from swm.core.protocols import Array, Context, Executor, ModelSpec, Policy
from swm.evaluation import (
    Evaluation,
    Protocol,
    TaskSet,
    build_tasks,
    evaluate,
    evaluate_table,
    prediction_error,
    render_table,
    start_and_goal_pictures,
)
from swm.evaluation.evaluate import hash_inputs, run_tasks
from swm.evaluation.identity import describe_policy
from swm.evaluation.prediction import steps_needed

PROTOCOL = Protocol(goal_offset=10, budget=20, min_distance=0.1, episode_steps=20)


@pytest.fixture
def tasks(world: Executor, walker: Policy) -> TaskSet:
    return build_tasks(world, walker, env_id="point", count=9, seed=0, protocol=PROTOCOL)


def test_the_expert_solves_every_task_within_the_goal_offset(world: Executor, walker: Policy, tasks: TaskSet) -> None:
    evaluation = evaluate(world, walker, tasks, date="2026-01-02")
    assert evaluation.success.value == evaluation.success_final.value == 1.0
    for index, (row, task) in enumerate(zip(evaluation.rows, tasks.tasks, strict=True)):
        assert row.task == index
        assert row.seed == task.seed
        assert row.first_hit is not None
        assert 1 <= row.first_hit <= PROTOCOL.goal_offset
        assert row.start_distance == task.start_distance
        assert row.steps == PROTOCOL.budget
        assert row.episode_return == -20.0
        assert row.final_distance < 0.05


def test_standing_still_never_succeeds(world: Executor, still: Policy, tasks: TaskSet) -> None:
    evaluation = evaluate(world, still, tasks)
    assert evaluation.success.successes == 0
    assert evaluation.median_first_hit is None
    assert all(row.first_hit is None and row.final_distance == row.start_distance for row in evaluation.rows)


def test_rows_do_not_depend_on_the_number_of_environments(
    make_world: Callable[..., Executor], walker: Policy, tasks: TaskSet
) -> None:
    one, many = evaluate(make_world(1), walker, tasks), evaluate(make_world(6), walker, tasks)
    watched = evaluate(make_world(4), walker, tasks, keep_pixels_for=(2, 5))
    assert one.rows == many.rows == watched.rows
    assert sorted(watched.records) == [2, 5]
    assert watched.records[2].observation["pixels"].shape == (21, 16, 16, 3)


def test_success_at_any_step_and_at_the_last_differ(world: Executor, tasks: TaskSet) -> None:
    class Passing:
        """Goes on in the direction in which it started."""

        needs_goal_pixels = False

        def begin(self, step: Any, seeds: Sequence[int], mask: Array, goal_pixels: Array | None) -> None:
            way = step.goal - step.observation["state"]
            self.way = way / np.maximum(np.abs(way).max(axis=-1, keepdims=True), 1e-9)

        def act(self, step: Any, mask: Array) -> Array:
            return np.asarray(self.way, np.float32)

        def describe(self) -> dict[str, Any]:
            return {"name": "passing"}

    wide = replace(tasks, tasks=tasks.tasks[:4])
    evaluation = evaluate(world, Passing(), wide)
    assert evaluation.success.value == 1.0
    assert evaluation.success_final.value < 1.0


def test_the_manifest_names_what_was_run(world: Executor, walker: Policy, tasks: TaskSet) -> None:
    evaluation = evaluate(world, walker, tasks, date="2026-01-02")
    manifest = evaluation.manifest
    assert manifest["task_sha256"] == tasks.sha256
    assert manifest["policy"] == walker.describe()
    assert manifest["executor"] == {"kind": "PointWorld", "num_envs": 4, "image_size": [16, 16]}
    assert manifest["versions"]["numpy"] == np.__version__
    assert manifest["date"] == "2026-01-02"
    assert manifest["hardware"]["cores"]


def test_latency_is_that_of_this_evaluation_alone(world: Executor, walker: Any, tasks: TaskSet) -> None:
    walker.latencies.append(SimpleNamespace(seconds=9.0, problems=1))
    assert evaluate(world, walker, tasks).latency is None
    act = walker.act
    seconds = iter(np.arange(1, 1000) / 1000)

    def slow(step: Any, mask: Array) -> Array:
        walker.latencies.append(SimpleNamespace(seconds=next(seconds), problems=int(mask.sum())))
        return np.asarray(act(step, mask))

    walker.act = slow
    latency = evaluate(world, walker, tasks).latency
    assert latency is not None
    assert latency.plans == 9 * PROTOCOL.budget
    assert latency.rounds == 3 * PROTOCOL.budget
    assert latency.mean == pytest.approx((latency.rounds + 1) / 2000)
    assert latency.p95 == pytest.approx(0.95 * (latency.rounds - 1) / 1000 + 0.001)
    assert latency.per_plan == pytest.approx(latency.mean / 3)


def test_json_round_trip(world: Executor, walker: Policy, tasks: TaskSet) -> None:
    evaluation = evaluate(world, walker, tasks)
    data = json.loads(json.dumps(evaluation.to_json()))
    assert Evaluation.from_json(data) == evaluation
    assert data["success"]["rate"] == 1.0


@pytest.mark.parametrize("change", [{"start_distance": 0.3}, {"start": (0.2, 0.2), "goal": (0.2, 0.2)}])
def test_another_environment_than_that_of_the_set_is_refused(
    world: Executor, walker: Policy, tasks: TaskSet, change: dict[str, Any]
) -> None:
    changed = replace(tasks, tasks=(replace(tasks.tasks[0], **change),))
    with pytest.raises(InvalidValueError, match="not the one that the set was made in"):
        evaluate(world, walker, changed)


def test_a_table_resumes_and_notices_another_policy(
    make_world: Callable[..., Any], make_walker: Callable[..., Policy], still: Policy, tasks: TaskSet, tmp_path: Path
) -> None:
    policies = {"oracle": make_walker(), "no-op": still}
    first, world = make_world(4), make_world(4)
    table = evaluate_table(first, policies, tasks, out_dir=tmp_path)
    assert evaluate_table(world, policies, tasks, out_dir=tmp_path) == table
    assert world.steps == 0
    (tmp_path / f"{tasks.id}.no-op.json").unlink()
    assert evaluate_table(world, policies, tasks, out_dir=tmp_path) == table
    once = world.steps
    assert 0 < once < first.steps
    evaluate_table(world, {"oracle": make_walker("agent.color")}, tasks, out_dir=tmp_path)
    assert world.steps > once


def test_the_table_shows_rates_and_the_paired_difference(
    world: Executor, walker: Policy, still: Policy, tasks: TaskSet
) -> None:
    evaluations = {"oracle": evaluate(world, walker, tasks), "no-op": evaluate(world, still, tasks)}
    file = StringIO()
    Console(width=140, file=file).print(render_table(evaluations, versus="no-op"))
    text = file.getvalue()
    assert " 100 " in text
    assert "70-100" in text
    assert "+100 (0.004)" in text


def test_pictures_show_starts_and_goals(world: Executor, walker: Policy, tasks: TaskSet) -> None:
    starts, goals = start_and_goal_pictures(world, tasks.tasks)
    assert len(starts) == len(goals) == len(tasks)
    for task, start, goal in zip(tasks.tasks, starts, goals, strict=True):
        for state, picture in ((task.start, start), (task.goal, goal)):
            x, y = np.rint(np.array(state) * 15).astype(int)
            assert tuple(picture[y, x]) == (200, 30, 30)


def test_weights_tell_two_checkpoints_apart(walker: Any, tasks: TaskSet) -> None:
    def described(weight: float, dtype: torch.dtype = torch.float32) -> dict[str, Any]:
        walker.model = torch.nn.Linear(1, 1, dtype=dtype)
        for parameter in walker.model.parameters():
            torch.nn.init.constant_(parameter, weight)
        return describe_policy(walker)

    assert described(1.0) == described(1.0)
    assert described(1.0) != described(1.0 + 1e-6)
    assert described(1.0) != described(1.0, torch.bfloat16)
    assert hash_inputs(described(1.0), tasks, 20) != hash_inputs(described(2.0), tasks, 20)


class PointModel:
    """Knows the world exactly: latents are the pixel coordinates, an action moves them by `gain` times itself."""

    def __init__(self, gain: float, history: int = 2) -> None:
        self.gain = gain
        self.spec = ModelSpec(env_id="", image_size=(16, 16), action_dim=2, frame_skip=2, history=history)

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        dark = (pixels[..., 1] < 255).flatten(2).float().argmax(-1)
        return torch.stack([dark % 16, dark // 16], dim=-1).float()

    def rollout(self, context: Context, actions: torch.Tensor) -> torch.Tensor:
        moves = (actions[..., :2] + actions[..., 2:]) * self.gain
        return torch.as_tensor(context.latents[:, None, -1:] + moves.cumsum(dim=2))

    def distance(self, predicted: torch.Tensor, goal: torch.Tensor) -> torch.Tensor:
        return (predicted - goal[:, None]).square().sum(dim=-1)

    def normalize_actions(self, actions: torch.Tensor) -> torch.Tensor:
        return actions

    def denormalize_actions(self, actions: torch.Tensor) -> torch.Tensor:
        return actions


def test_prediction_error_of_a_perfect_and_of_an_idle_model(world: Executor, tasks: TaskSet, walker: Policy) -> None:
    records = [record for _, record in run_tasks(world, walker, tasks.tasks, 8, keep=("pixels",))]
    model, idle = PointModel(0.03 * 15), PointModel(0.0)
    assert steps_needed(model, 3) == 8
    perfect, lazy = prediction_error(model, records, 3), prediction_error(idle, records, 3)
    assert np.all(np.array(perfect.error) < 1.1)  # rounding to whole pixels, at both ends
    assert perfect.skill[-1] < 0.2
    np.testing.assert_allclose(lazy.skill, 1.0)
    np.testing.assert_allclose(lazy.relative, np.array(lazy.error) / lazy.variance)
    assert list(lazy.error) == sorted(lazy.error)


def test_prediction_error_needs_long_enough_episodes() -> None:
    record: Any = SimpleNamespace(action=np.zeros((5, 2)))
    with pytest.raises(InvalidValueError, match="needs episodes of 8 environment steps"):
        prediction_error(PointModel(1.0), [record], 3)
