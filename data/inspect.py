"""What is in a dataset: figures for tables, pictures for the eye."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.core.config import to_json
from swm.core.errors import InvalidValueError
from swm.data import codecs
from swm.data.columns import Array, select
from swm.data.dataset import Dataset
from swm.data.video import write_mp4

_GAP = 2
_MIN_SIDE = 256


def summarize(dataset: Dataset) -> dict[str, Any]:
    """Describe a dataset, JSON-ready.

    Returns:
        ``uri``, ``version``, ``fingerprint``, ``num_episodes``, ``num_steps``, ``torn_rows``;
        ``columns``: dtype, shape, role, codec and bytes on disk of each; ``length`` and ``return``:
        minimum, mean and maximum over episodes; ``success_rate``: share of the episodes in which
        success was seen; ``splits``: episodes and steps of each; ``factors``: what values each
        factor of variation takes; ``action``: statistics over all episodes; ``provenance``.
    """
    disk_bytes = dataset.reader.disk_bytes()
    everything = dataset.split("all")
    read = dataset.reader.read(["reward", "success"], dataset.rows(everything, "transition"))
    begins = np.cumsum(dataset.lengths) - dataset.lengths
    splits = {name: dataset.split(name) for name in ("train", "val")}
    return {
        "uri": dataset.uri,
        "version": dataset.version,
        "fingerprint": dataset.fingerprint,
        "num_episodes": dataset.num_episodes,
        "num_steps": dataset.num_steps,
        "torn_rows": dataset.torn_rows,
        "columns": {
            name: {**to_json(column), "disk_bytes": disk_bytes[name]} for name, column in dataset.columns.items()
        },
        "length": _spread(dataset.lengths),
        "return": _spread(np.add.reduceat(read["reward"].astype(np.float64), begins)),
        "success_rate": float(np.logical_or.reduceat(read["success"], begins).mean()),
        "splits": {
            name: {"episodes": len(chosen), "steps": int(dataset.lengths[chosen].sum())}
            for name, chosen in splits.items()
        },
        "factors": _factor_coverage(dataset),
        "action": dataset.statistics("action", "all").to_json(),
        "provenance": list(dataset.provenance),
    }


def _spread(values: Array) -> dict[str, float]:
    return {"minimum": float(values.min()), "mean": float(values.mean()), "maximum": float(values.max())}


def _factor_coverage(dataset: Dataset) -> dict[str, dict[str, Any]]:
    """Per factor: in how many episodes it is recorded, how many values it takes, and their range."""
    seen: dict[str, list[Any]] = {}
    for episode in dataset.episodes:
        for name, value in (episode["metadata"].get("variation") or {}).items():
            seen.setdefault(name, []).append(value)
    coverage = {}
    for name, values in seen.items():
        array = np.array(values)
        coverage[name] = {
            "episodes": len(values),
            "distinct": len(np.unique(array, axis=0)),
            "minimum": array.min(axis=0).tolist(),
            "maximum": array.max(axis=0).tolist(),
        }
    return coverage


def contact_sheet(
    dataset: Dataset, episodes: Sequence[int], columns: int = 8, *, component: str = "pixels"
) -> NDArray[np.uint8]:
    """Lay out pictures of some episodes: a row per episode, from its first to its last picture.

    Args:
        dataset: where from.
        episodes: which, top to bottom.
        columns: pictures per episode, evenly spaced; a short episode repeats some.
        component: the observation component that holds pictures.

    Returns:
        Shape (height, width, 3), uint8.

    Raises:
        UnknownNameError: no such component.
        InvalidValueError: the component holds no pictures, or nothing was asked for.
    """
    if columns < 1 or not len(episodes):
        raise InvalidValueError(f"a sheet needs episodes and columns, got {len(episodes)} episodes, {columns} columns.")
    rows = []
    for index in episodes:
        pictures = _pictures(dataset, index, component)
        rows.append(pictures[np.linspace(0, len(pictures) - 1, columns).round().astype(int)])
    return _tile(np.stack(rows))


def write_preview(
    dataset: Dataset,
    path: str | os.PathLike[str],
    *,
    episodes: Sequence[int] | None = None,
    columns: int = 8,
    fps: int = 10,
    component: str = "pixels",
) -> None:
    """Write a contact sheet (``.png``) or a film of several episodes side by side (``.mp4``).

    Args:
        dataset: where from.
        path: its ending says which of the two.
        episodes: which; None is the first four.
        columns: of the sheet: pictures per episode; of the film: episodes per row.
        fps: steps per second of the film.
        component: the observation component that holds pictures.

    Raises:
        InvalidValueError: another ending, or the component holds no pictures.
    """
    path = Path(path)
    chosen = range(min(4, dataset.num_episodes)) if episodes is None else episodes
    if path.suffix == ".png":
        sheet = contact_sheet(dataset, chosen, columns, component=component)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(codecs.encode("png", sheet[None], 0)[0])
    elif path.suffix == ".mp4":
        write_mp4(path, _film(dataset, chosen, min(columns, len(chosen)), component), fps)
    else:
        raise InvalidValueError(f"a preview is a .png or a .mp4 file, got {str(path)!r}.")


def _film(dataset: Dataset, episodes: Sequence[int], columns: int, component: str) -> Iterator[NDArray[np.uint8]]:
    """All episodes at once; one that has ended shows its last picture."""
    films = [_pictures(dataset, index, component) for index in episodes]
    blank = [np.zeros_like(films[0])] * (-len(films) % columns)
    scale = max(1, _MIN_SIDE // max(films[0].shape[1:3]))
    for step in range(max(map(len, films))):
        now = np.stack([film[min(step, len(film) - 1)] for film in [*films, *blank]])
        yield _tile(now.reshape(-1, columns, *now.shape[1:])).repeat(scale, axis=0).repeat(scale, axis=1)


def _pictures(dataset: Dataset, index: int, component: str) -> NDArray[np.uint8]:
    """The pictures of one episode as (T + 1, height, width, 3)."""
    (component,) = select(dataset.columns, [component])
    if dataset.columns[component].codec is None:
        pictures = [name for name, column in dataset.columns.items() if column.codec is not None]
        raise InvalidValueError(f"{component!r} holds no pictures; these do: {', '.join(pictures) or 'none'}.")
    found: NDArray[np.uint8] = dataset.episode(index, [component]).observation[component]
    return np.broadcast_to(found, (*found.shape[:3], 3))


def _tile(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Join (rows, columns, height, width, 3) to one picture with white gaps."""
    padded = np.pad(pictures, ((0, 0), (0, 0), (0, _GAP), (0, _GAP), (0, 0)), constant_values=255)
    rows, columns, height, width, channels = padded.shape
    return padded.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, channels)[:-_GAP, :-_GAP]
