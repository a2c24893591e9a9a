"""Where the frames of each episode are, checked against what the dataset says of itself."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import DatasetError
from swm.data.formats.lerobot.layout import EPISODES, TASKS, Info, file_at, reading

Numbers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Shard:
    """The files of one kind: each holds the frames of some episodes in order."""

    paths: tuple[Path, ...]
    file: Numbers
    """Shape (E,): of each episode, the index in `paths`."""
    first: NDArray[np.float64]
    """Shape (E,): of each episode's first frame, its row in a table or its time in a video, in seconds."""


@dataclass(frozen=True, kw_only=True)
class Episodes:
    """E episodes by LeRobot's numbers."""

    lengths: Numbers
    """Shape (E,): frames."""
    data: Shard
    videos: Mapping[str, Shard]
    """By feature."""


def read_episodes(root: Path, info: Info) -> Episodes:
    """Read where everything is.

    Raises:
        DatasetError: a table is missing or damaged, numbers contradict each other, or a file is missing.
    """
    cameras = [name for name, feature in info.features.items() if feature.dtype == "video"]
    if cameras and info.video_path is None:
        raise DatasetError(f"{root}: meta/info.json has videos {cameras} but no video_path. Restore it.")
    episodes = _many_per_file(root, info, cameras) if info.many_per_file else _one_per_file(root, info, cameras)
    if len(episodes.lengths) != info.total_episodes or episodes.lengths.sum() != info.total_frames:
        raise DatasetError(
            f"{root}: meta/info.json promises {info.total_episodes} episodes with {info.total_frames} frames, the "
            f"episodes' own table has {len(episodes.lengths)} with {episodes.lengths.sum()}. A copy or an edit is "
            f"incomplete: copy the whole dataset again."
        )
    for shard in (episodes.data, *episodes.videos.values()):
        for path in shard.paths:
            if not path.is_file():
                raise DatasetError(f"{root}: {path.relative_to(root)} is missing. Copy the whole dataset again.")
    return episodes


def _many_per_file(root: Path, info: Info, cameras: Sequence[str]) -> Episodes:
    wanted = ["episode_index", "length", "dataset_from_index", "dataset_to_index"]
    wanted += ["data/chunk_index", "data/file_index"]
    for name in cameras:
        wanted += [f"videos/{name}/{what}" for what in ("chunk_index", "file_index", "from_timestamp")]
    table = _episode_table(root, wanted)
    table = {name: values[np.argsort(table["episode_index"])] for name, values in table.items()}
    lengths = table["length"]
    _check_numbers(root, table["episode_index"], lengths)
    begins = np.cumsum(lengths) - lengths
    _check_offsets(root, table, begins)
    data = _shard(root, info.data_path, table, "data")
    starts = np.full(len(data.paths), np.iinfo(np.int64).max)
    np.minimum.at(starts, data.file, begins)
    first = (begins - starts[data.file]).astype(np.float64)
    return Episodes(
        lengths=lengths,
        data=Shard(paths=data.paths, file=data.file, first=first),
        videos={name: _shard(root, str(info.video_path), table, f"videos/{name}", video_key=name) for name in cameras},
    )


def _check_offsets(root: Path, table: Mapping[str, NDArray[Any]], begins: Numbers) -> None:
    """Check that each episode's frames follow those of the one before."""
    ends = begins + table["length"]
    wrong = np.flatnonzero((table["dataset_from_index"] != begins) | (table["dataset_to_index"] != ends))
    if len(wrong):
        first = int(wrong[0])
        raise DatasetError(
            f"{root}: episode {first} should have the frames {begins[first]} to {ends[first]}, {EPISODES} says "
            f"{table['dataset_from_index'][first]} to {table['dataset_to_index'][first]}. The table is scrambled, as "
            f"early writers of v3.0 left it: convert the dataset again from its v2.1."
        )


