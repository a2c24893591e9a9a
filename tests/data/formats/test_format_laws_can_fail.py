"""Each law of dataset formats finds the fault that it is for."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swm.core.errors import InvalidValueError, UnknownNameError
from swm.data.columns import Array, Column
from swm.data.encoded import EncodedPictures
from swm.data.episode import Episode
from swm.data.formats import FORMATS, FormatRow
from swm.data.location import Location
from swm.data.options import WriteOptions
from swm.testing import FORMAT_LAWS, check_format
from tests.data.formats import toy as module
from tests.data.formats.toy import Reader, Writer

ROOT = Path(__file__).parents[3]


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A row "toy" of FORMATS, whose parts can be replaced by faulty ones."""
    monkeypatch.syspath_prepend(str(ROOT))
    target, writer, detect = (f"{module.__name__}:{name}" for name in ("Reader", "Writer", "detect"))
    row = FormatRow(summary="a toy", target=target, writer=writer, detect=detect)
    monkeypatch.setitem(FORMATS._rows, "toy", row)

    def replace(**faulty: Any) -> None:
        for name, part in faulty.items():
            monkeypatch.setattr(module, name, part)

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
