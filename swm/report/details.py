"""The sections below the verdict: films, prediction error, training, provenance and the glossary."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from swm.benchmark import MODEL, OodCell, OodResult
from swm.report.clips import Clip, time_lapse
from swm.report.data import ReportData
from swm.report.html import facts, film_strip, image, percent
from swm.report.sections import section
from swm.report.svg import Axes, Series, chart, decades, ticks

_MAX_CHARTS = 6
_MAX_POINTS = 300
GLOSSARY = {
    "success": "The environment's own predicate held at some step after the start, within the budget.",
    "stays at goal": "The predicate held at the last step of the budget.",
    "held-out task": "Start and goal cut from an episode of the expert whose seed recording never draws.",
    "budget": "Environment steps that a policy gets for one task.",
    "goal offset": "Environment steps that the expert took from the task's start to its goal.",
    "factor of variation": "A property of the world that is drawn at reset and constant for an episode.",
    "severity": "How far a factor's value lies from its training range, as a fraction of the way to its range's edge.",
    "in distribution": "Factors as a default reset draws them; severity 0.",
    "95 % interval": "Wilson's for a rate; Bonett and Price's for a paired difference.",
    "paired difference": "Both policies ran the same tasks, so that luck with the tasks cancels.",
    "p": "McNemar's exact test on the tasks that exactly one of the two policies solved.",
    "oracle": "The scripted expert, which sees the true state: the success that can be reached.",
    "no-op, random": "Policies that do nothing, or act uniformly at random: the success that needs no model.",
    "error against no change": "Open-loop latent prediction error divided by that of predicting that nothing changes: "
    "0 is perfect, 1 means that no dynamics were learnt.",
    "probe r": "Pearson correlation of a quantity with what a linear map reads off the latents, on held-out episodes.",
    "round": "One call of the planner, for all environments that needed a plan at that moment.",
}


# ----------------------------------------------------------------------------------------- films


def films(data: ReportData) -> str:
    """Episodes side by side, moving in step."""
    if not data.clips:
        return ""
    top = max(float(clip.distance.max()) for clip in data.clips)
    body = "".join(_film(clip, top) for clip in data.clips)
    toggle = "<input type=checkbox id=pause><label for=pause class=button>pause</label>"
    lead = "One picture per environment step; the line below is the distance to the goal."
    return section("The model at work", lead, f'{toggle}<div class="films">{body}</div>')


def _film(clip: Clip, top: float) -> str:
    strip, count = film_strip(clip.frames)
    height, width = clip.frames.shape[1:3]
    seconds = max(2.0, count / 10)
    moving = (
        f'<div class="film" role="img" aria-label="{escape(clip.title)}" '
        f'style="--frames:{count};aspect-ratio:{width}/{height};background-image:url({strip})"></div>'
    )
    pictures = [
        ("start", image(clip.frames[0], "start")),
        ("goal", image(clip.goal, "goal")),
        ("all steps", image(time_lapse(clip.frames), "all steps in one picture")),
    ]
    stills = "".join(f"<figure>{picture}<figcaption>{name}</figcaption></figure>" for name, picture in pictures)
    line = [(float(step), float(value)) for step, value in enumerate(clip.distance)]
    series = [Series(name="distance", css="model", points=line)]
    if clip.first_hit is not None:
        hit, note = line[clip.first_hit], f"at the goal after {clip.first_hit} steps"
        series.append(Series(name=note, css="model", points=[hit], dots=True))
    last = len(line) - 1
    axes = Axes(
        x=(0, last),
        y=(0, top),
        x_ticks=ticks(0, last)[:-1],
        y_ticks=[t for t in ticks(0, top, 3) if t <= top],
        x_label="step",
        y_label="distance to goal",
        width=320,
        height=120,
    )
    drawn = chart(axes, series, f"{clip.title}: distance to goal", playhead=count)
    style = f"--seconds:{seconds:g}s"
    return (
        f'<article style="{style}"><h3>{escape(clip.title)}</h3><div class=stage>{moving}'
        f"<div class=stills>{stills}</div></div>{drawn}</article>"
    )


# ------------------------------------------------------------------------------------ prediction


def prediction(data: ReportData) -> str:
    """Open-loop error by horizon step, and whether it tells where planning fails."""
    ood = data.ood
    if ood is None or ood.reference.prediction is None:
        return ""
    lead = (
        "Squared latent error of open-loop prediction along the expert's actions, divided by that of predicting no "
        "change: below 1 the model knows something about the dynamics. Left by horizon step, right the last step of "
        "every cell against the success of planning there."
    )
    left = f"<figure><figcaption>by horizon step</figcaption>{_by_step(ood)}</figure>"
    right = f"<figure><figcaption>error and success, one dot per cell</figcaption>{_against_success(ood)}</figure>"
    return section("Prediction error", lead, f'<div class="pair">{left}{right}</div>{_error_key(ood)}')


_LEAST = 1e-6
"""Where the logarithmic scales of errors begin at the latest."""


def _skill(cell: OodCell) -> list[float]:
    return [] if cell.prediction is None else cell.prediction.skill.tolist()


def _worst(ood: OodResult) -> list[OodCell]:
    """The cells at each factor's highest severity, the largest last error first."""
    last = [ood.curve(factor)[-1] for factor in ood.factors]
    return sorted((cell for cell in last if cell.prediction is not None), key=lambda cell: -_skill(cell)[-1])


