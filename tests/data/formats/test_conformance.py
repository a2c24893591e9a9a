"""Every dataset format keeps the laws of `check_format`, and each law finds the fault that it is for."""

import hashlib
import importlib
import json
import os
import pickle
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest

from swm.core.errors import DatasetError, InvalidValueError, UnknownNameError
from swm.data.columns import Array, Column, check_same, describe_episode
from swm.data.encoded import EncodedPictures
from swm.data.episode import Episode
from swm.data.formats import FORMATS, FormatRow
from swm.data.formats.episodic import EpisodicReader, make_index, split_of
from swm.data.location import Location
from swm.data.options import WriteOptions
from swm.testing import FORMAT_LAWS, check_format
from swm.testing.formats import laws_of

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden"
GIVEN = {"stable-worldmodel": sorted(place for place in (GOLDEN / "stable_worldmodel").iterdir() if place.is_dir())}
"""Datasets that are there already, which formats that are only read need."""


def later_hdf5(place: Path) -> None:
    import h5py

    values = importlib.import_module("swm.data.formats.hdf5_values")
    with h5py.File(place if place.is_file() else next(place.rglob("*.hdf5")), "r+") as file:
        values.seal(file, "swm", json.dumps({**values.unseal(file, "swm"), "schema_version": 9}))


def later_lerobot(place: Path) -> None:
    file = place / "meta" / "info.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "codebase_version": "v9.0"}))


FUTURE = {"hdf5": later_hdf5, "robomimic": later_hdf5, "minari": later_hdf5, "lerobot": later_lerobot}
"""How a dataset comes to claim a later version, where its files have no plain ``"schema_version"``."""


@pytest.mark.parametrize(("name", "law"), [(name, law) for name in FORMATS for law in laws_of(name)])
def test_format(name: str, law: str, tmp_path: Path) -> None:
    check_format(name, tmp_path, [law], datasets=GIVEN.get(name, ()), future=FUTURE.get(name))


# A format as small as one can be: the index in toy.json, an episode per file.


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
        self.place = self.path if options.mode != "overwrite" else self.path.with_name(f".{self.path.name}")
        shutil.rmtree(self.place, ignore_errors=options.mode == "overwrite") if options.mode == "overwrite" else None

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
        return split_of(episode.metadata["seed"], self.options.val_fraction)

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


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A row "toy" of FORMATS, whose parts can be replaced by faulty ones."""
    monkeypatch.syspath_prepend(str(ROOT))
    target, writer, detect = (f"{__name__}:{name}" for name in ("Reader", "Writer", "detect"))
    row = FormatRow(summary="a toy", target=target, writer=writer, detect=detect)
    monkeypatch.setitem(FORMATS._rows, "toy", row)

    def replace(**faulty: Any) -> None:
        for name, part in faulty.items():
            monkeypatch.setattr(sys.modules[__name__], name, part)

    return replace


@pytest.mark.parametrize("law", list(FORMAT_LAWS))
def test_a_good_format_passes(law: str, toy: Callable[..., None], tmp_path: Path) -> None:
    check_format("toy", tmp_path, [law])


class WrongDtype(Reader):
    """Gives float32 where the column says float64."""

    def read_steps(self, episode: int, names: Sequence[str], steps: Any) -> dict[str, Array]:
        read = super().read_steps(episode, names, steps)
        return {name: values.astype(np.float32) if name == "state" else values for name, values in read.items()}


class Sorting(Reader):
    """Gives the rows in the order of the file."""

    def read(self, names: Sequence[str], rows: Any, size: Any = None) -> dict[str, Array]:
        return super().read(names, np.sort(rows), size)


class FullSize(Reader):
    """Knows one size of pictures."""

    def read(self, names: Sequence[str], rows: Any, size: Any = None) -> dict[str, Array]:
        return super().read(names, rows)


class Sharing(Reader):
    """Hands out its own payload."""

    kept: dict[str, Array] | None = None

    def payload(self, episode: int) -> dict[str, Array]:
        self.kept = self.kept or super().payload(episode)
        return self.kept


class Heavy(Reader):
    """Pickles with all that it read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopened, (type(self), self.location, [self.load(number) for number in range(len(self.hashes))])


def _reopened(kind: type[Reader], location: Location, _: object) -> Reader:
    return kind(location, None, 0)


class HomeOnly(Reader):
    """Reads in the process that made the first one."""

    home = os.environ.setdefault("TOY_HOME", str(os.getpid()))

    def read_steps(self, episode: int, names: Sequence[str], steps: Any) -> dict[str, Array]:
        read = super().read_steps(episode, names, steps)
        return read if self.home == str(os.getpid()) else {name: values[::-1] for name, values in read.items()}


class Shifting(Reader):
    """Reads windows one step too early."""

    def read_steps(self, episode: int, names: Sequence[str], steps: Any) -> dict[str, Array]:
        early = len(steps) < self.index.lengths[episode] and steps[0] > 0
        return super().read_steps(episode, names, np.asarray(steps) - int(early))


class HalfSizes(Reader):
    """Forgets the transitions."""

    def disk_bytes(self) -> dict[str, int]:
        return {name: size for name, size in super().disk_bytes().items() if name != "action"}


class Placed(Reader):
    """Hashes its own path."""

    def checksums(self) -> tuple[str, ...]:
        return (self.location.uri,)


class Complaining(Reader):
    """Finds problems everywhere."""

    def problems(self) -> Iterator[str]:
        yield "episode 0 looks odd"


class Unchecked(Reader):
    """Compares no hash."""

    checked = False


