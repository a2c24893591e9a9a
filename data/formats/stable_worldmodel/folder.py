"""The folder layouts of stable-worldmodel: an npz file per column, and a folder of JPEG or MP4 files per camera.

``ep_len.npz`` has the number of rows of each episode, ``<column>.npz`` the rows of all episodes, one
after the other; ``<camera>/ep_<i>_step_<j>.jpeg`` is one picture, ``<camera>/ep_<i>.mp4`` those of one
episode.
"""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import DatasetError
from swm.data import codecs
from swm.data.columns import DTYPES, Array, Column, dtype_name
from swm.data.encoded import EncodedPictures
from swm.data.formats.episodic import runs_of
from swm.data.formats.foreign_video import opened

LENGTHS, OFFSETS = "ep_len.npz", "ep_offset.npz"


class FolderRows:
    """The rows of a folder (see `swm.data.formats.stable_worldmodel.rows.Rows`)."""

    version = 1

    def __init__(self, path: Path) -> None:
        """Read the lengths of the episodes and the headers of the columns.

        Raises:
            DatasetError: a file is missing or damaged, or does not have a row for each frame.
        """
        self._path = path
        lengths = load_rows(path / LENGTHS)
        if lengths is None or lengths.ndim != 1 or lengths.dtype.kind not in "iu" or (lengths < 0).any():
            raise DatasetError(f"{path / LENGTHS}: one length per episode is needed, got {lengths!r}.")
        self.lengths = lengths.astype(np.int64)
        self._starts = np.cumsum(self.lengths) - self.lengths
        folders = [entry for entry in sorted(path.iterdir()) if entry.is_dir()]
        self._cameras = [folder for folder in folders if any(folder.glob("ep_*"))]
        nested = [file for folder in folders if folder not in self._cameras for file in sorted(folder.rglob("*.npz"))]
        plain = [file for file in sorted(path.glob("*.npz")) if file.name not in (LENGTHS, OFFSETS)]
        self._tables = plain + nested  # a slash in a column's name has made a folder
        described = {self._name(file): self._describe(file) for file in self._tables}
        columns = {camera.name: self._describe_pictures(camera) for camera in self._cameras}
        columns |= {name: column for name, column in described.items() if column is not None}
        self.columns: Mapping[str, Column] = columns
        skipped = ", ".join(repr(name) for name in described if name not in columns)
        self.notes: tuple[str, ...] = ()
        if skipped:
            self.notes = (f"Columns whose values are neither numbers nor texts are left out: {skipped}.",)

    def _name(self, file: Path) -> str:
        return file.relative_to(self._path).with_suffix("").as_posix()

    def _describe(self, file: Path) -> Column | None:
        values = load_rows(file)
        if values is None:
            return None
        rows = int(self.lengths.sum())
        if values.ndim == 0 or len(values) != rows:
            raise DatasetError(f"{file} has the shape {values.shape}; the episodes have {rows} rows together.")
        dtype = dtype_name(values.dtype)
        if dtype not in DTYPES or (dtype == "str" and values.ndim > 1):
            return None
        return Column(name=self._name(file), dtype=dtype, shape=values.shape[1:], role="observation")

    def _describe_pictures(self, folder: Path) -> Column:
        video = self._video(folder.name, 0)
        if video.exists():
            with opened(video, video) as content:
                return Column(name=folder.name, dtype="uint8", shape=content.picture, role="observation", codec="h264")
        file = self._picture(folder.name, 0)
        try:
            shape = codecs.shape_of(_bytes(file))
        except ValueError as error:
            raise DatasetError(f"{file} is no JPEG picture ({error}).") from error
        return Column(name=folder.name, dtype="uint8", shape=shape, role="observation", codec="jpeg")

    def _video(self, name: str, episode: int) -> Path:
        return self._path / name / f"ep_{episode}.mp4"

    def _picture(self, name: str, row: int) -> Path:
        """The file of a row: it is named by episode and step."""
        episode = int(np.searchsorted(self._starts, row, side="right")) - 1
        file = self._path / name / f"ep_{episode}_step_{row - self._starts[episode]}.jpeg"
        return file if file.exists() else file.with_suffix(".jpg")

    def take(self, names: Sequence[str], rows: NDArray[np.int64]) -> dict[str, Array]:
        """Read and decode sorted distinct rows (see `Rows.take`)."""
        out = {}
        for name in names:
            column = self.columns[name]
            if column.codec is None:
                values = load_rows(self._path / f"{name}.npz")
                assert values is not None
                out[name] = np.array(values[rows], values.dtype.newbyteorder("="))
            else:
                out[name] = self._pictures(column, rows)
        return out

    def _pictures(self, column: Column, rows: NDArray[np.int64]) -> Array:
        out = np.empty((len(rows), *column.shape), np.uint8)
        if column.codec == "jpeg":
            files = [self._picture(column.name, row) for row in rows]
            try:
                codecs.decode("jpeg", [_bytes(file) for file in files], out)
            except codecs.PictureError as error:
                raise DatasetError(f"{files[error.index]} cannot be decoded ({error}). Copy it again.") from error
            return out
        for episode, here in runs_of(np.searchsorted(self._starts, rows, side="right") - 1):
            file, frames = self._video(column.name, episode), rows[here] - self._starts[episode]
            with opened(file, file) as video:
                out[here] = video.read(frames, column.shape)
        return out

    def encoded(self, name: str, rows: NDArray[np.int64]) -> EncodedPictures | None:
        """The JPEG pictures of some rows; None for video (see `Rows.encoded`)."""
        if self.columns[name].codec != "jpeg":
            return None
        height, width, channels = self.columns[name].shape
        blobs = [_bytes(self._picture(name, row)) for row in rows]
        return EncodedPictures(codec="jpeg", blobs=blobs, picture=(height, width, channels))

    def facts(self) -> list[dict[str, Any]]:
        """Nothing: this layout has no such place (see `Rows.facts`)."""
        return [{} for _ in self.lengths]

    def extras(self, episode: int) -> dict[str, Array]:
        """Nothing: this layout has no such place (see `Rows.extras`)."""
        return {}

    def files(self) -> list[Path]:
        """Every file of the dataset (see `Rows.files`)."""
        pictures = [file for camera in self._cameras for file in sorted(camera.glob("ep_*"))]
        return [self._path / LENGTHS, *self._tables, *pictures]

    def disk_bytes(self) -> dict[str, int]:
        """Column -> bytes on disk (see `Rows.disk_bytes`)."""
        sizes = dict.fromkeys(self.columns, 0)
        for file in self.files():
            name = self._name(file) if file.suffix == ".npz" else file.parent.name
            if name in sizes:
                sizes[name] += file.stat().st_size
        return sizes


