"""Shuffled batches of clips as tensors: endless, deterministic, and resumable at any step."""

import itertools
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from swm.core.errors import InvalidValueError
from swm.data.clips import Batch, Clips, Rows
from swm.data.mixture import Mixture
from swm.data.order import Keys, Order, PlainOrder, ShuffledOrder, Slots, WeightedOrder
from swm.data.workers import REQUESTS, WorkerPool

if TYPE_CHECKING:
    import torch

    TensorBatch = dict[str, torch.Tensor]

_THREADS = 2
"""That read ahead: while one waits for the pictures of its batch, another prepares or copies its own."""
_HELD = 8
"""Batches of worker processes that the caller may keep at no cost."""

Read = Callable[[Rows, Keys], Batch]


@dataclass(frozen=True, kw_only=True)
class _Schedule:
    """Which positions of an epoch make which batch. Apart from the loader, which its workers must not keep alive."""

    num_clips: int
    global_batch_size: int
    """Clips per batch of all ranks together."""
    drop_last: bool
    rank: int
    world_size: int

    @property
    def num_batches(self) -> int:
        full, rest = divmod(self.num_clips, self.global_batch_size)
        return full + (rest > 0 and not self.drop_last)

    @property
    def epoch_size(self) -> int:
        return min(self.num_clips, self.num_batches * self.global_batch_size)

    def batches(self, order: Order, epoch: int, first: int = 0) -> Iterator[Slots]:
        """This rank's share of each batch of an epoch."""
        for number in range(first, self.num_batches):
            begin = number * self.global_batch_size
            count = min(self.global_batch_size, self.num_clips - begin)
            edges = [begin + count * rank // self.world_size for rank in (self.rank, self.rank + 1)]
            yield order.slots(epoch, *edges)

    def endless(self, order: Order, epoch: int, first: int) -> Iterator[Slots]:
        yield from self.batches(order, epoch, first)
        for later in itertools.count(epoch + 1):
            yield from self.batches(order, later)


class Loader:
    """An endless stream of batches: column -> tensor (batch_size, ...), pictures as uint8, texts as NumPy arrays.

    What comes in which batch of epoch e, and which goals are drawn for it, is a function of (seed, e)
    alone, the same for any number of workers, and for any number of ranks that share a batch of the
    same size: rank r of W gets the r-th of W equal parts of each batch of ``W * batch_size`` clips.
    Iterating continues where the last batch was handed out, and so does a loader that was given that
    one's `state_dict`.
    """

    def __init__(
        self,
        clips: Clips | Mixture,
        batch_size: int,
        *,
        seed: int,
        num_workers: int = 0,
        drop_last: bool = True,
        rank: int = 0,
        world_size: int = 1,
        pin_memory: bool | None = None,
    ) -> None:
        """Make a loader; nothing is read before it is iterated.

        Args:
            clips: what to load.
            batch_size: clips per batch of this rank.
            seed: of the order and of the goals; the same on all ranks.
            num_workers: 0 reads ahead in threads, which is enough where decoding keeps up; more start
                that many processes (forkserver), each with memory of its own.
            drop_last: whether to leave out the last clips of an epoch that do not fill a batch.
            rank: of this process among those that train together.
            world_size: how many these are.
            pin_memory: whether tensors lie in page-locked memory, from which they reach a CUDA device
                faster; None is whether there is one.

        Raises:
            InvalidValueError: no clips, a number is out of range, there are fewer clips than a batch, or the
                last batch of an epoch has fewer clips than there are ranks.
        """
        if not isinstance(clips, Clips | Mixture):
            raise InvalidValueError(f"a loader takes dataset.clips(...) or a Mixture of them, got {clips!r}.")
        if batch_size < 1 or num_workers < 0:
            raise InvalidValueError(
                f"batch_size must be at least 1 and num_workers at least 0, got {batch_size!r} and {num_workers!r}."
            )
        if not 0 <= rank < world_size:
            raise InvalidValueError(f"rank must be in 0 to world_size - 1, got rank {rank!r} of {world_size!r}.")
        whole, total = batch_size * world_size, len(clips)
        ranks = "" if world_size == 1 else f" for each of {world_size} ranks"
        if drop_last and total < whole:
            raise InvalidValueError(
                f"{total} clips do not fill a batch of {batch_size}{ranks}. Use a smaller batch or drop_last=False."
            )
        if not drop_last and 0 < total % whole < world_size:
            raise InvalidValueError(
                f"{total} clips in batches of {batch_size}{ranks} leave {total % whole} for the last: some ranks would "
                f"get none. Use another batch_size or drop_last=True."
            )
        self.clips = clips
        self._seed = seed
        self._batch_size = batch_size
        self._schedule = _Schedule(
            num_clips=total, global_batch_size=whole, drop_last=drop_last, rank=rank, world_size=world_size
        )
        self._order = self._make_order()
        self._num_workers = num_workers
        self._pin_memory = pin_memory
        self._epoch, self._batch = 0, 0
        self._pool: WorkerPool | None = None

    def _make_order(self) -> Order:
        if isinstance(self.clips, Mixture) and self.clips.weights is not None:
            return WeightedOrder(
                seed=self._seed,
                sizes=self.clips.sizes,
                weights=self.clips.weights,
                epoch_size=self._schedule.epoch_size,
            )
        return ShuffledOrder(seed=self._seed, num_clips=len(self.clips))

    def __len__(self) -> int:
        """Batches per epoch: as many as show each clip once."""
        return self._schedule.num_batches

    def _identity(self) -> dict[str, Any]:
        """What must be the same for the stream to be the same."""
        facts = {name: getattr(self._schedule, name) for name in ("num_clips", "global_batch_size", "drop_last")}
        if isinstance(self.clips, Mixture):
            facts |= {"sizes": list(self.clips.sizes), "weights": self.clips.weights and list(self.clips.weights)}
        return {"seed": self._seed, **facts}

    def state_dict(self) -> dict[str, Any]:
        """Where the stream stands, after the last batch that was handed out; JSON-ready, the same on all ranks."""
        return {**self._identity(), "epoch": self._epoch, "batch": self._batch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state` with the next iteration.

        Raises:
            InvalidValueError: it comes from a loader of other clips, batch size or seed.
        """
        for name, value in self._identity().items():
            if state.get(name) != value:
                raise InvalidValueError(
                    f"the loader's state has {name} {state.get(name)!r}, this loader {value!r}: the batches would "
                    f"differ. Make the loader as it was, or start anew."
                )
        self._epoch, self._batch = state["epoch"], state["batch"]

    def __iter__(self) -> "Iterator[TensorBatch]":
        """Hand out batches without end."""
        for batch in self._load(self._schedule.endless(self._order, self._epoch, self._batch)):
            self._batch += 1
            if self._batch == len(self):
                self._epoch, self._batch = self._epoch + 1, 0
            yield batch

    def epoch(self, shuffle: bool = False) -> "Iterator[TensorBatch]":
        """Hand out each clip once, with the same goals each time; the position of the endless stream stays.

        Args:
            shuffle: whether in a shuffled order, always the same, instead of the clips' own.
        """
        order = ShuffledOrder(seed=self._seed, num_clips=len(self.clips)) if shuffle else PlainOrder(seed=self._seed)
        yield from self._load(self._schedule.batches(order, 0))

    def _load(self, batches: Iterator[Slots]) -> "Iterator[TensorBatch]":
        import torch

        pin_memory = torch.cuda.is_available() if self._pin_memory is None else self._pin_memory
        if self._num_workers == 0:
            return _read_ahead(self.clips.read, batches, pin_memory, _THREADS, _THREADS + 1)
        if self._pool is None or not self._pool.is_usable:
            self._pool = WorkerPool(self.clips, self._batch_size, self._num_workers, _HELD)
        requests = REQUESTS * self._num_workers
        return _read_ahead(self._pool.read, batches, pin_memory, requests, requests)


def to_tensors(batch: Batch) -> "TensorBatch":
    """Wrap a batch's arrays as tensors, without copies; texts stay NumPy arrays."""
    import torch

    return {
        name: values if values.dtype.kind == "U" else torch.from_numpy(values)  # type: ignore[misc]
        for name, values in batch.items()
    }


def _read_ahead(
    read: Read, batches: Iterator[Slots], pin_memory: bool, num_threads: int, num_ahead: int
) -> "Iterator[TensorBatch]":
    """Read the next batches in threads while the caller works; leaving the loop ends the threads."""
    pool = ThreadPoolExecutor(num_threads, thread_name_prefix="swm-loader")

    def load(slots: Slots) -> "TensorBatch":
        batch = to_tensors(read(*slots))
        return _pinned(batch) if pin_memory else batch

    try:
        ahead = deque(pool.submit(load, slots) for slots in itertools.islice(batches, num_ahead))
        while ahead:
            batch = ahead.popleft().result()
            ahead.extend(pool.submit(load, slots) for slots in itertools.islice(batches, 1))
            yield batch
    finally:
        pool.shutdown(cancel_futures=True)


def _pinned(batch: "TensorBatch") -> "TensorBatch":
    import torch

    return {name: values.pin_memory() if isinstance(values, torch.Tensor) else values for name, values in batch.items()}
