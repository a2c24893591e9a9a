"""Episodes from tables that have one row per frame, as stable-worldmodel records them.

Row r of an episode of N rows holds observation r, the action that leaves it, and the reward and
flags of the transition that led *to* it. The last row's action leads to nothing that was
recorded, and the first row's reward belongs to a transition whose beginning was not. So N rows
are N observations and N - 1 transitions: ``action[t]`` is that of row t, ``reward[t]``,
``terminated[t]`` and ``truncated[t]`` those of row t + 1.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import DatasetError
from swm.data.columns import Array, Column
from swm.data.encoded import EncodedPictures
from swm.data.episode import TRANSITIONS
from swm.data.formats.episodic import EpisodicReader, make_index
from swm.data.location import Location
from swm.data.resize import resize

_ARRIVAL = ("reward", "terminated", "truncated", "success")
_FACTS = ("seed", "id")
_ROW_NUMBERS = ("episode_idx", "ep_idx", "step_idx")

CONVENTION = (
    "A row's action leaves its observation, and its reward and flags are those of the arrival there; they stand at "
    "the transition that they belong to.",
    "The action of an episode's last row leads to no recorded observation and is the payload 'final.action' (version "
    "0.1.1 of stable-worldmodel put the episode's first action there); the reward and flags of the first row are "
    "payloads 'initial.<name>'.",
    "Splits are not recorded; an episode's is a function of its seed, or of its number.",
    "There are no checksums: a wrong number is not found.",
)


class Rows(Protocol):
    """One of the layouts: a table of rows whose episodes follow one another."""

    version: int
    columns: Mapping[str, Column]
    """By their names in the files, all with the role of observations."""
    notes: tuple[str, ...]
    lengths: NDArray[np.int64]
    """Rows of each episode, shape (E,)."""

    def take(self, names: Sequence[str], rows: NDArray[np.int64]) -> dict[str, Array]:
        """Read and decode sorted distinct rows."""
        ...

    def encoded(self, name: str, rows: NDArray[np.int64]) -> EncodedPictures | None:
        """The pictures of some rows as they are stored; None if they cannot be had one by one."""
        ...

    def facts(self) -> list[dict[str, Any]]:
        """Numbers that were stored once per episode, for each of the E."""
        ...

    def extras(self, episode: int) -> dict[str, Array]:
        """Texts, vectors and bytes that were stored once for an episode."""
        ...

    def files(self) -> list[Path]:
        """Every file of the dataset."""
        ...

    def disk_bytes(self) -> dict[str, int]:
        """Column -> bytes on disk."""
        ...


class StableReader(EpisodicReader):
    """Reads any of the layouts (see `swm.data.formats.Reader`); nothing is kept in memory."""

    def __init__(self, location: Location, rows: Rows, reopen: Callable[..., Any]) -> None:
        """Find the columns and index the episodes.

        Args:
            location: of the dataset.
            rows: its opened layout.
            reopen: called with ``(location, version, 0)`` by a process that receives this reader.

        Raises:
            DatasetError: it has no action, no observation, or no episode with a transition.
        """
        self.location, self.version = location, rows.version
        self._rows, self._reopen = rows, reopen
        self._sources = {_target(name, column): name for name, column in rows.columns.items() if _is_step(name)}
        if "action" not in self._sources or not set(self._sources) - set(TRANSITIONS):
            raise DatasetError(
                f"{location}: an action and an observation are needed, the columns are {sorted(rows.columns)}."
            )
        self.columns = self._describe()
        self._kept = np.flatnonzero(rows.lengths > 1)
        """Of the source's episodes, those that have a transition."""
        if not len(self._kept):
            raise DatasetError(f"{location} has no episode of two rows or more: there is no transition in it.")
        self._starts = (np.cumsum(rows.lengths) - rows.lengths)[self._kept]
        lengths = rows.lengths[self._kept] - 1
        self.index = make_index(
            lengths.tolist(),
            self._metadata(),
            provenance=[{"first_episode": 0, "format": "stable-worldmodel", "layout": type(rows).__name__}],
        )
        self.notes = (*CONVENTION, *self._missing(), *rows.notes)

    def __reduce__(self) -> tuple[Any, ...]:
        return self._reopen, (self.location, self.version, 0)

    def _describe(self) -> dict[str, Column]:
        found = {}
        for name, source in self._sources.items():
            if name not in TRANSITIONS:
                found[name] = replace(self._rows.columns[source], name=name)
        action = self._rows.columns["action"]
        found["action"] = replace(action, role="transition")
        dtype = self._rows.columns["reward"].dtype if "reward" in self._sources else "float32"
        for name in _ARRIVAL:
            if name in self._sources and self._rows.columns[name].size != 1:
                raise DatasetError(f"{self.location}: {name!r} must be one number per row.")
            found[name] = Column(name=name, dtype=dtype if name == "reward" else "bool", shape=(), role="transition")
        return found

    def _missing(self) -> Iterator[str]:
        for name in _ARRIVAL:
            if name not in self._sources:
                yield f"There is no {name}; it is {'0' if name == 'reward' else 'false'} everywhere."
        if alone := len(self._rows.lengths) - len(self._kept):
            yield f"{alone} episodes of a single row have no transition and are left out."

    def _metadata(self) -> list[dict[str, Any]]:
        """What holds per episode: the factors of variation and other constants, from each first row."""
        names = self._constants()
        first = self._rows.take(names, self._starts)
        stored = self._rows.facts()
        found = []
        for place, episode in enumerate(self._kept):
            values = {name: first[name][place].tolist() for name in names}
            variation = {name[len("variation_") :]: value for name, value in values.items() if name not in _FACTS}
            constants = {name: _plain(value) for name, value in values.items() if name in _FACTS}
            found.append({"variation": variation, **constants, **stored[episode]})
        return found

    def _constants(self) -> list[str]:
        return [name for name in self._rows.columns if name.startswith(("variation_", "variation.")) or name in _FACTS]

    def read(
        self, names: Sequence[str], rows: NDArray[np.int64], size: tuple[int, int] | None = None
    ) -> dict[str, Array]:
        """Read the given rows of some columns with one request to the source (see `Reader.read`)."""
        rows = np.asarray(rows, np.int64)
        episode = np.searchsorted(self.index.offsets, rows, side="right") - 1
        at = rows + (self._starts - self.index.offsets)[episode]
        later = {name for name in names if name in _ARRIVAL}
        wanted = ([at] if len(later) < len(names) else []) + ([at + 1] if later else [])
        distinct = np.unique(np.concatenate(wanted)) if wanted else at
        sources = [self._sources[name] for name in names if name in self._sources]
        read = self._rows.take(sources, distinct)
        out = {}
        for name in names:
            if name not in self._sources:
                out[name] = np.zeros(len(rows), self.columns[name].dtype)
                continue
            values = read[self._sources[name]][np.searchsorted(distinct, at + (name in later))]
            out[name] = self._translate(name, values)
            if size is not None and self.columns[name].codec is not None:
                out[name] = resize(out[name], size)
        return out

    def _translate(self, name: str, values: Array) -> Array:
        if name not in _ARRIVAL:
            return values
        values = values.reshape(len(values))
        return values if name == "reward" else np.nan_to_num(values) != 0

    def read_steps(self, episode: int, names: Sequence[str], steps: NDArray[np.int64]) -> dict[str, Array]:
        """Read some steps of one episode (see `EpisodicReader.read_steps`)."""
        return self.read(names, self.index.offsets[episode] + steps)

    def encoded(self, name: str, episode: int) -> EncodedPictures | None:
        """The JPEG pictures of one episode as they are; None for video (see `Reader.encoded`)."""
        return self._rows.encoded(
            self._sources[name], self._starts[episode] + np.arange(self.index.lengths[episode] + 1)
        )

    def payload(self, episode: int) -> dict[str, Array]:
        """The rows' ends that belong to no transition, and stored arrays (see `Reader.payload`)."""
        start = self._starts[episode]
        last = start + self.index.lengths[episode]
        found = {"final.action": self._rows.take(["action"], np.array([last]))["action"]}
        there = [name for name in _ARRIVAL if name in self._sources]
        first = self._rows.take(there, np.array([start]))
        found.update({f"initial.{name}": self._translate(name, first[name]) for name in there})
        found.update(self._rows.extras(int(self._kept[episode])))
        return {name: value.copy() for name, value in found.items()}

    def problems(self) -> Iterator[str]:
        """Read every episode, and check that its constants are constant (see `Reader.problems`)."""
        yield from super().problems()
        names = self._constants()
        for episode, start in enumerate(self._starts):
            try:
                values = self._rows.take(names, start + np.arange(self.index.lengths[episode] + 1))
            except DatasetError as error:
                yield f"episode {episode}: {error}"
                continue
            for name in names:
                first = np.broadcast_to(values[name][:1], values[name].shape)
                if not np.array_equal(values[name], first, equal_nan=first.dtype.kind == "f"):
                    yield f"episode {episode}: {name!r} changes within it; the metadata has the first row's"

    def files(self) -> list[Path]:
        """Every file of the dataset (see `EpisodicReader.files`)."""
        return self._rows.files()

    def disk_bytes(self) -> dict[str, int]:
        """Column -> bytes on disk (see `Reader.disk_bytes`)."""
        found = self._rows.disk_bytes()
        return {name: found[self._sources[name]] if name in self._sources else 0 for name in self.columns}


def _is_step(name: str) -> bool:
    """Whether a column is kept as one value per step."""
    return name not in (*_ROW_NUMBERS, *_FACTS) and not name.startswith(("variation_", "variation."))


def _target(name: str, column: Column) -> str:
    """The component's name: further cameras are ``pixels.<view>``."""
    if column.codec is not None and name.startswith("pixels_"):
        return f"pixels.{name[len('pixels_') :]}"
    return name


def _plain(value: Any) -> Any:
    """One value for the episode; a whole number that was kept as a float is an integer again."""
    if isinstance(value, list) and len(value) == 1:
        return _plain(value[0])
    return int(value) if isinstance(value, float) and value.is_integer() else value
