"""Writing one HDF5 file with a group per demonstration, as robomimic uses it."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from swm.data.columns import Column
from swm.data.episode import TRANSITIONS, Episode
from swm.data.formats.hdf5.files import part_of
from swm.data.formats.hdf5.groups import new_group, read_facts, write_facts, write_rows
from swm.data.formats.hdf5.session import FileWriter
from swm.data.formats.hdf5.values import escape
from swm.data.location import Location
from swm.data.options import WriteOptions

NAMES = {
    "action": "actions",
    "reward": "rewards",
    "terminated": "terminated",
    "truncated": "truncated",
    "success": "success",
}
"""Transition -> dataset of a demonstration; ``dones`` is written too, for other readers."""

STATES = "states"

_GYM_TYPE = 2
"""robomimic's number for environments of Gym."""


def demo_numbers(names: Iterable[str]) -> list[int]:
    """The numbers of demonstrations in order."""
    return sorted(int(found[1]) for name in names if (found := re.fullmatch(r"demo_(\d+)", name)))


class RobomimicWriter(FileWriter):
    """Writes demonstrations, committed at `close` (see `FileWriter`)."""

    def __init__(self, location: Location, options: WriteOptions) -> None:
        """Begin the unfinished file, ``.<name>.part`` beside its place."""
        self._masks: dict[str, list[str]] = {"train": [], "valid": []}
        self._env_id, self._total = "", 0
        super().__init__(location.path, part_of(location.path), options)
        self._notes["'dones' says terminated or truncated; the flags themselves are stored beside it."] = None

    def _resume(self) -> None:
        groups = [f"data/demo_{number}" for number in demo_numbers(self._file["data"])]
        for facts, group in zip(read_facts(self._file, groups), groups, strict=True):
            self._count(facts, self._written, int(self._file[group].attrs["num_samples"]))
            self._written += 1

    def _store(self, episode: Episode, columns: Mapping[str, Column], facts: dict[str, Any]) -> None:
        with new_group(self._file, f"data/demo_{self._written}") as group:
            self._fill(group, episode, columns, facts)
        self._count(facts, self._written, episode.num_steps)

    def _fill(self, group: Any, episode: Episode, columns: Mapping[str, Column], facts: dict[str, Any]) -> None:
        for name, values in episode.arrays().items():
            if name in TRANSITIONS:
                write_rows(group, NAMES[name], columns[name], values, compress=self._compress)
            else:
                write_rows(group, f"obs/{escape(name)}", columns[name], values[:-1], compress=self._compress)
                write_rows(group, f"next_obs/{escape(name)}", columns[name], values[1:], compress=self._compress)
        group["dones"] = (episode.terminated | episode.truncated).astype(np.int64)
        payload = dict(episode.payload)
        states = payload.get(STATES)
        shaped = states is not None and states.ndim == 2 and len(states) == episode.num_steps
        if states is not None and shaped and states.dtype.isnative and states.dtype.kind in "iuf":
            group[STATES] = payload.pop(STATES)
        write_facts(group, facts, payload)
        group.attrs["num_samples"] = episode.num_steps
        for key in ("model_file", "ep_meta"):
            if isinstance(text := episode.metadata.get(key), str):
                group.attrs[key] = text

    def _count(self, facts: Mapping[str, Any], number: int, length: int) -> None:
        keys = {"valid" if facts["split"] == "val" else "train", *map(str, facts["metadata"].get("filters", ()))}
        for key in keys:
            self._masks.setdefault(key, []).append(f"demo_{number}")
        self._env_id = self._env_id or str(facts["metadata"].get("env_id", ""))
        self._total += length

    def _complete(self) -> None:
        data = self._file["data"]
        data.attrs["total"] = self._total
        known = {"env_name": self._env_id, "type": _GYM_TYPE, "env_kwargs": {}}
        if "env_args" not in data.attrs:
            data.attrs["env_args"] = json.dumps(self._options.provenance.get("env_args", known))
        self._file.pop("mask", None)
        for key, names in self._masks.items():
            if names:
                self._file[f"mask/{escape(key)}"] = np.array(names, "S")
