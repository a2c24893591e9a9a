"""HDF5 files on disk: handles that belong to one process, one kind of error, and replacement at once."""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from swm.core.errors import DatasetError, SwmError

_MAGIC = b"\x89HDF\r\n\x1a\n"


def is_hdf5(path: Path) -> bool:
    """Whether a file begins as HDF5 files do; never raises."""
    try:
        with path.open("rb") as stream:
            return stream.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def open_for_reading(path: Path, **options: Any) -> Any:
    """Open a file without HDF5's lock: a reader neither stops a writer nor fails on a read-only disk.

    A file that this process has open already is opened in the same way: HDF5 refuses any other.
    """
    import h5py

    try:
        return h5py.File(path, "r", locking=False, **options)
    except OSError as error:
        if "locking flag" not in str(error):
            raise
        return h5py.File(path, "r", **options)


def members(path: Path, group: str = "/") -> frozenset[str]:
    """The names in a group of an HDF5 file; none if there is no such file or group; never raises."""
    if not is_hdf5(path):
        return frozenset()
    try:
        with guard(path), open_for_reading(path) as file:
            return frozenset(file[group])
    except DatasetError:
        return frozenset()


@contextlib.contextmanager
def guard(path: Path, what: str = "reading it") -> Iterator[None]:
    """Turn what h5py raises into a `DatasetError`.

    HDF5 checks its own structure and the checksums of the chunks that this package writes, so a
    truncated or damaged file ends here.
    """
    try:
        yield
    except SwmError:
        raise
    except FileNotFoundError as error:
        raise DatasetError(f"{path}: there is no such file.") from error
    except IsADirectoryError as error:
        raise DatasetError(f"{path} is a folder: give the HDF5 file itself.") from error
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, IndexError, OverflowError, MemoryError) as error:
        raise DatasetError(
            f"{path}: {what} failed ({error}). The disk is full or refuses, or the file is truncated, damaged or of "
            f"another layout: restore it from a copy, or record it again."
        ) from error


class Handle:
    """One HDF5 file, opened for reading where it is used: once per process, never across a fork."""

    def __init__(self, path: Path, chunk_cache: int = 16 << 20) -> None:
        """Remember the file and how many bytes of chunks to keep per dataset; nothing is opened yet."""
        self._path, self._chunk_cache = path, chunk_cache
        self._process: int | None = None
        self._file: Any = None

    def __reduce__(self) -> tuple[Any, ...]:
        return Handle, (self._path, self._chunk_cache)

    @property
    def file(self) -> Any:
        """The open ``h5py.File`` of this process.

        Raises:
            DatasetError: it cannot be opened.
        """
        if self._process != os.getpid():
            with guard(self._path, "opening it"):
                self._file = open_for_reading(self._path, rdcc_nbytes=self._chunk_cache)
            self._process = os.getpid()
        return self._file


def part_of(path: Path) -> Path:
    """Where the unfinished file of `path` is."""
    return path.with_name(f".{path.name}.part")


class Replacement:
    """A file that is written beside its place and takes it at once when it is complete.

    Whoever writes holds a lock on the unfinished file, so that there is one writer; a killed
    writer's unfinished file is begun anew by the next.
    """

    def __init__(self, path: Path, part: Path) -> None:
        """Lock the unfinished file.

        Args:
            path: the place to take.
            part: the unfinished file, on the same disk.

        Raises:
            DatasetError: another writer is at work, or the disk refuses.
        """
        self.path, self.part = path, part
        try:
            part.parent.mkdir(parents=True, exist_ok=True)
            self._lock: int | None = self._take_lock()
            os.ftruncate(self._lock, 0)
        except OSError as error:
            raise DatasetError(f"{path} cannot be written ({error}). Choose another place.") from error

    def copy(self) -> None:
        """Begin with a copy of what is in the place.

        Raises:
            DatasetError: the disk is full, or it cannot be read.
        """
        try:
            shutil.copyfile(self.path, self.part)
        except OSError as error:
            raise DatasetError(f"{self.path} cannot be copied ({error}). Make room, or repair it.") from error

    def _take_lock(self) -> int:
        while True:
            handle = os.open(self.part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self.part.exists() and os.path.samestat(os.fstat(handle), os.stat(self.part)):
                    return handle
            except BlockingIOError as error:
                os.close(handle)
                raise DatasetError(
                    f"{self.path} has another writer. Wait for it, or write to another place and merge."
                ) from error
            os.close(handle)  # the other writer finished in between: the file that was locked is no longer here

    def commit(self) -> None:
        """Put the file in its place: readers see the old or the new content, never a part."""
        assert self._lock is not None
        os.fsync(self._lock)
        os.replace(self.part, self.path)
        self._release()

    def commit_folder(self, folder: Path, place: Path) -> None:
        """Put the whole folder that the file is in at a place that is free or an empty folder."""
        assert self._lock is not None
        os.fsync(self._lock)
        os.replace(folder, place)
        self._release()

    def discard(self) -> None:
        """Remove the unfinished file; what was in its place stays."""
        self.part.unlink(missing_ok=True)
        self._release()

    def _release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
