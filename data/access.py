"""Creating and opening datasets, whatever their layout."""

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from swm.core.errors import DatasetError
from swm.core.registry import load_target
from swm.data.columns import Codec
from swm.data.dataset import Dataset
from swm.data.formats import FORMATS, Writer
from swm.data.options import Mode, WriteOptions


def create(
    uri: str | os.PathLike[str],
    *,
    mode: Mode = "error",
    codec: Codec | None = None,
    quality: int = 95,
    shard_size: int = 4096,
    provenance: Mapping[str, Any] | None = None,
    val_fraction: float = 0.1,
) -> Writer:
    """Make a dataset, or continue one, and return its writer.

    Args:
        uri: a local directory.
        mode: ``"error"`` refuses an existing dataset, ``"append"`` continues it or begins one,
            ``"overwrite"`` replaces it once the first new shard is committed.
        codec: of pictures named ``pixels`` or ``pixels.<view>``: ``"jpeg"``, ``"png"`` or
            ``"raw"``. None is that of the dataset, or JPEG for a new one. Other pictures are never lossy.
        quality: of JPEG, 1 to 100.
        shard_size: observations per commit.
        provenance: how the data came to be, JSON-ready; kept once for this writing session.
        val_fraction: share of the episodes that is held out. An episode's split is a function of
            ``metadata["seed"]``, or of its index if it has no seed.

    Raises:
        DatasetError: the dataset exists, has another writer, or `uri` holds something else.
    """
    path = _local_path(uri)
    options = WriteOptions(
        mode=mode,
        codec=codec,
        quality=quality,
        shard_size=shard_size,
        provenance=dict(provenance or {}),
        val_fraction=val_fraction,
    )
    layout = _detect(path)
    if layout is None and path.exists() and (not path.is_dir() or set(os.listdir(path)) - {".lock"}):
        raise DatasetError(f"{path} exists and is not a dataset: nothing was touched. Choose another place.")
    writer: Writer = load_target(FORMATS[layout or "frames"].writer)(path, options)
    return writer


def open(uri: str | os.PathLike[str], *, version: int | None = None, cache_bytes: int = 1 << 30) -> Dataset:
    """Open a dataset of any known layout.

    Args:
        uri: a local directory.
        version: None for the latest. A dataset gets a new version with each commit.
        cache_bytes: how much of it each process may keep in memory. Columns stay there whole, as
            stored: pictures remain encoded.

    Raises:
        DatasetError: nothing is there, it is no dataset, has no such version, or was written by a
            newer version of this package.
    """
    path = _local_path(uri)
    if not path.exists():
        raise DatasetError(f"no dataset at {path}: the path does not exist (from {os.getcwd()}).")
    layout = _detect(path)
    if layout is None:
        known = ", ".join(FORMATS)
        raise DatasetError(f"{path} is not a dataset of a known format ({known}). Give the directory itself.")
    dataset = Dataset(FORMATS.load(layout)(path, version, cache_bytes))
    if dataset.torn_rows:
        warnings.warn(
            f"{path}: a writer was stopped before its last commit: {dataset.torn_rows} rows of unfinished episodes "
            f"are ignored, {dataset.num_episodes} episodes are complete. The next mode='append' removes them.",
            stacklevel=2,
        )
    return dataset


def _local_path(uri: str | os.PathLike[str]) -> Path:
    """Turn a path or ``file://`` URI into an absolute path.

    Raises:
        DatasetError: another kind of URI.
    """
    text = os.fspath(uri).removeprefix("file://")
    if "://" in text:
        raise DatasetError(f"{text}: datasets are read and written on local disks. Download it and give its path.")
    return Path(text).expanduser().absolute()


def _detect(path: Path) -> str | None:
    return next((name for name, row in FORMATS.items() if row.detect(path)), None)
