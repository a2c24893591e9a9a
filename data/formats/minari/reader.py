"""Reading Minari datasets, in HDF5, Arrow or Parquet, without the minari package.

Components of the observation are named by the keys that lead to them, joined by dots (``_index_0``
for the first member of a tuple); a plain observation is ``pixels`` or ``observation``. What Minari
calls infos and has one value per observation are the components ``infos.<key>``.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import DatasetError
from swm.data import codecs
from swm.data.columns import Array, Column, is_picture
from swm.data.encoded import Codec, EncodedPictures
from swm.data.episode import TRANSITIONS
from swm.data.formats.episodic import EpisodicReader, check_version, make_index
from swm.data.formats.hdf5.files import guard
from swm.data.formats.hdf5.foreign import complete
from swm.data.formats.hdf5.groups import payload_name, read_facts
from swm.data.formats.hdf5.session import HEADER, read_header
from swm.data.formats.hdf5.values import as_flags, read_attribute
from swm.data.formats.hdf5.verify import find_problems
from swm.data.formats.minari.arrow import ArrowSource
from swm.data.formats.minari.hdf5 import FILE, Hdf5Source
from swm.data.formats.minari.sources import Leaf, Source
from swm.data.formats.minari.spaces import leaves_of, name_of, parse_space
from swm.data.formats.minari.writer import NAMES, MinariWriter, stored_places
from swm.data.location import Location

__all__ = ["MinariReader", "MinariWriter", "detect"]

_DATA_FORMATS = ("hdf5", "arrow", "parquet")
_SUCCESS = ("infos", "success")
_OWN_KEYS = ("observation_space", "total_episodes", "total_steps", "dataset_size", "swm")
_LARGE = 1 << 16


def detect(path: Path) -> bool:
    """Whether `path` is the folder of a Minari dataset, or its ``data`` folder."""
    folder = _data_folder(path)
    try:
        with (folder / "metadata.json").open("rb") as stream:
            return b'"data_format"' in stream.read(_LARGE) or (folder / FILE).is_file()
    except OSError:
        return False


def _data_folder(path: Path) -> Path:
    return path / "data" if (path / "data" / "metadata.json").is_file() else path


class MinariReader(EpisodicReader):
    """Reads a Minari dataset (see `swm.data.formats.Reader`)."""

    def __init__(self, location: Location, version: int | None = None, cache_bytes: int = 1 << 30) -> None:
        """Open the dataset; episodes are checked when they are read.

        Raises:
            DatasetError: its description or first episode is not Minari's, there is no such
                version, or it is damaged.
        """
        self.location = location
        self._arguments = (location, version, cache_bytes)
        check_version(location, version)
        self._folder = _data_folder(location.path)
        description = self._describe()
        self._source = self._open(description)
        self._leaves: dict[str, Leaf] = {}
        self._extras: dict[str, Leaf] = {}
        self._facts: list[dict[str, Any]] | None = None
        with guard(self._folder):
            source = self._source
            ours = isinstance(source, Hdf5Source) and HEADER in source.handle.file.attrs
            if isinstance(source, Hdf5Source) and ours and source.all_own():
                self._open_own(source)
                return
            if ours:
                source.notes.append("another program added episodes: what is known of the others alone is left out.")
            self._open_foreign(description)

    def __reduce__(self) -> tuple[Any, ...]:
        return MinariReader, self._arguments

    def _describe(self) -> dict[str, Any]:
        file = self._folder / "metadata.json"
        try:
            description = json.loads(file.read_bytes())
            kind, total = description.get("data_format", "hdf5"), description["total_episodes"]
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise DatasetError(
                f"{file}: not the description of a Minari dataset ({error!r}). Give the folder <name>-v<number>, "
                f"or copy it again."
            ) from error
        if kind not in _DATA_FORMATS or not isinstance(total, int):
            raise DatasetError(
                f"{file}: data_format is {kind!r} and total_episodes {total!r}; known are "
                f"{', '.join(_DATA_FORMATS)}. A newer Minari may have written it: convert it there."
            )
        return dict(description)

    def _open(self, description: Mapping[str, Any]) -> Source:
        spaces = {}
        for key, place in (("observation_space", "observations"), ("action_space", "actions")):
            space = parse_space(description, key, self._folder / "metadata.json")
            if space is not None:
                spaces.update({(place, *inner): leaf for inner, leaf in leaves_of(space).items()})
        kind, total = description.get("data_format", "hdf5"), description["total_episodes"]
        jpeg = bool(description.get("jpeg_encoding", True))
        if kind == "hdf5":
            return Hdf5Source(self._folder, spaces, jpeg=jpeg, total=total)
        return ArrowSource(self._folder, spaces, kind=kind, jpeg=jpeg, total=total)

    def _open_own(self, source: Hdf5Source) -> None:
        file = source.handle.file
        self.columns, provenance = read_header(file, self._folder / FILE)
        self._facts = read_facts(file, source.groups)
        places = stored_places(self.columns)
        for name, column in self.columns.items():
            self._leaves[name] = Leaf(place=places[name], dtype=column.dtype, shape=column.shape, count=0)
        metadata = [facts["metadata"] for facts in self._facts]
        self.index = make_index(source.lengths, metadata, [facts["split"] for facts in self._facts], provenance)

    def _open_foreign(self, description: Mapping[str, Any]) -> None:
        notes = self._source.notes
        columns: dict[str, Column] = {}
        actions = []
        for leaf in self._source.leaves():
            if leaf.place[0] == "actions":
                actions.append(leaf)
            elif leaf.place[0] in ("observations", "infos"):
                self._add_component(columns, leaf)
            elif len(leaf.place) == 1 and leaf.place[0] in NAMES.values():
                name = next(name for name, stored in NAMES.items() if stored == leaf.place[0])
                self._add_transition(columns, name, leaf)
        self._add_actions(columns, actions)
        if not set(columns) - set(TRANSITIONS):
            raise DatasetError(f"{self._folder}: the first episode has no observation. The dataset is damaged.")
        if "success" in self._leaves:
            notes.append("success is what infos say after each step.")
        self.columns = complete(columns, notes)
        known = {key: value for key, value in description.items() if key not in _OWN_KEYS}
        if len(str(known.get("action_space", ""))) > _LARGE:
            known.pop("action_space")
        provenance = [{"first_episode": 0, "minari": known}]
        self.index = make_index(self._source.lengths, self._source.metadata, None, provenance)
        self.notes = (*notes, "the source has no split: it follows from the seed.")

    def _add_component(self, columns: dict[str, Column], leaf: Leaf) -> None:
        observed = leaf.place[0] == "observations"
        picture = is_picture(leaf.dtype, leaf.shape)
        name = name_of(leaf.place[1:] if observed else leaf.place) or ("pixels" if picture else "observation")
        name = f"observations.{name}" if name in TRANSITIONS else name
        if leaf.count != self._source.lengths[0] + 1 or (leaf.dtype == "str" and leaf.shape):
            self._extras[name] = leaf
            return
        if name in columns:
            raise DatasetError(
                f"{self._folder}: two arrays of an observation are called {name!r} once their keys are joined by "
                f"dots. Rename one."
            )
        codec: Codec | None = ("jpeg" if leaf.jpeg else "raw") if picture else None
        columns[name] = Column(name=name, dtype=leaf.dtype, shape=leaf.shape, role="observation", codec=codec)
        self._leaves[name] = leaf
        if leaf.place == _SUCCESS and leaf.dtype == "bool" and leaf.shape in ((), (1,)):
            self._add_transition(columns, "success", leaf)

    def _add_transition(self, columns: dict[str, Column], name: str, leaf: Leaf) -> None:
        dtype = leaf.dtype if name == "reward" else "bool"
        if leaf.dtype == "str" or int(np.prod(leaf.shape)) != 1:
            raise DatasetError(f"{self._folder}: {'/'.join(leaf.place)} is not one number per step: {leaf}.")
        columns[name] = Column(name=name, dtype=dtype, shape=(), role="transition")
        self._leaves[name] = leaf

    def _add_actions(self, columns: dict[str, Column], leaves: list[Leaf]) -> None:
        if not leaves or any(leaf.dtype == "str" or leaf.jpeg for leaf in leaves):
            raise DatasetError(
                f"{self._folder}: actions must be numbers, got "
                f"{', '.join(f'{name_of(leaf.place)} ({leaf.dtype})' for leaf in leaves) or 'none'}."
            )
        self._actions = leaves
        if len(leaves) == 1:
            dtype, shape = leaves[0].dtype, leaves[0].shape
        else:
            dtype = str(np.result_type(*(leaf.dtype for leaf in leaves)))
            shape = (sum(int(np.prod(leaf.shape)) for leaf in leaves),)
            parts = ", ".join(f"{name_of(leaf.place[1:])} ({int(np.prod(leaf.shape))})" for leaf in leaves)
            self._source.notes.append(f"the action is its parts side by side: {parts}.")
        columns["action"] = Column(name="action", dtype=dtype, shape=shape, role="transition")

    def files(self) -> list[Path]:
        """Every file of the dataset."""
        return self._source.files()

    def read_steps(self, episode: int, names: Sequence[str], steps: NDArray[np.int64]) -> dict[str, Array]:
        """Read some steps of one episode (see `EpisodicReader.read_steps`)."""
        return {name: self._read_column(episode, self.columns[name], steps) for name in names}

    def _read_column(self, episode: int, column: Column, steps: NDArray[np.int64]) -> Array:
        if column.name == "action" and self._facts is None:
            parts = [self._source.read(episode, leaf, steps) for leaf in self._actions]
            if len(parts) == 1:
                return parts[0]
            return np.concatenate([part.reshape(len(steps), -1) for part in parts], axis=1).astype(column.dtype)
        if column.name not in self._leaves:
            return np.zeros((len(steps), *column.shape), column.dtype)
        leaf = self._leaves[column.name]
        late = column.name == "success" and leaf.place[0] == "infos"  # what an info says, it says on arrival
        values = self._source.read(episode, leaf, steps + late)
        if leaf.jpeg:
            return self._decode(episode, leaf, values)
        flags = as_flags(values) if column.dtype == "bool" and column.role == "transition" else None
        return values.reshape(len(steps), *column.shape) if flags is None else flags

    def _decode(self, episode: int, leaf: Leaf, blobs: Array) -> Array:
        out = np.empty((len(blobs), *leaf.shape), np.uint8)
        try:
            codecs.decode("jpeg", blobs.tolist(), out if out.ndim == 4 else out[..., None])
        except codecs.PictureError as error:
            raise DatasetError(
                f"{self._folder}: episode {episode}, {'/'.join(leaf.place)}: a picture is damaged or has another "
                f"size ({error}). Copy the dataset again."
            ) from error
        return out

    def encoded(self, name: str, episode: int) -> EncodedPictures | None:
        """The JPEG pictures of one episode as they are stored (see `Reader.encoded`)."""
        leaf = self._leaves.get(name)
        if leaf is None or not leaf.jpeg or len(leaf.shape) != 3:
            return None
        blobs = self._source.read(episode, leaf, np.arange(self.index.lengths[episode] + 1))
        height, width, channels = leaf.shape
        return EncodedPictures(codec="jpeg", blobs=blobs.tolist(), picture=(height, width, channels))

    def payload(self, episode: int) -> dict[str, Array]:
        """The arrays that hold for the whole episode (see `Reader.payload`): infos of another length, if any."""
        if self._facts is None:
            return {name: self._whole(episode, leaf) for name, leaf in self._extras.items()}
        assert isinstance(self._source, Hdf5Source)
        with guard(self._folder / FILE):
            group = self._source.handle.file[self._source.groups[episode]]
            return {name: read_attribute(group, payload_name(name)) for name in self._facts[episode]["payload"]}

    def _whole(self, episode: int, leaf: Leaf) -> Array:
        assert isinstance(self._source, Hdf5Source)
        return self._source.read_whole(episode, leaf)

    def checksums(self) -> tuple[str, ...]:
        """One hash per episode, or per file of another program (see `Reader.checksums`)."""
        if self._facts is None:
            return super().checksums()
        return tuple(facts["sha256"] for facts in self._facts)

    def problems(self) -> Iterator[str]:
        """Read every episode, compare it with its checksum, and look for actions that are no numbers."""
        total = self._describe()["total_episodes"]
        if total != len(self.index.lengths):
            yield f"metadata.json says that there are {total} episodes, not {len(self.index.lengths)}"
        yield from find_problems(self, self._facts)
