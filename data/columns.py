"""What a dataset holds per step: columns with an exact dtype, shape, role and codec."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import DatasetError, InvalidValueError, ShapeError, UnknownNameError
from swm.data.encoded import Codec, EncodedPictures, EncodedVideo, VideoCodec
from swm.data.episode import TRANSITIONS, Episode

Array = NDArray[Any]

Role = Literal["observation", "transition"]

_INTEGERS = tuple(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64))
DTYPES = ("bool", *_INTEGERS, "float16", "float32", "float64", "str")
"""What a column may hold, in native byte order; ``"str"`` is one text of any length per step."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One quantity, recorded at every observation or at every transition."""

    name: str
    dtype: str
    """NumPy's name, for example ``"float64"``."""
    shape: tuple[int, ...]
    """Of one step; empty for a scalar."""
    role: Role
    """``"observation"``: T + 1 values per episode; ``"transition"``: T values."""
    codec: Codec | VideoCodec | None = None
    """How the pictures are encoded; None for a column that is stored as numbers or text."""

    @property
    def size(self) -> int:
        """Numbers per step."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def stored_name(self) -> str:
        """The name in the table: percent-escapes for what Lance forbids or reserves."""
        return escape(self.name)


def escape(name: str) -> str:
    """Replace every character that is not a letter, digit, hyphen or inner underscore by percent-escapes.

    Lance refuses dots and empty names and reserves some names that begin with an underscore.
    `unescape` is the exact inverse.
    """
    if not name:
        return "%"
    escaped = percent_escape(name, "[^A-Za-z0-9_-]")
    return f"%5F{escaped[1:]}" if escaped.startswith("_") else escaped


def unescape(stored: str) -> str:
    """Return the name that `escape` turned into `stored`."""
    return "" if stored == "%" else unquote(stored, errors="surrogatepass")


def percent_escape(name: str, unsafe: str) -> str:
    """Replace each character that a pattern matches by percent-escapes of its UTF-8 bytes."""
    return re.sub(unsafe, _percent, name)


def _percent(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found.group().encode("utf-8", "surrogatepass"))


def is_view(name: str) -> bool:
    """Whether a component is named ``pixels`` or ``pixels.<view>``: its pictures may be lossy."""
    return name.partition(".")[0] == "pixels"


def is_picture(dtype: str, shape: tuple[int, ...]) -> bool:
    """Whether an observation of this dtype and shape per step is a picture: uint8 of (height, width, 1 or 3)."""
    return dtype == "uint8" and len(shape) == 3 and shape[2] in (1, 3) and min(shape) > 0


def describe_episode(episode: Episode, codec: Codec | VideoCodec) -> dict[str, Column]:
    """Derive the columns of a dataset from an episode.

    A picture is an observation component of ``uint8`` and shape (height, width, 1 or 3).
    `codec` is for the pictures named ``pixels`` or ``pixels.<view>``; others, which may be masks
    or symbols, are never lossy. Everything else is stored as the numbers that it is.

    Raises:
        InvalidValueError: it is no episode.
        ShapeError: a dtype cannot be stored.
    """
    if not isinstance(episode, Episode):
        raise InvalidValueError(f"a writer takes a swm.data.Episode, got {type(episode).__name__}.")
    columns = {}
    for name, array in episode.arrays().items():
        role: Role = "transition" if name in TRANSITIONS else "observation"
        dtype, shape = dtype_name(array.dtype), array.shape[1:]
        if dtype not in DTYPES or (dtype == "str" and shape):
            wanted = f"one of the dtypes {', '.join(DTYPES)}" if dtype != "str" else "one text per step"
            raise ShapeError(f"column {name!r}", wanted, f"dtype {dtype}, shape {shape} per step")
        picture = role == "observation" and is_picture(dtype, shape)
        kept = codec if is_view(name) or codec == "raw" else "png"
        if isinstance(array, EncodedPictures | EncodedVideo) and not is_view(name):
            kept = array.codec
        columns[name] = Column(name=name, dtype=dtype, shape=shape, role=role, codec=kept if picture else None)
    return columns


def dtype_name(dtype: np.dtype[Any]) -> str:
    """What a column calls a dtype, whatever its byte order and length of texts."""
    return "str" if dtype.kind == "U" else str(dtype.newbyteorder("="))


def check_same(expected: Mapping[str, Column], got: Mapping[str, Column], uri: str) -> None:
    """Check that an episode has the dataset's columns.

    Raises:
        DatasetError: it does not; the message names each difference.
    """
    problems = [f"{name!r} is missing" for name in expected if name not in got]
    problems += [f"{name!r} is not a column of the dataset" for name in got if name not in expected]
    for name in expected.keys() & got.keys():
        have, want = got[name], expected[name]
        for what in ("dtype", "shape", "role", "codec"):
            if getattr(have, what) != getattr(want, what):
                problems.append(f"{name!r} has {what} {getattr(have, what)}, the dataset {getattr(want, what)}")
    if problems:
        raise DatasetError(
            f"the episode does not fit the dataset {uri}: {'; '.join(sorted(problems))}. "
            f"Write it to a new dataset, or replace this one with mode='overwrite'."
        )


def select(columns: Mapping[str, Column], names: Any) -> tuple[str, ...]:
    """Check names of columns and return them, each once, in the order given.

    Raises:
        UnknownNameError: a name is not a column.
        InvalidValueError: a single string came instead of a sequence of names.
    """
    if isinstance(names, str):
        raise InvalidValueError(f"columns must be a sequence of names, got the string {names!r}. Use [{names!r}].")
    for name in names:
        if name not in columns:
            raise UnknownNameError("column", name, columns)
    return tuple(dict.fromkeys(names))
