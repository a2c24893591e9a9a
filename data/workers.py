"""Processes that read batches and hand them over in memory that they share with this one."""

import contextlib
import itertools
import multiprocessing
import os
import pickle
import signal
import threading
import traceback
import weakref
from collections.abc import Iterable
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from typing import Any, NamedTuple

from swm.core.errors import DatasetError
from swm.data.clips import Batch, Clips, Rows
from swm.data.mixture import Mixture
from swm.data.order import Keys
from swm.data.shared import Packed, SharedSlots, batch_bytes, pack, unpack

REQUESTS = 2
"""Per worker: one that it reads and one that waits, so that it need not wait itself."""

_PATIENCE = 5.0
"""Seconds until a worker that hung up is taken for one that runs on."""


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
        self._slots = SharedSlots(REQUESTS * num_workers + num_held, batch_bytes(clips, batch_size))
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
        slot, memory = self._slots.take()
        seat = self._idle.get()
        try:
            seat.channel.send((slot, indices, keys))
            answer: Packed | Exception = seat.channel.recv()
        except (EOFError, OSError) as error:
            self._failed = True
            with self._lock:  # one thread at a time may wait for a process
                raise DatasetError(_describe_end(seat)) from error
        finally:
            self._idle.put(seat)
        if isinstance(answer, Exception):
            raise answer
        return unpack(memory, answer)


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


def _work(channels: "list[connection.Connection[Any, Any]]", slots: SharedSlots, pickled: bytes) -> None:
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
                    answer: Packed | Exception = pack(clips.read(indices, keys), None if slot is None else slots[slot])
                except Exception as error:
                    answer = _portable(error)
                channel.send(answer)


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
