"""``dataset.json``: what a dataset kept as a folder of ordinary files says about itself.

It names the columns and the episodes, and is the commit point: an episode exists when it is listed
there, and files that are not listed are leftovers of a killed writer.
"""

import contextlib
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from swm.core.config import from_json, to_json
from swm.core.errors import DatasetError
from swm.data.columns import Column
from swm.data.formats.folders.beside import Beside
from swm.data.metadata import dump

MANIFEST = "dataset.json"
SCHEMA_VERSION = 1


class Entry(NamedTuple):
    """One committed episode."""

    name: str
    """Of its files."""
    length: int
    split: str
    metadata: Mapping[str, Any]
    checksum: str

    def is_sound(self) -> bool:
        """Whether every field is of its kind, as those of a file from elsewhere may not be."""
        texts = (self.name, self.split, self.checksum)
        return (
            all(isinstance(text, str) for text in texts)
            and re.fullmatch(r"episode_\d+", self.name) is not None
            and isinstance(self.length, int)
            and self.length > 0
            and isinstance(self.metadata, dict)
        )


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The content of ``dataset.json``."""

    kind: str
    """The format's name."""
    columns: Mapping[str, Column] = field(default_factory=dict)
    episodes: tuple[Entry, ...] = ()
    provenance: tuple[Mapping[str, Any], ...] = ()

    def to_json(self) -> str:
        """One line per episode.

        Raises:
            InvalidValueError: metadata or provenance without a JSON form.
        """
        facts = {"format": f"swm-{self.kind}", "schema_version": SCHEMA_VERSION}
        facts["columns"] = to_json(list(self.columns.values()))
        head = dump({**facts, "provenance": self.provenance})
        episodes = ",\n  ".join(dump(entry._asdict()) for entry in self.episodes)
        return f'{head[:-1]},\n "episodes": [\n  {episodes}\n ]}}\n'

    @classmethod
    def read(cls, path: Path, kind: str) -> "Manifest | None":
        """Read that of the dataset at `path`; None if it has none.

        Raises:
            DatasetError: it is damaged, of another kind or of a newer version of this package.
        """
        file = path / MANIFEST
        if not file.is_file():
            return None
        try:
            facts = json.loads(file.read_bytes())
            version, found = int(facts["schema_version"]), facts["format"]
            if found != f"swm-{kind}":
                raise ValueError(f"it is of the format {found!r}")
            if version > SCHEMA_VERSION:
                raise DatasetError(
                    f"{path} has schema version {version}; this installation reads up to {SCHEMA_VERSION}. "
                    f"Upgrade it: pip install --upgrade swm"
                )
            columns = [from_json(Column, column) for column in facts["columns"]]
            episodes = tuple(Entry(**entry) for entry in facts["episodes"])
            for number, entry in enumerate(episodes):
                if not entry.is_sound():
                    raise ValueError(f"episode {number} is {entry}")
            names = {column.name: column for column in columns}
            provenance = tuple(dict(session) for session in facts["provenance"])
            return cls(kind=kind, columns=names, episodes=episodes, provenance=provenance)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DatasetError(f"{file} does not describe a dataset of the format {kind!r}: {error!r}.") from error


def is_of(path: Path, kind: str) -> bool:
    """Whether the folder has a ``dataset.json`` of that format, by its first bytes."""
    with contextlib.suppress(OSError), (path / MANIFEST).open("rb") as file:
        return f'"swm-{kind}"'.encode() in file.read(100)
    return False


def checksum(metadata: str, split: str, beside: Beside, pictures: Mapping[str, Iterable[Any]]) -> str:
    """SHA-256 of everything that is stored of one episode.

    Args:
        metadata: JSON.
        split: of the episode.
        beside: columns that are no pictures, and the payload.
        pictures: column -> the bytes of its files, in order.
    """
    total = hashlib.sha256(json.dumps([json.loads(metadata), split], sort_keys=True).encode())
    for group in beside:
        for name, array in sorted(group.items()):
            total.update(json.dumps([name, array.dtype.str, array.shape]).encode())
            total.update(array.tobytes())
    for name, blobs in sorted(pictures.items()):
        total.update(json.dumps(name).encode())
        for blob in blobs:
            total.update(hashlib.sha256(blob).digest())
    return total.hexdigest()
