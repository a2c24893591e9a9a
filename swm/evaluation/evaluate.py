"""Running a policy on a task set: one row per episode, a rate with its interval, and where it came from."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swm.core.config import from_json, to_json, write_json
from swm.core.errors import InvalidValueError
from swm.core.protocols import Array, Executor, Policy
from swm.core.provenance import describe_hardware, describe_software
from swm.core.spaces import ActionSpace
from swm.evaluation.identity import describe_policy
from swm.evaluation.statistics import Rate
from swm.evaluation.tasks import Task, TaskSet, hash_json, place
from swm.rollout import EpisodeRecord, run_episodes

if TYPE_CHECKING:
    from swm.policy import PlanLatency


@dataclass(frozen=True, kw_only=True)
class EpisodeRow:
    """What one evaluation episode came to. The start itself never counts as a success."""

    task: int
    """Index in the task set."""
    seed: int
    success_any: bool
    """Whether the goal held at some step within the budget."""
    success_final: bool
    """Whether it held at the last step."""
    first_hit: int | None
    """Environment steps to the first success, None if there was none."""
    start_distance: float
    """In the environment's unit."""
    final_distance: float
    """In the environment's unit."""
    episode_return: float
    """Sum of the rewards."""
    steps: int
    """Environment steps."""
    variation: Mapping[str, Any]
    """Every factor's value in this episode."""


