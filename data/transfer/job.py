"""What a transfer is to write where, and whether it can: every check before anything is written."""

import hashlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypedDict

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import DatasetError
from swm.data import access
from swm.data.dataset import Dataset
from swm.data.encoded import Codec, VideoCodec
from swm.data.formats import FORMATS
from swm.data.location import Location
from swm.data.provenance import latest_transfer


class WriterOptions(TypedDict, total=False):
    """How the new dataset is stored (see `swm.data.create`)."""

    codec: Codec | VideoCodec | None
    quality: int
    crf: int
    fps: float
    shard_size: int
    storage_options: Mapping[str, str] | None


@dataclass(frozen=True, kw_only=True)
class Part:
    """Some episodes of one source."""

    dataset: Dataset
    episodes: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class TransferJob:
    """What to write where."""

    operation: str
    """``"convert"``, ``"merge"``, ``"filter"`` or ``"split"``."""
    parts: tuple[Part, ...]
    dest: Location
    format: str | None
    columns: tuple[str, ...]
    """The observation components to keep."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Of the operation, JSON-ready, for the provenance."""

    @property
    def format_name(self) -> str:
        """The row of `FORMATS` that is written."""
        return self.format or "frames"

    @property
    def num_episodes(self) -> int:
        """Episodes to write."""
        return sum(len(part.episodes) for part in self.parts)

    @property
    def num_steps(self) -> int:
        """Transitions to write."""
        return sum(int(part.dataset.lengths[part.episodes].sum()) for part in self.parts)

    def recipe(self, options: WriterOptions) -> dict[str, Any]:
        """What identifies the transfer: equal recipes write equal datasets."""
        told = {name: value for name, value in options.items() if name != "storage_options"}
        recipe = {
            "operation": self.operation,
            "episodes": self.num_episodes,
            "columns": list(self.columns),
            "options": {"format": self.format_name, **told, **self.details},
            "sources": [_describe(part) for part in self.parts],
        }
        plain: dict[str, Any] = json.loads(json.dumps(recipe))
        return plain

    def check(self, *, overwrite: bool, options: WriterOptions) -> int:
        """Refuse what cannot be done, before anything is written.

        Returns:
            Episodes of this very transfer that are at the destination already: all, or it was stopped there.

        Raises:
            DatasetError: no episode is left, the destination is a source or is taken, or the format
                cannot be written.
            UnknownNameError: no such format.
        """
        if not self.num_episodes:
            raise DatasetError(f"{self.operation}: no episode is left to write to {self.dest}. Nothing was touched.")
        row = FORMATS[self.format_name]
        if row.writer is None:
            able = ", ".join(name for name, row in FORMATS.items() if row.writer)
            raise DatasetError(f"the format {self.format_name!r} can only be read. These can be written: {able}.")
        if not (self.dest.is_local or row.remote):
            raise DatasetError(f"{self.dest}: the format {self.format_name!r} is written on local disks alone.")
        for part in self.parts:
            if overlap(part.dataset.reader.location, self.dest):
                raise DatasetError(
                    f"{self.operation}: {self.dest} is the source {part.dataset.uri}, in it, or around it. "
                    f"Choose another place."
                )
        if overwrite or not is_taken(self.dest):
            return 0
        done = self._done(options)
        if done < self.num_episodes and not row.remote:
            self._refuse("")
        return done

    def _done(self, options: WriterOptions) -> int:
        """How much of this transfer the destination holds; refuse it if it is anything else."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # rows of the shard that was lost
                there = access.open(self.dest)
        except DatasetError:
            return 0  # stopped before the first commit, or no dataset at all, which the writer refuses
        if latest_transfer(there.provenance) != self.recipe(options):
            self._refuse(" and is no part of this transfer")
        return there.num_episodes

    def _refuse(self, why: str) -> NoReturn:
        raise DatasetError(
            f"{self.dest} exists already{why}. Choose another place, or replace it with overwrite=True (--overwrite)."
        )


def overlap(one: Location, other: Location) -> bool:
    """Whether two locations are one, or one of them is inside the other; through links too."""
    if one.is_local != other.is_local:
        return False
    here, there = (str(place.path.resolve()) if place.is_local else place.uri for place in (one, other))
    return here == there or here.startswith(f"{there}/") or there.startswith(f"{here}/")


def is_taken(dest: Location) -> bool:
    """Whether something is there that is more than an empty folder."""
    if not dest.is_local:
        return access.detect_format(dest) is not None
    return dest.path.exists() and not (dest.path.is_dir() and not any(dest.path.iterdir()))


def _describe(part: Part) -> dict[str, Any]:
    """A source as the provenance names it, with all that is known of its own origin."""
    dataset, everything = part.dataset, len(part.episodes) == part.dataset.num_episodes
    chosen = None if everything else hashlib.sha256(part.episodes.astype("<i8").tobytes()).hexdigest()[:16]
    return {
        "uri": dataset.uri,
        "version": dataset.version,
        "fingerprint": dataset.fingerprint,
        "episodes": len(part.episodes),
        "selection": chosen,
        "provenance": list(dataset.provenance),
    }
