"""Opening, reading and creating datasets."""

import functools
import hashlib
import json
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.core.config import to_json, write_json
from swm.core.errors import DatasetError, InvalidValueError, UnknownNameError
from swm.core.registry import load_target
from swm.data.clips import Clips
from swm.data.columns import Array, Codec, Column, escape, select
from swm.data.episode import TRANSITIONS, Episode
from swm.data.formats import FORMATS, Reader, Writer
from swm.data.options import Mode, WriteOptions
from swm.data.statistics import Statistics, stream_statistics

_CHUNK_ROWS = 4096
_SPLITS = ("train", "val", "all")


def create(
    uri: str | os.PathLike[str],
    *,
    mode: Mode = "error",
    codec: Codec | None = None,
    quality: int = 95,
    shard_size: int = 4096,
    provenance: Mapping[str, Any] | None = None,
    val_fraction: float = 0.1,
) -> Writer:
    """Make a dataset, or continue one, and return its writer.

    Args:
        uri: a local directory.
        mode: ``"error"`` refuses an existing dataset, ``"append"`` continues it or begins one,
            ``"overwrite"`` replaces it once the first new shard is committed.
        codec: of pictures named ``pixels`` or ``pixels.<view>``: ``"jpeg"``, ``"png"`` or
            ``"raw"``. None is that of the dataset, or JPEG for a new one. Other pictures are never lossy.
        quality: of JPEG, 1 to 100.
        shard_size: observations per commit.
        provenance: how the data came to be, JSON-ready; kept once for this writing session.
        val_fraction: share of the episodes that is held out. An episode's split is a function of
            ``metadata["seed"]``, or of its index if it has no seed.

    Raises:
        DatasetError: the dataset exists, has another writer, or `uri` holds something else.
    """
    path = local_path(uri)
    options = WriteOptions(
        mode=mode,
        codec=codec,
        quality=quality,
        shard_size=shard_size,
        provenance=dict(provenance or {}),
        val_fraction=val_fraction,
    )
    layout = _detect(path) or "frames"
    foreign = path.exists() and _detect(path) is None and (not path.is_dir() or set(os.listdir(path)) - {".lock"})
    if foreign:
        raise DatasetError(f"{path} exists and is not a dataset: nothing was touched. Choose another place.")
    if mode == "error" and path.exists() and _has_episodes(path):
        raise DatasetError(
            f"{path} exists already. Continue it with mode='append', replace it with mode='overwrite', or choose "
            f"another place."
        )
    writer: Writer = load_target(FORMATS[layout].writer)(path, options)
    return writer


def open(uri: str | os.PathLike[str], *, version: int | None = None, cache_bytes: int = 1 << 30) -> "Dataset":
    """Open a dataset of any known layout.

    Args:
        uri: a local directory.
        version: None for the latest. A dataset gets a new version with each commit.
        cache_bytes: how much of it each process may keep in memory. Columns stay there whole, as
            stored: pictures remain encoded.

    Raises:
        DatasetError: nothing is there, it is no dataset, has no such version, or was written by a
            newer version of this package.
    """
    path = local_path(uri)
    if not path.exists():
        raise DatasetError(f"no dataset at {path}: the path does not exist (from {os.getcwd()}).")
    layout = _detect(path)
    if layout is None:
        known = ", ".join(FORMATS)
        raise DatasetError(f"{path} is not a dataset of a known format ({known}). Give the directory itself.")
    dataset = Dataset(FORMATS.load(layout)(path, version, cache_bytes))
    if dataset.torn_rows:
        warnings.warn(
            f"{path}: a writer was stopped before its last commit: {dataset.torn_rows} rows of unfinished episodes "
            f"are ignored, {dataset.num_episodes} episodes are complete. The next mode='append' removes them.",
            stacklevel=2,
        )
    return dataset


