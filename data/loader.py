"""Shuffled batches of clips as tensors: endless, deterministic, and resumable at any step."""

import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import InvalidValueError
from swm.core.seeding import make_rng
from swm.data.clips import Batch, Clips

if TYPE_CHECKING:
    import torch

Indices = NDArray[np.int64]

_PREFETCH = 2


@dataclass(frozen=True, kw_only=True)
class _Order:
    """Which clips make which batch. Apart from the loader, which its workers must not keep alive."""

    seed: int
    num_clips: int
    batch_size: int
    drop_last: bool

    @property
    def num_batches(self) -> int:
        full, rest = divmod(self.num_clips, self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    def plain(self) -> Iterator[Indices]:
        return self._batches(np.arange(self.num_clips))

    def shuffled(self, epoch: int, first: int = 0) -> Iterator[Indices]:
        return self._batches(make_rng(self.seed, "epoch", epoch).permutation(self.num_clips), first)

    def endless(self, epoch: int, first: int) -> Iterator[Indices]:
        yield from self.shuffled(epoch, first)
        for later in itertools.count(epoch + 1):
            yield from self.shuffled(later)

    def _batches(self, order: Indices, first: int = 0) -> Iterator[Indices]:
        return (order[i * self.batch_size : (i + 1) * self.batch_size] for i in range(first, self.num_batches))


class Loader:
    """An endless stream of batches: column -> tensor (batch_size, ...), pictures as uint8.

    The order of epoch e is a function of (seed, e) alone, the same for any number of workers.
    Iterating continues where the last batch was handed out, and so does a loader that was given
    that one's `state_dict`.
    """

    def __init__(
        self, clips: Clips, batch_size: int, *, seed: int, num_workers: int = 0, drop_last: bool = True
    ) -> None:
        """Make a loader; nothing is read before it is iterated.

        Args:
            clips: what to load.
            batch_size: clips per batch.
            seed: of the order.
            num_workers: 0 reads ahead in one thread, which is enough where decoding keeps up;
                more start that many processes (forkserver), each with memory of its own.
            drop_last: whether to leave out the last clips of an epoch that do not fill a batch.

        Raises:
            InvalidValueError: a number is out of range, or there are fewer clips than a batch.
        """
        if batch_size < 1 or num_workers < 0:
            raise InvalidValueError(
                f"batch_size must be at least 1 and num_workers at least 0, got {batch_size!r} and {num_workers!r}."
            )
        if drop_last and len(clips) < batch_size:
            raise InvalidValueError(
                f"{len(clips)} clips do not fill a batch of {batch_size}. Use a smaller batch or drop_last=False."
            )
        self.clips = clips
        self._order = _Order(seed=seed, num_clips=len(clips), batch_size=batch_size, drop_last=drop_last)
        self._num_workers = num_workers
        self._epoch, self._batch = 0, 0
        self._pools: dict[str, Any] = {}

    def __len__(self) -> int:
        """Batches per epoch."""
        return self._order.num_batches

    def state_dict(self) -> dict[str, int]:
        """Where the stream stands, after the last batch that was handed out."""
        return {**vars(self._order), "epoch": self._epoch, "batch": self._batch}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue from `state` with the next iteration.

        Raises:
            InvalidValueError: it comes from a loader of other clips, batch size or seed.
        """
        for name, value in vars(self._order).items():
            if state.get(name) != value:
                raise InvalidValueError(
                    f"the loader's state has {name} {state.get(name)!r}, this loader {value!r}: the batches would "
                    f"differ. Make the loader as it was, or start anew."
                )
        self._epoch, self._batch = state["epoch"], state["batch"]

    def __iter__(self) -> Iterator[dict[str, "torch.Tensor"]]:
        """Hand out batches without end."""
        for batch in self._load("stream", self._order.endless(self._epoch, self._batch)):
            self._batch += 1
            if self._batch == len(self):
                self._epoch, self._batch = self._epoch + 1, 0
            yield batch

    def epoch(self, shuffle: bool = False) -> Iterator[dict[str, "torch.Tensor"]]:
        """Hand out each clip once; the position of the endless stream stays.

        Args:
            shuffle: whether in the order of the endless stream's first epoch instead of the clips' own.
        """
        yield from self._load("epoch", self._order.shuffled(0) if shuffle else self._order.plain())

    def _load(self, kind: str, batches: Iterator[Indices]) -> Iterator[dict[str, "torch.Tensor"]]:
        if self._num_workers == 0:
            return _read_ahead(self.clips, batches)
        from torch.utils.data import DataLoader

        if kind not in self._pools:
            self._pools[kind] = DataLoader(
                self.clips,  # type: ignore[arg-type]
                batch_sampler=_Source(),
                num_workers=self._num_workers,
                collate_fn=to_tensors,  # type: ignore[arg-type]
                multiprocessing_context="forkserver",
                persistent_workers=True,
                prefetch_factor=_PREFETCH,
            )
        pool = self._pools[kind]
        pool.batch_sampler.batches = batches
        return iter(pool)


class _Source:
    """A batch sampler that can be pointed at other batches while its workers stay."""

    batches: Iterable[Indices] = ()

    def __iter__(self) -> Iterator[list[int]]:
        return (batch.tolist() for batch in self.batches)


def to_tensors(batch: Batch) -> dict[str, "torch.Tensor"]:
    """Wrap a batch's arrays as tensors, without copies."""
    import torch

    return {name: torch.from_numpy(values) for name, values in batch.items()}


def _read_ahead(clips: Clips, batches: Iterator[Indices]) -> Iterator[dict[str, "torch.Tensor"]]:
    """Read the next batches in one thread while the caller works; leaving the loop ends the thread."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="swm-loader")
    try:
        ahead = deque(pool.submit(clips.__getitems__, indices) for indices in itertools.islice(batches, _PREFETCH))
        while ahead:
            batch = ahead.popleft().result()
            ahead.extend(pool.submit(clips.__getitems__, indices) for indices in itertools.islice(batches, 1))
            yield to_tensors(batch)
    finally:
        pool.shutdown(cancel_futures=True)
