"""A folder per episode with one picture file per step and component.

```
dataset.json                              columns, episodes, provenance
episode_000000/columns.npz                every column that is no picture, and the payload
episode_000000/<component>/000000.png     one file per step, counted from 0
```
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import DatasetError
from swm.data import codecs
from swm.data.codecs import PictureError
from swm.data.columns import Column, unescape
from swm.data.encoded import Codec, EncodedPictures, as_array
from swm.data.formats.folders.manifest import MANIFEST, is_of
from swm.data.formats.folders.mp4 import natural_order
from swm.data.formats.folders.reader import Files, FolderReader
from swm.data.formats.folders.writer import FolderWriter
from swm.data.resize import resize

_SUFFIXES: dict[str, Codec] = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg"}


def detect(path: Path) -> bool:
    """Whether `path` holds a dataset of this format, or bare folders of pictures."""
    if not path.is_dir() or (path / MANIFEST).exists() or (path / "ep_len.npz").exists():
        return is_of(path, "images")
    with contextlib.suppress(OSError):
        return any(_components(folder) for folder in _folders(path))
    return False


class ImagesReader(FolderReader):
    """Random access to picture files (see `FolderReader`).

    In a bare folder each sub-folder is one episode, in natural order. It holds the pictures of
    the component ``pixels``, or one folder of pictures per component; ``columns.npz`` or
    ``columns.parquet`` in it has the other columns.
    """

    kind = "images"
    codecs = ("png", "jpeg")

    @staticmethod
    def beside(root: Path, episode: str) -> Path:
        """The other columns of one episode."""
        return root / episode / "columns.npz"

    @staticmethod
    def place(root: Path, episode: str, column: Column) -> Path:
        """The folder of one component and episode."""
        return root / episode / column.stored_name

    def scan(self, root: Path) -> list[Files]:
        """Every sub-folder with pictures, in natural order (see `FolderReader.scan`)."""
        found = []
        for folder in _folders(root):
            if components := _components(folder):
                beside = [file for name in ("columns.npz", "columns.parquet") if (file := folder / name).is_file()]
                found.append(Files(beside[0] if beside else None, components))
        if not found:
            raise DatasetError(f"{root} has neither {MANIFEST} nor folders of PNG or JPEG files. Give their parent.")
        return found

    def measure(self, name: str, place: Path) -> tuple[int, Column]:
        """Look at the first picture of a bare folder (see `FolderReader.measure`)."""
        files = _pictures(place)
        kinds = sorted({_SUFFIXES[file.suffix.lower()] for file in files})
        if len(kinds) > 1:
            raise DatasetError(f"{place} mixes {' and '.join(kinds)} files: those of one component are all alike.")
        try:
            shape = codecs.shape_of(files[0].read_bytes())
        except (OSError, ValueError) as error:
            raise DatasetError(f"{files[0]} cannot be read as a picture: {error}.") from error
        return len(files), Column(name=name, dtype="uint8", shape=shape, role="observation", codec=kinds[0])

    def _paths(self, name: str, episode: int) -> list[Path]:
        """One file per step."""
        place, count = self._files(episode).pictures[name], int(self.index.lengths[episode]) + 1
        if self._manifest is not None:
            suffix = _suffix(self.columns[name])
            return [place / f"{step:06d}{suffix}" for step in range(count)]
        found: list[Path] = self._cache.get((name, episode), lambda: (_pictures(place), 200 * count))
        return found

    def read_pictures(
        self, name: str, episodes: NDArray[np.int64], steps: NDArray[np.int64], size: tuple[int, int] | None
    ) -> NDArray[np.uint8]:
        """Decode picture files (see `FolderReader.read_pictures`)."""
        column = self.columns[name]
        paths = {int(episode): self._paths(name, int(episode)) for episode in np.unique(episodes)}
        out = np.empty((len(steps), *column.shape), np.uint8)
        try:
            pairs = zip(episodes.tolist(), steps.tolist(), strict=True)
            blobs = [paths[episode][step].read_bytes() for episode, step in pairs]
            codecs.decode(str(column.codec), blobs, out)
        except OSError as error:
            raise DatasetError(
                f"{self.location}: a picture cannot be read: {error}. Restore it from a copy."
            ) from error
        except PictureError as error:
            raise self.failure(name, int(episodes[error.index]), int(steps[error.index]), error) from error
        return out if size is None else resize(out, size)

    def encoded(self, name: str, episode: int) -> EncodedPictures:
        """The files of one component and episode (see `Reader.encoded`)."""
        column = self.columns[name]
        assert column.codec in ("png", "jpeg")
        height, width, channels = column.shape
        blobs = list(self.blobs(episode, name))
        return EncodedPictures(codec=column.codec, blobs=blobs, picture=(height, width, channels))

    def blobs(self, episode: int, name: str) -> Iterator[bytes]:
        """The content of each picture file (see `FolderReader.blobs`)."""
        for path in self._paths(name, episode):
            yield path.read_bytes()


class ImagesWriter(FolderWriter):
    """Writes one file per picture (see `FolderWriter`).

    Pictures named ``pixels`` or ``pixels.<view>`` are PNG, or JPEG if that was asked for; others
    are PNG. `EncodedPictures` of that codec are written as they are.
    """

    reader = ImagesReader
    lossless = "png"

    def save(self, place: Path, column: Column, pictures: Any) -> Sequence[Any]:
        """Write the files of one component (see `FolderWriter.save`)."""
        blobs = pictures.blobs if isinstance(pictures, EncodedPictures) and pictures.codec == column.codec else None
        if blobs is None:
            array = np.ascontiguousarray(as_array(pictures))
            blobs = codecs.encode(str(column.codec), array, self._options.quality, self._options.chroma)
        place.mkdir()
        for step, blob in enumerate(blobs):
            (place / f"{step:06d}{_suffix(column)}").write_bytes(blob)
        return list(blobs)


def _suffix(column: Column) -> str:
    return ".jpg" if column.codec == "jpeg" else ".png"


def _folders(parent: Path) -> list[Path]:
    """The folders in a folder, in natural order, without the hidden ones."""
    found = (entry for entry in parent.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    return sorted(found, key=natural_order)


def _components(folder: Path) -> dict[str, Path]:
    """The components of a bare episode: its folders of pictures by name, or itself as ``pixels``."""
    if _has_pictures(folder):
        return {"pixels": folder}
    inner = _folders(folder)
    return {unescape(entry.name): entry for entry in inner if _has_pictures(entry)}


def _has_pictures(folder: Path) -> bool:
    return any(file.suffix.lower() in _SUFFIXES for file in folder.iterdir())


def _pictures(folder: Path) -> list[Path]:
    return sorted((file for file in folder.iterdir() if file.suffix.lower() in _SUFFIXES), key=natural_order)
