"""What LeRobot has no place for, kept in ``meta/swm``: metadata, splits, payloads and checksums.

Other readers ignore the folder, and datasets without it are read all the same.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from swm.data.columns import Array
from swm.data.formats.lerobot.episodes import read_lines
from swm.data.formats.lerobot.layout import Info, reading
from swm.data.metadata import dump

INFO = "meta/swm/info.json"
EPISODES = "meta/swm/episodes.jsonl"
CHECKSUMS = "meta/swm/sha256.json"
_PAYLOAD = "meta/swm/payload/episode-{:06d}.npz"

FINAL = "final."
"""Before the name of a transition: the payload that is its value in the last row, where the source has one there."""


@dataclass(frozen=True, kw_only=True)
class Extras:
    """What is kept of one episode."""

    metadata: Mapping[str, Any]
    split: str
    final: tuple[str, ...] = ()
    """Transitions whose value in the last row is real."""

    def line(self) -> str:
        """One line of JSON."""
        return json.dumps({"metadata": self.metadata, "split": self.split, "final": self.final}) + "\n"


def plain(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Turn metadata into what JSON gives back: NumPy's values become Python's.

    Raises:
        InvalidValueError: a value has no JSON form.
    """
    found: dict[str, Any] = json.loads(dump(facts))
    return found


def read_extras_info(root: Path, info: Info) -> dict[str, Any] | None:
    """The columns and the provenance that were kept; None if there are none, or none of these episodes.

    Raises:
        DatasetError: the file is damaged.
    """
    path = root / INFO
    if not path.exists():
        return None
    with reading(path):
        facts = dict(json.loads(path.read_bytes()))
        return facts if facts["belongs_to"] == identity(info.total_episodes, info.total_frames, info.features) else None


def identity(num_episodes: int, num_frames: int, features: Iterable[str]) -> dict[str, Any]:
    """What changes when others add, remove or alter episodes or features, and leave ``meta/swm`` as it is."""
    return {"total_episodes": num_episodes, "total_frames": num_frames, "features": sorted(features)}


def read_extras(root: Path, num_episodes: int) -> list[Extras]:
    """What was kept of each episode.

    Raises:
        DatasetError: the file is damaged.
    """
    path = root / EPISODES

    def parse(row: Mapping[str, Any]) -> Extras:
        return Extras(metadata=dict(row["metadata"]), split=str(row["split"]), final=tuple(row["final"]))

    found: list[Extras] = read_lines(path, parse)
    with reading(path):
        if len(found) != num_episodes:
            raise ValueError(f"it has {len(found)} lines for {num_episodes} episodes")
    return found


def write_payload(root: Path, episode: int, payload: Mapping[str, Array]) -> None:
    """Keep the arrays of one episode. Names are stored as JSON: a member of the file may not be called anything."""
    path = root / _PAYLOAD.format(episode)
    path.parent.mkdir(parents=True, exist_ok=True)
    members: dict[str, Any] = {f"array_{number}": array for number, array in enumerate(payload.values())}
    np.savez_compressed(path, names=np.array(json.dumps(list(payload))), **members)


def read_payload(root: Path, episode: int) -> dict[str, Array]:
    """The arrays that `write_payload` kept; none if it kept none.

    Raises:
        DatasetError: the file is damaged.
    """
    path = root / _PAYLOAD.format(episode)
    if not path.exists():
        return {}
    with reading(path), np.load(path, allow_pickle=False) as members:
        return {name: members[f"array_{number}"] for number, name in enumerate(json.loads(members["names"].item()))}


def read_checksums(root: Path) -> dict[str, str]:
    """File -> SHA-256 as it was written; empty if none was kept.

    Raises:
        DatasetError: the file is damaged.
    """
    path = root / CHECKSUMS
    if not path.exists():
        return {}
    with reading(path):
        return {str(name): str(digest) for name, digest in json.loads(path.read_bytes()).items()}
