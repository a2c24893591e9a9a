"""The rows of the Lance layouts' tables, built from encoded episodes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from swm.data.columns import Column
from swm.data.formats.lance import tables
from swm.data.formats.lance.arrow import blobs_to_arrow, numbers_to_arrow
from swm.data.formats.lance.layout import EPISODE_SCHEMA, header, is_video, video_schema

Stored = Mapping[str, Any]
"""Column -> what is stored of one episode: an array, byte strings, or an `EncodedVideo`."""


def schemas(columns: Mapping[str, Column]) -> dict[str, pa.Schema]:
    """Table -> its schema: videos first, by which their layout is known, and the table that commits last."""
    empty = {c.name: np.empty((0, *c.shape), "U1" if c.dtype == "str" else c.dtype) for c in columns.values()}
    found = {
        tables.STEPS: _steps(columns, [empty], np.empty(0, np.bool_)).schema,
        tables.EPISODES: EPISODE_SCHEMA.with_metadata(header(columns)),
    }
    if any(map(is_video, columns.values())):
        found = {tables.VIDEOS: video_schema().with_metadata(header(columns)), **found}
    return found


def content(columns: Mapping[str, Column], stored: Sequence[Stored], lengths: Sequence[int]) -> dict[str, pa.Table]:
    """Table -> rows of some episodes of the given numbers of transitions."""
    counts = np.asarray(lengths) + 1
    last = np.zeros(counts.sum(), np.bool_)
    last[np.cumsum(counts) - 1] = True
    rows = {tables.STEPS: _steps(columns, stored, last)}
    if any(map(is_video, columns.values())):
        rows[tables.VIDEOS] = _videos(columns, stored)
    return rows


def episodes(
    columns: Mapping[str, Column],
    facts: Sequence[Mapping[str, Any]],
    firsts: Mapping[str, int],
    versions: Mapping[str, int],
) -> pa.Table:
    """The rows that make some episodes exist.

    Args:
        columns: of the dataset.
        facts: of each episode: what `EPISODE_SCHEMA` names but for its places and versions.
        firsts: table -> row at which the first of the episodes begins there.
        versions: table -> version that holds them.
    """
    cameras = sum(map(is_video, columns.values()))
    rows = []
    row = firsts[tables.STEPS]
    for number, episode in enumerate(facts):
        places = {
            "first_row": row,
            "first_video": firsts[tables.VIDEOS] + number * cameras if cameras else None,
            "steps_version": versions[tables.STEPS],
            "videos_version": versions.get(tables.VIDEOS),
        }
        rows.append({**episode, **places})
        row += episode["length"] + 1
    return pa.Table.from_pylist(rows, schema=EPISODE_SCHEMA.with_metadata(header(columns)))


def _steps(columns: Mapping[str, Column], stored: Sequence[Stored], last: NDArray[np.bool_]) -> pa.Table:
    """Join the rows of some episodes; `last` marks those without transition."""
    arrays = {}
    for name, column in columns.items():
        if is_video(column) or not column.size:
            continue
        parts = [episode[name] for episode in stored]
        if column.codec is not None:
            arrays[column.stored_name] = blobs_to_arrow([blob for part in parts for blob in part])
        elif column.role == "observation":
            arrays[column.stored_name] = numbers_to_arrow(column, np.concatenate(parts), None)
        else:
            joined = np.concatenate(parts)
            values = np.zeros((len(last), *column.shape), joined.dtype)
            values[~last] = joined
            arrays[column.stored_name] = numbers_to_arrow(column, values, last)
    return pa.table(arrays).replace_schema_metadata(header(columns))


def _videos(columns: Mapping[str, Column], stored: Sequence[Stored]) -> pa.Table:
    """One row per episode and camera, the cameras of an episode in the order of the columns."""
    cameras = [name for name, column in columns.items() if is_video(column)]
    found = [(name, episode[name]) for episode in stored for name in cameras]
    rest = [
        {
            "camera": name,
            "size": len(video.content),
            "frame_offsets": np.asarray(video.frame_offsets).tolist(),
            "keyframes": np.asarray(video.keyframes).tolist(),
            "header": video.header,
        }
        for name, video in found
    ]
    schema = video_schema().with_metadata(header(columns))
    others = pa.Table.from_pylist(rest, schema=pa.schema([field for field in schema if field.name != "video"]))
    blobs = tables.lance_module().blob_array([video.content for _, video in found])
    return pa.table([blobs, *others.columns], schema=schema)