def _by_step(ood: OodResult) -> str:
    worst, usual = _worst(ood), _skill(ood.reference)
    named = {cell.name: f"hue{rank + 1}" for rank, cell in enumerate(worst[:3])}
    steps = range(1, len(usual) + 1)
    series = [
        Series(name=cell.name, css=named.get(cell.name, "faint"), points=list(zip(steps, _skill(cell), strict=True)))
        for cell in reversed(worst)
    ]
    series.append(Series(name="in distribution", css="model", points=list(zip(steps, usual, strict=True)), dots=True))
    series.insert(0, Series(name="no change", css="oracle", points=[(1, 1.0), (len(usual), 1.0)]))
    shown = [max(error, _LEAST) for cell in (ood.reference, *worst) for error in _skill(cell)]
    grid = decades(min(shown), max(1.0, *shown))
    axes = Axes(
        x=(1, len(usual)),
        y=(grid[0], grid[-1]),
        x_ticks=list(steps),
        y_ticks=grid,
        log_y=True,
        x_label="model steps ahead",
        y_label="error / error of no change, logarithmic",
        width=380,
        height=240,
    )
    return chart(axes, series, "open-loop prediction error by horizon step")


def _against_success(ood: OodResult) -> str:
    labels = {factor: verdict.label for factor, verdict in ood.ranking().items()}
    cells = [cell for cell in ood.cells if cell.prediction is not None]
    dots = [(_skill(cell)[-1], 100 * cell.results[MODEL].success.value, cell) for cell in cells]
    series = []
    for css in ("holds", "unclear", "degrades", "breaks", "reference"):
        mine = [d for d in dots if labels.get(d[2].factor or "", "reference") == css]
        notes = [f"{cell.name}: error {x:.2f}, success {y:.0f} %" for x, y, cell in mine]
        points = [(x, y) for x, y, _ in mine]
        series.append(Series(name=css, css=f"only {css}", points=points, dots=True, notes=notes))
    grid = decades(min(max(x, _LEAST) for x, _, _ in dots), max(max(x, _LEAST) for x, _, _ in dots))
    axes = Axes(
        x=(grid[0], grid[-1]),
        y=(0, 100),
        x_ticks=grid,
        y_ticks=(0, 25, 50, 75, 100),
        log_x=True,
        x_label="error / error of no change, last step, logarithmic",
        y_label="success, %",
        width=380,
        height=240,
    )
    return chart(axes, series, "success against prediction error, one dot per cell")


def _error_key(ood: OodResult) -> str:
    items = ['<span class="key model"></span> in distribution', '<span class="key oracle"></span> predicting no change']
    for rank, cell in enumerate(_worst(ood)[:3]):
        items.append(f'<span class="key hue{rank + 1}"></span> {escape(cell.name)}')
    items.append('<span class="key faint"></span> other factors at their highest severity')
    dots = "".join(
        f'<span class="spot {css}"></span> {text} '
        for css, text in (
            ("reference", "in distribution"),
            ("breaks", "factor breaks"),
            ("degrades", "degrades"),
            ("unclear", "unclear"),
            ("holds", "holds"),
        )
    )
    return f'<p class="legend">{" ".join(items)}<br>{dots}</p>'


