"""Evaluations as one table: every policy with its interval, the steps it took and its planning time."""

from collections.abc import Mapping

from rich.box import SIMPLE_HEAD
from rich.table import Table

from swm.evaluation.evaluate import Evaluation
from swm.evaluation.statistics import compare


def render_table(evaluations: Mapping[str, Evaluation], *, versus: str | None = None) -> Table:
    """Lay out evaluations of one task set, one row per policy.

    Args:
        evaluations: row name -> evaluation.
        versus: a row name: the others then show their paired difference to it in points, and its p-value.

    The columns are: success at any step and its interval, success at the last step, median steps to the
    goal, mean distance at the end, and the 95th percentile of a round of planning.

    Returns:
        A table to print with ``rich.print``.
    """
    first = next(iter(evaluations.values()))
    facts = first.manifest
    title = f"{facts['task_set']} · {len(first.rows)} tasks · budget {facts['budget']} steps · success in %"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("policy", no_wrap=True)
    for heading in ("success", "95 % CI", "at end", "steps", "distance", "p95 ms"):
        table.add_column(heading, justify="right", no_wrap=True)
    if versus is not None:
        table.add_column(f"vs {versus} (p)", justify="right", no_wrap=True)
    for name, evaluation in evaluations.items():
        cells = [name, *_cells(evaluation)]
        if versus is not None:
            cells.append("" if name == versus else _versus(evaluation, evaluations[versus]))
        table.add_row(*cells)
    return table


def _cells(evaluation: Evaluation) -> list[str]:
    final = sum(row.final_distance for row in evaluation.rows) / len(evaluation.rows)
    rate, hit, latency = evaluation.success, evaluation.median_first_hit, evaluation.latency
    return [
        _percent(rate.value),
        f"{_percent(rate.low)}-{_percent(rate.high)}",
        _percent(evaluation.success_final.value),
        "-" if hit is None else f"{hit:.0f}",
        f"{final:.3g}",
        "-" if latency is None else f"{1000 * latency.p95:.0f}",
    ]


def _percent(value: float) -> str:
    return f"{100 * value:.0f}"


def _versus(evaluation: Evaluation, other: Evaluation) -> str:
    comparison = compare(evaluation.outcomes, other.outcomes)
    chance = "<.001" if comparison.p_value < 0.001 else f"{comparison.p_value:.3f}"
    return f"{100 * comparison.difference.value:+.0f} ({chance})"
