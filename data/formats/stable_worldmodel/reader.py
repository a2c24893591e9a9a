"""Reading the datasets of stable-worldmodel: Lance, Lance with video, folders of pictures, folders of video.

Its HDF5 files are read by the format ``"hdf5"``.
"""

from pathlib import Path

from swm.core.errors import DatasetError
from swm.data.formats.episodic import check_version
from swm.data.formats.stable_worldmodel.folder import LENGTHS, FolderRows
from swm.data.formats.stable_worldmodel.lance import EPISODES, VIDEOS, LanceRows
from swm.data.formats.stable_worldmodel.rows import Rows, StableReader
from swm.data.location import Location

_OURS = {"steps", "episodes", "videos"}
"""Tables of this package's own Lance datasets, which may have lost one."""


def detect(path: Path) -> bool:
    """Whether `path` holds a dataset of one of the layouts, or is its ``<name>.lance`` itself."""
    return (path / LENGTHS).is_file() or bool(_tables(path))


def open_reader(location: Location, version: int | None, cache_bytes: int) -> StableReader:
    """Open a dataset of any of the layouts.

    Args:
        location: of the dataset: a folder, or the ``<name>.lance`` in it.
        version: of the Lance table; None for the latest. Folders have version 1 alone.
        cache_bytes: without effect, nothing is kept in memory.

    Raises:
        DatasetError: it cannot be read, or has several tables to choose from.
    """
    path = location.path
    tables = _tables(path)
    rows: Rows
    if len(tables) > 1:
        raise DatasetError(f"{path} has several datasets: {', '.join(table.name for table in tables)}. Open one.")
    if tables:
        rows = LanceRows(tables[0], version)
    else:
        check_version(location, version)
        rows = FolderRows(path)
    return StableReader(location, rows, open_reader)


def _tables(path: Path) -> list[Path]:
    """The tables of rows at `path`, without those that belong to another one."""
    folder = path.parent if path.suffix == ".lance" else path
    try:
        found = {table.stem for table in folder.glob("*.lance") if (table / "_versions").is_dir()}
    except OSError:
        return []
    main = {name for name in found if not any(name.removesuffix(end) in found - {name} for end in (VIDEOS, EPISODES))}
    if found <= _OURS or found >= {"steps", "episodes"}:
        main -= _OURS
    if path != folder:
        main &= {path.stem}
    return [folder / f"{name}.lance" for name in sorted(main)]
