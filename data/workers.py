"""Processes that read batches and hand them over in memory that they share with this one."""

import contextlib
import itertools
import math
import mmap
import multiprocessing
import os
import pickle
import signal
import tempfile
import threading
import traceback
import weakref
from collections import deque
from collections.abc import Iterable
from multiprocessing import connection, reduction
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import DatasetError
from swm.data.clips import Batch, Clips, Rows
from swm.data.columns import Array
from swm.data.mixture import Mixture
from swm.data.order import Keys

REQUESTS = 2
"""Per worker: one that it reads and one that waits, so that it need not wait itself."""

_ALIGNMENT = 64
_CHUNK = 1 << 20
_PATIENCE = 5.0
"""Seconds until a worker that hung up is taken for one that runs on."""

Answer = list[tuple[str, Any]] | Exception
"""Column -> `_Place` in the slot, or the array itself."""


class _Place(NamedTuple):
    """Where an array lies in a slot."""

    offset: int
    shape: tuple[int, ...]
    dtype: str


class _Slots:
    """Pieces of memory, equally long, that processes share. It has no name and is gone with the last of them."""

    def __init__(self, num_slots: int, slot_bytes: int, file: int | None = None) -> None:
        """Map the memory behind a file descriptor, or make it.

        Raises:
            DatasetError: there is no room for it.
        """
        self.shape = num_slots, -(-slot_bytes // mmap.PAGESIZE) * mmap.PAGESIZE
        num_bytes = max(1, math.prod(self.shape))
        self.file = _make_file(num_bytes) if file is None else file
        self._memory = mmap.mmap(self.file, num_bytes)

    def __reduce__(self) -> tuple[Any, ...]:
        return _map_slots, (*self.shape, reduction.DupFd(self.file))

    def __getitem__(self, slot: int) -> NDArray[np.uint8]:
        """The bytes of a slot. Every array and tensor that is made of them keeps this array alive."""
        return np.frombuffer(self._memory, np.uint8, self.shape[1], slot * self.shape[1])


def _map_slots(num_slots: int, slot_bytes: int, handle: Any) -> _Slots:
    return _Slots(num_slots, slot_bytes, handle.detach())


def _make_file(num_bytes: int) -> int:
    """A file without a name: in memory where the system has that, else in the folder for temporary files."""
    if hasattr(os, "memfd_create"):  # unlike /dev/shm, which containers often limit to 64 MB
        with contextlib.suppress(OSError):
            file = os.memfd_create("swm-batches")
            os.ftruncate(file, num_bytes)
            return file
    try:
        with tempfile.TemporaryFile() as made:
            for begin in range(0, num_bytes, _CHUNK):  # written, or a full disk would be a crash later
                made.write(bytes(min(_CHUNK, num_bytes - begin)))
            made.flush()
            return os.dup(made.fileno())
    except OSError as error:
        raise DatasetError(
            f"the workers of a loader need {num_bytes} bytes of shared memory for their batches, and there is no room "
            f"({error}). Use fewer workers, a smaller batch, or num_workers=0."
        ) from error


class _Seat(NamedTuple):
    """One request at a time to a worker."""

    number: int
    process: BaseProcess
    channel: "connection.Connection[Any, Any]"


class WorkerPool:
    """Reads batches in processes, for any threads of this one that ask.

    A batch comes in a slot of the shared memory, which is free again when the last array, tensor or
    view that lies in it is gone. While none is free, and for what does not fit, batches come
    through a pipe instead. The processes end with the pool, or with the process that made it.
    """

    def __init__(self, clips: Clips | Mixture, batch_size: int, num_workers: int, num_held: int) -> None:
        """Start the processes.

        Args:
            clips: what to read; pickled for each process.
            batch_size: the most clips per batch that a slot holds.
            num_workers: how many processes.
            num_held: batches that callers may keep before others no longer come in shared memory.

        Raises:
            DatasetError: there is no room for the shared memory, or processes cannot be started.
        """
        pickled = pickle.dumps(clips)
        self._slots = _Slots(REQUESTS * num_workers + num_held, _batch_bytes(clips, batch_size))
        self._free = deque(range(self._slots.shape[0]))
        self._owner, self._failed, self._lock = os.getpid(), False, threading.Lock()
        context = multiprocessing.get_context("forkserver")
        # the server of new processes imports these once instead of each worker for itself
        context.set_forkserver_preload(["__main__", "torch", __name__])
        try:
            workers = [self._start(context, number, pickled) for number in range(num_workers)]
        except (EOFError, OSError) as error:
            raise DatasetError(
                f"the {num_workers} worker processes of a loader cannot be started ({error!r}). A script that uses "
                f'them needs `if __name__ == "__main__":` around what it does. num_workers=0 needs none.'
            ) from error
        finally:
            os.close(self._slots.file)
        self._idle: SimpleQueue[_Seat] = SimpleQueue()
        for seat in itertools.chain(*zip(*workers, strict=True)):  # the first requests go to different workers
            self._idle.put(seat)
        channels = [seat.channel for seats in workers for seat in seats]
        self.close = weakref.finalize(self, _end, channels, self._owner)

    def _start(self, context: Any, number: int, pickled: bytes) -> list[_Seat]:
        pipes = [context.Pipe() for _ in range(REQUESTS)]
        process = context.Process(
            target=_work,
            args=([theirs for _, theirs in pipes], self._slots, pickled),
            name=f"swm-loader-{number}",
            daemon=True,
        )
        process.start()
        for _, theirs in pipes:
            theirs.close()
        return [_Seat(number, process, ours) for ours, _ in pipes]

    @property
    def is_usable(self) -> bool:
        """Whether no process was found dead, and this is not a fork of the process that started them."""
        return not self._failed and self._owner == os.getpid()

    def read(self, indices: Rows, keys: Keys) -> Batch:
        """Read a batch as `Clips.read` does, in the next process that has time.

        Raises:
            Exception: what was raised there, with its traceback as a note.
            DatasetError: the process is gone.
        """
        slot, memory = self._take_slot()
        seat = self._idle.get()
        try:
            seat.channel.send((slot, indices, keys))
            answer: Answer = seat.channel.recv()
        except (EOFError, OSError) as error:
            self._failed = True
            with self._lock:  # one thread at a time may wait for a process
                raise DatasetError(_describe_end(seat)) from error
        finally:
            self._idle.put(seat)
        if isinstance(answer, Exception):
            raise answer
        return {
            name: np.ndarray(where.shape, where.dtype, memory, where.offset) if isinstance(where, _Place) else where
            for name, where in answer
        }

    def _take_slot(self) -> tuple[int | None, NDArray[np.uint8] | None]:
        """A free slot and its memory, with whose last reference the slot is free again."""
        try:
            slot = self._free.pop()  # the one used last, whose pages are at hand
        except IndexError:
            return None, None
        memory = self._slots[slot]
        weakref.finalize(memory, self._free.append, slot).atexit = False
        return slot, memory


def _batch_bytes(clips: Clips | Mixture, batch_size: int) -> int:
    """Bytes of a batch without its texts, whose width varies."""
    one = next(iter(clips.components.values())) if isinstance(clips, Mixture) else clips
    sizes = [
        batch_size * math.prod(shape) * np.dtype(dtype).itemsize
        for dtype, shape in one.kinds().values()
        if dtype != "str"
    ]
    return sum(size + _ALIGNMENT for size in sizes)


def _describe_end(seat: _Seat) -> str:
    """What became of a process that hung up."""
    seat.process.join(_PATIENCE)
    code = seat.process.exitcode
    if code is not None and code < 0:
        how = (
            f"was killed by signal {-code} ({signal.strsignal(-code)}). A system kills processes when memory runs "
            f"out: use fewer workers or a smaller batch"
        )
    else:
        how = (
            f"ended with exit code {code}. What it had to say went to the standard error stream. A script that uses "
            f'workers needs `if __name__ == "__main__":` around what it does'
        )
    return f"worker process {seat.number} of the loader (pid {seat.process.pid}) {how}, or use num_workers=0."


def _end(channels: "Iterable[connection.Connection[Any, Any]]", owner: int) -> None:
    """Tell the workers to end, unless this is a fork of the process that they work for."""
    if owner != os.getpid():
        return
    for channel in channels:
        with contextlib.suppress(OSError):
            channel.send(None)
        channel.close()


# ------------------------------------------------------------------------------------ in a worker


def _work(channels: "list[connection.Connection[Any, Any]]", slots: _Slots, pickled: bytes) -> None:
    """Answer requests until told to end, or until nobody is there any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that asks decides what an interrupt means
    clips: Clips | Mixture | None = None
    with contextlib.suppress(EOFError, OSError):
        while True:
            for channel in connection.wait(channels):
                assert isinstance(channel, connection.Connection)
                if (request := channel.recv()) is None:
                    return
                slot, indices, keys = request
                try:
                    clips = pickle.loads(pickled) if clips is None else clips
                    answer: Answer = _fill(None if slot is None else slots[slot], clips.read(indices, keys))
                except Exception as error:
                    answer = _portable(error)
                channel.send(answer)


def _fill(memory: NDArray[np.uint8] | None, batch: Batch) -> Answer:
    """Put what fits into the slot."""
    places: list[tuple[str, _Place | Array]] = []
    end = 0
    for name, values in batch.items():
        begin = -(-end // _ALIGNMENT) * _ALIGNMENT
        if memory is None or values.dtype.kind == "U" or begin + values.nbytes > len(memory):
            places.append((name, values))
            continue
        np.ndarray(values.shape, values.dtype, memory, begin)[...] = values
        places.append((name, _Place(begin, values.shape, values.dtype.str)))
        end = begin + values.nbytes
    return places


def _portable(error: Exception) -> Exception:
    """The error with its traceback as a note; an error that cannot be pickled becomes one that can."""
    note = f"In a worker process of the loader:\n{''.join(traceback.format_exception(error))}"
    try:
        error.add_note(note)
        pickle.loads(pickle.dumps(error))
    except Exception:
        error = DatasetError(f"{type(error).__name__}: {error}")
        error.add_note(note)
    return error
