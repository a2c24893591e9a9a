"""Where a dataset is: a local path, or a URI of an object store with its credentials."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swm.core.errors import DatasetError, InvalidValueError

SCHEMES = ("s3", "gs", "az", "hf", "memory")
"""Of the object stores that Lance speaks to."""


@dataclass(frozen=True, kw_only=True)
class Location:
    """A place that holds files by name. Hashable by its URI; the options may hold secrets and are never shown."""

    uri: str
    """An absolute local path, or ``scheme://bucket/key`` without a slash at the end."""
    storage_options: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    """Of the object store, as Lance names them: ``aws_access_key_id``, ``aws_endpoint``, ``token`` and so on."""

    @classmethod
    def parse(
        cls, uri: "str | os.PathLike[str] | Location", storage_options: Mapping[str, str] | None = None
    ) -> "Location":
        """Turn a path, a ``file://`` URI or a URI of an object store into a location.

        Raises:
            DatasetError: a scheme that no store here has.
            InvalidValueError: it is empty, or no text and no path.
        """
        if isinstance(uri, Location):
            return uri
        if not isinstance(uri, str | os.PathLike) or not os.fspath(uri):
            raise InvalidValueError(f"a dataset is named by a path or a URI, got {uri!r}.")
        text = os.fspath(uri).removeprefix("file://")
        scheme, separator, _ = text.partition("://")
        if not separator:
            return cls(uri=str(Path(text).expanduser().absolute()))
        if scheme not in SCHEMES:
            known = ", ".join(f"{name}://" for name in SCHEMES)
            raise DatasetError(f"{text}: no store is known for {scheme}://. Give a local path, or one of {known}.")
        return cls(uri=text.rstrip("/"), storage_options=dict(storage_options or {}))

    @property
    def is_local(self) -> bool:
        """Whether it is a path on this machine."""
        return "://" not in self.uri

    @property
    def path(self) -> Path:
        """The local path.

        Raises:
            DatasetError: it is in an object store.
        """
        if not self.is_local:
            raise DatasetError(f"{self.uri}: this works on local paths alone. Download it, or use a Lance dataset.")
        return Path(self.uri)

    @property
    def aside(self) -> "Location":
        """Where files about the dataset may lie: within it, or beside it if it is a single file."""
        return Location(uri=f"{self.uri}.swm") if self.is_local and self.path.is_file() else self

    def __str__(self) -> str:
        return self.uri

    def __truediv__(self, name: str) -> "Location":
        return Location(uri=f"{self.uri}/{name}", storage_options=self.storage_options)

    def read_bytes(self, name: str) -> bytes | None:
        """The content of a small file; None if there is none."""
        if self.is_local:
            file = self.path / name
            return file.read_bytes() if file.is_file() else None
        session = self._session()
        if not session.contains(name):
            return None
        with tempfile.TemporaryDirectory() as folder:
            session.download_file(name, Path(folder) / "file")
            return (Path(folder) / "file").read_bytes()

    def write_bytes(self, name: str, content: bytes) -> None:
        """Replace a small file at once: a reader sees the old or the new content, never a part.

        Raises:
            OSError: the place cannot be written.
        """
        if self.is_local:
            file = self.path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
            try:
                with os.fdopen(handle, "wb") as out:
                    out.write(content)
                os.replace(temporary, file)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
            return
        with tempfile.NamedTemporaryFile() as local:
            local.write(content)
            local.flush()
            self._session().upload_file(local.name, name)

    def names(self, under: str = "") -> list[str]:
        """Every file below, as paths relative to this place."""
        if self.is_local:
            root = self.path / under
            return sorted(str(file.relative_to(self.path)) for file in root.rglob("*") if file.is_file())
        return sorted(self._session().list(under or None))

    def _session(self) -> Any:
        from lance.file import LanceFileSession

        return LanceFileSession(self.uri, storage_options=dict(self.storage_options) or None)
