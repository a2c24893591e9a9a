"""One version of a dataset: what it holds, and how to read it."""

import functools
import hashlib
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.core.config import to_json
from swm.core.errors import DatasetError, InvalidValueError, UnknownNameError
from swm.data.clips import Clips
from swm.data.columns import Array, Column, Role, escape, select
from swm.data.episode import TRANSITIONS, Episode
from swm.data.formats.base import Reader
from swm.data.goals import Goals
from swm.data.measure import picture_statistics, show_when_slow, stream_statistics
from swm.data.normalize import Method, Normalizer
from swm.data.returns import NStep
from swm.data.statistics import Statistics, load_statistics, save_statistics

_CHUNK_ROWS, _CHUNK_BYTES = 4096, 1 << 24
_SPLITS = ("train", "val", "all")


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
        """The absolute path, or the URI in an object store."""
        return self.reader.location.uri

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

    @property
    def offsets(self) -> NDArray[np.int64]:
        """Row of each episode's first observation, shape (E,); an episode of T transitions has T + 1 rows."""
        return self.reader.index.offsets

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
        return hashlib.sha256(json.dumps([to_json(columns), self.reader.checksums()]).encode()).hexdigest()

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

    def rows(self, episodes: Array, role: Role) -> NDArray[np.int64]:
        """The row numbers of some episodes, one episode after the other.

        Args:
            episodes: episode indices.
            role: ``"observation"`` for T + 1 rows per episode, ``"transition"`` for T.
        """
        counts = self.lengths[episodes] + (role == "observation")
        ends = np.cumsum(counts)
        return np.repeat(self.offsets[episodes] - (ends - counts), counts) + np.arange(ends[-1] if len(ends) else 0)

    def episode(self, index: int, columns: Sequence[str] | None = None, *, decode: bool = True) -> Episode:
        """Read one episode.

        Args:
            index: from 0, or from -1 backwards.
            columns: the observation components to read; None is all. Transitions are always read.
            decode: whether pictures come as arrays. Otherwise they come as they are stored
                (`EncodedPictures`, `EncodedVideo`) where the format can, and a writer takes them
                unchanged.

        Raises:
            InvalidValueError: there is no such episode.
            UnknownNameError: a name is not a column.
        """
        if not isinstance(index, int | np.integer):
            raise InvalidValueError(f"an episode is named by a whole number, got {index!r}.")
        if not -self.num_episodes <= index < self.num_episodes:
            raise InvalidValueError(f"episode {index} of {self.uri}: there are {self.num_episodes}, counted from 0.")
        index %= self.num_episodes
        names = self.columns if columns is None else select(self.columns, columns)
        components = [name for name in names if name not in TRANSITIONS]
        kept: dict[str, Any] = {}
        if not decode:
            stored = {name: self.reader.encoded(name, index) for name in components if self.columns[name].codec}
            kept = {name: pictures for name, pictures in stored.items() if pictures is not None}
        read = [name for name in components if name not in kept]
        arrays = {**self.reader.read(read, self.rows(np.array([index]), "observation")), **kept}
        return Episode(
            observation={name: arrays[name] for name in components},
            payload=self.reader.payload(index),
            metadata=json.loads(self.reader.index.metadata[index]),
            **self.reader.read(TRANSITIONS, self.rows(np.array([index]), "transition")),
        )

    def clips(
        self,
        *,
        num_steps: int = 4,
        frame_skip: int = 1,
        columns: Sequence[str] | None = None,
        split: str = "train",
        pad: bool = False,
        image_size: tuple[int, int] | None = None,
        goals: Goals | None = None,
        n_step: NStep | None = None,
    ) -> Clips:
        """Every window of `num_steps` observations, `frame_skip` apart, within one episode (see `Clips`).

        Args:
            num_steps: observations per clip, at least 1.
            frame_skip: steps from one observation to the next, at least 1.
            columns: what to return; None is every observation column and ``action``.
            split: ``"train"``, ``"val"`` or ``"all"``.
            pad: whether windows may run over the end of the episode, with masks that tell.
            image_size: height and width to which pictures are resized while they are decoded.
            goals: adds a goal to each clip.
            n_step: adds a return over n steps to each clip.

        Raises:
            UnknownNameError: no such column or split.
            InvalidValueError: a number is out of range, or two columns would have the same name.
            DatasetError: no episode of the split is long enough.
        """
        return Clips(
            self,
            num_steps=num_steps,
            frame_skip=frame_skip,
            columns=columns,
            split=split,
            pad=pad,
            image_size=image_size,
            goals=goals,
            n_step=n_step,
        )

    def statistics(self, column: str, split: str = "train") -> Statistics:
        """Moments, range, quantiles and histogram of a column, computed in a stream and kept beside the data.

        NaN and infinite values are left out, counted, and warned of.

        Args:
            column: any of numbers; of pictures, the figures are per channel.
            split: ``"train"``, ``"val"`` or ``"all"``.

        Raises:
            UnknownNameError: no such column or split.
            InvalidValueError: the column holds texts.
            DatasetError: the split has no episode.
        """
        (column,) = select(self.columns, [column])
        facts = self.columns[column]
        if facts.dtype == "str":
            numeric = ", ".join(name for name, other in self.columns.items() if other.dtype != "str")
            raise InvalidValueError(
                f"{column!r} of {self.uri} holds texts, which have no statistics. Ask for {numeric}."
            )
        episodes = self.split(split)
        if not len(episodes):
            raise DatasetError(f"{self.uri} has no episode in the split {split!r}: there is nothing to measure.")
        shape = facts.shape if facts.codec is None else facts.shape[-1:]
        place = self.reader.location.aside
        lasts = not place.uri.startswith("memory://")
        name = f"statistics/{self.fingerprint[:16]}-{split}-{escape(column)}.json" if lasts else ""
        result = load_statistics(place, name, shape) if lasts else None
        if result is None:
            chunks = self._stream(facts, episodes)
            result = stream_statistics(chunks, shape) if facts.codec is None else picture_statistics(chunks, *shape)
            if lasts:
                save_statistics(place, name, result)
        if result.num_nonfinite.any():
            warnings.warn(
                f"{self.uri}: {result.num_nonfinite.sum()} values of {column!r} in the split {split!r} are NaN or "
                f"infinite, in the entries {np.flatnonzero(result.num_nonfinite).tolist()}. "
                f"The statistics leave them out; `num_nonfinite` counts them.",
                stacklevel=2,
            )
        return result

    def normalizer(self, column: str, method: Method = "zscore", split: str = "train") -> Normalizer:
        """A map between a column's values and a common range, from the statistics of a split (see `Normalizer`).

        Raises:
            UnknownNameError: no such column, method or split.
            InvalidValueError: the column holds texts, or an entry has no finite value.
            DatasetError: the split has no episode.
        """
        return Normalizer.from_statistics(
            self.statistics(column, split), method, column=column, split=split, fingerprint=self.fingerprint
        )

    def _stream(self, column: Column, episodes: Array) -> Iterator[Array]:
        """Read the rows of some episodes in chunks, with a progress bar if it takes long."""
        rows = self.rows(episodes, column.role)
        step = int(np.clip(_CHUNK_BYTES // max(column.size * np.dtype(column.dtype).itemsize, 1), 1, _CHUNK_ROWS))
        chunks = (self.reader.read([column.name], rows[i : i + step])[column.name] for i in range(0, len(rows), step))
        return show_when_slow(chunks, f"measure {column.name}", len(rows))

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


def check_dataset(dataset: object) -> None:
    """Check that something is an opened dataset and not the path of one.

    Raises:
        InvalidValueError: it is not.
    """
    if not isinstance(dataset, Dataset):
        raise InvalidValueError(f"an opened dataset was expected, got {dataset!r}. Use swm.data.open(path).")
