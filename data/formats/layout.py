"""What both sides of the frames layout agree on: the tables' schema, and the checksum of an episode.

``steps.lance`` has one row per observation, episodes one after the other; in the last row of an
episode the transition columns are null. ``episodes.lance`` has one row per episode and is the
commit point: an episode exists when its row does. Each row names the version of the steps table
that was current when it was written, so a reader sees exactly the steps that were committed.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from swm.core.config import from_json, to_json
from swm.core.errors import DatasetError
from swm.data.columns import Column

SCHEMA_VERSION = 1

_KEY = b"swm"

EPISODE_SCHEMA = pa.schema(
    [
        ("length", pa.int64()),
        ("split", pa.string()),
        ("checksum", pa.string()),
        ("metadata", pa.string()),
        ("steps_version", pa.int64()),
        ("session", pa.string()),  # null but in the first row of a writing session
    ]
)


def header(columns: Mapping[str, Column]) -> dict[bytes, bytes]:
    """The metadata of the episodes table's schema."""
    facts = {"schema_version": SCHEMA_VERSION, "columns": to_json(list(columns.values()))}
    return {_KEY: json.dumps(facts).encode()}


def read_header(metadata: Mapping[bytes, bytes] | None, uri: object) -> dict[str, Column]:
    """The columns that `header` described.

    Raises:
        DatasetError: the table was not written by this package, or by a newer version of it.
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
    columns = [from_json(Column, column) for column in facts["columns"]]
    return {column.name: column for column in columns}


def checksum(parts: Iterable[tuple[Column, Any]], metadata: str, split: str) -> str:
    """SHA-256 of everything that is stored of one episode.

    Args:
        parts: each column with what is stored of it: byte strings if it has a codec, else an array
            of the rows that have a value.
        metadata: JSON.
        split: of the episode.
    """
    total = hashlib.sha256(json.dumps([metadata, split]).encode())
    for column, stored in sorted(parts, key=lambda part: part[0].name):
        total.update(json.dumps(column.name).encode())
        if column.codec is None:
            total.update(np.ascontiguousarray(stored).data)
        else:
            total.update(np.array([len(blob) for blob in stored], "<i8").data)
            for blob in stored:
                total.update(blob)
    return total.hexdigest()
