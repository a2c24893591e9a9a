"""A dataset format as small as one can be: the index in toy.json, and an episode per file."""

import hashlib
import json
import os
import pickle
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from swm.core.errors import DatasetError, InvalidValueError
from swm.data.columns import Array, Column, check_same, describe_episode
from swm.data.encoded import EncodedPictures
from swm.data.episode import Episode
from swm.data.formats.episodic import EpisodicReader, make_index
from swm.data.location import Location
from swm.data.metadata import split_of
from swm.data.options import WriteOptions


def detect(path: Path) -> bool:
    return (path / "toy.json").is_file()


class Reader(EpisodicReader):
    """Reads what `Writer` wrote."""

    checked = True

    def __init__(self, location: Location, version: int | None, cache_bytes: int) -> None:
        self.location = location
        self.read_header()
        if version not in (None, 1):
            raise DatasetError(f"{location} has no version {version}.")

    def read_header(self) -> None:
        try:
            header = json.loads((self.location.path / "toy.json").read_bytes())
            self.check_version(header["schema_version"])
            self.hashes = header["hashes"]
            facts = [self.load(number) for number in range(len(self.hashes))]
        except (OSError, ValueError, KeyError) as error:
            raise DatasetError(f"{self.location}: the index cannot be read ({error}).") from error
        if not facts:
            raise DatasetError(f"{self.location} has no episode.")
        self.columns = facts[0]["columns"]
        lengths = [len(fact["arrays"]["action"]) for fact in facts]
        self.index = make_index(lengths, [fact["metadata"] for fact in facts], [fact["split"] for fact in facts])

    def check_version(self, version: int) -> None:
        if version > 1:
            raise DatasetError(f"{self.location} has schema version {version}; 1 is known.")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.location, 1, 0)

    def load(self, episode: int) -> dict[str, Any]:
        content = (self.location.path / f"{episode}.pickle").read_bytes()
        if self.checked and hashlib.sha256(content).hexdigest() != self.hashes[episode]:
            raise DatasetError(f"{self.location}: episode {episode} is not what was written.")
        loaded: dict[str, Any] = pickle.loads(content)
        return loaded

    def read_steps(self, episode: int, names: Sequence[str], steps: Any) -> dict[str, Array]:
        arrays = self.load(episode)["arrays"]
        return {name: arrays[name][steps] for name in names}

    def encoded(self, name: str, episode: int) -> EncodedPictures:
        pictures = self.load(episode)["arrays"][name]
        return EncodedPictures(
            codec="raw", blobs=[picture.tobytes() for picture in pictures], picture=pictures.shape[1:]
        )

    def payload(self, episode: int) -> dict[str, Array]:
        payload: dict[str, Array] = self.load(episode)["payload"]
        return payload

    def files(self) -> list[Path]:
        return sorted(self.location.path.iterdir())


class Writer:
    """Commits each episode by renaming a new index over the old one."""

    def __init__(self, location: Location, options: WriteOptions) -> None:
        self.path, self.options = location.path, options
        if options.codec not in (None, "raw"):
            raise InvalidValueError(f"the codec {options.codec!r} is not known here.")
        if detect(self.path) and options.mode == "error":
            raise DatasetError(f"{self.path} exists.")
        self.notes: list[str] = []
        self.hashes: list[str] = []
        self.columns: dict[str, Column] | None = None
        self.closed = False
        if detect(self.path) and options.mode == "append":
            found = Reader(location, None, 0)
            self.hashes, self.columns = found.hashes, dict(found.columns)
        self.place = self.path
        if options.mode == "overwrite":
            self.place = self.path.with_name(f".{self.path.name}")
            shutil.rmtree(self.place, ignore_errors=True)

    @property
    def num_episodes(self) -> int:
        return len(self.hashes)

    def write(self, episode: Episode) -> None:
        if self.closed:
            raise DatasetError("the writer is closed.")
        arrays = {name: np.array(_decoded(values)) for name, values in episode.arrays().items()}
        columns = describe_episode(episode, "raw")
        check_same(self.columns or columns, columns, str(self.path))
        self.columns = columns
        kept = {"columns": columns, "arrays": arrays, "payload": dict(episode.payload)}
        self.commit(self.keep({**kept, "metadata": dict(episode.metadata), "split": self.split(episode)}))

    def keep(self, kept: dict[str, Any]) -> dict[str, Any]:
        return kept

    def split(self, episode: Episode) -> str:
        return split_of(episode.metadata, 0, self.options.val_fraction)

    def commit(self, kept: dict[str, Any]) -> None:
        self.place.mkdir(parents=True, exist_ok=True)
        content = pickle.dumps(kept)
        (self.place / f"{len(self.hashes)}.pickle").write_bytes(content)
        self.hashes.append(hashlib.sha256(content).hexdigest())
        self.put_header()

    def put_header(self) -> None:
        (self.place / "toy.tmp").write_text(json.dumps({"schema_version": 1, "hashes": self.hashes}))
        os.replace(self.place / "toy.tmp", self.place / "toy.json")

    def flush(self) -> None:
        """Each episode is committed at once."""

    def close(self) -> None:
        if not self.closed and self.place != self.path and self.hashes:
            shutil.rmtree(self.path, ignore_errors=True)
            os.replace(self.place, self.path)
        self.closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _decoded(values: Any) -> Array:
    return values if isinstance(values, np.ndarray) else values.decode()
