"""What Minari's two ways of storage have in common for a reader."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from swm.data.columns import Array
from swm.data.formats.minari.spaces import Place


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """One array of an episode; its place begins with ``observations``, ``actions``, ``rewards`` and so on."""

    place: Place
    dtype: str
    """As a column has it."""
    shape: tuple[int, ...]
    """Of one row, once it is decoded."""
    count: int
    """Rows in the first episode."""
    jpeg: bool = False
    """Whether each row is a JPEG picture."""


class Source(Protocol):
    """The episodes of a Minari dataset, in one of its data formats."""

    lengths: list[int]
    """Transitions of each episode."""
    notes: list[str]

    @property
    def metadata(self) -> list[dict[str, Any]]:
        """Of each episode."""
        ...

    def files(self) -> list[Path]:
        """Every file of the dataset."""
        ...

    def leaves(self) -> list[Leaf]:
        """The arrays of the first episode."""
        ...

    def read(self, episode: int, leaf: Leaf, rows: NDArray[np.int64]) -> Array:
        """Some sorted rows of an array; of pictures in JPEG, an array of byte strings."""
        ...
