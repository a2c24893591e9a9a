"""What is in a dataset, as figures: JSON-ready, in constant memory whatever its size."""

import json
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from swm.core.config import to_json
from swm.data import access
from swm.data.columns import Array, Column
from swm.data.dataset import Dataset, check_dataset
from swm.data.histograms import histogram
from swm.data.metadata import mapping_in
from swm.data.provenance import recordings, unfinished
from swm.data.selection import outcomes

_MOST_ENTRIES = 64
"""A column with more numbers per step is summed up in one line, without histograms."""
_MOST_CATEGORIES = 32
"""Values of a categorical factor that are counted by name, the most frequent first."""


def summarize(dataset: Dataset) -> dict[str, Any]:
    """Describe a dataset, JSON-ready.

    A histogram counts values in bins of equal width between their minimum and their maximum (see
    `swm.data.histograms`).

    Returns:
        ``uri``, ``format``, ``version``, ``fingerprint``, ``num_episodes``, ``num_steps``, ``torn_rows``,
        ``disk_bytes``, ``bytes_per_observation``; ``columns``: dtype, shape, role, codec, bytes on disk
        and bytes per row of each; ``length`` and ``return``: minimum, mean, maximum and histogram over
        episodes; ``success_rate``: share of the episodes in which success was seen; ``splits``: episodes
        and steps of each;
        ``statistics``: of each column of numbers, over all its values; ``factors``: what values each
        factor of variation takes; ``origin``: episodes by environment and by policy; ``recordings``:
        settings of each recording that the data go back to; ``payload``: dtype and shape of what the
        first episode carries; ``provenance``; ``notes``: what the format or the source lacks.
    """
    check_dataset(dataset)
    returns, success = outcomes(dataset)
    metadata = [json.loads(text) for text in dataset.reader.index.metadata]
    columns = _columns(dataset)
    disk_bytes = sum(column["disk_bytes"] for column in columns.values())
    stopped = unfinished(dataset.provenance, dataset.num_episodes)
    statistics = {name: _statistics(dataset, column) for name, column in dataset.columns.items() if _is_numeric(column)}
    odd = [
        f"{figures['nonfinite']:,} values of {name!r} are NaN or infinite; the statistics leave them out."
        for name, figures in statistics.items()
        if figures["nonfinite"]
    ]
    return {
        "uri": dataset.uri,
        "format": access.detect_format(dataset.reader.location),
        "version": dataset.version,
        "fingerprint": dataset.fingerprint,
        "num_episodes": dataset.num_episodes,
        "num_steps": dataset.num_steps,
        "torn_rows": dataset.torn_rows,
        "disk_bytes": disk_bytes,
        "bytes_per_observation": disk_bytes / max(dataset.num_steps + dataset.num_episodes, 1),
        "columns": columns,
        "length": _spread(dataset.lengths),
        "return": _spread(returns),
        "success_rate": float(success.mean()) if len(success) else None,
        "splits": {name: _split(dataset, name) for name in ("train", "val")},
        "statistics": statistics,
        "factors": _factors(metadata),
        "origin": {
            "env_id": _count(facts.get("env_id") for facts in metadata),
            "policy": _count(_policy(facts) for facts in metadata),
        },
        "recordings": list(recordings(dataset.provenance)),
        "payload": {
            name: {"dtype": str(array.dtype), "shape": list(array.shape)}
            for name, array in (dataset.reader.payload(0) if dataset.num_episodes else {}).items()
        },
        "provenance": list(dataset.provenance),
        "notes": [*dataset.reader.notes, *odd, *([stopped] if stopped else [])],
    }


def byte_text(count: float) -> str:
    """Write a number of bytes with the unit that suits it."""
    for unit, divisor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= divisor:
            return f"{count / divisor:,.3g} {unit}" if count < 1000 * divisor else f"{count / divisor:,.0f} {unit}"
    return f"{count:,.3g} B"


def _columns(dataset: Dataset) -> dict[str, dict[str, Any]]:
    sizes = dataset.reader.disk_bytes()
    rows = {"transition": dataset.num_steps, "observation": dataset.num_steps + dataset.num_episodes}
    return {
        name: {
            **to_json(column),
            "disk_bytes": sizes[name],
            "bytes_per_row": sizes[name] / max(rows[column.role], 1),
        }
        for name, column in dataset.columns.items()
    }


