"""Minari's Arrow and Parquet storage: one file per episode, one row per observation.

Transitions are padded by a row that is none; nested values are structs.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import DatasetError, SwmError
from swm.data.columns import DTYPES, Array
from swm.data.formats.minari.sources import Leaf
from swm.data.formats.minari.spaces import Place, is_picture


class ArrowSource:
    """Reads the Arrow or Parquet storage (see `Source`); it keeps the episode that was read last in memory."""

    def __init__(
        self, folder: Path, leaf_spaces: Mapping[Place, Mapping[str, Any]], *, kind: str, jpeg: bool, total: int
    ) -> None:
        """List the episodes.

        Args:
            folder: with one folder per episode.
            leaf_spaces: of observations and actions, by place.
            kind: ``"arrow"`` or ``"parquet"``.
            jpeg: whether pictures are stored as JPEG.
            total: how many episodes the dataset has.

        Raises:
            DatasetError: one is missing or damaged.
        """
        self._folder, self._spaces, self._kind, self._jpeg = folder, leaf_spaces, kind, jpeg
        self._last: tuple[int, Any] | None = None
        self.notes = ["an episode is read whole for any of its steps: convert the dataset to train on it."]
        if total < 1:
            raise DatasetError(f"{folder}: metadata.json says that there are {total} episodes: the dataset is empty.")
        self.metadata: list[dict[str, Any]] = []
        self.lengths: list[int] = []
        for number in range(total):
            facts = self._facts(number, total)
            self.lengths.append(int(facts.pop("total_steps")))
            facts.pop("id", None)
            self.metadata.append(facts)

    def _facts(self, episode: int, total: int) -> dict[str, Any]:
        file = self._folder / str(episode) / "metadata.json"
        try:
            facts = json.loads(file.read_bytes())
            if int(facts["total_steps"]) < 1:
                raise ValueError("no step")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DatasetError(
                f"{file}: not the description of an episode ({error!r}), of which there should be {total}. The dataset "
                f"is damaged or not complete: copy it again."
            ) from error
        return dict(facts)

    def files(self) -> list[Path]:
        """Every file of the dataset."""
        parts = (self._folder / str(episode) for episode in range(len(self.lengths)))
        return [self._folder / "metadata.json", *(file for part in parts for file in sorted(part.iterdir()))]

    def _table(self, episode: int) -> Any:
        """One episode as a table in one piece."""
        if self._last is None or self._last[0] != episode:
            import pyarrow as pa
            from pyarrow import dataset

            where = self._folder / str(episode)
            try:
                parts = sorted(str(file) for file in where.glob(f"*.{self._kind}"))
                table = dataset.dataset(parts, format=self._kind).to_table().combine_chunks()
                table.validate(full=True)
            except (OSError, ValueError, TypeError, pa.ArrowException) as error:
                raise DatasetError(f"{where}: no {self._kind} file can be read ({error}): copy it again.") from error
            if len(table) != self.lengths[episode] + 1:
                raise DatasetError(
                    f"{where} has {len(table)} rows, but its metadata says {self.lengths[episode]} steps, which are "
                    f"one row less. The dataset is damaged: copy it again."
                )
            self._last = (episode, table)
        return self._last[1]

    def leaves(self) -> list[Leaf]:
        """The arrays of the first episode (see `Source.leaves`)."""
        table = self._table(0)
        return [
            leaf
            for name in ("observations", "actions", "rewards", "terminations", "truncations", "infos")
            if name in table.column_names
            for leaf in self._walk((name,), table.schema.field(name))
        ]

    def _walk(self, place: Place, field: Any) -> Iterator[Leaf]:
        import pyarrow as pa

        if pa.types.is_struct(field.type):
            for inner in field.type:
                yield from self._walk((*place, inner.name), inner)
            return
        place = self._named(place)
        space = self._spaces.get(place)
        count = self.lengths[0] + (place[0] in ("observations", "infos"))
        if pa.types.is_binary(field.type) and self._jpeg and is_picture(space) and space is not None:
            yield Leaf(place=place, dtype="uint8", shape=tuple(space["shape"]), count=count, jpeg=True)
            return
        inner = field.type
        shape: tuple[int, ...] = ()
        if pa.types.is_fixed_size_list(field.type):
            inner, shape = field.type.value_type, _row_shape(field, space)
        text = pa.types.is_string(inner) or pa.types.is_large_string(inner)
        dtype = "str" if text else str(np.dtype(inner.to_pandas_dtype()))
        if dtype not in DTYPES:
            raise DatasetError(f"{self._folder}: {'/'.join(place)} has the Arrow type {field.type}: it cannot be read.")
        yield Leaf(place=place, dtype=dtype, shape=shape, count=count)

    def _named(self, place: Place) -> Place:
        """The same place with the keys of spaces: here, the members of tuples are called by their number alone."""
        found: Place = place[:1]
        for key in place[1:]:
            siblings = {other[len(found)] for other in self._spaces if other[: len(found)] == found != other}
            found = (*found, f"_index_{key}" if f"_index_{key}" in siblings else key)
        return found

    def read(self, episode: int, leaf: Leaf, rows: NDArray[np.int64]) -> Array:
        """Some sorted rows of an array (see `Source.read`)."""
        try:
            array = self._table(episode).column(leaf.place[0]).combine_chunks()
            for key in leaf.place[1:]:
                names = [field.name for field in array.type]
                array = array.field(key if key in names else key.removeprefix("_index_"))
            array = array.take(rows)
            if leaf.jpeg:
                blobs = np.empty(len(rows), object)
                blobs[:] = array.to_pylist()
                return blobs
            if leaf.dtype == "str":
                return np.array(array.to_pylist(), np.str_).reshape(len(rows))
            return (
                np.asarray(_flatten(array).to_numpy(zero_copy_only=False))
                .astype(leaf.dtype)
                .reshape(len(rows), *leaf.shape)
            )
        except SwmError:
            raise
        except (OSError, ValueError, TypeError, KeyError, IndexError, NotImplementedError) as error:
            raise DatasetError(
                f"{self._folder / str(episode)}: {'/'.join(leaf.place)} is not what the first episode has ({error}). "
                f"Read other columns, or copy the dataset again."
            ) from error


def _flatten(array: Any) -> Any:
    import pyarrow as pa

    return array.flatten() if pa.types.is_fixed_size_list(array.type) else array


def _row_shape(field: Any, space: Mapping[str, Any] | None) -> tuple[int, ...]:
    """The shape of a row that is stored flat."""
    if space is not None and "shape" in space:
        return tuple(space["shape"])
    if space is not None and space["type"] == "MultiDiscrete":
        return np.shape(space["nvec"])
    if space is not None and space["type"] == "MultiBinary":
        return tuple(np.atleast_1d(space["n"]).tolist())
    if field.metadata and b"shape" in field.metadata:
        return tuple(int(side) for side in field.metadata[b"shape"].split(b",") if side)
    return (field.type.list_size,)
