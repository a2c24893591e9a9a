"""What the laws of dataset formats share: a format to try, its datasets, and how to compare what is read."""

import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import swm.data
from swm.core.protocols import Array
from swm.data.dataset import Dataset
from swm.data.episode import Episode
from swm.data.formats import FORMATS
from swm.testing.common import equal
from swm.testing.format_samples import LENGTHS, sample


@dataclass
class FormatCase:
    """A format, a folder to write in, and datasets that are there already."""

    name: str
    folder: Path
    given: tuple[Path, ...] = ()
    future: Callable[[Path], None] | None = None
    """Edits a dataset so that it claims to come from a later version; None looks for ``schema_version``."""
    _count: int = field(default=0, repr=False)

    @property
    def writable(self) -> bool:
        """Whether the format has a writer."""
        return FORMATS[self.name].writer is not None

    def new_place(self) -> Path:
        """A path at which nothing is."""
        self._count += 1
        return self.folder / f"{self.name}-{self._count}"

    def write(self, episodes: Iterable[Episode], place: Path | None = None, **options: Any) -> tuple[Path, list[str]]:
        """Write a dataset and return where it is and what the writer noted."""
        place = place or self.new_place()
        with swm.data.create(place, format=self.name, **options) as writer:
            for episode in episodes:
                writer.write(episode)
        return place, list(writer.notes)

    def samples(self) -> list[Episode]:
        """Episodes of several lengths with two cameras."""
        return [sample(seed, length, ("pixels.left", "pixels.right")) for seed, length in enumerate(LENGTHS)]

    def datasets(self) -> Iterator[Dataset]:
        """What the laws of reading look at: the datasets that were given, and one that is written for it."""
        yield from (self.open(place) for place in self.given)
        if self.writable:
            yield self.open(self.write(self.samples())[0])

    def open(self, place: Path) -> Dataset:
        """Open a dataset as this format."""
        return swm.data.open(place, format=self.name)


def same_episodes(a: Episode, b: Episode) -> bool:
    """Whether two episodes are the same to the last bit."""
    pairs = [(a.arrays(), b.arrays()), (a.payload, b.payload)]
    return a.metadata == b.metadata and all(
        list(x) == list(y) and all(same_array(x[name], y[name]) for name in x) for x, y in pairs
    )


def same_array(a: Array, b: Array) -> bool:
    """Whether two arrays are the same to the last bit; of texts, whatever width they are kept in."""
    if a.dtype.kind == "U" == b.dtype.kind:
        return a.shape == b.shape and bool((a == b).all())
    return equal(a, b)


def files_of(place: Path) -> list[Path]:
    """The files of a dataset: itself, or all below it."""
    return [place] if place.is_file() else [file for file in sorted(place.rglob("*")) if file.is_file()]


def copy_of(place: Path, target: Path) -> Path:
    """Copy a dataset's files."""
    if place.is_file():
        return Path(shutil.copy(place, target))
    return Path(shutil.copytree(place, target.with_name(f"{target.name}{place.suffix}")))


@contextmanager
def quiet() -> Iterator[None]:
    """Ignore warnings about torn writers where a law makes one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
