"""The folder that a finished dataset takes."""

import os
import shutil
from pathlib import Path

from swm.core.errors import DatasetError
from swm.data.formats.lerobot.layout import INFO
from swm.data.options import Mode


def check_free(path: Path, mode: Mode) -> None:
    """Check that the place may be taken.

    Raises:
        DatasetError: there is a dataset and the mode is not to replace it, or there is something else.
    """
    if not path.exists() or (path.is_dir() and not set(os.listdir(path)) - {".lock"}):
        return
    if not (path / INFO).exists():
        raise DatasetError(f"{path} exists and is no LeRobot dataset: nothing was touched. Choose another place.")
    if mode == "overwrite":
        return
    if mode == "append":
        raise DatasetError(
            f"{path} is finished: a LeRobot dataset cannot be continued. Write the episodes to a new one "
            f"and merge the two, or record in Lance and export at the end."
        )
    raise DatasetError(f"{path} exists already. Replace it with mode='overwrite', or choose another place.")


def swap(new: Path, place: Path) -> None:
    """Give a finished folder its name; what has the name now is removed after that."""
    old = new.with_suffix(".old")
    if place.exists():
        os.rename(place, old)
    try:
        os.rename(new, place)
    except OSError:
        if old.exists():
            os.rename(old, place)
        raise
    shutil.rmtree(old, ignore_errors=True)
