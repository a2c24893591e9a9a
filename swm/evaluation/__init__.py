"""Honest evaluation: fixed held-out tasks, one row per episode, intervals on every rate."""

from swm.evaluation.evaluate import (
    EpisodeRow,
    Evaluation,
    Latency,
    evaluate,
    evaluate_table,
    reference_policies,
    start_and_goal_pictures,
)
from swm.evaluation.prediction import PredictionError, prediction_error
from swm.evaluation.statistics import Rate, compare, paired_difference, pool_seeds, wilson_interval
from swm.evaluation.table import render_table
from swm.evaluation.tasks import Protocol, Task, TaskSet, build_tasks, default_protocol, list_task_sets, load_tasks
from swm.evaluation.verdict import Verdict, judge

__all__ = [
    "EpisodeRow",
    "Evaluation",
    "Latency",
    "PredictionError",
    "Protocol",
    "Rate",
    "Task",
    "TaskSet",
    "Verdict",
    "build_tasks",
    "compare",
    "default_protocol",
    "evaluate",
    "evaluate_table",
    "judge",
    "list_task_sets",
    "load_tasks",
    "paired_difference",
    "pool_seeds",
    "prediction_error",
    "reference_policies",
    "render_table",
    "start_and_goal_pictures",
    "wilson_interval",
]
