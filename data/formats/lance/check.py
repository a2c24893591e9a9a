"""Checking a dataset in Lance tables: every checksum, every picture, every place in the tables."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from swm.core.errors import DatasetError
from swm.data import codecs
from swm.data.columns import Column
from swm.data.formats.lance import tables
from swm.data.formats.lance.arrow import Blobs, numbers_from_arrow
from swm.data.formats.lance.layout import checksum, is_video

if TYPE_CHECKING:
    from swm.data.formats.lance.reader import LanceReader

_CHECK_ROWS = 2048


def find_problems(reader: "LanceReader", steps: Any, payloads: Any) -> Iterator[str]:
    """Yield one sentence per damage.

    Args:
        reader: of the dataset.
        steps: its table of steps.
        payloads: its table of episodes.
    """
    offsets, counts = reader.index.offsets, reader.index.lengths + 1
    order = np.argsort(offsets)
    overlaps = np.flatnonzero(offsets[order][1:] < (offsets + counts)[order][:-1])
    yield from (f"episodes {order[i]} and {order[i + 1]} claim the same rows" for i in overlaps)
    for chunk in _chunks(counts):
        rows = np.concatenate([np.arange(offsets[episode], offsets[episode] + counts[episode]) for episode in chunk])
        try:
            with tables.translated(f"episodes {chunk[0]} to {chunk[-1]}: their rows cannot be read"):
                table = steps.take(rows).combine_chunks()
                packed = payloads.take(chunk, columns=["payload"])["payload"].to_pylist()
        except DatasetError as error:
            yield str(error)
            continue
        first = 0
        for episode, payload in zip(chunk, packed, strict=True):
            yield from _episode_problems(reader, episode, table.slice(first, int(counts[episode])), payload)
            first += int(counts[episode])


def _chunks(counts: Any) -> Iterator[list[int]]:
    """Episodes in order, as many at once as have a bounded number of rows."""
    chunk: list[int] = []
    for episode in range(len(counts)):
        if chunk and counts[chunk].sum() + counts[episode] > _CHECK_ROWS:
            yield chunk
            chunk = []
        chunk.append(episode)
    yield chunk


def _episode_problems(reader: "LanceReader", episode: int, table: Any, payload: bytes | None) -> Iterator[str]:
    """Check one episode: its rows, its pictures, and its checksum."""
    parts = []
    for column in reader.columns.values():
        expected = int(reader.index.lengths[episode]) + (column.role == "observation")
        try:
            stored = _stored(reader, column, episode, table, expected)
        except (DatasetError, ValueError) as error:
            yield f"episode {episode}: column {column.name!r} {error}"
            continue
        parts.append((column, stored))
        yield from _undecodable(column, stored, episode, expected)
    metadata, split = reader.index.metadata[episode], str(reader.index.splits[episode])
    if checksum(parts, metadata, split, payload) != reader.checksums()[episode]:
        yield f"episode {episode}: its content is not what was written (checksum)"


def _stored(reader: "LanceReader", column: Column, episode: int, table: Any, expected: int) -> Any:
    """What is stored of a column, in the form that `checksum` takes.

    Raises:
        ValueError: null in other rows than it should be, or another number of frames.
        DatasetError: it cannot be read.
    """
    if is_video(column):
        video = reader.encoded(column.name, episode)
        assert video is not None
        if len(video) != expected:
            raise ValueError(f"has {len(video)} frames for {expected} observations")
        return video
    if column.size == 0:
        return np.empty((expected, *column.shape), column.dtype)
    array = table[column.stored_name].combine_chunks()
    present = np.asarray(array.is_valid())
    if not present[:expected].all() or present[expected:].any():
        raise ValueError("is null in other rows than the last")
    with tables.translated("cannot be read"):
        return numbers_from_arrow(column, array[:expected]) if column.codec is None else Blobs(array[:expected])


def _undecodable(column: Column, stored: Any, episode: int, expected: int) -> Iterator[str]:
    if column.codec is None:
        return
    try:
        if is_video(column):
            stored.decode()
        else:
            codecs.decode(column.codec, stored, np.empty((expected, *column.shape), np.uint8))
    except codecs.PictureError as error:
        yield f"episode {episode}: frame {error.index} of {column.name!r} cannot be decoded ({error})"
