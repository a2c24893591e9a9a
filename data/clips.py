"""Windows of a few observations within one episode: what world models train on."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import DatasetError, InvalidValueError
from swm.data.columns import Array, select

if TYPE_CHECKING:
    from swm.data.dataset import Dataset

Batch = dict[str, Array]


class Clips(Sequence[Batch]):
    """Every window of `num_steps` observations, `frame_skip` steps apart, that fits into an episode.

    A clip that starts at step s of an episode has the observations s, s + frame_skip, ... and all
    ``(num_steps - 1) * frame_skip`` transitions between them, in blocks of `frame_skip`:

    - an observation column: (num_steps, ...);
    - ``action``: (num_steps - 1, frame_skip * A), the actions of a block one after the other;
    - any other transition column: (num_steps - 1, frame_skip, ...).

    ``clips[i]`` is one clip; ``clips.__getitems__(indices)`` a batch with one more axis in front,
    for which each picture is read and decoded once. Clips are ordered by episode, then by start.
    """

    def __init__(
        self, dataset: "Dataset", *, num_steps: int, frame_skip: int, columns: Sequence[str] | None, split: str
    ) -> None:
        """Index the clips of a split; nothing is read yet.

        Args:
            dataset: where from.
            num_steps: observations per clip, at least 1.
            frame_skip: steps from one observation to the next, at least 1.
            columns: what to return; None is every observation column and ``action``.
            split: ``"train"``, ``"val"`` or ``"all"``.

        Raises:
            UnknownNameError: no such column or split.
            DatasetError: no episode of the split is long enough.
        """
        for name, value in (("num_steps", num_steps), ("frame_skip", frame_skip)):
            if value < 1:
                raise InvalidValueError(f"{name} must be at least 1, got {value!r}.")
        if columns is None:
            columns = [c.name for c in dataset.columns.values() if c.role == "observation" or c.name == "action"]
        self.dataset = dataset
        self.num_steps = num_steps
        self.frame_skip = frame_skip
        self.split = split
        self.columns = select(dataset.columns, columns)
        self.span = (num_steps - 1) * frame_skip
        episodes = dataset.split(split)
        starts = np.maximum(dataset.lengths[episodes] - self.span + 1, 0)
        self.num_short_episodes = int((starts == 0).sum())
        self._episodes = episodes[starts > 0]
        self._ends = np.cumsum(starts[starts > 0])
        if not len(self._episodes):
            longest = int(dataset.lengths[episodes].max()) if len(episodes) else 0
            raise DatasetError(
                f"{dataset.uri} has no clip of {num_steps} observations {frame_skip} apart ({self.span} transitions) "
                f"in the split {split!r}: of its {len(episodes)} episodes the longest has {longest}. "
                f"Ask for shorter clips, another split, or record more."
            )

    def __len__(self) -> int:
        return int(self._ends[-1])

    def locate(self, indices: Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Episode and first step of some clips.

        Raises:
            InvalidValueError: an index is out of range.
        """
        indices = np.asarray(indices, np.int64)
        if indices.size and not (indices.min() >= 0 and indices.max() < len(self)):
            raise InvalidValueError(f"clips {indices.min()} to {indices.max()} were asked for; there are {len(self)}.")
        slot = np.searchsorted(self._ends, indices, side="right")
        counts = np.diff(self._ends, prepend=0)
        return self._episodes[slot], indices - (self._ends[slot] - counts[slot])

    def __getitem__(self, index: int) -> Batch:  # type: ignore[override]
        """Read one clip."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"clip {index}: there are {len(self)}, counted from 0.")
        return {name: values[0] for name, values in self.__getitems__([index % len(self)]).items()}

    def __getitems__(self, indices: Sequence[int] | Array) -> Batch:
        """Read a batch: column -> (len(indices), ...) as in the class description."""
        episode, start = self.locate(np.asarray(indices))
        first = (self.dataset.offsets[episode] + start)[:, None]
        rows = {
            "observation": first + np.arange(self.num_steps) * self.frame_skip,
            "transition": first + np.arange(self.span),
        }
        batch: Batch = {}
        for role, wanted in rows.items():
            names = [name for name in self.columns if self.dataset.columns[name].role == role]
            batch |= self._read(names, wanted)
        return {name: self._in_blocks(name, batch[name]) for name in self.columns}

    def _read(self, names: list[str], rows: NDArray[np.int64]) -> Batch:
        """Read each row once, however many clips share it."""
        distinct, place = np.unique(rows, return_inverse=True)
        if len(distinct) == rows.size:
            read = self.dataset.reader.read(names, rows.reshape(-1))
            return {name: values.reshape(*rows.shape, *values.shape[1:]) for name, values in read.items()}
        read = self.dataset.reader.read(names, distinct)
        return {name: values[place.reshape(rows.shape)] for name, values in read.items()}

    def _in_blocks(self, name: str, values: Array) -> Array:
        column = self.dataset.columns[name]
        if column.role == "observation":
            return values
        blocks = (len(values), self.num_steps - 1)
        if name == "action":
            return values.reshape(*blocks, self.frame_skip * column.size)
        return values.reshape(*blocks, self.frame_skip, *column.shape)
