"""The work that all transfers share: checks before anything is written, the stream, and what was kept."""

import contextlib
import hashlib
import json
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypedDict, get_args

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import DatasetError
from swm.core.progress import progress as show_progress
from swm.data import access
from swm.data.card import write_card
from swm.data.columns import Column
from swm.data.dataset import Dataset
from swm.data.encoded import Codec, EncodedPictures, EncodedVideo, VideoCodec
from swm.data.episode import TRANSITIONS, Episode
from swm.data.formats import FORMATS, Writer
from swm.data.location import Location
from swm.data.options import Mode
from swm.data.sources import latest_transfer

_LOSSLESS = ("png", "raw", "h264-lossless")


class WriterOptions(TypedDict, total=False):
    """How the new dataset is stored (see `swm.data.create`)."""

    codec: Codec | VideoCodec | None
    quality: int
    crf: int
    fps: float
    shard_size: int
    storage_options: Mapping[str, str] | None


@dataclass(frozen=True, kw_only=True)
class TransferReport:
    """What a transfer wrote, and what it could not keep."""

    uri: str
    """Of the new dataset."""
    episodes: int
    steps: int
    copied: tuple[str, ...]
    """The columns whose pictures were copied as they were stored."""
    notes: tuple[str, ...]
    """One sentence per thing that a source lacked or that the new dataset cannot hold as it was."""


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
            Episodes of this very transfer that are at the destination already: it was stopped there.

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
        for part in self.parts:
            if overlap(part.dataset.reader.location, self.dest):
                raise DatasetError(
                    f"{self.operation}: {self.dest} is the source {part.dataset.uri}, in it, or around it. "
                    f"Choose another place."
                )
        if overwrite or not _is_taken(self.dest):
            return 0
        return self._done(options) if row.remote else self._refuse("")

    def _done(self, options: WriterOptions) -> int:
        """How much of this transfer the destination holds; refuse it if it is anything else."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # rows of the shard that was lost
                there = access.open(self.dest)
        except DatasetError:
            return 0  # stopped before the first commit, or no dataset at all, which the writer refuses
        if latest_transfer(there.provenance) != self.recipe(options):
            return self._refuse(" and is no unfinished part of this transfer")
        if there.num_episodes >= self.num_episodes:
            return self._refuse(": this transfer is complete")
        return there.num_episodes

    def _refuse(self, why: str) -> int:
        raise DatasetError(
            f"{self.dest} exists already{why}. Choose another place, or replace it with overwrite=True (--overwrite)."
        )


def run(job: TransferJob, options: WriterOptions, *, overwrite: bool, progress: bool) -> TransferReport:
    """Do it.

    Lance datasets are written in place, shard by shard, and continued if they were stopped. Every
    other format is written beside its destination and moved there when it is whole.
    """
    done = job.check(overwrite=overwrite, options=options)
    mode: Mode = "append" if done else "overwrite" if overwrite else "error"
    told: WriterOptions = {**options, "codec": _codec(job, options)}
    provenance = {"transfer": job.recipe(options)}
    with _written_whole(job, mode) as (place, mode):
        writer = access.create(place, format=job.format_name, mode=mode, provenance=provenance, **told)
        copied = _write(job, writer, done, exact="quality" not in options and "crf" not in options, show=progress)
    written = access.open(job.dest, format=job.format_name)
    if (written.num_episodes, written.num_steps) != (job.num_episodes, job.num_steps):
        raise DatasetError(
            f"{job.dest} holds {written.num_episodes} episodes and {written.num_steps} steps after the transfer "
            f"of {job.num_episodes} and {job.num_steps}: the format {job.format_name!r} did not keep them all."
        )
    copied = tuple(name for name in copied if written.columns.get(name) == _source_column(job, name))
    notes = [note for part in job.parts for note in part.dataset.reader.notes]
    notes += [*writer.notes, *_compare(job, written, copied), *_save_card(written)]
    return TransferReport(
        uri=written.uri,
        episodes=written.num_episodes,
        steps=written.num_steps,
        copied=copied,
        notes=tuple(dict.fromkeys(notes)),
    )


def overlap(one: Location, other: Location) -> bool:
    """Whether two locations are one, or one of them is inside the other; through links too."""
    if one.is_local != other.is_local:
        return False
    here, there = (str(place.path.resolve()) if place.is_local else place.uri for place in (one, other))
    return here == there or here.startswith(f"{there}/") or there.startswith(f"{here}/")


def _is_taken(dest: Location) -> bool:
    if not dest.is_local:
        return bool(dest.names())
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


def _codec(job: TransferJob, options: WriterOptions) -> Codec | VideoCodec | None:
    """As asked; else one that copies or at least loses nothing that the sources have, where it can be chosen."""
    columns = [_column(part, name) for part in job.parts for name in job.columns]
    codecs = {column.codec for column in columns if column.codec and column.name.partition(".")[0] == "pixels"}
    if options.get("codec") or job.format_name != "frames" or not codecs:
        return options.get("codec")
    if len(codecs) == 1 and codecs <= {*get_args(Codec)}:
        (codec,) = codecs
        return codec
    return "png" if codecs & {*_LOSSLESS} else None


@contextlib.contextmanager
def _written_whole(job: TransferJob, mode: Mode) -> Iterator[tuple[Location, Mode]]:
    """Where to write, and how: formats without commits appear at the destination when they are complete."""
    if FORMATS[job.format_name].remote:
        yield job.dest, mode
        return
    final = job.dest.path
    if mode == "overwrite" and _is_taken(job.dest):
        access.open(job.dest)  # or it is no dataset, and not ours to replace
    beside = final.with_name(f".{final.stem}.partial{final.suffix}")
    _remove(beside)
    try:
        yield Location.parse(beside), "error"
        old = final.with_name(f".{final.stem}.replaced{final.suffix}")
        if final.exists():
            final.rename(old)
        beside.rename(final)
        _remove(old)
    finally:
        _remove(beside)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _write(job: TransferJob, writer: Writer, done: int, *, exact: bool, show: bool) -> tuple[str, ...]:
    """Stream the episodes that are not there yet; return the columns that went without being decoded."""
    passed = exact and getattr(writer, "takes_encoded", False)
    copied: set[str] = set()
    queue = [(part.dataset, int(index)) for part in job.parts for index in part.episodes]
    with writer, show_progress(job.operation, len(queue), "episodes", done=done, show=show) as advance:
        for dataset, index in queue[done:]:
            episode = dataset.episode(index, job.columns, decode=not passed)
            split = str(dataset.reader.index.splits[index])
            copied |= {
                name for name, array in episode.observation.items() if isinstance(array, EncodedPictures | EncodedVideo)
            }
            writer.write(_with_split(episode, split))
            advance()
    return tuple(name for name in job.columns if name in copied)


def _with_split(episode: Episode, split: str) -> Episode:
    return replace(episode, metadata={**episode.metadata, "split": split})


def _column(part: Part, name: str) -> Column:
    return part.dataset.columns[name]


def _source_column(job: TransferJob, name: str) -> Column | None:
    """The column of the sources, if all of them have it alike, the codec included."""
    found = {_column(part, name) for part in job.parts}
    return found.pop() if len(found) == 1 else None


def _compare(job: TransferJob, written: Dataset, copied: Sequence[str]) -> Iterator[str]:
    """What is different in the new dataset, one sentence per thing."""
    for name in (*job.columns, *TRANSITIONS):
        column, new = _column(job.parts[0], name), written.columns.get(name)
        if new is None:
            yield f"The column {name!r} is not in the new dataset."
            continue
        if (column.dtype, column.shape) != (new.dtype, new.shape):
            yield f"The column {name!r} is {new.dtype} {new.shape} now, it was {column.dtype} {column.shape}."
        if new.codec is not None and name not in copied:
            yield _encoded_again(job, name, new)
    splits = np.concatenate([part.dataset.reader.index.splits[part.episodes] for part in job.parts])
    moved = int((splits != written.reader.index.splits).sum())
    if moved:
        yield f"{moved} of {len(splits)} episodes changed between the splits train and val, which are not stored here."


def _encoded_again(job: TransferJob, name: str, new: Column) -> str:
    before = " or ".join(sorted({str(_column(part, name).codec) for part in job.parts}))
    loss = "which loses nothing" if new.codec in _LOSSLESS else "which loses a little"
    return f"The pictures of {name!r} were decoded ({before}) and encoded again ({new.codec}), {loss}."


def _save_card(written: Dataset) -> Iterator[str]:
    """Describe the new dataset in its folder; the data are safe whatever happens here."""
    if not written.reader.location.is_local or written.reader.location.path.is_dir():
        try:
            write_card(written)
        except OSError as error:
            yield f"README.md could not be written ({error})."
