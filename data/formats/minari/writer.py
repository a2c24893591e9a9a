"""Writing Minari datasets in HDF5 with pictures as they are, without the minari package.

``metadata.json`` is Minari's description of the data. This package's own reader takes everything
from the HDF5 file, which is committed at once; the description follows it.
"""

import contextlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from swm.core.errors import DatasetError
from swm.data.columns import Array, Column
from swm.data.episode import TRANSITIONS, Episode
from swm.data.formats.hdf5.files import Replacement, part_of
from swm.data.formats.hdf5.groups import new_group, read_facts, write_facts, write_rows
from swm.data.formats.hdf5.session import FileWriter
from swm.data.formats.hdf5.values import read_values
from swm.data.formats.minari.hdf5 import FILE
from swm.data.formats.minari.spaces import Place, TextRange, box_of, nest, places_of
from swm.data.location import Location
from swm.data.metadata import dump
from swm.data.options import WriteOptions

NAMES = {"action": "actions", "reward": "rewards", "terminated": "terminations", "truncated": "truncations"}
"""Transition -> array of an episode."""

_MINARI_VERSION = "0.5.4"
"""Whose layout this is; older ones do not know of pictures that are not JPEG."""

_INFOS = "infos."


class MinariWriter(FileWriter):
    """Writes a Minari dataset, committed at `close` (see `FileWriter`)."""

    def __init__(self, location: Location, options: WriteOptions) -> None:
        """Begin an unfinished dataset, ``.<name>.part`` beside its place."""
        self._root = location.path
        self._texts: dict[str, TextRange] = {}
        self._integers: tuple[int, int] | None = None
        self._steps = 0
        folder = "data" if (self._root / "data").is_dir() or not (self._root / FILE).is_file() else "."
        self._place = self._root / folder / FILE
        super().__init__(self._place, part_of(self._root) / "data" / FILE, options)
        if not re.fullmatch(r"[-_\w]+-v\d+", self._root.name):
            self._notes[
                f"minari.load_dataset finds datasets by their folder, <name>-v<number>: {self._root.name!r} must be "
                f"renamed, or opened with minari.MinariDataset."
            ] = None

    def _resume(self) -> None:
        assert self._columns is not None
        groups = sorted(self._file, key=lambda name: int(name.rpartition("_")[2]))
        try:
            read_facts(self._file, groups)
        except KeyError as error:
            raise DatasetError(
                f"{self._place}: another program added episodes. Convert the dataset to a new one, and add to that."
            ) from error
        places = stored_places(self._columns)
        for name in groups:
            self._written += 1
            self._steps += len(self._file[name]["rewards"])
            for component, column in self._columns.items():
                if column.dtype == "str" or (component == "action" and column.shape == ()):
                    self._see(component, read_values(self._file[name]["/".join(places[component])]))

    def _store(self, episode: Episode, columns: Mapping[str, Column], facts: dict[str, Any]) -> None:
        with new_group(self._file, f"episode_{self._written}") as group:
            self._fill(group, episode, columns, facts)
        self._steps += episode.num_steps
        for component, array in episode.arrays().items():
            self._see(component, array)

    def _fill(self, group: Any, episode: Episode, columns: Mapping[str, Column], facts: dict[str, Any]) -> None:
        places = stored_places(columns)
        for name, values in episode.arrays().items():
            if name == "success" and places[name][0] == "infos":
                values = np.concatenate([[False], values])
            write_rows(group, "/".join(places[name]), columns[name], values, compress=self._compress)
        write_facts(group, facts, episode.payload)
        group.attrs["id"] = self._written
        group.attrs["total_steps"] = episode.num_steps
        for kind in ("max", "mean", "min", "std", "sum"):
            group.attrs[f"rewards_{kind}"] = getattr(np, kind)(episode.reward.astype(np.float64))
        if isinstance(seed := facts["metadata"].get("seed"), int) and -(2**63) <= seed < 2**63:
            group.attrs["seed"] = seed
        for name, value in _flat("options", facts["metadata"].get("options")):
            group.attrs[name] = value

    def _see(self, name: str, values: Array) -> None:
        """Remember what the space of a component must contain."""
        if values.dtype.kind == "U":
            self._texts.setdefault(name, TextRange()).see(values.reshape(-1).tolist())
        elif name == "action" and values.ndim == 1 and values.dtype.kind in "iu":
            low, high = self._integers or (int(values[0]), int(values[0]))
            self._integers = min(low, int(values.min())), max(high, int(values.max()))

    def _complete(self) -> None:
        assert self._target is not None
        assert self._columns is not None
        self._file.flush()
        description = dump(self._describe(self._columns))
        (self._target.part.parent / "metadata.json").write_text(description)

    def _describe(self, columns: Mapping[str, Column]) -> dict[str, Any]:
        """Minari's description of the data."""
        spaces = {
            place[1:]: self._texts[name].space() if columns[name].dtype == "str" else box_of(columns[name])
            for name, place in stored_places(columns).items()
            if place[0] == "observations"
        }
        known = dict(self._options.provenance.get("minari", {}))
        action = self._action_space(columns["action"], known.pop("action_space", "null"))
        name = self._root.name if re.fullmatch(r"[-_\w]+-v\d+", self._root.name) else f"{self._safe_name()}-v0"
        return {
            "algorithm_name": "",
            "author": [],
            "author_email": [],
            "code_permalink": "",
            "action_space": json.dumps(action),
            "minari_version": _MINARI_VERSION,
            **{key: value for key, value in known.items() if key not in ("dataset_id", "minari_version")},
            "dataset_id": name,
            "total_episodes": self._written,
            "total_steps": self._steps,
            "data_format": "hdf5",
            "jpeg_encoding": False,
            "observation_space": json.dumps(nest(spaces)),
            "dataset_size": round(self._target.part.stat().st_size / 1e6, 1) if self._target else 0.0,
        }

    def _action_space(self, column: Column, known: str) -> Mapping[str, Any]:
        """The space of the actions: as it is known, if the actions can be in it, else the smallest guess."""
        space = json.loads(known)
        if self._integers is None:
            same = space and space["type"] == "Box" and tuple(space["shape"]) == column.shape
            return dict(space) if same else box_of(column)
        low, high = min(0, self._integers[0]), self._integers[1]
        if space and space["type"] == "Discrete" and space["start"] <= low and high < space["start"] + space["n"]:
            return dict(space)
        return {"type": "Discrete", "dtype": "int64", "start": low, "n": high - low + 1}

    def _safe_name(self) -> str:
        return re.sub(r"[^-_\w]", "_", self._root.name) or "dataset"

    def _commit(self, target: Replacement) -> None:
        """A new dataset is renamed as a whole; in one that is there, the file comes first, its description second."""
        folder = target.part.parent
        if self._place.exists():
            target.commit()
            os.replace(folder / "metadata.json", self._place.with_name("metadata.json"))
        else:
            target.commit_folder(folder.parent, self._root)

    def _release(self, *, commit: bool) -> None:
        folder = part_of(self._root)
        if not commit:
            (folder / "data" / "metadata.json").unlink(missing_ok=True)
        super()._release(commit=commit)
        for empty in (folder / "data", folder):
            with contextlib.suppress(OSError):  # gone with the commit, or another writer's by now
                empty.rmdir()


