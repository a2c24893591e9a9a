"""Small pieces of HTML: numbers, colours, pictures as data, tables."""

import base64
import io
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

import numpy as np

from swm.core.protocols import Array

_STOPS = (
    (0.0, (171, 58, 18)),
    (0.25, (224, 130, 82)),
    (0.5, (246, 228, 205)),
    (0.75, (133, 178, 221)),
    (1.0, (28, 94, 166)),
)
"""Success -> colour, from orange to blue, which every kind of colour vision tells apart."""
_MAX_FILM_WIDTH = 12_000
"""Widest film strip in pixels; browsers decode at least this much."""


def heat(value: float) -> tuple[float, float, float]:
    """Return the colour of a success rate, red, green and blue from 0 to 1."""
    at = [stop for stop, _ in _STOPS]
    red, green, blue = (float(np.interp(value, at, [color[i] for _, color in _STOPS])) / 255 for i in range(3))
    return red, green, blue


def ink_on(color: tuple[float, float, float]) -> str:
    """Return the text colour, near black or white, that reads best on `color`."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#fff" if 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.0533 else "#141414"


def css_color(color: tuple[float, float, float]) -> str:
    """Write a colour for CSS."""
    return "rgb({:.0f},{:.0f},{:.0f})".format(*(255 * c for c in color))


def percent(value: float) -> str:
    """Write a rate in percent, without decimals and without the sign."""
    return f"{100 * value:.0f}"


def span(low: float, high: float) -> str:
    """Write an interval of rates in percent."""
    return f"{100 * low:.0f} to {100 * high:.0f} %"


def png_uri(picture: Array) -> str:
    """Return an RGB picture as a PNG data URI."""
    from matplotlib.image import imsave

    buffer = io.BytesIO()
    imsave(buffer, np.ascontiguousarray(picture), format="png")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def image(picture: Array, alt: str, css: str = "pixels") -> str:
    """Return an image element with the picture inside."""
    height, width = picture.shape[:2]
    return f'<img class="{css}" src="{png_uri(picture)}" width="{width}" height="{height}" alt="{escape(alt)}">'


def film_strip(frames: Array) -> tuple[str, int]:
    """Lay frames side by side in one PNG; return its data URI and the number of frames in it.

    Long episodes are thinned so that the strip stays within what every browser decodes.
    """
    most = max(2, _MAX_FILM_WIDTH // frames.shape[2])
    chosen = np.linspace(0, len(frames) - 1, min(len(frames), most)).round().astype(int)
    return png_uri(np.concatenate(list(frames[chosen]), axis=1)), len(chosen)


def facts(rows: Iterable[tuple[str, Any]]) -> str:
    """Lay out names and values as a definition list; nested mappings get dotted names, empty values no row."""
    items = "".join(f"<div><dt>{escape(name)}</dt><dd>{_value(value)}</dd></div>" for name, value in rows if value)
    return f'<dl class="facts">{items}</dl>'


def _value(value: Any) -> str:
    if not isinstance(value, Mapping):
        return escape(_plain(value))
    flat = _flatten(value)
    return "".join(
        f"<span class=fact><span class=muted>{escape(k)}</span> {escape(v)}</span> " for k, v in flat.items()
    )


def _flatten(mapping: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    out: dict[str, str] = {}
    for name, value in mapping.items():
        nested = isinstance(value, Mapping)
        out.update(_flatten(value, f"{prefix}{name}.") if nested else {f"{prefix}{name}": _plain(value)})
    return out


def _plain(value: Any) -> str:
    return ", ".join(map(_plain, value)) if isinstance(value, (list, tuple)) else "-" if value is None else str(value)
