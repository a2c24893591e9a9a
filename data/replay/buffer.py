"""A replay buffer for learning while acting: bounded memory, whole episodes, clips as from a dataset."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import InvalidValueError
from swm.core.seeding import make_rng
from swm.data.clips import Batch
from swm.data.columns import Array, Column, describe_episode, select
from swm.data.dataset import Dataset, check_dataset
from swm.data.episode import TRANSITIONS, Episode
from swm.data.formats.base import Writer
from swm.data.metadata import dump
from swm.data.replay.pages import PAGE_ROWS
from swm.data.replay.snapshot import SnapshotReader
from swm.data.replay.store import EpisodeStore, Facts

Mask = NDArray[np.bool_]


class ReplayBuffer:
    """The newest episodes in preallocated memory, from one writer, for one sampler.

    Episodes come whole (`add`) or step by step from N environments at once (`begin`, `add_steps`);
    both may be mixed. An episode of T transitions takes T + 1 observations of the capacity, rounded
    up to a multiple of 16. When room is needed, the episode that began first leaves as a whole;
    episodes that still run never leave. dtypes are kept and pictures are raw, so that `sample` is a
    gather. The first data fix the columns and allocate the memory.

    One thread may add while another samples.
    """

    def __init__(self, capacity: int, *, seed: int = 0, spill: Writer | None = None) -> None:
        """Make an empty buffer.

        Args:
            capacity: observations, rounded up to a multiple of 16.
            seed: of `sample`.
            spill: takes each episode once, when it leaves the buffer (see also `flush`). The caller
                closes it.

        Raises:
            InvalidValueError: a capacity below 1, or `spill` is no writer.
        """
        if spill is not None and not hasattr(spill, "write"):
            raise InvalidValueError(f"spill must be a writer as swm.data.create returns it, got {spill!r}.")
        if capacity < 1:
            raise InvalidValueError(f"the capacity must be at least 1 observation, got {capacity!r}.")
        self._store = EpisodeStore(capacity, spill)
        self._rng = make_rng(seed, "replay")
        self._lock = threading.RLock()

    @classmethod
    def from_dataset(
        cls,
        dataset: Dataset,
        capacity: int | None = None,
        *,
        split: str = "train",
        seed: int = 0,
        spill: Writer | None = None,
    ) -> "ReplayBuffer":
        """Fill a buffer with the newest episodes of a dataset that fit. They are on disk and are not spilled.

        Args:
            dataset: where from.
            capacity: observations; None is what all episodes need.
            split: ``"train"``, ``"val"`` or ``"all"``.
            seed: of `sample`.
            spill: for the episodes that come later.

        Raises:
            UnknownNameError: no such split.
            InvalidValueError: the last episode is longer than the capacity.
        """
        check_dataset(dataset)
        episodes = dataset.split(split)
        needed = -(-(dataset.lengths[episodes] + 1) // PAGE_ROWS) * PAGE_ROWS
        buffer = cls(max(int(needed.sum()), 1) if capacity is None else capacity, seed=seed, spill=spill)
        num_fitting = int(np.searchsorted(needed[::-1].cumsum(), buffer.capacity, side="right"))
        for index in episodes[-max(num_fitting, 1) :]:
            buffer._add(dataset.episode(int(index)), is_stored=True)
        return buffer

    # ------------------------------------------------------------------------------------ figures

    def __repr__(self) -> str:
        return (
            f"ReplayBuffer({self.num_episodes} episodes, {self.num_steps} steps, capacity {self.capacity}, "
            f"{self.nbytes / 2**20:,.1f} MiB)"
        )

    @property
    def capacity(self) -> int:
        """Observations that fit."""
        return self._store.rows.num_rows

    @property
    def nbytes(self) -> int:
        """Memory allocated for the rows, the same from the first transition on, and held by payloads."""
        with self._lock:
            payload = sum(array.nbytes for facts in self._store.facts.values() for array in facts.payload.values())
            return self._store.rows.nbytes + payload

    @property
    def columns(self) -> Mapping[str, Column]:
        """Every column by name; empty before the first data."""
        return self._store.columns

    @property
    def num_episodes(self) -> int:
        """Episodes in the buffer, running ones of at least one step included."""
        with self._lock:
            return int((self._store.layout.lengths > 0).sum())

    @property
    def num_steps(self) -> int:
        """Transitions in the buffer."""
        with self._lock:
            return int(self._store.layout.lengths.sum())

    @property
    def num_evicted(self) -> int:
        """Episodes that left the buffer."""
        return self._store.num_evicted

    # -------------------------------------------------------------------------------------- adding

    def add(self, episode: Episode) -> None:
        """Add a whole episode. Its arrays are copied; encoded pictures are decoded.

        Raises:
            InvalidValueError: its columns are not those of the buffer, or it is longer than the capacity.
        """
        self._add(episode, is_stored=False)

    def _add(self, episode: Episode, *, is_stored: bool) -> None:
        episode = episode.decoded()
        columns = describe_episode(episode, "raw")
        payload = {name: array.copy() for name, array in episode.payload.items()}
        facts = Facts(metadata=dump(episode.metadata), payload=payload, is_stored=is_stored)
        with self._lock:
            self._store.accept(columns)
            number = self._store.append([facts], episode.num_steps + 1)
            layout = self._store.layout
            rows = layout.rows(layout.find(number), np.arange(episode.num_steps + 1))
            self._store.rows.write(episode.observation, rows)
            self._store.rows.write({name: getattr(episode, name) for name in TRANSITIONS}, rows[:-1])
            self._store.lengthen(number, episode.num_steps)
            self._store.version += 1

    def begin(
        self,
        observation: Mapping[str, Array],
        mask: Mask | None = None,
        metadata: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        """Begin new episodes with what N environments show after a reset. Running episodes there are cut (see `cut`).

        Args:
            observation: component -> (N, ...).
            mask: shape (N,), which environments were reset; None is all.
            metadata: of each of the N episodes, JSON-ready: seed, variation and so on.

        Raises:
            ShapeError: arrays of another N than before.
            InvalidValueError: other components, dtypes or shapes than before, or no room.
        """
        arrays = {name: np.asarray(values) for name, values in observation.items()}
        texts = ["{}"] * len(next(iter(arrays.values()), ())) if metadata is None else [*map(dump, metadata)]
        with self._lock:
            envs = self._store.envs({**arrays, "metadata": np.array(texts)}, mask)
            self._store.check(arrays, {})
            self.cut(mask)
            numbers = self._store.append([Facts(metadata=texts[env]) for env in envs])
            layout = self._store.layout
            rows = layout.rows(layout.find(numbers), np.zeros_like(envs))
            self._store.rows.write({name: values[envs] for name, values in arrays.items()}, rows)
            self._store.running[envs] = numbers
            self._store.version += 1

    def add_steps(
        self,
        *,
        action: Array,
        observation: Mapping[str, Array],
        reward: Array,
        terminated: Mask,
        truncated: Mask,
        success: Mask | None = None,
        mask: Mask | None = None,
    ) -> None:
        """Add one transition of each environment. Episodes that terminate or are truncated end; then comes `begin`.

        Args:
            action: shape (N, ...).
            observation: what the actions led to, component -> (N, ...): the last one of an episode
                too, not the first of the next.
            reward: shape (N,).
            terminated: shape (N,).
            truncated: shape (N,).
            success: shape (N,); None is false everywhere.
            mask: shape (N,), which environments took a step; None is all.

        Raises:
            ShapeError: arrays of another N than at `begin`.
            InvalidValueError: an environment has no running episode; other components, dtypes or
                shapes than before; no room.
        """
        seen = {name: np.asarray(values) for name, values in observation.items()}
        given = (
            action,
            reward,
            terminated,
            truncated,
            np.zeros(np.shape(reward), bool) if success is None else success,
        )
        done = {name: np.asarray(values) for name, values in zip(TRANSITIONS, given, strict=True)}
        with self._lock:
            envs = self._store.envs({**seen, **done}, mask)
            numbers = self._store.running[envs]
            if (numbers < 0).any():
                raise InvalidValueError(
                    f"the environments {envs[numbers < 0].tolist()} have no running episode. Call begin() with what "
                    f"they show after their reset, or leave them out by the mask."
                )
            self._store.check(seen, done)
            self._store.grow(numbers)
            layout = self._store.layout
            index = layout.find(numbers)
            steps = layout.lengths[index]
            self._store.rows.write({name: values[envs] for name, values in done.items()}, layout.rows(index, steps))
            self._store.rows.write({name: values[envs] for name, values in seen.items()}, layout.rows(index, steps + 1))
            self._store.lengthen(numbers, 1)
            ended = done["terminated"][envs] | done["truncated"][envs]
            self._store.running[envs[ended]] = -1
            self._store.version += 1

    def cut(self, mask: Mask | None = None) -> None:
        """End running episodes where they stand: their last transition becomes truncated.

        Args:
            mask: shape (N,), the environments; None is all. Those without a running episode are skipped.
        """
        with self._lock:
            chosen = self._store.running[slice(None) if mask is None else np.asarray(mask)]
            for number in chosen[chosen >= 0]:
                index = self._store.layout.find(number)
                length = self._store.layout.lengths[index]
                if length:
                    row = self._store.layout.rows(index, length - 1)
                    self._store.rows.write({"truncated": np.array(True)}, row)
                else:
                    self._store.remove(np.array([number]))
                self._store.running[self._store.running == number] = -1
            self._store.version += 1

    # ------------------------------------------------------------------------------------- writing

    def flush(self) -> int:
        """Write the finished episodes that were not written yet to the `spill` and commit; they stay in the buffer.

        Returns:
            How many were written.

        Raises:
            InvalidValueError: the buffer has no writer.
        """
        if self._store.spill is None:
            raise InvalidValueError("this buffer has no writer. Make it with spill=swm.data.create(...).")
        with self._lock:
            written = sum(self._store.write_out(number) for number in self._store.finished.tolist())
            self._store.spill.flush()
            return written

    # ------------------------------------------------------------------------------------- reading

    def sample(
        self,
        batch_size: int,
        *,
        num_steps: int = 4,
        frame_skip: int = 1,
        columns: Sequence[str] | None = None,
        rng: np.random.Generator | None = None,
    ) -> Batch:
        """Draw clips, with replacement; every window within an episode is as likely as any other.

        Args:
            batch_size: clips B.
            num_steps: observations per clip.
            frame_skip: steps from one observation to the next.
            columns: what to return; None is every observation column and ``action``.
            rng: the source of chance; None is that of the buffer's seed.

        Returns:
            Column -> (B, ...), laid out as in `Clips`.

        Raises:
            UnknownNameError: no such column.
            InvalidValueError: a number below 1.
            DatasetError: no episode is long enough.
        """
        for name, value in (("batch_size", batch_size), ("num_steps", num_steps), ("frame_skip", frame_skip)):
            if value < 1:
                raise InvalidValueError(f"{name} must be at least 1, got {value!r}.")
        with self._lock:
            if columns is None:
                columns = [c.name for c in self.columns.values() if c.role == "observation" or c.name == "action"]
            chosen = select(self.columns, columns)
            return self._store.sample(self._rng if rng is None else rng, batch_size, num_steps, frame_skip, chosen)

    def dataset(self) -> Dataset:
        """What is in the buffer now, as a dataset: for clips with goals, statistics, a look, or a copy on disk.

        Nothing is copied: reading an episode that has left the buffer meanwhile is an error. Running
        episodes are in it with the steps that they have. Every episode is in the split ``"train"``.

        Raises:
            DatasetError: the buffer is empty.
        """
        with self._lock:
            return Dataset(SnapshotReader(self._store, self._lock))
