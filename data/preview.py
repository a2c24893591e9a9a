"""Pictures of a dataset for the eye: contact sheets and films, of one camera or several."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import InvalidValueError
from swm.data import codecs
from swm.data.columns import Array, is_view, select
from swm.data.dataset import Dataset, check_dataset
from swm.data.selection import check_episodes
from swm.data.video import write_mp4

Pictures = NDArray[np.uint8]

_GAP = 2
_MIN_SIDE = 256
_CHUNK_STEPS = 32


def cameras(dataset: Dataset) -> tuple[str, ...]:
    """The observation components that hold pictures: those named ``pixels`` or ``pixels.<view>``, else any."""
    pictures = [name for name, column in dataset.columns.items() if column.codec is not None]
    return tuple(name for name in pictures if is_view(name)) or tuple(pictures)


def spread(total: int, count: int) -> list[int]:
    """At most `count` of `total` episodes, evenly spaced, the first and the last among them."""
    return [int(index) for index in np.unique(np.linspace(0, total - 1, min(count, total)).round())]


def contact_sheet(
    dataset: Dataset,
    episodes: Sequence[int],
    columns: int = 8,
    *,
    component: str | Sequence[str] | None = None,
    goals: bool = True,
) -> Pictures:
    """Lay out pictures of some episodes: a row per episode and camera, from its first to its last picture.

    Args:
        dataset: where from.
        episodes: which, top to bottom.
        columns: pictures per row, evenly spaced; a short episode repeats some.
        component: one or several observation components that hold pictures; None is every camera.
        goals: whether each row ends with the goal's picture if the episode's payload has one.

    Returns:
        Shape (height, width, 3), uint8.

    Raises:
        UnknownNameError: no such component.
        InvalidValueError: a component holds no pictures, there is no such episode, or nothing was asked for.
    """
    check_dataset(dataset)
    if columns < 1 or not len(episodes):
        raise InvalidValueError(f"a sheet needs episodes and columns, got {len(episodes)} episodes, {columns} columns.")
    names = _components(dataset, component)
    rows = []
    for index in check_episodes(episodes, dataset.num_episodes):
        payload = dataset.reader.payload(index) if goals else {}
        steps = np.linspace(0, dataset.lengths[index], columns).round().astype(int)
        read = _read(dataset, index, names, steps)
        rows += [(list(read[name]), goal_picture(payload, name, dataset.columns[name].shape)) for name in names]
    if any(goal is not None for _, goal in rows):
        rows = [([*shown, np.full_like(shown[0], 255) if goal is None else goal], None) for shown, goal in rows]
    return _tile([shown for shown, _ in rows])


def goal_picture(payload: Mapping[str, Array], camera: str, shape: tuple[int, ...]) -> Pictures | None:
    """The goal as a camera sees it: the payload ``goal.<camera>`` or ``goal``, if it is such a picture.

    Args:
        payload: of an episode.
        camera: an observation component.
        shape: of its pictures.
    """
    for name in (f"goal.{camera}", f"goal_{camera}", f"goal/{camera}", "goal"):
        found = payload.get(name)
        if found is not None and found.dtype == np.uint8 and found.shape == shape:
            return np.broadcast_to(found, (*shape[:2], 3))
    return None


def write_preview(
    dataset: Dataset,
    path: str | os.PathLike[str],
    *,
    episodes: Sequence[int] | None = None,
    columns: int = 8,
    fps: int = 10,
    component: str | Sequence[str] | None = None,
) -> None:
    """Write a contact sheet (``.png``) or a film of several episodes side by side (``.mp4``).

    Args:
        dataset: where from.
        path: its ending says which of the two.
        episodes: which; None is the first four.
        columns: of the sheet: pictures per row; of the film: episodes per row, each with all its cameras.
        fps: steps per second of the film.
        component: one or several observation components that hold pictures; None is every camera.

    Raises:
        InvalidValueError: another ending, or there are no pictures.
    """
    check_dataset(dataset)
    path = Path(path)
    chosen = list(range(min(4, dataset.num_episodes))) if episodes is None else list(episodes)
    if path.suffix == ".png":
        sheet = contact_sheet(dataset, chosen, columns, component=component)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(codecs.encode("png", sheet[None], 0)[0])
    elif path.suffix == ".mp4":
        names = _components(dataset, component)
        chosen = check_episodes(chosen, dataset.num_episodes)
        write_mp4(path, _film(dataset, chosen, min(columns, len(chosen)), names), fps)
    else:
        raise InvalidValueError(f"a preview is a .png or a .mp4 file, got {str(path)!r}.")


def _components(dataset: Dataset, component: str | Sequence[str] | None) -> tuple[str, ...]:
    """Check that components hold pictures."""
    if component is None:
        names = cameras(dataset)
    else:
        names = select(dataset.columns, [component] if isinstance(component, str) else component)
    pictures = [name for name, column in dataset.columns.items() if column.codec is not None]
    for name in names:
        if name not in pictures:
            raise InvalidValueError(f"{name!r} holds no pictures; these do: {', '.join(pictures) or 'none'}.")
    if not names:
        raise InvalidValueError(f"{dataset.uri} has no column of pictures: there is nothing to show.")
    return names


def _read(dataset: Dataset, index: int, names: Sequence[str], steps: NDArray[np.int64]) -> dict[str, Pictures]:
    """The pictures of some steps of an episode, each decoded once, as (len(steps), height, width, 3)."""
    distinct, place = np.unique(steps, return_inverse=True)
    read = dataset.reader.read(names, dataset.offsets[index] + distinct)
    return {name: np.broadcast_to(found, (*found.shape[:3], 3))[place] for name, found in read.items()}


def _film(dataset: Dataset, episodes: Sequence[int], columns: int, names: Sequence[str]) -> Iterator[Pictures]:
    """All episodes at once, a few steps in memory; one that has ended shows its last picture."""
    lengths = dataset.lengths[list(episodes)]
    largest = max(max(dataset.columns[name].shape[:2]) for name in names)
    scale = max(1, _MIN_SIDE // largest)
    for begin in range(0, int(lengths.max()) + 1, _CHUNK_STEPS):
        steps = np.arange(begin, min(begin + _CHUNK_STEPS, int(lengths.max()) + 1))
        read = [_read(dataset, index, names, np.minimum(steps, lengths[i])) for i, index in enumerate(episodes)]
        for step in range(len(steps)):
            panels = [_tile([[found[name][step] for name in names]]) for found in read]
            panels += [np.zeros_like(panels[0])] * (-len(panels) % columns)
            now = _tile([panels[row : row + columns] for row in range(0, len(panels), columns)])
            yield now.repeat(scale, axis=0).repeat(scale, axis=1)


def _tile(rows: Sequence[Sequence[Pictures]]) -> Pictures:
    """Join rows of equally many pictures to one, with white gaps; smaller pictures stand at the upper left."""
    heights = [max(picture.shape[0] for picture in row) for row in rows]
    widths = [max(row[column].shape[1] for row in rows) for column in range(len(rows[0]))]
    out = np.full((sum(heights) + _GAP * (len(heights) - 1), sum(widths) + _GAP * (len(widths) - 1), 3), 255, np.uint8)
    for i, row in enumerate(rows):
        top = sum(heights[:i]) + _GAP * i
        for j, picture in enumerate(row):
            left = sum(widths[:j]) + _GAP * j
            out[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return out
