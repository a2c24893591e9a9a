"""Decoded pictures of the first rows of a column, in memory or in a file that processes share."""

import fcntl
import functools
import json
import math
import mmap
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.data import codecs

_PAGE = 4096
_GATHER_BYTES = 1 << 20
"""Fewest bytes worth a thread's attention."""
_SEAL = b"complete"
"""Ends the header of a file whose pictures are all on the disk."""


class KeptPictures:
    """The decoded pictures of the first rows, and which of them are there."""

    def __init__(
        self, data: NDArray[np.uint8], valid: NDArray[np.bool_], on_complete: Callable[[], object] = lambda: None
    ) -> None:
        self.data = data
        self.valid = valid
        self._on_complete = on_complete

    def has(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of the rows are there."""
        inside = rows < len(self.valid)
        inside[inside] = self.valid[rows[inside]]
        return inside

    def put(self, rows: NDArray[np.int64], pictures: NDArray[np.uint8]) -> None:
        """Keep those that have a place. The flags come last: who sees one finds the picture."""
        inside = rows < len(self.valid)
        if inside.any():
            self.data[rows[inside]] = pictures[inside]
            self.valid[rows[inside]] = True
            if self.valid.all():
                self._on_complete()

    def gather(
        self, rows: NDArray[np.int64], fresh_rows: NDArray[np.int64], fresh: NDArray[np.uint8]
    ) -> NDArray[np.uint8]:
        """The pictures of some rows, each either kept or among the fresh ones, whose rows are sorted."""
        out = np.empty((len(rows), *self.data.shape[1:]), np.uint8)
        slot = np.searchsorted(fresh_rows, rows)
        is_fresh = np.append(fresh_rows, -1)[slot] == rows

        def run(begin: int, end: int) -> None:
            if not is_fresh[begin:end].any():  # mode "clip" is the one that copies straight into `out`
                np.take(self.data, rows[begin:end], axis=0, out=out[begin:end], mode="clip")
                return
            for index in range(begin, end):
                out[index] = fresh[slot[index]] if is_fresh[index] else self.data[rows[index]]

        picture = max(1, math.prod(self.data.shape[1:]))
        codecs.in_parallel(run, len(rows), chunk=max(1, _GATHER_BYTES // picture))
        return out


def map_file(path: Path, facts: Mapping[str, Any], count: int) -> KeptPictures:
    """Map the pictures in a file, which is made if it is not there or not what is wanted.

    The file has a header, a flag per picture, and the pictures, each on pages of their own. After a
    crash of the machine the flags may have reached the disk without the pictures, so an incomplete
    file is begun anew after a restart.

    Args:
        path: of the file.
        facts: what it holds, JSON-ready, with the ``shape`` of one picture. A file with other facts
            is replaced.
        count: of pictures, for a new file; one that is there keeps its own.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (found := _count_in(path, facts)) is None:
            found = count
            _make_file(path, {**facts, "count": count, "boot": _boot()}, _total_bytes(count, facts))
    with path.open("r+b") as file:
        memory = mmap.mmap(file.fileno(), 0)
    shape = (found, *facts["shape"])
    data = np.frombuffer(memory, np.uint8, math.prod(shape), _data_begins(found)).reshape(shape)
    valid = np.frombuffer(memory, np.bool_, found, _PAGE)
    return KeptPictures(data, valid, functools.partial(_seal, memory))


def _count_in(path: Path, facts: Mapping[str, Any]) -> int | None:
    """The number of pictures in a file; None if it is not there, or must not be used."""
    try:
        with path.open("rb") as file:
            head = file.read(_PAGE)
            header = json.loads(head[: -len(_SEAL)].rstrip(b"\0"))
        count = int(header.pop("count"))
        is_safe = header.pop("boot") == _boot() or head.endswith(_SEAL)
    except (FileNotFoundError, ValueError, KeyError, AttributeError, TypeError):
        return None
    return count if is_safe and header == facts and path.stat().st_size == _total_bytes(count, facts) else None


def _make_file(path: Path, header: Mapping[str, Any], size: int) -> None:
    """Reserve all of it, so that a full disk is an error now and not a crash of the process later."""
    draft = path.with_suffix(".draft")
    with draft.open("w+b") as file:
        file.truncate(size)
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        file.write(json.dumps(header).encode())
    draft.replace(path)


def _seal(memory: mmap.mmap) -> None:
    if memory[_PAGE - len(_SEAL) : _PAGE] != _SEAL:
        memory.flush()
        memory[_PAGE - len(_SEAL) : _PAGE] = _SEAL


def _data_begins(count: int) -> int:
    return _PAGE * (1 + -(-count // _PAGE))


def _total_bytes(count: int, facts: Mapping[str, Any]) -> int:
    return _data_begins(count) + count * int(math.prod(facts["shape"]))


def _boot() -> str:
    """Names the time since the machine was started; empty where the system does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
