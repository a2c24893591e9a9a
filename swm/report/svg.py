"""Line charts as SVG text that takes its colours from the page, so that light, dark and print all work."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

Point = tuple[float, float]
_LEFT, _RIGHT, _TOP, _BOTTOM = 34.0, 8.0, 18.0, 30.0


@dataclass(frozen=True, kw_only=True)
class Series:
    """One line of a chart."""

    name: str
    css: str
    """Class that sets colour and dashes: ``model``, ``oracle``, ``floor``, ``faint``, ``hue0`` to ``hue5``."""
    points: Sequence[Point]
    band: Sequence[tuple[float, float, float]] = ()
    """(x, low, high) of the interval around the line."""
    dots: bool = False
    notes: Sequence[str] = ()
    """What a dot says when pointed at, one per point."""


@dataclass(frozen=True, kw_only=True)
class Axes:
    """Size, ranges and labels of a chart."""

    x: tuple[float, float]
    y: tuple[float, float]
    x_ticks: Sequence[float]
    y_ticks: Sequence[float]
    x_label: str = ""
    y_label: str = ""
    log_x: bool = False
    log_y: bool = False
    """Whether the scale is logarithmic; the range must then be positive."""
    width: float = 240.0
    height: float = 160.0

    def at(self, x: float, y: float) -> Point:
        """Return the place of a value, clipped to the chart's height."""
        y = min(max(y, self.y[0]), self.y[1])
        right, bottom = self.width - _RIGHT, self.height - _BOTTOM
        return (
            _LEFT + _share(x, self.x, self.log_x) * (right - _LEFT),
            bottom - _share(y, self.y, self.log_y) * (bottom - _TOP),
        )


def _share(value: float, ends: tuple[float, float], log: bool) -> float:
    """How far `value` is from the first end to the second, as a fraction."""
    low, high = ends
    if log:
        value, low, high = math.log10(max(value, low)), math.log10(low), math.log10(high)
    return (value - low) / (high - low or 1)


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return round numbers that cover [low, high], at most about `most`."""
    reach = (high - low) or abs(high) or 1.0
    raw = reach / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(k * step, 12) for k in range(first, max(last, first + 1) + 1)]


def decades(low: float, high: float) -> list[float]:
    """Return the powers of ten that cover [low, high], both positive."""
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    return [10.0**k for k in range(first, max(last, first + 1) + 1)]


def chart(axes: Axes, series: Sequence[Series], title: str, playhead: int | None = None) -> str:
    """Draw a chart.

    Args:
        axes: ranges and labels.
        series: lines, drawn in order.
        title: what a screen reader says.
        playhead: number of frames of the film that a moving line follows, None for no line.
    """
    parts = [_grid(axes), *(_line(axes, each) for each in series)]
    if playhead is not None:
        (x0, bottom), (x1, top) = axes.at(axes.x[0], axes.y[0]), axes.at(axes.x[1], axes.y[1])
        parts.append(
            f'<line class="playhead" style="--travel:{x1 - x0:.1f}px;--frames:{playhead}" '
            f'x1="{x0:.1f}" x2="{x0:.1f}" y1="{top:.1f}" y2="{bottom:.1f}"/>'
        )
    size = f'viewBox="0 0 {axes.width:g} {axes.height:g}"'
    return f'<svg class="chart" {size} role="img"><title>{escape(title)}</title>{"".join(parts)}</svg>'


def number(value: float) -> str:
    """Write a tick."""
    if abs(value) >= 10_000:
        return f"{value / 1000:g}k"
    return f"{value:g}"


def _grid(axes: Axes) -> str:
    left, bottom = axes.at(axes.x[0], axes.y[0])
    right, _ = axes.at(axes.x[1], axes.y[0])
    parts = []
    for tick in axes.y_ticks:
        _, y = axes.at(axes.x[0], tick)
        parts.append(f'<line class="grid" x1="{left:.1f}" x2="{right:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{left - 5:.1f}" y="{y + 3.5:.1f}" text-anchor="end">{number(tick)}</text>')
    for tick in axes.x_ticks:
        x, _ = axes.at(tick, axes.y[0])
        parts.append(f'<text class="tick" x="{x:.1f}" y="{bottom + 12:.1f}" text-anchor="middle">{number(tick)}</text>')
    middle, end = (left + right) / 2, axes.height - 4
    if axes.x_label:
        parts.append(
            f'<text class="label" x="{middle:.1f}" y="{end:.1f}" text-anchor="middle">{escape(axes.x_label)}</text>'
        )
    if axes.y_label:
        parts.append(f'<text class="label" x="2" y="9">{escape(axes.y_label)}</text>')
    return "".join(parts)


def _line(axes: Axes, series: Series) -> str:
    parts = []
    if series.band:
        upper = [axes.at(x, high) for x, _, high in series.band]
        lower = [axes.at(x, low) for x, low, _ in reversed(series.band)]
        parts.append(f'<polygon class="band {series.css}" points="{_path([*upper, *lower])}"/>')
    places = [axes.at(x, y) for x, y in series.points]
    if len(places) > 1:
        parts.append(f'<polyline class="line {series.css}" points="{_path(places)}"/>')
    if series.dots or len(places) == 1:
        notes = series.notes or [series.name] * len(places)
        for (x, y), note in zip(places, notes, strict=True):
            place = f'cx="{x:.1f}" cy="{y:.1f}" r="2.6"'
            parts.append(f'<circle class="dot {series.css}" {place}><title>{escape(note)}</title></circle>')
    return "".join(parts)


def _path(places: Sequence[Point]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
