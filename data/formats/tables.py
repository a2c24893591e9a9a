"""Lance tables on the local disk: opening, appending, locking. The one place that imports lance."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from swm.core.errors import DatasetError

STEPS, EPISODES, LOCK = "steps.lance", "episodes.lance", ".lock"

_FILE_VERSION = "2.2"


def lance_module() -> Any:
    """Import lance.

    Raises:
        DatasetError: it is the unrelated package of that name.
    """
    import lance

    if not hasattr(lance, "write_dataset"):
        raise DatasetError(
            f"'import lance' found a package without write_dataset ({getattr(lance, '__file__', lance)}): the PyPI "
            f"project 'lance' is unrelated and overwrites the module of 'pylance'. "
            f"Run: pip uninstall -y lance pylance && pip install --force-reinstall 'pylance>=12,<15'"
        )
    return lance


def has_table(path: Path) -> bool:
    """Whether a table was ever committed at `path`."""
    versions = path / "_versions"
    return versions.is_dir() and any(name.suffix == ".manifest" for name in versions.iterdir())


def open_table(path: Path, version: int | None = None) -> Any:
    """Open a version (None: the latest) of the table at `path`.

    Raises:
        DatasetError: the table or the version does not exist.
    """
    lance = lance_module()
    try:
        return lance.dataset(str(path), version=version)
    except (ValueError, OSError) as error:
        if version is not None and has_table(path):
            known = [entry["version"] for entry in lance.dataset(str(path)).versions()]
            raise DatasetError(f"{path} has no version {version}. Versions on disk: {known}.") from error
        raise DatasetError(f"no table can be opened at {path}: {error}") from error


def write_table(path: Path, rows: pa.Table, base: Any | None) -> Any:
    """Commit `rows` to the table at `path` and return the table as it is then.

    Args:
        path: of the table.
        rows: what to write.
        base: the version to append to; versions after it are taken back. None replaces the
            table's content, whatever it was.
    """
    lance = lance_module()
    if base is None:
        mode = "overwrite" if has_table(path) else "create"
        return lance.write_dataset(rows, str(path), mode=mode, data_storage_version=_FILE_VERSION)
    if base.latest_version != base.version:
        base.restore()
    return lance.write_dataset(rows, base, mode="append")


def forget_old_versions(path: Path) -> None:
    """Delete every version of a table but the latest, and the files that only they use."""
    open_table(path).cleanup_old_versions(
        older_than=timedelta(0), delete_unverified=True, error_if_tagged_old_versions=False
    )


def rows_beyond(latest: Any, committed: Any) -> int:
    """The number of rows of `latest` that live in files which `committed` does not use."""
    known = {data.path for fragment in committed.get_fragments() for data in fragment.data_files()}
    return sum(
        fragment.count_rows()
        for fragment in latest.get_fragments()
        if not any(data.path in known for data in fragment.data_files())
    )


def lock(path: Path) -> int:
    """Become the one writer of the dataset at `path`; the system releases the lock when the process dies.

    Returns:
        A file descriptor; closing it releases the lock.

    Raises:
        DatasetError: another writer has it.
    """
    handle = os.open(path / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(handle, 32).decode() or "unknown"
        os.close(handle)
        raise DatasetError(
            f"another writer has {path} open (process {owner}). Wait until it closes, or write to another dataset."
        ) from None
    os.ftruncate(handle, 0)
    os.pwrite(handle, str(os.getpid()).encode(), 0)
    return handle


def is_locked(path: Path) -> bool:
    """Whether some writer has the dataset at `path` open."""
    with contextlib.ExitStack() as stack:
        try:
            handle = stack.enter_context(_opened(path / LOCK))
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
    return False


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_RDONLY)
    try:
        yield handle
    finally:
        os.close(handle)