def stored_places(columns: Iterable[str]) -> dict[str, Place]:
    """Where each column is stored within the group of an episode."""
    components = [name for name in columns if name not in TRANSITIONS]
    infos = [name for name in components if name.startswith(_INFOS)]
    observed = [name for name in components if name not in infos] or components
    infos = [name for name in infos if name not in observed]
    places: dict[str, Place] = {name: (stored,) for name, stored in NAMES.items()}
    plain = len(observed) == 1 and observed[0] in ("observation", "pixels")
    inner: dict[str, Place] = {observed[0]: ()} if plain else places_of(observed)
    places |= {name: ("observations", *place) for name, place in inner.items()}
    outer = places_of(name.removeprefix(_INFOS) for name in infos)
    places |= {name: ("infos", *outer[name.removeprefix(_INFOS)]) for name in infos}
    taken = any(place[0] == "success" for place in outer.values())
    places["success"] = ("swm", "success") if taken else ("infos", "success")
    return {name: places[name] for name in columns}


def _flat(prefix: str, value: Any) -> list[tuple[str, Any]]:
    """Reset options as attributes: nested names are joined by slashes; what HDF5 cannot hold is left out."""
    if isinstance(value, Mapping):
        return [pair for key, inner in value.items() for pair in _flat(f"{prefix}/{key}", inner)]
    try:
        kept = value is not None and np.asarray(value).dtype.kind in "biufU" and np.asarray(value).size > 0
    except ValueError:
        kept = False
    return [(prefix, value)] if kept else []