class Timeless(Reader):
    """Reads any version."""

    def check_version(self, version: int) -> None:
        pass


class Reversing(Reader):
    """Gives the stored pictures in the wrong order."""

    def encoded(self, name: str, episode: int) -> EncodedPictures:
        found = super().encoded(name, episode)
        return EncodedPictures(codec="raw", blobs=list(found.blobs)[::-1], picture=found.picture)


class Versionless(Reader):
    """Gives the same for any version."""

    def __init__(self, location: Location, version: int | None, cache_bytes: int) -> None:
        super().__init__(location, None, cache_bytes)


class Forgetful(Writer):
    """Loses the payload, and says nothing."""

    def keep(self, kept: dict[str, Any]) -> dict[str, Any]:
        return {**kept, "payload": {}}


class Coarse(Writer):
    """Keeps two levels of pictures that it calls JPEG."""

    def keep(self, kept: dict[str, Any]) -> dict[str, Any]:
        arrays = {name: values // 128 * 128 if "pixels" in name else values for name, values in kept["arrays"].items()}
        columns = {
            name: Column(**{**vars(column), "codec": "jpeg" if "pixels" in name else column.codec})
            for name, column in kept["columns"].items()
        }
        return {**kept, "arrays": arrays, "columns": columns}


class Vague(Writer):
    """Does not say which codec it refuses."""

    def __init__(self, location: Location, options: WriteOptions) -> None:
        if options.codec not in (None, "raw"):
            raise InvalidValueError("this cannot be done.")
        super().__init__(location, options)


class Rounding(Writer):
    """Keeps whole numbers as floating point, and says nothing."""

    def keep(self, kept: dict[str, Any]) -> dict[str, Any]:
        arrays = {
            name: values.astype(np.float64).astype(values.dtype) if values.dtype == np.int64 else values
            for name, values in kept["arrays"].items()
        }
        return {**kept, "arrays": arrays}


class TrainOnly(Writer):
    """Holds nothing out."""

    def split(self, episode: Episode) -> str:
        return "train"


class Late(Writer):
    """Commits at the end what the caller has changed by then."""

    def __init__(self, location: Location, options: WriteOptions) -> None:
        super().__init__(location, options)
        self.waiting: list[Episode] = []

    def write(self, episode: Episode) -> None:
        self.waiting.append(episode)

    def close(self) -> None:
        for episode in self.waiting:
            super().write(episode)
        super().close()


class Discarding(Late):
    """Commits at the end, unless an exception is on its way."""

    def __exit__(self, kind: Any = None, *_: object) -> None:
        self.waiting = [] if kind is not None else self.waiting
        self.close()


class Replacing(Writer):
    """Replaces what it should continue."""

    def __init__(self, location: Location, options: WriteOptions) -> None:
        super().__init__(location, options)
        self.hashes, self.columns = [], None


class Torn(Writer):
    """Commits once more, when an exception comes, what it had committed."""

    last: dict[str, Any] | None = None

    def keep(self, kept: dict[str, Any]) -> dict[str, Any]:
        self.last = kept
        return kept

    def __exit__(self, kind: Any = None, *_: object) -> None:
        if kind is not None and self.last:
            self.commit(self.last)
        self.close()


class Tireless(Writer):
    """Takes episodes after it was closed."""

    def close(self) -> None:
        super().close()
        self.closed = False


@pytest.mark.parametrize(
    ("law", "faulty"),
    [
        ("detection", {"detect": lambda path: True}),
        ("detection", {"detect": lambda path: path.read_bytes() == b"toy"}),
        ("index", {"Reader": WrongDtype}),
        ("rows", {"Reader": Sorting}),
        ("rows", {"Reader": FullSize}),
        ("memory", {"Reader": Sharing}),
        ("pickling", {"Reader": Heavy}),
        ("processes", {"Reader": HomeOnly}),
        ("clips", {"Reader": Shifting}),
        ("sizes", {"Reader": HalfSizes}),
        ("fingerprint", {"Reader": Placed}),
        ("fingerprint", {"Reader": Complaining}),
        ("content", {"Writer": Forgetful}),
        ("content", {"Writer": Coarse}),
        ("codecs", {"Writer": Vague}),
        ("codecs", {"Writer": Coarse}),
        ("oddities", {"Writer": Rounding}),
        ("splits", {"Writer": TrainOnly}),
        ("ownership", {"Writer": Late}),
        ("copies", {"Reader": Reversing}),
        ("modes", {"Writer": Replacing}),
        ("interruption", {"Writer": Torn}),
        ("interruption", {"Writer": Discarding}),
        ("refusals", {"Reader": Versionless}),
        ("refusals", {"Writer": Tireless}),
        ("verification", {"Reader": Unchecked}),
        ("later_versions", {"Reader": Timeless}),
    ],
)
def test_a_fault_is_found(law: str, faulty: dict[str, Any], toy: Callable[..., None], tmp_path: Path) -> None:
    toy(**faulty)
    with pytest.raises(AssertionError, match=f"law '{law}' is broken: "):
        check_format("toy", tmp_path, [law])


def test_every_law_is_seen_to_fail() -> None:
    marks: Any = test_a_fault_is_found.pytestmark
    assert {law for law, _ in marks[0].args[1]} == set(FORMAT_LAWS)
    assert all(law.__doc__ for law in FORMAT_LAWS.values())


def test_names_are_checked(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="'content'"):
        check_format("frames", tmp_path, ["contents"])
    with pytest.raises(InvalidValueError, match="can only be read: give `datasets`"):
        check_format("stable-worldmodel", tmp_path)
