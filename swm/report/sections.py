"""The sections about success: headline, which factors break the model, curves, and what the shifts look like."""

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np

from swm.benchmark import MODEL, ORACLE, OodCell, OodResult
from swm.evaluation.verdict import LABELS, MARGIN, Label, Verdict
from swm.report.data import ReportData
from swm.report.html import css_color, heat, image, ink_on, percent, span
from swm.report.svg import Axes, Series, chart

SIGNS: Mapping[Label, str] = {"breaks": "✕", "degrades": "▼", "unclear": "?", "holds": "✓"}


def section(heading: str, lead: str, body: str) -> str:
    """Put a body under a heading with one sentence of explanation."""
    return f"<section><h2>{escape(heading)}</h2><p class=lead>{lead}</p>{body}</section>" if body else ""


def chip(label: Label, text: str = "") -> str:
    """Return a label as a coloured word with its sign."""
    return f'<span class="chip {label}">{SIGNS[label]} {escape(text or label)}</span>'


# -------------------------------------------------------------------------------------- headline


def headline(data: ReportData) -> str:
    """Title, one sentence, the key numbers, and the model between its floors and its ceiling."""
    manifest, summary = data.model.manifest, data.summary
    env, count = escape(str(manifest["env_id"])), len(data.model.rows)
    runs = f", mean of {len(data.seeds)} training seeds" if len(data.seeds) > 1 else ""
    lede = (
        f"Reaches <strong>{percent(summary.mean)} %</strong> of {count} held-out goals in {env} "
        f"<span class=nowrap>({span(summary.low, summary.high)})</span>{runs}."
    )
    eyebrow = " · ".join(escape(str(manifest[key])) for key in ("env_id", "task_set", "date") if manifest[key])
    return (
        f"<header><p class=eyebrow>{eyebrow}</p>"
        f"<h1>{escape(data.title)}</h1><p class=lede>{lede} {_ood_sentence(data.ood)}</p></header>"
        f"{_tiles(data)}{_ladder(data)}"
    )


def _ood_sentence(ood: OodResult | None) -> str:
    if ood is None:
        return ""
    labels = [verdict.label for verdict in ood.ranking().values()]
    said = [_count(label, labels.count(label)) for label in LABELS if label in labels]
    listed = said[0] if len(said) == 1 else ", ".join(said[:-1]) + " and " + said[-1]
    return f"Of {len(labels)} factors of variation, shifted one at a time, {listed}."


def _count(label: Label, count: int) -> str:
    """Say how many factors have a label."""
    one, many = {
        "breaks": ("breaks it", "break it"),
        "degrades": ("degrades it", "degrade it"),
        "unclear": ("is unclear", "are unclear"),
        "holds": ("leaves it unharmed", "leave it unharmed"),
    }[label]
    return f"{count} {one if count == 1 else many}"


def _tiles(data: ReportData) -> str:
    tiles = []
    if len(data.seeds) > 1:
        rates = " · ".join(f"{percent(rate)}" for rate in data.summary.rates)
        value = f"{100 * data.summary.mean:.0f} ± {100 * data.summary.std:.0f} %"
        tiles.append(("training seeds", value, f"{rates} (mean ± standard deviation)"))
    hit = data.model.median_first_hit
    tiles.append(("steps to goal", "-" if hit is None else f"{hit:.0f}", "median over successes"))
    tiles.append(("stays at goal", f"{percent(data.model.success_final.value)} %", "success at the last step"))
    latency = data.model.latency
    if latency is not None:
        batch = latency.plans / latency.rounds
        text = f"p95 {1000 * latency.p95:.0f} ms per round of {batch:.0f} plans"
        tiles.append(("planning", f"{1000 * latency.per_plan:.1f} ms", f"per plan; {text}"))
    if data.probe:
        worst = min(data.probe, key=lambda name: data.probe[name])
        text = f"least over {len(data.probe)}: {worst}"
        tiles.append(("probe r", f"{data.probe[worst]:.3f}", text))
    body = "".join(f"<div><dt>{escape(n)}</dt><dd>{escape(v)}</dd><p>{escape(t)}</p></div>" for n, v, t in tiles)
    return f'<dl class="tiles">{body}</dl>'


