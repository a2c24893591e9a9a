"""Minari's HDF5 storage: ``main_data.hdf5`` with a group ``episode_<i>`` per episode."""

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import DatasetError
from swm.data import codecs
from swm.data.columns import Array, Column
from swm.data.formats.hdf5.files import Handle, guard
from swm.data.formats.hdf5.groups import FACTS, attributes, read_rows
from swm.data.formats.hdf5.values import dtype_of, read_values
from swm.data.formats.minari.sources import Leaf
from swm.data.formats.minari.spaces import Place, is_picture

FILE = "main_data.hdf5"

_KNOWN = ("id", "total_steps", "rewards_max", "rewards_mean", "rewards_min", "rewards_std", "rewards_sum")
"""Attributes of an episode that follow from its arrays."""


class Hdf5Source:
    """Reads the HDF5 storage (see `Source`)."""

    def __init__(self, folder: Path, leaf_spaces: Mapping[Place, Mapping[str, Any]], *, jpeg: bool, total: int) -> None:
        """Open the file and list its episodes.

        Args:
            folder: with the file.
            leaf_spaces: of observations and actions, by place.
            jpeg: whether pictures are stored as JPEG.
            total: how many episodes the dataset has.

        Raises:
            DatasetError: it has fewer, or the file is damaged.
        """
        self._path, self._spaces, self._jpeg = folder / FILE, leaf_spaces, jpeg
        self.handle = Handle(self._path)
        self.notes: list[str] = []
        with guard(self._path):
            file = self.handle.file
            numbers = sorted(int(found[1]) for name in file if (found := re.fullmatch(r"episode_(\d+)", name)))
            if len(numbers) < total or not numbers:
                raise DatasetError(
                    f"{self._path} has {len(numbers)} episodes, but metadata.json says {total}. The dataset is "
                    f"empty or damaged, or its copy is not complete: copy it again."
                )
            self.groups = [f"episode_{number}" for number in numbers]
            if len(numbers) > total and not self.all_own():
                self.notes.append(f"metadata.json knows {total} of {len(numbers)} episodes: the rest is left out.")
                self.groups = self.groups[:total]
            self.lengths = [self._length(file[name]) for name in self.groups]

    @functools.cached_property
    def metadata(self) -> list[dict[str, Any]]:
        """Of each episode, from its attributes."""
        with guard(self._path):
            return [_metadata(self.handle.file[name]) for name in self.groups]

    def all_own(self) -> bool:
        """Whether this package wrote every episode."""
        return all(FACTS in self.handle.file[name].attrs for name in self.groups)

    def _length(self, group: Any) -> int:
        count = len(group["rewards"])
        if int(group.attrs.get("total_steps", count)) != count or count < 1:
            raise DatasetError(
                f"{self._path}: {group.name} has {count} rewards, but total_steps says "
                f"{group.attrs.get('total_steps')}. The file is damaged: remove the episode."
            )
        return count

    def files(self) -> list[Path]:
        """The one file, and the description beside it."""
        return [self._path, self._path.with_name("metadata.json")]

    def leaves(self) -> list[Leaf]:
        """The arrays of the first episode (see `Source.leaves`)."""
        import h5py

        group = self.handle.file[self.groups[0]]
        found: list[Leaf] = []

        def visit(where: str, member: Any) -> None:
            place = tuple(where.split("/"))
            if isinstance(member, h5py.Dataset) and place[0] != FACTS:
                found.append(self._leaf(place, member))

        group.visititems(visit)
        return found

    def _leaf(self, place: Place, dataset: Any) -> Leaf:
        import h5py

        space = self._spaces.get(place)
        blob = h5py.check_vlen_dtype(dataset.dtype) is not None and dtype_of(dataset) is None
        if blob or (self._jpeg and is_picture(space)):
            shape = tuple(space["shape"]) if space is not None else self._picture_shape(dataset)
            return Leaf(place=place, dtype="uint8", shape=shape, count=len(dataset), jpeg=True)
        dtype = dtype_of(dataset)
        if dtype is None or not dataset.shape:
            raise DatasetError(
                f"{self._path}: {dataset.name} has dtype {dataset.dtype} and shape {dataset.shape}; numbers or texts, "
                f"one row per step, can be read."
            )
        return Leaf(place=place, dtype=dtype, shape=tuple(dataset.shape[1:]), count=len(dataset))

    def _picture_shape(self, dataset: Any) -> tuple[int, ...]:
        height, width, channels = codecs.shape_of(np.asarray(dataset[0], np.uint8).tobytes())
        return (height, width) if channels == 1 else (height, width, channels)

    def read(self, episode: int, leaf: Leaf, rows: NDArray[np.int64]) -> Array:
        """Some sorted rows of an array (see `Source.read`)."""
        with guard(self._path):
            group = self.handle.file[self.groups[episode]]
            where = "/".join(leaf.place)
            if where not in group:
                raise DatasetError(
                    f"{self._path}: {group.name} has no {where!r}, which the first episode has. "
                    f"Read other columns, or convert its episodes one by one."
                )
            dataset = group[where]
            count = self.lengths[episode] + (leaf.place[0] in ("observations", "infos"))
            if leaf.jpeg:
                if len(dataset) != count:
                    raise DatasetError(f"{self._path}: {dataset.name} has {len(dataset)} rows instead of {count}.")
                blobs = np.empty(len(rows), object)
                blobs[:] = [np.asarray(dataset[int(row)], np.uint8).tobytes() for row in rows]
                return blobs
            column = Column(name=where, dtype=leaf.dtype, shape=leaf.shape, role="observation")
            return read_rows(dataset, column, rows, count)

    def read_whole(self, episode: int, leaf: Leaf) -> Array:
        """An array of any length."""
        with guard(self._path):
            return read_values(self.handle.file[self.groups[episode]]["/".join(leaf.place)])


def _metadata(group: Any) -> dict[str, Any]:
    """An episode's attributes; names with slashes are nested."""
    facts: dict[str, Any] = {}
    for name, value in attributes(group).items():
        if name in _KNOWN or name.partition("/")[0] in (FACTS, f"{FACTS}_sha256"):
            continue
        *parents, last = name.split("/")
        inner = facts
        for key in parents:
            inner = inner.setdefault(key, {})
        inner[last] = value
    return facts
