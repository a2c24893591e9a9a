"""Creating and opening datasets, whatever their format."""

import difflib
import itertools
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from swm.core.errors import DatasetError, InvalidValueError
from swm.core.registry import load_target
from swm.data.dataset import Dataset
from swm.data.decoded import DecodedCache
from swm.data.encoded import Codec, VideoCodec
from swm.data.formats import FORMATS, Reader, Writer
from swm.data.location import Location
from swm.data.options import Chroma, Mode, WriteOptions

_CACHE_BYTES = 1 << 30
_MOST_NAMED = 8
"""Datasets in a folder that an error names."""


def create(
    uri: str | os.PathLike[str] | Location,
    *,
    format: str | None = None,
    mode: Mode = "error",
    codec: Codec | VideoCodec | None = None,
    quality: int = 95,
    chroma: Chroma = "4:4:4",
    crf: int = 23,
    fps: float = 10.0,
    shard_size: int = 4096,
    provenance: Mapping[str, Any] | None = None,
    val_fraction: float = 0.1,
    recorder: str | None = None,
    storage_options: Mapping[str, str] | None = None,
) -> Writer:
    """Make a dataset, or continue one, and return its writer.

    Args:
        uri: a local path, or the URI of an object store for formats that can live there.
        format: a row of `FORMATS`; None is that of the dataset, or the one that has the codec for a new one.
        mode: ``"error"`` refuses an existing dataset, ``"append"`` continues it or begins one,
            ``"overwrite"`` replaces it once the first new shard is committed.
        codec: of pictures named ``pixels`` or ``pixels.<view>``: ``"jpeg"``, ``"png"`` or ``"raw"``
            per picture, ``"h264"``, ``"h264-lossless"`` or ``"av1"`` per episode. None is that of the
            dataset, or the format's own for a new one. Other pictures are never lossy.
        quality: of JPEG, 1 to 100.
        chroma: of JPEG: ``"4:4:4"`` keeps the colour of every pixel, ``"4:2:0"`` that of every four,
            which is smaller and faster to read, and blurs small coloured things.
        crf: constant rate factor of lossy video, 0 to 51 on the codec's own scale; lower is better and larger.
        fps: steps per second, for formats that tell time.
        shard_size: observations per commit.
        provenance: how the data came to be, JSON-ready; kept once for this writing session.
        val_fraction: share of the episodes that is held out. An episode's split is a function of
            ``metadata["seed"]``, or of its index if it has no seed; ``metadata["split"]`` overrides it.
        recorder: a name for this writer, so that others with names of their own may write at the
            same time; None is alone.
        storage_options: credentials and settings of the object store, as Lance names them.

    Raises:
        DatasetError: the dataset exists, has another writer, or `uri` holds something else.
        UnknownNameError: no such format.
        InvalidValueError: a number is out of range, or the format has no such codec.
    """
    location = Location.parse(uri, storage_options)
    options = WriteOptions(
        mode=mode,
        codec=codec,
        quality=quality,
        chroma=chroma,
        crf=crf,
        fps=fps,
        shard_size=shard_size,
        provenance=dict(provenance or {}),
        val_fraction=val_fraction,
        recorder=recorder,
    )
    if format is not None and not (location.is_local or FORMATS[format].remote):
        raise DatasetError(f"{location}: the format {format!r} is written on local disks alone.")
    free = not location.is_local or _is_free(location.path)  # first: another recorder may begin the dataset now
    found = detect_format(location)
    name = format or found or ("video" if codec in get_args(VideoCodec) else "frames")
    row = FORMATS[name]
    if format in ("frames", "video") and codec is not None and (format == "video") != (codec in get_args(VideoCodec)):
        able = ", ".join(get_args(VideoCodec if format == "video" else Codec))
        raise InvalidValueError(f"the format {format!r} has no codec {codec!r}: it has {able}.")
    if found is None and not free:
        raise DatasetError(f"{location} exists and is not a dataset: nothing was touched. Choose another place.")
    if found is not None and found != name and mode != "error":
        raise DatasetError(
            f"{location} is a dataset of the format {found!r}, not {name!r}. "
            f"Give that format (--format {found}), or choose another place."
        )
    if row.writer is None:
        able = ", ".join(name for name, row in FORMATS.items() if row.writer)
        raise DatasetError(f"the format {name!r} can only be read. These can be written: {able}.")
    writer: Writer = load_target(row.writer)(location, options)
    return writer