def _spread(values: Array) -> dict[str, Any]:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return {"minimum": None, "mean": None, "maximum": None, "histogram": histogram(values)}
    return {
        "minimum": float(finite.min()),
        "mean": float(finite.mean()),
        "maximum": float(finite.max()),
        "histogram": histogram(values),
    }


def _split(dataset: Dataset, name: str) -> dict[str, int]:
    chosen = dataset.split(name)
    return {"episodes": len(chosen), "steps": int(dataset.lengths[chosen].sum())}


def _policy(metadata: Mapping[str, Any]) -> Any:
    """The policy's name, which may be all that is recorded of it."""
    policy = metadata.get("policy")
    return policy.get("name") if isinstance(policy, Mapping) else policy


def _count(values: Iterable[Any]) -> dict[str, int]:
    return dict(Counter(str(value) for value in values if value is not None).most_common())


# ------------------------------------------------------------------------------------------------ columns


def _is_numeric(column: Column) -> bool:
    return column.codec is None and column.dtype != "str" and column.size > 0


def _statistics(dataset: Dataset, column: Column) -> dict[str, Any]:
    """Figures per entry of a column, flattened; one line in all if it has many entries."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of values that are not finite: they become a note
        found = dataset.statistics(column.name, "all")
    mean, std = found.mean.reshape(-1), found.std.reshape(-1)
    low, high = found.minimum.reshape(-1), found.maximum.reshape(-1)
    entries = _entry_names(column)
    counts: list[list[int]] = []
    if column.size > _MOST_ENTRIES:
        middle = mean.mean()
        std = np.sqrt([(std**2 + (mean - middle) ** 2).mean()])
        mean, low, high, entries = np.array([middle]), low.min(keepdims=True), high.max(keepdims=True), ["[...]"]
    else:
        counts = found.histogram.reshape(len(found.histogram), -1).T.tolist()
    return {
        "count": found.count,
        "nonfinite": int(found.num_nonfinite.sum()),
        "entries": entries,
        "mean": _finite(mean),
        "std": _finite(std),
        "minimum": _finite(low),
        "maximum": _finite(high),
        "histograms": counts,
    }


def _entry_names(column: Column) -> list[str]:
    return [f"[{','.join(map(str, place))}]" if place else "" for place in np.ndindex(column.shape)]


def _finite(values: Array) -> list[float | None]:
    """What JSON can hold: None for NaN and infinity."""
    return [float(value) if np.isfinite(value) else None for value in values]


# ------------------------------------------------------------------------------------------------ factors


def _factors(metadata: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Factor -> in how many episodes it is recorded, how many values it takes, and which."""
    seen: dict[str, list[Any]] = {}
    for facts in metadata:
        for name, value in mapping_in(facts, "variation").items():
            seen.setdefault(name, []).append(value)
    return {name: {"episodes": len(values), **_coverage(values)} for name, values in seen.items()}


def _coverage(values: list[Any]) -> dict[str, Any]:
    """Range and histogram per entry of numbers and vectors; counts of anything else."""
    array = _as_numbers(values)
    if array is None:
        counted = Counter(value if isinstance(value, str) else json.dumps(value) for value in values)
        counts = dict(counted.most_common(_MOST_CATEGORIES))
        return {"kind": "category", "distinct": len(counted), "counts": counts}
    flat = array.reshape(len(array), -1)
    return {
        "kind": "number" if array.ndim == 1 else "vector",
        "distinct": len(np.unique(flat, axis=0)),
        "minimum": array.min(axis=0).tolist(),
        "maximum": array.max(axis=0).tolist(),
        "histograms": [histogram(entry) for entry in flat.T],
    }


def _as_numbers(values: list[Any]) -> Array | None:
    """An array of shape (episodes, ...), or None if the values are not all finite numbers of one shape."""
    try:
        array = np.array(values)
    except ValueError:
        return None
    return array if array.dtype.kind in "iuf" and array.size and np.isfinite(array).all() else None
