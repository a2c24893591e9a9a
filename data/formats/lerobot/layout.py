"""What a LeRobot dataset says of itself in ``meta/info.json``."""

import contextlib
import json
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swm.core.errors import DatasetError, SwmError
from swm.data.options import Mode

INFO = "meta/info.json"
STATS = "meta/stats.json"
TASKS = "meta/tasks.parquet"
EPISODES = "meta/episodes"
EPISODES_FILE = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
DATA_FILE = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_FILE = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
WRITTEN_VERSION = "v3.0"
READ_VERSIONS = ("v3.0", "v2.1", "v2.0")

CLOCK = {"timestamp": "float32", "frame_index": "int64", "episode_index": "int64", "index": "int64"}
"""Features that follow from the order of the frames: made when writing, checked or ignored when reading."""
TASK_INDEX = "task_index"
CAMERA_DTYPES = ("image", "video")


@dataclass(frozen=True, kw_only=True)
class Feature:
    """One quantity that is recorded at every frame."""

    dtype: str
    """NumPy's name, or ``"string"``, ``"image"``, ``"video"``."""
    shape: tuple[int, ...]
    names: Any
    """Of the elements: a list, a mapping, or None."""
    info: Mapping[str, Any]
    """Of a video: codec, pixel format and so on."""

    @property
    def is_camera(self) -> bool:
        """Whether it holds pictures."""
        return self.dtype in CAMERA_DTYPES

    @property
    def channels_first(self) -> bool:
        """Whether the shape of a picture is (channels, height, width)."""
        first = self.names[0] if isinstance(self.names, list) and len(self.names) == 3 else None
        if first is not None:
            return str(first).startswith("channel")
        return len(self.shape) == 3 and self.shape[0] in (1, 3) and self.shape[2] not in (1, 3)


@dataclass(frozen=True, kw_only=True)
class Info:
    """The content of ``meta/info.json``."""

    version: str
    fps: float
    features: Mapping[str, Feature]
    total_episodes: int
    total_frames: int
    chunks_size: int
    data_path: str
    """A template with ``chunk_index`` and ``file_index`` (v3.0) or ``episode_chunk`` and ``episode_index`` (v2)."""
    video_path: str | None
    splits: Mapping[str, str]
    """Name -> ``"first:end"`` of the episodes."""

    @property
    def many_per_file(self) -> bool:
        """Whether files hold many episodes, as in v3."""
        return self.version.startswith("v3")


def detect(path: Path) -> bool:
    """Whether `path` holds a LeRobot dataset of any version."""
    try:
        return b'"codebase_version"' in (path / INFO).read_bytes()
    except OSError:
        return False


_DAMAGE = (
    *(OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError, EOFError),
    *(MemoryError, zipfile.BadZipFile, zlib.error),
)
"""What json, NumPy and Arrow raise over bytes that are not what they expect."""


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what is raised over a file that is missing, damaged or of another form into an error that names it.

    Raises:
        DatasetError: that was raised within.
    """
    try:
        yield
    except SwmError:
        raise
    except _DAMAGE as error:
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise DatasetError(
            f"{path} cannot be read ({reason}). It is missing, damaged, or not what LeRobot writes: copy it again."
        ) from error


def read_info(root: Path) -> Info:
    """Read ``meta/info.json``.

    Raises:
        DatasetError: it is missing or damaged, or of a version or storage that is not read.
    """
    path = root / INFO
    with reading(path):
        facts = json.loads(path.read_bytes())
        version = str(facts["codebase_version"])
    if version not in READ_VERSIONS:
        raise DatasetError(
            f"{root} is a LeRobot dataset of version {version!r}; {', '.join(READ_VERSIONS)} are read. "
            f"Convert it with the lerobot package, or upgrade this one."
        )
    if facts.get("storage_format", "parquet") != "parquet":
        raise DatasetError(
            f"{root}: LeRobot's storage_format {facts['storage_format']!r} is not read, Parquet and MP4 are. "
            f"Export it with the lerobot package."
        )
    with reading(path):
        return _info_of(facts, version)


def _info_of(facts: Mapping[str, Any], version: str) -> Info:
    features = {
        str(name): Feature(
            dtype=str(given["dtype"]),
            shape=tuple(int(size) for size in given["shape"]),
            names=given.get("names"),
            info=dict(given.get("info") or given.get("video_info") or {}),
        )
        for name, given in facts["features"].items()
    }
    fps = float(facts["fps"])
    if not 0 < fps < float("inf"):
        raise ValueError(f"fps is {facts['fps']!r}")
    return Info(
        version=version,
        fps=fps,
        features=features,
        total_episodes=int(facts["total_episodes"]),
        total_frames=int(facts["total_frames"]),
        chunks_size=max(int(facts.get("chunks_size") or 1000), 1),
        data_path=str(facts["data_path"]),
        video_path=None if facts.get("video_path") is None else str(facts["video_path"]),
        splits={str(name): str(part) for name, part in (facts.get("splits") or {}).items()},
    )


def file_at(root: Path, template: str, **fields: Any) -> Path:
    """The file that a template of ``info.json`` names.

    Raises:
        DatasetError: it has other fields, or leads out of the dataset.
    """
    with reading(root / INFO):
        name = os.path.normpath(template.format(**fields))
        if os.path.isabs(name) or name.split(os.sep)[0] == os.pardir:
            raise ValueError(f"the path {template!r} leads out of the dataset")
        return root / name


def check_free(path: Path, mode: Mode) -> None:
    """Check that the place may be taken.

    Raises:
        DatasetError: there is a dataset and the mode is not to replace it, or there is something else.
    """
    if not path.exists() or (path.is_dir() and not set(os.listdir(path)) - {".lock"}):
        return
    if not (path / INFO).exists():
        raise DatasetError(f"{path} exists and is no LeRobot dataset: nothing was touched. Choose another place.")
    if mode == "overwrite":
        return
    if mode == "append":
        raise DatasetError(
            f"{path} is finished: a LeRobot dataset cannot be continued. Write the episodes to a new one "
            f"and merge the two, or record in Lance and export at the end."
        )
    raise DatasetError(f"{path} exists already. Replace it with mode='overwrite', or choose another place.")
