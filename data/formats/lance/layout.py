"""What both sides of the Lance layouts agree on: the tables' schemas, and the checksum of an episode.

``steps.lance`` has one row per observation, the rows of an episode one after the other; in its last
row the transition columns are null. ``videos.lance`` has one row per episode and camera whose codec
stores whole episodes. ``episodes.lance`` has one row per episode and is the commit point: an episode
exists when its row does. The row says where the episode's rows begin in the other tables and which
version of them it was committed with; rows that no episode claims are what a killed writer left.
"""

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from swm.core.config import from_json, to_json
from swm.core.errors import DatasetError
from swm.data.columns import Array, Column
from swm.data.encoded import EncodedVideo

SCHEMA_VERSION = 2

_KEY = b"swm"

EPISODE_SCHEMA = pa.schema(
    [
        ("length", pa.int64()),
        ("first_row", pa.int64()),
        ("first_video", pa.int64()),
        ("split", pa.string()),
        ("checksum", pa.string()),
        ("metadata", pa.string()),
        ("payload", pa.large_binary()),
        ("steps_version", pa.int64()),
        ("videos_version", pa.int64()),
        ("session", pa.string()),  # null but in the first row of a writing session
    ]
)


def video_schema() -> pa.Schema:
    """The columns of ``videos.lance``; `EncodedVideo` says what they mean."""
    import lance

    return pa.schema(
        [
            lance.blob_field("video"),
            ("camera", pa.string()),
            ("size", pa.int64()),
            ("frame_offsets", pa.list_(pa.int64())),
            ("keyframes", pa.list_(pa.int64())),
            ("header", pa.binary()),
        ]
    )


def is_video(column: Column) -> bool:
    """Whether the pictures of an episode are stored together."""
    return column.codec not in (None, "jpeg", "png", "raw")


def header(columns: Mapping[str, Column]) -> dict[bytes, bytes]:
    """The metadata of the tables' schemas."""
    facts = {"schema_version": SCHEMA_VERSION, "columns": to_json(list(columns.values()))}
    return {_KEY: json.dumps(facts).encode()}


def read_header(metadata: Mapping[bytes, bytes] | None, uri: object) -> dict[str, Column]:
    """The columns that `header` described.

    Raises:
        DatasetError: the table was not written by this package, or by another version of it.
    """
    try:
        facts = json.loads((metadata or {})[_KEY])
        version = facts["schema_version"]
    except (KeyError, ValueError) as error:
        raise DatasetError(
            f"{uri} holds Lance tables that were not written by swm.data. Read them with lance, and write their "
            f"episodes with swm.data.create."
        ) from error
    if version > SCHEMA_VERSION:
        raise DatasetError(
            f"{uri} has schema version {version}; this installation reads up to {SCHEMA_VERSION}. "
            f"Upgrade it: pip install --upgrade swm"
        )
    if version < SCHEMA_VERSION:
        raise DatasetError(f"{uri} has schema version {version}, of a version before the first release: record again.")
    try:
        columns = [from_json(Column, column) for column in facts["columns"]]
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"{uri} is damaged: its list of columns cannot be read ({error}).") from error
    return {column.name: column for column in columns}


def pack_payload(payload: Mapping[str, Array]) -> bytes | None:
    """Per-episode arrays as one byte string; None if there are none. `unpack_payload` is the inverse."""
    if not payload:
        return None
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {str(number): array for number, array in enumerate(payload.values())}
    np.savez(buffer, names=np.array(json.dumps(list(payload))), **arrays)
    return buffer.getvalue()


def unpack_payload(content: bytes | None) -> dict[str, Array]:
    """Return what `pack_payload` packed."""
    if content is None:
        return {}
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return {name: arrays[str(number)] for number, name in enumerate(json.loads(str(arrays["names"])))}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, KeyError) as error:
        raise ValueError(f"a damaged payload ({error})") from error


def checksum(parts: Iterable[tuple[Column, Any]], metadata: str, split: str, payload: bytes | None) -> str:
    """SHA-256 of everything that is stored of one episode.

    Args:
        parts: each column with what is stored of it: byte strings if it has a picture codec, an
            `EncodedVideo` if it has a video codec, else an array of the rows that have a value.
        metadata: JSON.
        split: of the episode.
        payload: packed.
    """
    total = hashlib.sha256(json.dumps([metadata, split]).encode())
    total.update(payload or b"")
    for column, stored in sorted(parts, key=lambda part: part[0].name):
        total.update(json.dumps(column.name).encode())
        if isinstance(stored, EncodedVideo):
            total.update(np.asarray(stored.frame_offsets, "<i8").data)
            total.update(np.asarray(stored.keyframes, "<i8").data)
            stored = [stored.header, stored.content]
        elif column.dtype == "str":
            stored = [text.encode() for text in stored.tolist()]
        elif column.codec is None:
            total.update(np.ascontiguousarray(stored).data)
            continue
        total.update(np.array([len(blob) for blob in stored], "<i8").data)
        for blob in stored:
            total.update(blob)
    return total.hexdigest()
