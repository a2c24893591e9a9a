"""Reading a replay buffer as a dataset."""

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import DatasetError, InvalidValueError
from swm.data.columns import Array
from swm.data.formats.base import EpisodeIndex
from swm.data.formats.episodic import EpisodicReader
from swm.data.location import Location
from swm.data.replay.pages import Indices
from swm.data.replay.store import EpisodeStore
from swm.data.resize import resize


class SnapshotReader(EpisodicReader):
    """The episodes of a buffer at one moment (see `ReplayBuffer.dataset`)."""

    def __init__(self, store: EpisodeStore, lock: threading.RLock) -> None:
        """Note what is there.

        Args:
            store: of the buffer; `lock` is held by the caller.
            lock: taken for every later look at the store.

        Raises:
            DatasetError: there is no episode of at least one step.
        """
        self._store, self._lock = store, lock
        self._layout = store.layout.select(store.layout.lengths > 0)
        self._numbers = self._layout.numbers
        if not len(self._numbers):
            raise DatasetError("the buffer is empty. Add an episode first.")
        self.location = Location(uri="memory://replay")
        self.columns = dict(store.columns)
        self.version = store.version
        lengths = self._layout.lengths
        self.index = EpisodeIndex(
            lengths=lengths,
            offsets=np.cumsum(lengths + 1) - lengths - 1,
            splits=np.full(len(lengths), "train"),
            metadata=tuple(store.facts[int(number)].metadata for number in self._numbers),
            provenance=(),
        )

    def __reduce__(self) -> tuple[Any, ...]:
        raise InvalidValueError("a replay buffer lives in one process. Load it with num_workers=0.")

    def read(
        self, names: Sequence[str], rows: NDArray[np.int64], size: tuple[int, int] | None = None
    ) -> dict[str, Array]:
        """Copy the given rows of some columns (see `Reader.read`)."""
        episode = np.searchsorted(self.index.offsets, rows, side="right") - 1
        with self._lock:
            self._check_alive(np.unique(episode))
            place = self._layout.rows(episode, rows - self.index.offsets[episode])
            found = {name: self._store.rows.read(name, place) for name in names}
        if size is None:
            return found
        return {name: resize(values, size) if self._is_picture(name) else values for name, values in found.items()}

    def read_steps(self, episode: int, names: Sequence[str], steps: NDArray[np.int64]) -> dict[str, Array]:
        """Copy some steps of one episode."""
        return self.read(names, self.index.offsets[episode] + steps)

    def payload(self, episode: int) -> dict[str, Array]:
        """The arrays that hold for the whole episode."""
        with self._lock:
            self._check_alive(np.array([episode]))
            return dict(self._store.facts[int(self._numbers[episode])].payload)

    def checksums(self) -> tuple[str, ...]:
        """SHA-256 of the arrays and metadata of each episode."""
        return tuple(self._checksum(episode) for episode in range(len(self._numbers)))

    def _checksum(self, episode: int) -> str:
        digest = hashlib.sha256(self.index.metadata[episode].encode())
        steps = np.arange(self.index.lengths[episode] + 1)
        for name, column in self.columns.items():
            part = steps if column.role == "observation" else steps[:-1]
            digest.update(self.read_steps(episode, [name], part)[name].tobytes())
        return digest.hexdigest()

    def files(self) -> list[Path]:
        """None."""
        return []

    def _check_alive(self, episodes: Indices) -> None:
        gone = episodes[self._store.layout.find(self._numbers[episodes]) < 0]
        if len(gone):
            raise DatasetError(
                f"the episodes {gone.tolist()} of this snapshot have left the buffer. Take a new one with "
                f"ReplayBuffer.dataset(), or make the capacity larger."
            )
