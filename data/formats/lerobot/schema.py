"""Columns to LeRobot's features, and their values to the Arrow arrays of the data table."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np

from swm.data.columns import Array, Column
from swm.data.encoded import VideoCodec
from swm.data.formats.lerobot.binding import Binding
from swm.data.formats.lerobot.layout import CLOCK, TASK_INDEX
from swm.data.formats.lerobot.mp4 import pixel_format
from swm.data.formats.lerobot.naming import FEATURE_OF, TASK_COMPONENTS, VALID, feature_of

MAX_AXES = 5
"""Of the arrays that LeRobot describes; those with more are stored flat."""


def bind_columns(columns: Mapping[str, Column]) -> dict[str, Binding]:
    """Choose the feature that each column is written to; None for a column without elements."""
    task = next((name for name in TASK_COMPONENTS if name in columns and columns[name].dtype == "str"), None)
    taken = {*CLOCK, TASK_INDEX, VALID, *FEATURE_OF.values()}
    found = {}
    for name, column in columns.items():
        if column.dtype != "str" and not column.size:
            feature = None
        elif column.role == "transition":
            feature = FEATURE_OF[name]
        elif name == task:
            feature = TASK_INDEX
        else:
            feature = feature_of(name, taken)
            taken.add(feature)
        found[name] = Binding(column=column, feature=feature)
    return found


def is_video(column: Column) -> bool:
    """Whether the column is stored in MP4 files."""
    return column.codec in get_args(VideoCodec)


def stored_shape(column: Column) -> tuple[int, ...]:
    """The shape that LeRobot is told: scalars have one element, grey videos three channels."""
    if column.codec is not None:
        return (*column.shape[:2], 3) if is_video(column) else column.shape
    if len(column.shape) > MAX_AXES:
        return (column.size,)
    return column.shape or (1,)


def describe_features(bindings: Mapping[str, Binding], fps: int) -> dict[str, dict[str, Any]]:
    """The ``features`` of ``meta/info.json``."""
    features = {}
    for binding in bindings.values():
        if binding.feature in (None, TASK_INDEX):
            continue
        features[str(binding.feature)] = _describe(binding.column, fps)
    features[VALID] = {"dtype": "bool", "shape": [1], "names": None}
    for name, dtype in {**CLOCK, TASK_INDEX: "int64"}.items():
        features[name] = {"dtype": dtype, "shape": [1], "names": None}
    return features


def _describe(column: Column, fps: int) -> dict[str, Any]:
    shape = stored_shape(column)
    if column.codec is None:
        return {"dtype": "string" if column.dtype == "str" else column.dtype, "shape": list(shape), "names": None}
    facts: dict[str, Any] = {"dtype": "image", "shape": list(shape), "names": ["height", "width", "channels"]}
    if column.codec == "h264" or column.codec == "h264-lossless" or column.codec == "av1":
        facts["dtype"] = "video"
        facts["info"] = {
            "video.height": shape[0],
            "video.width": shape[1],
            "video.codec": column.codec.partition("-")[0],
            "video.pix_fmt": pixel_format(column.codec, column.shape),
            "video.is_depth_map": False,
            "video.fps": fps,
            "video.channels": 3,
            "has_audio": False,
        }
    return facts


def table_schema(features: Mapping[str, Mapping[str, Any]]) -> Any:
    """The Arrow schema of the data table, with what the `datasets` package needs to restore its types."""
    import pyarrow as pa

    fields, described = [], {}
    for name, facts in features.items():
        if facts["dtype"] == "video":
            continue
        kind, described[name] = _arrow_type(facts["dtype"], facts["shape"])
        fields.append(pa.field(name, kind))
    return pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": described}})})


def _arrow_type(dtype: str, shape: Sequence[int]) -> tuple[Any, dict[str, Any]]:
    """The type of a feature in Arrow and in `datasets`."""
    import pyarrow as pa

    if dtype == "image":
        return pa.struct([("bytes", pa.binary()), ("path", pa.string())]), {"_type": "Image"}
    element = pa.string() if dtype == "string" else pa.from_numpy_dtype(np.dtype(dtype))
    value = {"dtype": dtype, "_type": "Value"}
    if len(shape) == 1:
        if shape[0] == 1:
            return element, value
        return pa.list_(element, shape[0]), {"feature": value, "length": shape[0], "_type": "List"}
    for _ in shape:
        element = pa.list_(element)
    return element, {"shape": list(shape), "dtype": dtype, "_type": f"Array{len(shape)}D"}


def to_arrow(values: Array, kind: Any) -> Any:
    """Turn N values, shape (N, ...), into an Arrow array of a type that `table_schema` chose."""
    import pyarrow as pa

    if pa.types.is_string(kind):
        return pa.array(values.reshape(-1).tolist(), kind)
    flat = pa.array(np.ascontiguousarray(values).reshape(-1))
    if pa.types.is_fixed_size_list(kind):
        return pa.FixedSizeListArray.from_arrays(flat, kind.list_size)
    for axis in range(values.ndim - 1, 0, -1) if pa.types.is_list(kind) else ():
        count = int(np.prod(values.shape[:axis]))
        flat = pa.ListArray.from_arrays(np.arange(count + 1, dtype=np.int32) * values.shape[axis], flat)
    return flat


def pictures_to_arrow(blobs: Sequence[Any], kind: Any) -> Any:
    """Turn encoded pictures into the struct that `datasets` calls an image."""
    import pyarrow as pa

    paths = [f"frame-{index:06d}" for index in range(len(blobs))]
    return pa.StructArray.from_arrays(
        [pa.array([bytes(blob) for blob in blobs], pa.binary()), pa.array(paths)], fields=list(kind)
    )


def episode_table(rows: Sequence[Mapping[str, Any]]) -> Any:
    """The table of some episodes, with figures as nested lists of the types that LeRobot gives them.

    Args:
        rows: column -> value; figures are arrays.
    """
    import pyarrow as pa

    arrays = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        if isinstance(values[0], np.ndarray):
            kind = pa.from_numpy_dtype(values[0].dtype if values[0].dtype.kind != "f" else np.dtype("float64"))
            for _ in range(values[0].ndim):
                kind = pa.list_(kind)
            arrays[name] = pa.array([value.tolist() for value in values], kind)
        else:
            arrays[name] = pa.array(values)
    return pa.table(arrays)


def with_place(table: Any, place: tuple[int, int]) -> Any:
    """Add to a table of episodes the chunk and the number of the file that gets it."""
    import pyarrow as pa

    for name, number in zip(("chunk_index", "file_index"), place, strict=True):
        table = table.append_column(f"meta/episodes/{name}", pa.array([number] * table.num_rows, pa.int64()))
    return table


def split_ranges(splits: Sequence[str]) -> dict[str, str]:
    """The ``splits`` of ``meta/info.json``: LeRobot has one range of episodes per name.

    Args:
        splits: of each episode. If they alternate, all episodes are under ``"train"``.
    """
    count, held_out = len(splits), splits.count("val")
    if splits[count - held_out :] == ["val"] * held_out and held_out < count:
        ranges = {"train": (0, count - held_out), "val": (count - held_out, count)}
    elif splits[:held_out] == ["val"] * held_out:
        ranges = {"val": (0, held_out), "train": (held_out, count)}
    else:
        ranges = {"train": (0, count)}
    return {name: f"{begin}:{end}" for name, (begin, end) in ranges.items() if begin < end}


def storable(columns: Mapping[str, Column]) -> dict[str, Column]:
    """The columns as they are stored: LeRobot has no raw pictures, PNG loses nothing either."""
    return {
        name: Column(name=name, dtype=column.dtype, shape=column.shape, role=column.role, codec="png")
        if column.codec == "raw"
        else column
        for name, column in columns.items()
    }


def notes_of(binding: Binding) -> list[str]:
    """What the feature of a column does not say of it, one sentence each."""
    column = binding.column
    if is_video(column) and column.shape[2] == 1:
        return [f"The grey pictures of {column.name!r} are three equal channels of a video."]
    if binding.feature is None:
        return [f"The column {column.name!r} has no element and is no feature."]
    if column.codec is None and len(column.shape) > MAX_AXES:
        return [f"The feature of {column.name!r} is flat: LeRobot describes arrays of up to {MAX_AXES} axes."]
    return []
