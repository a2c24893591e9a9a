"""Who may write to a dataset on a local disk. The system releases the locks when a process dies."""

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

from swm.core.errors import DatasetError, InvalidValueError
from swm.data.location import Location

_PATIENCE = 1.0
"""Seconds to wait for readers that look whether a writer is there."""


class WriterLock:
    """The right to write: alone, or as one of several named recorders that commit in turn.

    An object store has no locks: there `WriterLock` does nothing, and Lance's own commits, which
    refuse to replace a version that exists, keep concurrent appends whole.
    """

    def __init__(self, location: Location, recorder: str | None) -> None:
        """Take the locks.

        Args:
            location: of the dataset; its directory is made if need be.
            recorder: this writer's name among several; None to be alone.

        Raises:
            DatasetError: another writer has what is asked for.
            InvalidValueError: a name that cannot be part of a file's name.
        """
        if recorder is not None and not re.fullmatch(r"[A-Za-z0-9-]{1,64}", recorder):
            raise InvalidValueError(f"a recorder is named by 1 to 64 letters, digits and hyphens, got {recorder!r}.")
        self.alone = recorder is None
        self._handles: list[int] = []
        self._folder = location.path if location.is_local else None
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            self._take(".lock", fcntl.LOCK_EX if self.alone else fcntl.LOCK_SH)
            if recorder is not None:
                self._take(f".lock-{recorder}", fcntl.LOCK_EX)
        except BaseException:
            self.release()
            raise

    def _take(self, name: str, kind: int) -> None:
        assert self._folder is not None
        handle = os.open(self._folder / name, os.O_RDWR | os.O_CREAT, 0o644)
        self._handles.append(handle)
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                fcntl.flock(handle, kind | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    owner = os.pread(handle, 32, 0).decode() or "unknown"
                    raise DatasetError(
                        f"another writer has {self._folder} open (process {owner}). Wait until it closes, write to "
                        f"another dataset, or give each of several writers a name of its own (recorder=...)."
                    ) from None
                time.sleep(_PATIENCE / 20)
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Commit while no other recorder does."""
        if self._folder is None or self.alone:
            yield
            return
        handle = os.open(self._folder / ".lock-commit", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def release(self) -> None:
        """Give the locks back; further calls do nothing."""
        while self._handles:
            os.close(self._handles.pop())


def is_locked(folder: Path) -> bool:
    """Whether some writer has the dataset in `folder` open."""
    try:
        handle = os.open(folder / ".lock", os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