def _shard(root: Path, template: str, table: Mapping[str, NDArray[Any]], prefix: str, **fields: str) -> Shard:
    """The files that the columns of one kind name, and the time at which each episode begins in them, if they say."""
    named = np.stack([table[f"{prefix}/chunk_index"], table[f"{prefix}/file_index"]], 1)
    pairs, file = np.unique(named, axis=0, return_inverse=True)
    paths = [
        file_at(root, template, chunk_index=chunk, file_index=number, **fields) for chunk, number in pairs.tolist()
    ]
    first = table.get(f"{prefix}/from_timestamp", np.zeros(len(named)))
    return Shard(paths=tuple(paths), file=file.reshape(-1), first=first)


def _episode_table(root: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Columns of the Parquet files under ``meta/episodes``, one after the other."""
    import pyarrow.parquet as pq

    paths = sorted((root / EPISODES).glob("*/*.parquet"))
    if not paths:
        raise DatasetError(
            f"{root}: {EPISODES} holds no table, so that the recording was not finished (finalize() of lerobot), or "
            f"its copy is incomplete."
        )
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in names}
    for path in paths:
        with reading(path):
            table = pq.ParquetFile(path).read(columns=list(names), use_threads=False)
            for name in names:
                values = table.column(name).to_numpy()
                kind = np.float64 if name.endswith("timestamp") else np.int64
                parts[name].append(values.astype(kind, casting="same_kind"))
    return {name: np.concatenate(values) for name, values in parts.items()}


def _one_per_file(root: Path, info: Info, cameras: Sequence[str]) -> Episodes:
    rows = read_lines(root / "meta/episodes.jsonl", lambda row: (int(row["episode_index"]), int(row["length"])))
    table = np.array(sorted(rows), np.int64).reshape(-1, 2)
    _check_numbers(root, table[:, 0], table[:, 1])
    numbers = table[:, 0]

    def shard(template: str, **fields: str) -> Shard:
        paths = [
            file_at(root, template, episode_chunk=number // info.chunks_size, episode_index=number, **fields)
            for number in numbers.tolist()
        ]
        return Shard(paths=tuple(paths), file=numbers, first=np.zeros(len(numbers)))

    return Episodes(
        lengths=table[:, 1],
        data=shard(info.data_path),
        videos={name: shard(str(info.video_path), video_key=name) for name in cameras},
    )


def _check_numbers(root: Path, numbers: Numbers, lengths: Numbers) -> None:
    if (numbers != np.arange(len(numbers))).any():
        raise DatasetError(
            f"{root}: the episodes must be numbered from 0 without gaps, got {numbers[:20].tolist()}. "
            f"A part of meta/ is missing or was written twice."
        )
    if (lengths < 1).any():
        raise DatasetError(f"{root}: episode {int(np.argmin(lengths))} has {lengths.min()} frames. meta/ is damaged.")


def read_tasks(root: Path, info: Info) -> list[str]:
    """The tasks' texts by ``task_index``.

    Raises:
        DatasetError: the table is missing or damaged.
    """
    if not info.many_per_file:
        rows = read_lines(root / "meta/tasks.jsonl", lambda row: (int(row["task_index"]), str(row["task"])))
    else:
        rows = _task_table(root / TASKS)
    found = dict(rows)
    if sorted(found) != list(range(len(found))):
        raise DatasetError(f"{root}: tasks must be numbered from 0 without gaps, got {sorted(found)[:20]}.")
    return [found[index] for index in range(len(found))]


def _task_table(path: Path) -> list[tuple[int, str]]:
    """The column that is not ``task_index`` holds the texts: its name depends on the version of lerobot."""
    import pyarrow.parquet as pq

    with reading(path):
        table = pq.ParquetFile(path).read(use_threads=False)
        (texts,) = [name for name in table.column_names if name != "task_index"]
        pairs = zip(table["task_index"].to_pylist(), table[texts].to_pylist(), strict=True)
        return [(int(index), str(text)) for index, text in pairs]


def read_lines(path: Path, parse: Callable[[Any], Any]) -> list[Any]:
    """Parse each line of a file of JSON values.

    Raises:
        DatasetError: the file or a line is damaged.
    """
    with reading(path), path.open(encoding="utf-8") as lines:
        return [parse(json.loads(line)) for line in lines if line.strip()]