# -------------------------------------------------------------------------------------- training


def training(data: ReportData) -> str:
    """The curves of the training runs, validation where there is one."""
    names = _metric_names(data.metrics)[:_MAX_CHARTS]
    figures = "".join(
        f"<figure><figcaption>{escape(name)}</figcaption>{_metric(data.metrics, name)}</figure>" for name in names
    )
    keys = "".join(f'<span class="key hue{i % 6}"></span> {escape(run)} ' for i, run in enumerate(data.metrics))
    lead = f"Against optimiser steps, thick: validation, thin: training. {keys}"
    return section("Training", lead, f'<div class="multiples wide">{figures}</div>' if figures else "")


def _metric_names(metrics: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """Numeric metrics, those that are validated first, in order of appearance."""
    seen: dict[str, bool] = {}
    for rows in metrics.values():
        for row in rows:
            for name, value in row.items():
                if name not in ("step", "split") and isinstance(value, (int, float)):
                    seen[name] = seen.get(name, False) or row.get("split") != "train"
    return sorted(seen, key=lambda name: (name != "loss", not seen[name]))


def _metric(metrics: Mapping[str, Sequence[Mapping[str, Any]]], name: str) -> str:
    series = []
    for index, rows in enumerate(metrics.values()):
        for split in dict.fromkeys(row.get("split", "train") for row in rows):
            points = [
                (row["step"], row[name]) for row in rows if row.get("split", "train") == split and _finite(row, name)
            ]
            keep = np.unique(np.linspace(0, len(points) - 1, min(len(points), _MAX_POINTS)).round().astype(int))
            css = f"hue{index % 6}{' thin' if split == 'train' else ''}"
            series.append(Series(name=split, css=css, points=[points[i] for i in keep] if points else []))
    x, y = zip(*[point for each in series for point in each.points], strict=True)
    rows_y, rows_x = ticks(min(y), float(np.percentile(y, 99)), 4), ticks(min(x), max(x), 4)
    axes = Axes(
        x=(rows_x[0], rows_x[-1]),
        y=(rows_y[0], rows_y[-1]),
        x_ticks=rows_x,
        y_ticks=rows_y,
        x_label="step",
        width=300,
        height=180,
    )
    return chart(axes, series, f"{name} during training")


def _finite(row: Mapping[str, Any], name: str) -> bool:
    return isinstance(row.get(name), (int, float)) and bool(np.isfinite(row[name]))


# ------------------------------------------------------------------------------------ provenance


def protocol(data: ReportData) -> str:
    """What was run on what, so that it can be run again."""
    manifest = data.model.manifest
    rows: list[tuple[str, Any]] = [
        ("environment", manifest["env_id"]),
        ("tasks", f"{manifest['task_set']}, {len(data.model.rows)} {manifest['split']} tasks"),
        ("task hash", manifest["task_sha256"]),
        ("goal offset, budget", f"{manifest['goal_offset']} and {manifest['budget']} environment steps"),
        ("success", manifest["success_rule"]),
        ("policy", manifest["policy"]),
        ("environments", manifest["executor"]),
        ("versions", manifest["versions"]),
        ("hardware", manifest["hardware"]),
        ("date", manifest["date"]),
    ]
    if data.seeds:
        rows.append(("training seeds", {s: f"{percent(e.success.value)} %" for s, e in data.seeds.items()}))
    if data.probe:
        rows.append(("probe r", {name: f"{r:.3f}" for name, r in data.probe.items()}))
    if data.ood is not None:
        config = data.ood.config
        rows.append(("benchmark", f"{config.episodes} tasks per cell, {len(data.ood.cells)} cells, seed {config.seed}"))
    rows += list(data.provenance.items())
    return section("Protocol and provenance", "What was run on what, so that it can be run again.", facts(rows))


def glossary() -> str:
    """The terms of the page."""
    return section("Terms", "What the words on this page mean.", facts(GLOSSARY.items()))
