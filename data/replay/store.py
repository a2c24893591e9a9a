"""The episodes of a replay buffer: their rows, what else is known of them, and which leave when room is needed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import DatasetError, InvalidValueError, ShapeError
from swm.data.columns import Array, Column, describe_episode
from swm.data.episode import TRANSITIONS, Episode
from swm.data.formats.base import Writer
from swm.data.replay.pages import PAGE_ROWS, Indices, Layout, PageTable, RowStore


@dataclass(kw_only=True)
class Facts:
    """What is known of an episode beside its rows."""

    metadata: str
    """JSON."""
    payload: Mapping[str, Array] = field(default_factory=dict)
    is_stored: bool = False
    """Whether it is on disk already."""


class EpisodeStore:
    """Episodes by their numbers of arrival, in a fixed number of rows. Not safe for threads by itself."""

    def __init__(self, capacity: int, spill: Writer | None) -> None:
        """Make it empty.

        Args:
            capacity: rows, rounded up to whole pages.
            spill: takes each episode once, when it leaves.
        """
        self._table = PageTable(-(-capacity // PAGE_ROWS))
        self.rows = RowStore(self._table.num_pages * PAGE_ROWS)
        self.facts: dict[int, Facts] = {}
        self.running: Indices = np.zeros(0, np.int64)
        """Shape (N,): the number of the episode that runs in each environment, or -1."""
        self.spill = spill
        self.num_evicted = 0
        self.version = 0
        """Counts the changes."""

    @property
    def layout(self) -> Layout:
        """Where the episodes are."""
        return self._table.layout

    @property
    def columns(self) -> Mapping[str, Column]:
        """Every column by name."""
        return self.rows.columns

    @property
    def finished(self) -> Indices:
        """The numbers of the episodes that do not run, oldest first."""
        numbers = self.layout.numbers
        return numbers[~np.isin(numbers, self.running)]

    def accept(self, got: Mapping[str, Column]) -> None:
        """Compare columns with those that are here; allocate the roles that are not here yet.

        Raises:
            InvalidValueError: they differ.
        """
        roles = {column.role for column in got.values()}
        new = roles - {column.role for column in self.columns.values()}
        old = {name: column for name, column in self.columns.items() if column.role in roles}
        same = {name: column for name, column in got.items() if column.role not in new}
        if old != same:
            different = sorted(name for name in {*old, *same} if old.get(name) != same.get(name))
            parts = [f"{name!r} is {_say(same.get(name))}, in the buffer {_say(old.get(name))}" for name in different]
            raise InvalidValueError(
                f"the values do not fit the buffer: {'; '.join(parts)}. Give what came first, or make another buffer."
            )
        self.rows.allocate({name: column for name, column in got.items() if column.role in new})

    def envs(self, arrays: Mapping[str, Array], mask: NDArray[np.bool_] | None) -> Indices:
        """The environments of a mask, shape (N,), after a look at N.

        Raises:
            ShapeError: an array or the mask is of another N than before.
        """
        count = len(self.running) or next((v.shape[0] for v in arrays.values() if v.ndim), 0)
        for name, values in arrays.items():
            if values.ndim == 0 or len(values) != count:
                raise ShapeError(f"{name!r}", f"one row for each of {count} environments", f"shape {values.shape}")
        chosen = np.ones(count, bool) if mask is None else np.asarray(mask)
        if chosen.shape != (count,) or chosen.dtype != np.bool_:
            raise ShapeError("mask", f"shape ({count},), bool", f"shape {chosen.shape}, {chosen.dtype}")
        if not len(self.running):
            self.running = np.full(count, -1)
        return np.flatnonzero(chosen)

    def check(self, seen: Mapping[str, Array], done: Mapping[str, Array]) -> None:
        """Compare what environments show, and how transitions ended, with the columns; the first of it makes them.

        Raises:
            InvalidValueError: other components, dtypes or shapes.
        """
        roles = {"observation", "transition"} if done else {"observation"}
        names = {name for name, column in self.columns.items() if column.role in roles}
        if names == {*seen, *done} and self.rows.fits({**seen, **done}):
            return
        row: dict[str, Any] = dict.fromkeys(TRANSITIONS, np.zeros(1, bool)) | {n: v[:1] for n, v in done.items()}
        episode = Episode(observation={name: values[:1].repeat(2, axis=0) for name, values in seen.items()}, **row)
        self.accept({name: c for name, c in describe_episode(episode, "raw").items() if c.role in roles})

    def append(self, facts: Sequence[Facts], num_rows: int = 1) -> Indices:
        """Begin episodes of length 0 with room for so many rows each; return their numbers.

        Raises:
            InvalidValueError: there is no room.
        """
        pages = -(-num_rows // PAGE_ROWS)
        self._make_room(pages * len(facts))
        numbers = self._table.append(np.full(len(facts), pages))
        self.facts.update(zip(numbers.tolist(), facts, strict=True))
        return numbers

    def lengthen(self, number: Indices, steps: int) -> None:
        """Count transitions that were written."""
        self._table.lengthen(self.layout.find(number), steps)

    def grow(self, numbers: Indices) -> None:
        """Make room for one more observation of each of some episodes.

        Raises:
            InvalidValueError: there is no room.
        """
        steps = self.layout.lengths[self.layout.find(numbers)]
        full = numbers[(steps + 1) % PAGE_ROWS == 0]
        if len(full):
            self._make_room(len(full))
            self._table.extend(self.layout.find(full))

    def remove(self, numbers: Indices) -> None:
        """Forget some episodes."""
        self._table.remove(self.layout.find(numbers))
        for number in numbers.tolist():
            del self.facts[number]

    def _make_room(self, pages: int) -> None:
        """Let the oldest finished episodes leave until so many pages are free."""
        missing = pages - self._table.num_free
        if missing <= 0:
            return
        finished = self.finished
        freed = self.layout.counts[self.layout.find(finished)].cumsum()
        if not len(freed) or freed[-1] < missing:
            staying = len(self.layout.numbers) - len(finished)
            raise InvalidValueError(
                f"{pages * PAGE_ROWS} observations do not fit into a buffer of {self.rows.num_rows} beside its "
                f"{staying} running episodes, which cannot leave. Use a larger capacity."
            )
        leaving = finished[: np.searchsorted(freed, missing) + 1]
        for number in leaving.tolist():
            self.write_out(number)
        self.remove(leaving)
        self.num_evicted += len(leaving)

    def sample(
        self, rng: np.random.Generator, batch_size: int, num_steps: int, frame_skip: int, columns: Sequence[str]
    ) -> dict[str, Array]:
        """Draw clips (see `ReplayBuffer.sample`).

        Raises:
            DatasetError: no episode is long enough.
        """
        span = (num_steps - 1) * frame_skip
        drawn = self.layout.draw(rng, batch_size, span)
        if drawn is None:
            raise DatasetError(
                f"the buffer has no clip of {num_steps} observations {frame_skip} apart ({span} transitions): its "
                f"longest episode has {self.layout.lengths.max(initial=0)}. Add more, or ask for shorter clips."
            )
        episode, first = (part[:, None] for part in drawn)
        seen = self.layout.rows(episode, first + np.arange(num_steps) * frame_skip)
        done = self.layout.rows(episode, first + np.arange(span)).reshape(batch_size, num_steps - 1, frame_skip)
        batch = {n: self.rows.read(n, seen if self.columns[n].role == "observation" else done) for n in columns}
        if "action" in batch:
            size = frame_skip * self.columns["action"].size
            batch["action"] = batch["action"].reshape(batch_size, num_steps - 1, size)
        return batch

    def write_out(self, number: int) -> bool:
        """Write an episode if it is not on disk; return whether it was written."""
        facts = self.facts[number]
        if self.spill is None or facts.is_stored:
            return False
        index = self.layout.find(np.array(number))
        rows = self.layout.rows(index, np.arange(int(self.layout.lengths[index]) + 1))
        self.spill.write(
            Episode(
                observation={n: self.rows.read(n, rows) for n, c in self.columns.items() if c.role == "observation"},
                payload=facts.payload,
                metadata=json.loads(facts.metadata),
                **{name: self.rows.read(name, rows[:-1]) for name in TRANSITIONS},
            )
        )
        facts.is_stored = True
        return True


def _say(column: Column | None) -> str:
    return "missing" if column is None else f"{column.dtype} of shape {column.shape} per step"