def open(
    uri: str | os.PathLike[str] | Location,
    *,
    format: str | None = None,
    version: int | str | None = None,
    cache_bytes: int | None = None,
    decoded_bytes: int = 0,
    decoded_path: str | os.PathLike[str] | None = None,
    storage_options: Mapping[str, str] | None = None,
) -> Dataset:
    """Open a dataset of any known format.

    Args:
        uri: a local path, or the URI of an object store.
        format: a row of `FORMATS`; None finds out.
        version: a number or a tag; None for the latest. A dataset gets a new version with each commit.
        cache_bytes: how much of it each process may keep in memory. Columns stay there whole, as
            stored: pictures remain encoded. None is 1 GiB of a local dataset, and nothing of one in
            an object store, of which only what is asked for moves.
        decoded_bytes: how much memory may be spent on decoded pictures, which then come at the speed of
            a copy. Those that do not fit are decoded each time.
        decoded_path: a folder for a file of that size instead, which worker processes share and later
            runs find again.
        storage_options: credentials and settings of the object store, as Lance names them.

    Raises:
        DatasetError: nothing is there, it is no dataset, has no such version, or was written by a
            newer version of this package.
        UnknownNameError: no such format.
        InvalidValueError: a folder for decoded pictures without their size.
    """
    location = Location.parse(uri, storage_options)
    check_exists(location)
    name = format or detect_format(location)
    if name is None:
        raise DatasetError(_why_unknown(location))
    if decoded_path is not None and not decoded_bytes:
        raise InvalidValueError("decoded_path needs decoded_bytes: how large may the file be?")
    if cache_bytes is None:
        cache_bytes = _CACHE_BYTES if location.is_local else 0
    reader: Reader = FORMATS.load(name)(location, version, cache_bytes)
    dataset = Dataset(DecodedCache(reader, decoded_bytes, decoded_path) if decoded_bytes else reader)
    if dataset.torn_rows:
        warnings.warn(
            f"{location}: a writer was stopped before its last commit: {dataset.torn_rows} rows of unfinished "
            f"episodes are ignored, {dataset.num_episodes} episodes are complete. The next mode='append' removes them.",
            stacklevel=2,
        )
    return dataset


def check_exists(location: Location) -> None:
    """Check that a local path exists.

    Raises:
        DatasetError: it does not; the message has the names beside it that are closest.
    """
    if not location.is_local or location.path.exists():
        return
    path = location.path
    beside = os.listdir(path.parent) if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, beside, n=3, cutoff=0.6)
    hint = f" Did you mean {' or '.join(repr(str(path.with_name(name))) for name in close)}?" if close else ""
    raise DatasetError(f"no dataset at {path}: the path does not exist.{hint}")


def _why_unknown(location: Location) -> str:
    """What to say of a place that exists and is no dataset."""
    if not location.is_local:
        return f"no dataset at {location}: it holds no committed episode. Check the URI's spelling."
    path = location.path
    if path.is_dir() and all(name.startswith(".lock") for name in os.listdir(path)):
        return f"{path} is not a dataset: the folder is empty, no episode was ever committed there."
    if path.suffix == ".lance" and detect_format(Location.parse(path.parent)) is not None:
        return f"{path} is a part of the dataset {path.parent}. Open that."
    inside = _datasets_in(path)
    if inside:
        return f"{path} is not a dataset, but holds some: {', '.join(inside)}. Open one of them."
    what = "folder" if path.is_dir() else "file"
    return (
        f"{path} is not a dataset of a known format ({', '.join(FORMATS)}): either it is none, or the {what} is "
        f"incomplete or damaged. docs/formats says what each format consists of."
    )


def _datasets_in(path: Path) -> list[str]:
    """The names of the first few datasets directly in a folder."""
    entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith(".")) if path.is_dir() else []
    found = (entry.name for entry in entries if detect_format(Location.parse(entry)) is not None)
    return list(itertools.islice(found, _MOST_NAMED))


def _is_free(path: Path) -> bool:
    """Whether a new dataset may be made there, or another recorder is making its first table."""
    if not path.is_dir():
        return not path.exists()
    from swm.data.formats.lance import tables

    begun = (tables.STEPS, tables.EPISODES, tables.VIDEOS)
    return all(name.startswith(".lock") or name in begun for name in os.listdir(path))


def detect_format(location: Location) -> str | None:
    """The format of what is there, a row of `FORMATS`; None if it is no dataset."""
    if location.is_local:
        return next((name for name, row in FORMATS.items() if load_target(row.detect)(location.path)), None)
    from swm.data.formats.lance import tables

    if tables.has_table(location / tables.VIDEOS):
        return "video"
    return "frames" if tables.has_table(location / tables.EPISODES) else None