def _ladder(data: ReportData) -> str:
    summary, rows = data.summary, []
    for name, evaluation in data.evaluations.items():
        mine, rate = name == MODEL, evaluation.success
        value, low, high = (summary.mean, summary.low, summary.high) if mine else (rate.value, rate.low, rate.high)
        rows.append(
            f'<tr class="{"me" if mine else ""}"><th scope=row>{escape(name)}</th>'
            f"<td class=wide>{_bar(value, low, high)}</td><td class=num>{percent(value)} %</td>"
            f"<td class=num>{span(low, high)}</td>"
            f"<td class=muted>{'' if mine else escape(_minus(data, name))}</td></tr>"
        )
    head = "<tr><th scope=col>policy</th><th scope=col>success</th><th></th><th scope=col class=num>95 % interval</th>"
    head += "<th scope=col>model minus this, paired</th></tr>"
    table = f'<div class=scroll><table class="ladder"><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table></div>'
    lead = "The same held-out tasks for every policy: two floors, the model, and the expert as the ceiling."
    return section("In distribution", lead, table)


def _minus(data: ReportData, name: str) -> str:
    difference, p_value = data.minus(name)
    text = f"{100 * difference.value:+.0f} points ({100 * difference.low:+.0f} to {100 * difference.high:+.0f})"
    return text if p_value is None else f"{text}, p = {p_value:.2g}"


def _bar(value: float, low: float, high: float) -> str:
    return (
        f'<div class="bar"><i style="width:{100 * value:.1f}%"></i>'
        f'<b style="left:{100 * low:.1f}%;width:{100 * (high - low):.1f}%"></b></div>'
    )


# --------------------------------------------------------------------------- out of distribution


def verdicts(data: ReportData) -> str:
    """The factors by verdict, and the table factor x severity."""
    if data.ood is None:
        return ""
    ranking = data.ood.ranking()
    lead = (
        "Success in percent; each factor is shifted alone, from the edge of training (0) to the edge of its range (1). "
        "Factors are ordered by the success they cost on average."
    )
    body = _groups(ranking) + _heat_table(data.ood, ranking) + _legend(data.ood)
    return section("Which factors break the model", lead, body)


def _groups(ranking: Mapping[str, Verdict]) -> str:
    groups = []
    for label in LABELS:
        names = [
            f"<b>{escape(name)}</b>"
            + ("" if label in ("holds", "unclear") else f" <span class=muted>from {verdict.since:g}</span>")
            for name, verdict in ranking.items()
            if verdict.label == label
        ]
        if names:
            groups.append(f"<li>{chip(label)}<span>{', '.join(names)}</span></li>")
    return f'<ul class="groups">{"".join(groups)}</ul>'