def local_path(uri: str | os.PathLike[str]) -> Path:
    """Turn a path or ``file://`` URI into an absolute path.

    Raises:
        DatasetError: another kind of URI.
    """
    text = os.fspath(uri).removeprefix("file://")
    if "://" in text:
        raise DatasetError(f"{text}: datasets are read and written on local disks. Download it and give its path.")
    return Path(text).expanduser().absolute()


def _detect(path: Path) -> str | None:
    return next((name for name, row in FORMATS.items() if row.detect(path)), None)


def _has_episodes(path: Path) -> bool:
    versions = path / "episodes.lance" / "_versions"
    return versions.is_dir() and any(versions.iterdir())


@dataclass(frozen=True, kw_only=True)
class VerifyReport:
    """What `Dataset.verify` found."""

    uri: str
    version: int
    num_episodes: int
    num_steps: int
    torn_rows: int
    problems: tuple[str, ...]
    """One sentence per damage; empty if the data are what was written."""

    @property
    def ok(self) -> bool:
        """Whether nothing is damaged."""
        return not self.problems


class Dataset:
    """One version of a dataset: E episodes, read by episode or by clips.

    Pickles as its path and version: a process that receives it opens its own handles, so it may
    cross to spawned, forkserver and forked workers.
    """

    def __init__(self, reader: Reader) -> None:
        """Wrap the reader of a layout; `swm.data.open` finds the right one."""
        self.reader = reader

    def __reduce__(self) -> tuple[Any, ...]:
        return Dataset, (self.reader,)

    def __repr__(self) -> str:
        return f"Dataset({self.uri!r}, version={self.version}: {self.num_episodes} episodes, {self.num_steps} steps)"

    def __len__(self) -> int:
        return self.num_episodes

    @property
    def uri(self) -> str:
        """The absolute path."""
        return str(self.reader.path)

    @property
    def version(self) -> int:
        """Names this content: ``open(uri, version=...)`` gives it again after later writes."""
        return self.reader.version

    @property
    def columns(self) -> Mapping[str, Column]:
        """Every column by name: observations, then transitions."""
        return self.reader.columns

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Transitions of each episode, shape (E,)."""
        return self.reader.index.lengths

    @functools.cached_property
    def offsets(self) -> NDArray[np.int64]:
        """Row of each episode's first observation, shape (E,); an episode of T transitions has T + 1 rows."""
        ends: NDArray[np.int64] = np.cumsum(self.lengths + 1)
        return ends - self.lengths - 1

    @property
    def num_episodes(self) -> int:
        """The number E of episodes."""
        return len(self.lengths)

    @functools.cached_property
    def num_steps(self) -> int:
        """Transitions of all episodes together."""
        return int(self.lengths.sum())

    @functools.cached_property
    def episodes(self) -> tuple[dict[str, Any], ...]:
        """Per episode: ``index``, ``length``, ``split`` and its ``metadata``."""
        index = self.reader.index
        return tuple(
            {"index": i, "length": int(length), "split": str(split), "metadata": json.loads(metadata)}
            for i, (length, split, metadata) in enumerate(zip(index.lengths, index.splits, index.metadata, strict=True))
        )

    @property
    def provenance(self) -> tuple[Mapping[str, Any], ...]:
        """How the data came to be: one entry per writing session, each with its ``first_episode``."""
        return self.reader.index.provenance

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the content, hexadecimal: the same for a copy, whatever its versions."""
        columns = sorted(self.columns.values(), key=lambda column: column.name)
        return hashlib.sha256(json.dumps([to_json(columns), self.reader.index.checksums]).encode()).hexdigest()

    @functools.cached_property
    def torn_rows(self) -> int:
        """Rows that a killed writer left behind; they are ignored, and removed by the next writer."""
        return self.reader.torn_rows()

    def split(self, name: str) -> NDArray[np.int64]:
        """The indices of the episodes of ``"train"``, ``"val"`` or ``"all"``.

        Raises:
            UnknownNameError: another name.
        """
        if name not in _SPLITS:
            raise UnknownNameError("split", name, _SPLITS)
        return np.flatnonzero((self.reader.index.splits == name) | (name == "all"))

    def rows(self, episodes: Array, role: str) -> NDArray[np.int64]:
        """The row numbers of some episodes, one episode after the other.

        Args:
            episodes: episode indices.
            role: ``"observation"`` for T + 1 rows per episode, ``"transition"`` for T.
        """
        counts = self.lengths[episodes] + (role == "observation")
        ends = np.cumsum(counts)
        return np.repeat(self.offsets[episodes] - (ends - counts), counts) + np.arange(ends[-1] if len(ends) else 0)

    def episode(self, index: int, columns: Sequence[str] | None = None) -> Episode:
        """Read one episode.

        Args:
            index: from 0, or from -1 backwards.
            columns: the observation components to read; None is all. Transitions are always read.

        Raises:
            InvalidValueError: there is no such episode.
            UnknownNameError: a name is not a column.
        """
        if not -self.num_episodes <= index < self.num_episodes:
            raise InvalidValueError(f"episode {index} of {self.uri}: there are {self.num_episodes}, counted from 0.")
        index %= self.num_episodes
        names = self.columns if columns is None else select(self.columns, columns)
        read: dict[str, Array] = {}
        for role, wanted in (
            ("observation", [name for name in names if name not in TRANSITIONS]),
            ("transition", list(TRANSITIONS)),
        ):
            read |= self.reader.read(wanted, self.rows(np.array([index]), role))
        transitions = {name: read.pop(name) for name in TRANSITIONS}
        return Episode(observation=read, metadata=json.loads(self.reader.index.metadata[index]), **transitions)

    def clips(
        self,
        *,
        num_steps: int = 4,
        frame_skip: int = 1,
        columns: Sequence[str] | None = None,
        split: str = "train",
    ) -> Clips:
        """Every window of `num_steps` observations, `frame_skip` apart, within one episode (see `Clips`)."""
        return Clips(self, num_steps=num_steps, frame_skip=frame_skip, columns=columns, split=split)

    def statistics(self, column: str, split: str = "train") -> Statistics:
        """Mean, spread and range of a column, computed in a stream and kept beside the data.

        Args:
            column: any; of pictures, the figures are per channel.
            split: ``"train"``, ``"val"`` or ``"all"``.

        Raises:
            UnknownNameError: no such column or split.
            DatasetError: the split has no episode.
        """
        (column,) = select(self.columns, [column])
        episodes = self.split(split)
        if not len(episodes):
            raise DatasetError(f"{self.uri} has no episode in the split {split!r}: there is nothing to measure.")
        kept = self.reader.path / "statistics" / f"{self.fingerprint[:16]}-{split}-{escape(column)}.json"
        if kept.exists():
            return Statistics.from_lists(json.loads(kept.read_text(encoding="utf-8")))
        facts = self.columns[column]
        shape = facts.shape if facts.codec is None else facts.shape[-1:]
        result = stream_statistics((chunk.reshape(-1, *shape) for chunk in self._stream(facts, episodes)), shape)
        if os.access(self.reader.path, os.W_OK):
            write_json(kept, result.to_json())
        return result

    def _stream(self, column: Column, episodes: Array) -> Iterator[Array]:
        rows = self.rows(episodes, column.role)
        for begin in range(0, len(rows), _CHUNK_ROWS):
            yield self.reader.read([column.name], rows[begin : begin + _CHUNK_ROWS])[column.name]

    def verify(self) -> VerifyReport:
        """Read everything: compare it with its checksums, decode every picture, count."""
        return VerifyReport(
            uri=self.uri,
            version=self.version,
            num_episodes=self.num_episodes,
            num_steps=self.num_steps,
            torn_rows=self.torn_rows,
            problems=tuple(self.reader.problems()),
        )
