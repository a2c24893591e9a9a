"""One figure for a README or a paper: the factors by severity, and the curves of the costliest."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swm.benchmark import MODEL, ORACLE, OodResult
from swm.core.errors import InvalidValueError
from swm.evaluation.verdict import Label
from swm.report.data import ReportData
from swm.report.html import heat, ink_on, percent, span

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLORS: dict[Label, str] = {"breaks": "#a83a10", "degrades": "#c9701f", "unclear": "#77746c", "holds": "#1c5ea6"}
_INK, _MUTED, _RULE = "#1b1b1a", "#66645e", "#e2e0d9"
_CURVES = 6
_STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Helvetica Neue", "Arial", "DejaVu Sans"],
    "font.size": 9,
    "text.color": _INK,
    "axes.edgecolor": _RULE,
    "axes.labelcolor": _MUTED,
    "xtick.color": _MUTED,
    "ytick.color": _MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
}


def report_figure(data: ReportData, path: Path) -> Path:
    """Draw the table factor x severity beside the curves of the costliest factors; return the path.

    The ending of `path` chooses the format: ``.png``, ``.svg`` or ``.pdf``.

    Raises:
        InvalidValueError: the report has no out-of-distribution benchmark.
    """
    if data.ood is None:
        raise InvalidValueError("the figure shows the out-of-distribution benchmark; this report has none.")
    import matplotlib
    from matplotlib.figure import Figure

    factors = list(data.ood.ranking())
    shown = factors[:_CURVES]
    lines = -(-len(shown) // 2)
    height = max(0.27 * len(factors) + 1.3, 1.45 * lines + 1.0)
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(10, height), layout="constrained")
        left, right = np.ravel(np.asarray(figure.subfigures(1, 2, width_ratios=(1.25, 1)), object))
        _draw_table(left.subplots(), data.ood)
        grid = np.ravel(right.subplots(lines, 2, sharex=True, sharey=True, squeeze=False))
        for axes, factor in zip(grid, shown, strict=False):
            _draw_curve(axes, data.ood, factor)
        for axes in grid[len(shown) :]:
            axes.set_visible(False)
        right.supxlabel("severity of the shift (dashed: oracle)", fontsize=9, color=_MUTED)
        figure.suptitle(_headline(data), x=0.01, ha="left", fontsize=11, fontweight="bold")
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=160)
    return path


def _headline(data: ReportData) -> str:
    summary = data.summary
    rate = f"{percent(summary.mean)} % ({span(summary.low, summary.high)})"
    return f"{data.title}: {rate} in distribution; success in % when one factor shifts"


def _draw_table(axes: "Axes", ood: OodResult) -> None:
    levels, ranking = ood.config.severities, ood.ranking()
    axes.set(xlim=(-0.5, len(levels) - 0.5), ylim=(len(ranking) - 0.5, -0.5))
    for row, (factor, verdict) in enumerate(ranking.items()):
        cells = {cell.severity: cell for cell in ood.curve(factor)}
        for column, level in enumerate(levels):
            _draw_cell(axes, column, row, cells[level].results[MODEL].success.value if level in cells else None)
        axes.text(
            len(levels) - 0.4,
            row,
            verdict.label,
            color=COLORS[verdict.label],
            va="center",
            fontsize=8.5,
            fontweight="bold",
        )
    axes.set_xticks(range(len(levels)), [f"{level:g}" for level in levels])
    axes.set_yticks(range(len(ranking)), list(ranking))
    axes.tick_params(length=0, labelcolor=_INK)
    axes.xaxis.tick_top()
    for spine in axes.spines.values():
        spine.set_visible(False)


def _draw_cell(axes: "Axes", column: int, row: int, value: float | None) -> None:
    from matplotlib.patches import FancyBboxPatch

    if value is None:
        axes.text(column, row, "·", ha="center", va="center", color=_MUTED)
        return
    color = heat(value)
    style: Any = "round,pad=0,rounding_size=0.12"
    box = FancyBboxPatch((column - 0.46, row - 0.44), 0.92, 0.88, boxstyle=style, facecolor=color, linewidth=0)
    axes.add_patch(box)
    axes.text(column, row, percent(value), ha="center", va="center", color=ink_on(color), fontsize=8.5)


def _draw_curve(axes: "Axes", ood: OodResult, factor: str) -> None:
    cells = ood.curve(factor)
    x = [cell.severity for cell in cells]
    model = [cell.results[MODEL].success for cell in cells]
    blue = COLORS["holds"]
    axes.fill_between(
        x, [100 * r.low for r in model], [100 * r.high for r in model], color=blue, alpha=0.18, linewidth=0
    )
    axes.plot(x, [100 * cell.results[ORACLE].success.value for cell in cells], color=_MUTED, linewidth=1, dashes=(4, 3))
    axes.plot(x, [100 * r.value for r in model], color=blue, linewidth=1.8, marker="o", markersize=3.5)
    axes.set_title(factor, fontsize=9, loc="left", color=_INK)
    axes.set(xlim=(-0.03, 1.03), ylim=(-4, 106), yticks=(0, 50, 100))
    axes.set_xticks((0, 0.5, 1), ("0", "0.5", "1"))
    axes.grid(axis="y", color=_RULE, linewidth=0.8)
    axes.tick_params(length=0)
    axes.set_axisbelow(True)
