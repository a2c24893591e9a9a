"""The page of a dataset: the figures of `swm.data.summarize`, their histograms, and a contact sheet."""

import os
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from swm.core.protocols import Array
from swm.data import Dataset, summarize
from swm.data.histograms import coarser
from swm.data.preview import cameras, contact_sheet, spread
from swm.data.resize import resize
from swm.data.summary import byte_text
from swm.report.html import facts, image
from swm.report.page import TEMPLATE
from swm.report.sections import section
from swm.report.svg import number

_ROWS, _PICTURES = 8, 8
"""Of the contact sheets: rows of all cameras together, and pictures per row."""
_SMALL, _LARGE = 96, 128
"""Pixels of a picture's longer side on the page: smaller ones are repeated, larger ones reduced."""
_BARS, _FEW_BARS, _FEW = 32, 16, 400
"""Bars of a histogram of many values, and of one of at most `_FEW`."""
_MOST = 48
"""Histograms of one section; the rest is counted."""
_FLAGS = ("terminated", "truncated", "success")


def write_dataset_page(
    dataset: Dataset, path: str | os.PathLike[str], *, summary: Mapping[str, Any] | None = None
) -> Path:
    """Write one HTML document that loads nothing from anywhere; return its path.

    Args:
        dataset: what to show; a few episodes are read for their pictures.
        path: of the page; its folder is made if need be.
        summary: what `swm.data.summarize` found, if that is known already.
    """
    path = Path(path)
    found = summarize(dataset) if summary is None else summary
    title = found["uri"].rstrip("/").rpartition("/")[2]
    parts = [
        _headline(found, title),
        _pictures(dataset),
        _episodes(found),
        _columns(found),
        _values(found),
        _factors(found),
        _payload(found),
        _provenance(found),
    ]
    template = Template(TEMPLATE.read_text(encoding="utf-8"))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        template.substitute(title=escape(title), body="\n".join(part for part in parts if part)), encoding="utf-8"
    )
    return path


def _headline(summary: Mapping[str, Any], title: str) -> str:
    origin = [name for counts in summary["origin"].values() for name in counts]
    success = summary["success_rate"]
    tiles = [
        ("episodes", f"{summary['num_episodes']:,}", _splits(summary)),
        ("steps", f"{summary['num_steps']:,}", _range(summary["length"])),
        ("success", "-" if success is None else f"{100 * success:.0f} %", "of the episodes saw it"),
        ("mean return", _short(summary["return"]["mean"]), _range(summary["return"])),
        (
            "on disk",
            byte_text(summary["disk_bytes"]),
            f"{byte_text(summary['bytes_per_observation'])} per observation",
        ),
    ]
    body = "".join(f"<div><dt>{n}</dt><dd>{escape(v)}</dd><p>{escape(t)}</p></div>" for n, v, t in tiles)
    notes = "".join(f"<li>{escape(note)}</li>" for note in summary["notes"])
    told = f'<ul class="lead" style="margin-top:1.6rem;padding-left:1.2rem">{notes}</ul>' if notes else ""
    return (
        f"<header><p class=eyebrow>{escape(' · '.join(['dataset', summary['format'], *origin]))}</p>"
        f'<h1>{escape(title)}</h1></header><dl class="tiles">{body}</dl>{told}'
    )


def _splits(summary: Mapping[str, Any]) -> str:
    return ", ".join(f"{part['episodes']:,} {name}" for name, part in summary["splits"].items())


def _range(spread: Mapping[str, Any]) -> str:
    low, high = spread["minimum"], spread["maximum"]
    if low is None:
        return ""
    return f"{_short(low)} in every episode" if low == high else f"{_short(low)} to {_short(high)} per episode"


