"""Memory that processes share, in which batches change hands without a copy."""

import contextlib
import math
import mmap
import os
import tempfile
import weakref
from collections import deque
from multiprocessing import reduction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import DatasetError
from swm.data.clips import Batch, Clips
from swm.data.columns import Array
from swm.data.mixture import Mixture

_ALIGNMENT = 64
_CHUNK = 1 << 20
_NUMBERS = "biufc"
"""Kinds of dtypes whose bytes are all there is to a value."""


class _Place(NamedTuple):
    """Where an array lies in a slot."""

    offset: int
    shape: tuple[int, ...]
    dtype: str


Packed = list[tuple[str, _Place | Array]]
"""Column -> where in the slot it lies, or the array itself: texts, and what does not fit."""


class SharedSlots:
    """Pieces of memory, equally long, that processes share. It has no name and is gone with the last of them.

    The process that made it hands out the slots; the others write to those that they are told.
    """

    def __init__(self, num_slots: int, slot_bytes: int, file: int | None = None) -> None:
        """Map the memory behind a file descriptor, or make it.

        Raises:
            DatasetError: there is no room for it.
        """
        self.shape = num_slots, -(-slot_bytes // mmap.PAGESIZE) * mmap.PAGESIZE
        num_bytes = max(1, math.prod(self.shape))
        self.file = _make_file(num_bytes) if file is None else file
        self._memory = mmap.mmap(self.file, num_bytes)
        self._free = deque(range(num_slots))

    def __reduce__(self) -> tuple[Any, ...]:
        return _map_slots, (*self.shape, reduction.DupFd(self.file))

    def __getitem__(self, slot: int) -> NDArray[np.uint8]:
        """The bytes of a slot. Every array and tensor that is made of them keeps this array alive."""
        return np.frombuffer(self._memory, np.uint8, self.shape[1], slot * self.shape[1])

    def take(self) -> tuple[int | None, NDArray[np.uint8] | None]:
        """A free slot and its memory, with whose last reference the slot is free again."""
        try:
            slot = self._free.pop()  # the one used last, whose pages are at hand
        except IndexError:
            return None, None
        memory = self[slot]
        weakref.finalize(memory, self._free.append, slot).atexit = False
        return slot, memory


def _map_slots(num_slots: int, slot_bytes: int, handle: Any) -> SharedSlots:
    return SharedSlots(num_slots, slot_bytes, handle.detach())


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


def batch_bytes(clips: Clips | Mixture, batch_size: int) -> int:
    """Bytes of a batch without its texts, whose width varies."""
    one = next(iter(clips.components.values())) if isinstance(clips, Mixture) else clips
    sizes = [
        batch_size * math.prod(shape) * np.dtype(dtype).itemsize
        for dtype, shape in one.kinds().values()
        if dtype != "str"
    ]
    return sum(size + _ALIGNMENT for size in sizes)


def pack(batch: Batch, memory: NDArray[np.uint8] | None) -> Packed:
    """Put what fits into the slot, if there is one."""
    places: Packed = []
    end = 0
    for name, values in batch.items():
        begin = -(-end // _ALIGNMENT) * _ALIGNMENT
        if memory is None or values.dtype.kind not in _NUMBERS or begin + values.nbytes > len(memory):
            places.append((name, values))
            continue
        np.ndarray(values.shape, values.dtype, memory, begin)[...] = values
        places.append((name, _Place(begin, values.shape, values.dtype.str)))
        end = begin + values.nbytes
    return places


def unpack(memory: NDArray[np.uint8] | None, packed: Packed) -> Batch:
    """The batch, whose arrays lie in the slot and keep `memory` alive."""
    return {
        name: np.ndarray(where.shape, where.dtype, memory, where.offset) if isinstance(where, _Place) else where
        for name, where in packed
    }