def load_rows(file: Path) -> Array | None:
    """The array of an npz file, mapped into memory where it is not compressed; None if it holds Python objects.

    Raises:
        DatasetError: it is missing or damaged.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            entry = archive.getinfo("arr_0.npy")
            with archive.open(entry) as stream:
                version = np.lib.format.read_magic(stream)
                shape, fortran, dtype = _HEADERS[version](stream)
                begin = stream.tell()
            if dtype.hasobject:
                return None
            if entry.compress_type != zipfile.ZIP_STORED or 0 in shape:
                with np.load(file, allow_pickle=False) as content:
                    return np.asarray(content["arr_0"])
        offset = _content_offset(file, entry.header_offset) + begin
        return np.memmap(file, dtype, "r", offset, shape, "F" if fortran else "C")
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, NotImplementedError) as error:
        raise DatasetError(f"{file}: the column cannot be read ({error}). Copy it again.") from error


_HEADERS: dict[tuple[int, int], Any] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def _content_offset(file: Path, header: int) -> int:
    """Where the content of a zip entry begins: after its local header, name and extra field."""
    with file.open("rb") as stream:
        stream.seek(header + 26)
        name, extra = np.frombuffer(stream.read(4), "<u2").tolist()
    return int(header + 30 + name + extra)


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise DatasetError(f"{file}: the picture cannot be read ({error}). Copy it again.") from error
