"""Episodes to look at: a success and a failure, filmed again step by step."""

from dataclasses import dataclass

import numpy as np

from swm.core.protocols import Array, Executor, Policy
from swm.evaluation.evaluate import EpisodeRow, Evaluation, run_tasks, start_and_goal_pictures
from swm.evaluation.tasks import TaskSet


@dataclass(frozen=True, kw_only=True)
class Clip:
    """One episode of T steps in pictures."""

    title: str
    frames: Array
    """Shape (T + 1, height, width, 3), uint8."""
    goal: Array
    """What the goal looks like, (height, width, 3), uint8."""
    distance: Array
    """To the goal, shape (T + 1,), in the environment's unit."""
    first_hit: int | None
    """Step of the first success, None for a failure."""


def film(executor: Executor, policy: Policy, tasks: TaskSet, evaluation: Evaluation) -> tuple[Clip, ...]:
    """Run a typical success and a typical failure of `evaluation` again and keep their pictures.

    Typical is the median: of the steps to the goal among successes, of the final distance among
    failures. Where there is no failure (or no success) there is no such clip.
    """
    wins = sorted((row for row in evaluation.rows if row.success_any), key=lambda row: (row.first_hit or 0, row.task))
    losses = sorted((row for row in evaluation.rows if not row.success_any), key=lambda row: row.final_distance)
    chosen = [rows[len(rows) // 2] for rows in (wins, losses) if rows]
    picked = [tasks.tasks[row.task] for row in chosen]
    runs = run_tasks(executor, policy, picked, evaluation.manifest["budget"], keep=("pixels",))
    records = [record for _, record in runs]
    _, goals = start_and_goal_pictures(executor, picked)
    return tuple(
        Clip(
            title=_title(row),
            frames=record.observation["pixels"],
            goal=goal,
            distance=record.distance,
            first_hit=row.first_hit,
        )
        for row, record, goal in zip(chosen, records, goals, strict=True)
    )


def _title(row: EpisodeRow) -> str:
    if row.first_hit is not None:
        return f"A typical success: task {row.task}, at the goal after {row.first_hit} steps"
    return f"A typical failure: task {row.task}, still {row.final_distance:.0f} away after {row.steps} steps"


def time_lapse(frames: Array) -> Array:
    """Put all frames into one picture: each pixel from the frame where it differs most from its median."""
    usual = np.median(frames, axis=0)
    apart = np.abs(frames - usual).sum(axis=-1)
    picture: Array = np.take_along_axis(frames, apart.argmax(axis=0)[None, ..., None], axis=0)[0]
    return picture
