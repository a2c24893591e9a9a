"""The layouts that a dataset may have on disk, and what each of them provides."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from swm.core.registry import Registry, Row
from swm.data.columns import Array, Column
from swm.data.episode import Episode


@dataclass(frozen=True, kw_only=True)
class EpisodeIndex:
    """What a dataset knows about its E episodes without reading a step."""

    lengths: NDArray[np.int64]
    """Shape (E,): transitions."""
    splits: NDArray[np.str_]
    """Shape (E,): ``"train"`` or ``"val"``."""
    checksums: tuple[str, ...]
    """SHA-256 of what is stored of each episode, hexadecimal."""
    metadata: tuple[str, ...]
    """The metadata of each episode as JSON."""
    provenance: tuple[Mapping[str, Any], ...]
    """One entry per writing session, with its ``first_episode``."""


class Reader(Protocol):
    """Random access to one version of a dataset. Pickles small; a process that gets it opens its own handles."""

    path: Path
    version: int
    columns: Mapping[str, Column]
    index: EpisodeIndex

    def read(self, names: Sequence[str], rows: NDArray[np.int64]) -> dict[str, Array]:
        """Read and decode the given rows of some columns.

        Args:
            names: columns.
            rows: distinct row numbers, any order. An episode of T transitions has T + 1 rows; the
                last of them has no values in the transition columns and must not be asked for there.

        Returns:
            Column -> (len(rows), ...).
        """
        ...

    def torn_rows(self) -> int:
        """Rows that a killed writer left behind without committing their episode."""
        ...

    def problems(self) -> Iterator[str]:
        """Compare everything stored with its checksums and decode every picture; yield what is wrong."""
        ...

    def disk_bytes(self) -> dict[str, int]:
        """Column -> bytes on disk."""
        ...


class Writer(Protocol):
    """Appends episodes, in shards: what is committed survives whatever happens to the process."""

    num_episodes: int
    """Committed episodes of the dataset, those of earlier sessions included."""

    def write(self, episode: Episode) -> None:
        """Take one episode; it is committed with its shard. Its arrays are the caller's again on return.

        Raises:
            DatasetError: its columns are not those of the dataset.
        """
        ...

    def flush(self) -> None:
        """Commit what was written so far."""
        ...

    def close(self) -> None:
        """Commit and release the dataset; further calls do nothing."""
        ...

    def __enter__(self) -> Self:
        """Return the writer."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close; the whole episodes written before an exception are committed too."""
        ...


@dataclass(frozen=True, kw_only=True)
class FormatRow(Row):
    """One layout: `target` opens a `Reader` from ``(path, version, cache_bytes)``."""

    writer: str
    """``"package.module:Name"`` of the `Writer`."""
    detect: Callable[[Path], bool]
    """Whether a path holds a dataset of this layout; looks at names alone."""


FORMATS: Registry[FormatRow] = Registry(
    "dataset format",
    {
        "frames": FormatRow(
            target="swm.data.formats.frames:FramesReader",
            writer="swm.data.formats.frames_writer:FramesWriter",
            detect=lambda path: (path / "steps.lance").is_dir(),
            summary="Lance tables with one row per step and one encoded picture per row: fast random access",
        ),
    },
    group="swm.formats",
)