def _heat_table(ood: OodResult, ranking: Mapping[str, Verdict]) -> str:
    levels = ood.config.severities[1:]
    head = "".join(f"<th scope=col class=level>{level:g}</th>" for level in levels)
    rows = []
    for factor, verdict in ranking.items():
        cells = {cell.severity: cell for cell in ood.curve(factor)[1:]}
        ceiling = min(cell.results[ORACLE].success.value for cell in cells.values())
        about = ood.about.get(factor, {})
        rows.append(
            f'<tr><th scope=row title="{escape(about.get("summary", ""))}">{escape(factor)} '
            f"<small>{escape(about.get('kind', ''))}</small></th><td>{chip(verdict.label)}</td>"
            f"<td class=drop>{_drop(verdict)}</td>{_heat_cell(ood.reference)}"
            + "".join(_heat_cell(cells[level]) if level in cells else "<td class=none>·</td>" for level in levels)
            + f'<td class="num {"" if ceiling >= 0.95 else "low"}">{percent(ceiling)}</td></tr>'
        )
    return (
        '<div class=scroll><table class="heat"><thead><tr><th scope=col>factor</th><th scope=col>verdict</th>'
        f"<th scope=col>mean drop, points</th><th scope=col class=level>0</th>{head}"
        f"<th scope=col>oracle</th></tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _heat_cell(cell: OodCell) -> str:
    rate = cell.results[MODEL].success
    color = heat(rate.value)
    note = f"{rate.successes} of {rate.count}, {span(rate.low, rate.high)}"
    return (
        f'<td class=cell title="{escape(cell.name)}: {note}" '
        f'style="background:{css_color(color)};color:{ink_on(color)}">{percent(rate.value)}</td>'
    )


def _drop(verdict: Verdict) -> str:
    """A number and its interval on a line from -25 to 100 points."""
    drop = verdict.drop

    def place(value: float) -> float:
        return 100 * (min(max(value, -0.25), 1.0) + 0.25) / 1.25

    zero, value = place(0.0), place(drop.value)
    return (
        f'<span class="whisker" title="{100 * drop.low:+.0f} to {100 * drop.high:+.0f} points">'
        f'<s style="left:{zero:.1f}%"></s><i style="left:{min(zero, value):.1f}%;width:{abs(value - zero):.1f}%"></i>'
        f'<b style="left:{place(drop.low):.1f}%;width:{place(drop.high) - place(drop.low):.1f}%"></b></span>'
        f"<span class=num>{100 * drop.value:.0f}</span>"
    )


def _legend(ood: OodResult) -> str:
    ramp = "".join(f'<i style="background:{css_color(heat(value))}"></i>' for value in np.linspace(0, 1, 11))
    words = (
        f"{chip('breaks')} more than half of the in-distribution success is lost; {chip('degrades')} some is lost; "
        f"{chip('holds')} less than {100 * MARGIN:.0f} points are lost; {chip('unclear')} the {ood.config.episodes} "
        "episodes per cell do not decide. Each is said with 95 % confidence, of the paired drop at the worst severity. "
        "“oracle” is the expert's least success under the same shifts: what could have been reached. A dot: a factor "
        "of few values has fewer levels."
    )
    skipped = "".join(f"<li><b>{escape(name)}</b>: {escape(why)}</li>" for name, why in ood.skipped.items())
    missing = f"<details><summary>Not run ({len(ood.skipped)})</summary><ul>{skipped}</ul></details>" if skipped else ""
    return f'<p class="legend"><span class="ramp">0 {ramp} 100 %</span> {words}</p>{missing}'


def curves(data: ReportData) -> str:
    """Success against severity, one small chart per factor, the costliest first."""
    if data.ood is None:
        return ""
    figures = [
        f"<figure><figcaption>{chip(verdict.label, factor)}</figcaption>{_curve(data.ood, factor)}</figure>"
        for factor, verdict in data.ood.ranking().items()
    ]
    lead = (
        "Success in percent with 95 % intervals against severity. "
        '<span class="key model"></span> model <span class="key oracle"></span> oracle '
        '<span class="key floor"></span> random'
    )
    return section("Success against severity", lead, f'<div class="multiples">{"".join(figures)}</div>')


def _curve(ood: OodResult, factor: str) -> str:
    cells = ood.curve(factor)
    styles = {ORACLE: "oracle", "random": "floor", MODEL: "model"}
    series = []
    for name, css in styles.items():
        if name not in ood.reference.results:
            continue
        rates = [(cell.severity, cell.results[name].success) for cell in cells]
        band = [(x, 100 * rate.low, 100 * rate.high) for x, rate in rates] if name == MODEL else []
        notes = [f"{name} at {x:g}: {percent(rate.value)} % ({span(rate.low, rate.high)})" for x, rate in rates]
        points = [(x, 100 * rate.value) for x, rate in rates]
        series.append(Series(name=name, css=css, points=points, band=band, dots=name == MODEL, notes=notes))
    axes = Axes(x=(0, 1), y=(0, 100), x_ticks=(0, 0.5, 1), y_ticks=(0, 50, 100), x_label="severity")
    return chart(axes, series, f"{factor}: success against severity")


def frames(data: ReportData) -> str:
    """The first task of every cell as it looks at the start."""
    ood = data.ood
    if ood is None or not ood.frames:
        return ""
    rows = []
    for factor, verdict in ood.ranking().items():
        pictures = "".join(_frame(ood, cell, factor) for cell in ood.curve(factor))
        unit = ood.about.get(factor, {}).get("unit", "")
        note = f"<small>{escape(unit)}</small>" if unit else ""
        rows.append(f'<div class="strip">{chip(verdict.label, factor)} {note}<div class=row>{pictures}</div></div>')
    lead = (
        "The start of the same task in every cell; from left to right the severity rises. Below each picture the "
        "factor's value and, as the colour of the line, the success in that cell."
    )
    return section(
        "What the shifts look like",
        lead,
        f'<div class="strips" style="--levels:{len(ood.config.severities)}">{"".join(rows)}</div>',
    )


def _frame(ood: OodResult, cell: OodCell, factor: str) -> str:
    evaluation = cell.results[MODEL]
    color = css_color(heat(evaluation.success.value))
    value = _factor_value(evaluation.rows[0].variation.get(factor))
    alt = f"{cell.name}: {value[1]}"
    return (
        f'<figure style="border-color:{color}" title="{escape(alt)}">{image(ood.frames[cell.name], alt)}'
        f"<figcaption><b>{cell.severity:g}</b> {value[0]}</figcaption></figure>"
    )


def _factor_value(value: Any) -> tuple[str, str]:
    """A factor's value as HTML and as plain text."""
    if isinstance(value, list) and len(value) == 3 and all(isinstance(each, int) for each in value):
        code = "#{:02x}{:02x}{:02x}".format(*value)
        return f'<i class="swatch" style="background:{code}"></i>', code
    items = value if isinstance(value, list) else [value]
    text = ", ".join(f"{item:.3g}" if isinstance(item, (int, float)) else str(item) for item in items)
    return escape(text), text