@dataclass(frozen=True, kw_only=True)
class Latency:
    """How long rounds of planning took; one round plans for all environments that need a plan."""

    mean: float
    """Seconds per round."""
    p95: float
    """Seconds per round."""
    rounds: int
    plans: int
    """Plans made in all rounds."""

    @property
    def per_plan(self) -> float:
        """Mean seconds per plan, the batch's time shared among its environments."""
        return self.mean * self.rounds / self.plans

    @classmethod
    def of(cls, rounds: "Sequence[PlanLatency]") -> "Latency | None":
        """Summarise what a planning policy measured; None if it planned nothing."""
        if not rounds:
            return None
        seconds = [each.seconds for each in rounds]
        return cls(
            mean=float(np.mean(seconds)),
            p95=float(np.percentile(seconds, 95)),
            rounds=len(rounds),
            plans=sum(each.problems for each in rounds),
        )


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The result of one policy on one task set."""

    rows: tuple[EpisodeRow, ...]
    """One per task, in the order of the tasks."""
    manifest: Mapping[str, Any]
    """Task set and hash, protocol, policy, executor, libraries, hardware and date."""
    latency: Latency | None = None
    """Planning time, for policies that measure it."""
    records: dict[int, EpisodeRecord] = field(init=False, repr=False, compare=False, default_factory=dict)
    """Task index -> the whole episode with its pixels, for the tasks that were asked for; not saved."""

    @property
    def success(self) -> Rate:
        """The rate of success at any step within the budget."""
        return Rate.of(self.outcomes)

    @property
    def success_final(self) -> Rate:
        """The rate of success at the last step."""
        return Rate.of([row.success_final for row in self.rows])

    @property
    def outcomes(self) -> Array:
        """Success at any step, shape (tasks,), for paired comparisons."""
        return np.array([row.success_any for row in self.rows])

    @property
    def median_first_hit(self) -> float | None:
        """Median steps to success over the episodes that succeeded; None if none did."""
        hits = [row.first_hit for row in self.rows if row.first_hit is not None]
        return float(np.median(hits)) if hits else None

    def to_json(self) -> dict[str, Any]:
        """Everything but the records, with the two rates for readers that do not count themselves."""
        rates = {"success": self.success.to_json(), "success_final": self.success_final.to_json()}
        return {**rates, **to_json(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Evaluation":
        """Build the evaluation that `to_json` wrote."""
        return from_json(cls, {key: value for key, value in data.items() if key not in ("success", "success_final")})


def evaluate(
    executor: Executor,
    policy: Policy,
    tasks: TaskSet,
    *,
    budget: int | None = None,
    on_step: Callable[[int], None] | None = None,
    keep_pixels_for: Collection[int] = (),
    date: str = "",
) -> Evaluation:
    """Run `policy` once on each task, each episode to the end of the budget.

    Args:
        executor: the environments; their number and kind do not change the rows.
        policy: acts in all of them.
        tasks: the task set.
        budget: environment steps per episode; None is the protocol's.
        on_step: called after each step with the number of environments stepped.
        keep_pixels_for: indices of the tasks whose whole episodes are kept in `Evaluation.records`.
        date: when, for the manifest.

    Raises:
        InvalidValueError: a start is solved or at another distance than the task set says, so the
            environment is not the one that the set was made in.
    """
    steps = tasks.protocol.budget if budget is None else budget
    watched = sorted(set(keep_pixels_for))
    others = [index for index in range(len(tasks)) if index not in watched]
    measured = len(getattr(policy, "latencies", ()))
    rows: dict[int, EpisodeRow] = {}
    records: dict[int, EpisodeRecord] = {}
    for indices, keep in ((others, ()), (watched, None)):
        chosen = [tasks.tasks[index] for index in indices]
        runs = run_tasks(executor, policy, chosen, steps, keep=keep, on_step=on_step)
        for index, (row, record) in zip(indices, runs, strict=True):
            rows[index] = replace(row, task=index)
            if keep is None:
                records[index] = record
    evaluation = Evaluation(
        rows=tuple(rows[index] for index in range(len(tasks))),
        manifest=make_manifest(executor, describe_policy(policy), tasks, steps, date),
        latency=Latency.of(getattr(policy, "latencies", ())[measured:]),
    )
    evaluation.records.update(records)
    return evaluation


def run_tasks(
    executor: Executor,
    policy: Policy,
    tasks: Sequence[Task],
    budget: int,
    *,
    keep: Sequence[str] | None = (),
    on_step: Callable[[int], None] | None = None,
) -> Iterator[tuple[EpisodeRow, EpisodeRecord]]:
    """Run the tasks in one batch of environments and yield (row, record) in the order of the tasks.

    Args:
        executor: the environments.
        policy: acts in all of them.
        tasks: what to run.
        budget: environment steps per episode.
        keep: observation components to record; None is all of them.
        on_step: called after each step with the number of environments stepped.
    """
    requests = [task.request(budget) for task in tasks]
    records = run_episodes(executor, policy, requests, keep=keep, on_step=on_step)
    for index, (task, record) in enumerate(zip(tasks, records, strict=True)):
        yield _row(index, task, record), record


def _row(index: int, task: Task, record: EpisodeRecord) -> EpisodeRow:
    start = float(record.distance[0])
    if record.success[0] or not np.isclose(start, task.start_distance, rtol=1e-6, atol=1e-9):
        raise InvalidValueError(
            f"task {index} (seed {task.seed}) begins {'solved' if record.success[0] else 'unsolved'} at distance "
            f"{start}, the task set says unsolved at {task.start_distance}. The environment is not the one that the "
            "set was made in: make the set again under a new version, or use the environment's older version."
        )
    hits = np.flatnonzero(record.success[1:])
    return EpisodeRow(
        task=index,
        seed=task.seed,
        success_any=bool(len(hits)),
        success_final=bool(record.success[-1]),
        first_hit=int(hits[0]) + 1 if len(hits) else None,
        start_distance=start,
        final_distance=float(record.distance[-1]),
        episode_return=float(record.reward.sum()),
        steps=len(record.action),
        variation=record.variation.to_json(),
    )


def make_manifest(
    executor: Executor, policy: Mapping[str, Any], tasks: TaskSet, budget: int, date: str
) -> dict[str, Any]:
    """Say what was run on what, JSON-ready.

    ``inputs`` is the hash of what decides the rows, see `hash_inputs`; `policy` is from `describe_policy`.
    """
    return {
        "inputs": hash_inputs(policy, tasks, budget),
        "task_set": tasks.id,
        "task_sha256": tasks.sha256,
        "env_id": tasks.env_id,
        "split": tasks.split,
        "goal_offset": tasks.protocol.goal_offset,
        "budget": budget,
        "success_rule": tasks.protocol.success,
        "policy": dict(policy),
        "executor": {
            "kind": type(executor).__name__,
            "num_envs": executor.num_envs,
            "image_size": list((executor.observation_space["pixels"].shape or ())[:2]),
        },
        "versions": describe_software(),
        "hardware": describe_hardware(),
        "date": date,
    }


def hash_inputs(policy: Mapping[str, Any], tasks: TaskSet, budget: int) -> str:
    """Hash what decides the rows: the tasks, the budget and the policy as `describe_policy` gives it."""
    return hash_json({"tasks": tasks.sha256, "budget": budget, "policy": policy})


def reference_policies(env_id: str, action_space: ActionSpace) -> dict[str, Policy]:
    """Make the rows of every table: the floors ``random`` and ``no-op``, and ``oracle``, the expert at its best.

    Args:
        env_id: the environment.
        action_space: of one environment.
    """
    from swm.envs import ENVS
    from swm.policy import make_policy

    return {
        "random": make_policy("random", action_space),
        "no-op": make_policy("noop", action_space, env_id),
        "oracle": make_policy("expert", action_space, env_id, **ENVS[env_id].oracle),
    }


def evaluate_table(
    executor: Executor,
    policies: Mapping[str, Policy],
    tasks: TaskSet,
    *,
    out_dir: Path | None = None,
    budget: int | None = None,
    on_step: Callable[[int], None] | None = None,
    date: str = "",
) -> dict[str, Evaluation]:
    """Evaluate several policies on the same tasks; a killed run goes on where it stopped.

    Args:
        executor: the environments.
        policies: row name -> policy; `reference_policies` gives the floors and the ceiling.
        tasks: the task set.
        out_dir: one JSON file per policy is written here, and read instead of run again if the policy's
            description, the tasks and the budget are the same.
        budget: environment steps per episode; None is the protocol's.
        on_step: called after each step with the number of environments stepped.
        date: when, for the manifest.
    """
    steps = tasks.protocol.budget if budget is None else budget
    table: dict[str, Evaluation] = {}
    for name, policy in policies.items():
        path = None if out_dir is None else out_dir / f"{tasks.id}.{name}.json"
        done = None if path is None else read_cell(path, hash_inputs(describe_policy(policy), tasks, steps))
        if done is not None:
            table[name] = Evaluation.from_json(done)
            continue
        table[name] = evaluate(executor, policy, tasks, budget=steps, on_step=on_step, date=date)
        if path is not None:
            write_json(path, table[name].to_json())
    return table


def read_cell(path: Path, inputs: str) -> dict[str, Any] | None:
    """Return a result file's content if it exists and was made from the same inputs."""
    if not path.is_file():
        return None
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return data if data.get("manifest", {}).get("inputs") == inputs else None


def start_and_goal_pictures(executor: Executor, tasks: Sequence[Task]) -> tuple[list[Array], list[Array]]:
    """Render the start and the goal of each task: arrays of shape (height, width, 3), uint8."""
    starts: list[Array] = []
    goals: list[Array] = []
    for first in range(0, len(tasks), executor.num_envs):
        chunk = tasks[first : first + executor.num_envs]
        starts.extend(place(executor, chunk).observation["pixels"][: len(chunk)].copy())
        goals.extend(executor.goal_pixels()[: len(chunk)].copy())
    return starts, goals