def _pictures(dataset: Dataset) -> str:
    names = cameras(dataset)
    if not names or not dataset.num_episodes:
        return ""
    chosen = spread(dataset.num_episodes, max(2, _ROWS // len(names)))
    figures = [
        f"<figure style='margin-top:1rem'>{image(_sheet(dataset, chosen, name), f'pictures of {name}')}"
        f"<figcaption>{escape(name)}</figcaption></figure>"
        for name in names
    ]
    lead = (
        f"One row per episode ({', '.join(map(str, chosen))}), from its first picture to its last; "
        "a picture of the goal, where one is stored, stands at the end."
    )
    return section("Pictures", lead, "".join(figures))


def _sheet(dataset: Dataset, episodes: Sequence[int], name: str) -> Array:
    sheet = contact_sheet(dataset, episodes, _PICTURES, component=name)
    side = max(dataset.columns[name].shape[:2])
    if side > _LARGE:
        height, width = (size * _LARGE // side for size in sheet.shape[:2])
        smaller: Array = resize(sheet[None], (height, width))[0]
        return smaller
    scale = max(1, _SMALL // side)
    return sheet.repeat(scale, axis=0).repeat(scale, axis=1)


def _episodes(summary: Mapping[str, Any]) -> str:
    charts = [_histogram(name, "", **_ends(summary[name])) for name in ("length", "return")]
    return section("Episodes", "How many episodes have which length and return.", _grid(charts))


def _ends(spread: Mapping[str, Any]) -> dict[str, Any]:
    return {"counts": spread["histogram"], "low": spread["minimum"], "high": spread["maximum"]}


def _columns(summary: Mapping[str, Any]) -> str:
    rows = [
        (
            name,
            column["dtype"],
            " x ".join(map(str, column["shape"])),
            "action" if column["role"] == "transition" else "observation",
            column["codec"] or "",
            byte_text(column["disk_bytes"]),
            byte_text(column["bytes_per_row"]),
        )
        for name, column in summary["columns"].items()
    ]
    head = ("column", "dtype", "shape", "one per", "codec", "on disk", "per row")
    lead = "An episode of T actions has T + 1 observations."
    return section("Columns", lead, _table(head, rows, right=2))


def _values(summary: Mapping[str, Any]) -> str:
    charts, plain = [], []
    for name, found in summary["statistics"].items():
        if name in _FLAGS:
            continue
        for i, entry in enumerate(found["entries"]):
            figures = [_short(found[key][i]) for key in ("mean", "std", "minimum", "maximum")]
            if found["histograms"]:
                note = f"{found['mean'][i]:.3g} ± {found['std'][i]:.2g}" if found["mean"][i] is not None else ""
                ends = {"low": found["minimum"][i], "high": found["maximum"][i]}
                charts.append(_histogram(f"{name}{entry}", note, found["histograms"][i], **ends))
            else:
                plain.append((f"{name}{entry}", *figures))
    large = _table(("column", "mean", "std", "minimum", "maximum"), plain, right=4)
    body = _grid(charts) + (f'<div style="margin-top:1.6rem">{large}</div>' if plain else "")
    return section("Values", "All numbers of all steps, by entry; mean ± standard deviation.", body)


def _factors(summary: Mapping[str, Any]) -> str:
    charts, fixed = [], []
    for name, found in summary["factors"].items():
        if found["kind"] == "category":
            charts.append(_categories(name, found))
        elif found["distinct"] == 1:
            fixed.append((name, _plain(found["minimum"])))
        else:
            charts += _factor_charts(name, found)
    lead = "How many episodes have which value of each factor of variation."
    body = _grid(charts) + (f"<h3 style='margin-top:1.6rem'>Of one value</h3>{facts(fixed)}" if fixed else "")
    return section("Factors", lead, body)


def _factor_charts(name: str, found: Mapping[str, Any]) -> list[str]:
    """One chart per entry of a number or a vector."""
    note = f"{found['distinct']:,} values"
    lows, highs, counts = _flat(found["minimum"]), _flat(found["maximum"]), found["histograms"]
    names = [name] if found["kind"] == "number" else [f"{name}[{i}]" for i in range(len(counts))]
    return [
        _histogram(label, note, each, low=low, high=high)
        for label, each, low, high in zip(names, counts, lows, highs, strict=True)
    ]


def _flat(value: Any) -> list[Any]:
    return [part for each in value for part in _flat(each)] if isinstance(value, list) else [value]


def _categories(name: str, found: Mapping[str, Any]) -> str:
    """Bars that lie, one per value."""
    most = max(found["counts"].values())
    rows = "".join(
        f"<tr><th scope=row>{escape(value)}</th><td style='width:45%'><div class='bar me'>"
        f"<i style='width:{100 * count / most:.1f}%;background:var(--model)'></i></div></td>"
        f"<td class=num>{count:,}</td></tr>"
        for value, count in list(found["counts"].items())[:8]
    )
    told = f"<b>{escape(name)}</b> {found['distinct']:,} values"
    return f"<figure><figcaption>{told}</figcaption><table>{rows}</table></figure>"


def _payload(summary: Mapping[str, Any]) -> str:
    rows = [(name, one["dtype"], " x ".join(map(str, one["shape"]))) for name, one in summary["payload"].items()]
    lead = "What the first episode carries beside its steps."
    return section("Payload", lead, _table(("name", "dtype", "shape"), rows) if rows else "")


def _provenance(summary: Mapping[str, Any]) -> str:
    rows = [("uri", summary["uri"]), ("version", summary["version"]), ("fingerprint", summary["fingerprint"])]
    rows += [(f"session {number}", session) for number, session in enumerate(map(_brief, summary["provenance"]), 1)]
    return section("Provenance", "Where the data come from, one entry per writing session.", facts(rows))


def _brief(session: Mapping[str, Any]) -> dict[str, Any]:
    """A session without the history of its sources, which would fill the page."""
    transfer = session.get("transfer")
    if not isinstance(transfer, Mapping):
        return dict(session)
    sources = [f"{source['uri']} ({source['fingerprint'][:16]})" for source in transfer["sources"]]
    return {**session, "transfer": {**transfer, "sources": sources}}


# ------------------------------------------------------------------------------------------------ pieces


def _grid(charts: Sequence[str]) -> str:
    more = f"<p class=muted>and {len(charts) - _MOST:,} more</p>" if len(charts) > _MOST else ""
    return f'<div class="multiples">{"".join(charts[:_MOST])}</div>{more}' if charts else ""


def _histogram(name: str, note: str, counts: Sequence[int], *, low: float | None, high: float | None) -> str:
    """Bars over the range of the values, which is written below."""
    if low is None or high is None:
        return ""
    bars, width, height = coarser(counts, _FEW_BARS if sum(counts) <= _FEW else _BARS), 240.0, 56.0
    most, step = max(max(bars), 1), width / len(bars)
    reach = (high - low) / len(bars)
    drawn = "".join(
        f'<rect x="{i * step:.1f}" y="{height * (1 - count / most):.1f}" width="{step - 1:.1f}" '
        f'height="{height * count / most:.1f}" style="fill:var(--model)">'
        f"<title>{count:,} in {_short(low + i * reach)} to {_short(low + (i + 1) * reach)}</title></rect>"
        for i, count in enumerate(bars)
        if count
    )
    axis = (
        f'<line class="grid" x1="0" x2="{width:g}" y1="{height:g}" y2="{height:g}"/>'
        f'<text x="0" y="{height + 13:g}">{_short(low)}</text>'
    )
    if high > low:
        axis += f'<text x="{width:g}" y="{height + 13:g}" text-anchor="end">{_short(high)}</text>'
    told = f"<b>{escape(name)}</b> {escape(note)}"
    return (
        f'<figure><figcaption style="margin-bottom:.3rem">{told}</figcaption>'
        f'<svg class="chart" viewBox="0 0 {width:g} {height + 16:g}" role="img">'
        f"<title>histogram of {escape(name)}</title>{drawn}{axis}</svg></figure>"
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], right: int = 0) -> str:
    """A table whose last `right` columns are numbers."""
    css = [' class="num"' if index >= len(head) - right else "" for index in range(len(head))]
    titles = "".join(f"<th scope=col{kind}>{escape(name)}</th>" for name, kind in zip(head, css, strict=True))
    lines = "".join(
        "<tr>" + "".join(f"<td{kind}>{escape(cell)}</td>" for cell, kind in zip(row, css, strict=True)) + "</tr>"
        for row in rows
    )
    return f"<div class=scroll><table><thead><tr>{titles}</tr></thead><tbody>{lines}</tbody></table></div>"


def _plain(value: Any) -> str:
    return ", ".join(map(_plain, value)) if isinstance(value, list) else _short(value)


def _short(value: Any) -> str:
    """Four digits of a number."""
    return "-" if value is None else number(float(f"{value:.4g}")) if isinstance(value, float) else str(value)
