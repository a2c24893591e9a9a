"""Files and folders that are hashed, and those that take their place at once when they are complete."""

import hashlib
import shutil
from pathlib import Path


def sha256(path: Path) -> str:
    """Of a file's content, hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def swap(new: Path, place: Path, old: Path) -> None:
    """Give something complete its place.

    Args:
        new: what takes the place.
        place: where it belongs.
        old: where to put what is there now until that is done; then it is removed.

    Raises:
        OSError: it cannot be moved; what was in the place is there again.
    """
    if place.exists():
        place.rename(old)
    try:
        new.rename(place)
    except OSError:
        put_back(old, place)
        raise
    shutil.rmtree(old, ignore_errors=True)
    if old.is_file():
        old.unlink()


def put_back(old: Path, place: Path) -> None:
    """Undo a `swap` that was stopped between its two steps."""
    if old.exists() and not place.exists():
        old.rename(place)
