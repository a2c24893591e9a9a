"""Doing a transfer: the stream from the sources to the destination, and what was kept on the way."""

import contextlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np

from swm.core.errors import DatasetError
from swm.core.progress import progress as show_progress
from swm.data import access
from swm.data.card import write_card
from swm.data.columns import Column, is_view
from swm.data.dataset import Dataset
from swm.data.encoded import Codec, EncodedPictures, EncodedVideo, VideoCodec
from swm.data.episode import TRANSITIONS
from swm.data.formats import FORMATS, Writer
from swm.data.formats.files import put_back, swap
from swm.data.location import Location
from swm.data.options import Mode
from swm.data.transfer.job import Part, TransferJob, WriterOptions, is_taken

_LOSSLESS = ("png", "raw", "h264-lossless")
_COPIED: Mapping[str, tuple[type, ...]] = {
    "frames": (EncodedPictures,),
    "video": (EncodedPictures, EncodedVideo),
    "images": (EncodedPictures,),
    "mp4": (EncodedVideo,),
}
"""Format -> the encoded pictures that its writer takes as they are; all others are decoded on the way."""


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


def run(job: TransferJob, options: WriterOptions, *, overwrite: bool, progress: bool) -> TransferReport:
    """Write the new dataset, and compare it with its sources.

    Lance datasets are written in place, shard by shard, and continued if they were stopped. Every
    other format is written beside its destination and moved there when it is whole.

    Raises:
        DatasetError: the job cannot be done (see `TransferJob.check`), or the format did not keep every step.
        UnknownNameError: no such format.
    """
    done = job.check(overwrite=overwrite, options=options)
    copied: tuple[str, ...] = ()
    told: list[str] = [f"{job.dest} was complete already: nothing was written."]
    if done < job.num_episodes:
        copied, told = _write(job, options, done, overwrite=overwrite, show=progress)
    written = access.open(job.dest, format=job.format_name)
    if (written.num_episodes, written.num_steps) != (job.num_episodes, job.num_steps):
        raise DatasetError(
            f"{job.dest} holds {written.num_episodes} episodes and {written.num_steps} steps after the transfer "
            f"of {job.num_episodes} and {job.num_steps}: the format {job.format_name!r} did not keep them all."
        )
    copied = tuple(name for name in copied if written.columns.get(name) == _source_column(job, name))
    notes = [note for part in job.parts for note in part.dataset.reader.notes]
    notes += [*told, *(_compare(job, written, copied) if done < job.num_episodes else ()), *_save_card(written)]
    return TransferReport(
        uri=written.uri,
        episodes=written.num_episodes,
        steps=written.num_steps,
        copied=copied,
        notes=tuple(dict.fromkeys(notes)),
    )


def _write(
    job: TransferJob, options: WriterOptions, done: int, *, overwrite: bool, show: bool
) -> tuple[tuple[str, ...], list[str]]:
    """Write the episodes that are not there yet.

    Returns:
        The columns whose pictures went without being decoded, and the notes of the writer.
    """
    mode: Mode = "append" if done else "overwrite" if overwrite else "error"
    told: WriterOptions = {**options, "codec": _codec(job, options)}
    with _written_whole(job, mode) as (place, mode):
        provenance = {"transfer": job.recipe(options)}
        writer = access.create(place, format=job.format_name, mode=mode, provenance=provenance, **told)
        taken = () if {"quality", "chroma", "crf"} & options.keys() else _COPIED.get(job.format_name, ())
        copied = _stream(job, writer, done, taken, show=show)
    return copied, list(writer.notes)


def _codec(job: TransferJob, options: WriterOptions) -> Codec | VideoCodec | None:
    """As asked; else one that copies or at least loses nothing that the sources have, where it can be chosen."""
    columns = [_column(part, name) for part in job.parts for name in job.columns]
    codecs = {column.codec for column in columns if column.codec and is_view(column.name)}
    able = {"frames": get_args(Codec), "video": get_args(VideoCodec)}.get(job.format_name, ())
    if options.get("codec") or not codecs or not able:
        return options.get("codec")
    if len(codecs) == 1 and codecs <= {*able}:
        (codec,) = codecs
        return codec
    return "png" if job.format_name == "frames" and codecs & {*_LOSSLESS} else None


@contextlib.contextmanager
def _written_whole(job: TransferJob, mode: Mode) -> Iterator[tuple[Location, Mode]]:
    """Where to write, and how: formats without commits appear at the destination when they are complete."""
    if FORMATS[job.format_name].remote:
        yield job.dest, mode
        return
    final = job.dest.path
    if is_taken(job.dest) and access.detect_format(job.dest) is None:
        raise DatasetError(f"{job.dest} exists and is not a dataset: nothing was touched. Choose another place.")
    aside = final.with_name(f".{final.name}.partial")
    new, old = aside / final.name, aside / f"{final.name}.replaced"  # some formats look at their own name
    try:
        put_back(old, final)
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
    except OSError as error:
        raise DatasetError(f"{job.dest} cannot be written: {error}. Choose another place.") from error
    try:
        yield Location.parse(new), "error"
        swap(new, final, old)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _stream(job: TransferJob, writer: Writer, done: int, taken: tuple[type, ...], *, show: bool) -> tuple[str, ...]:
    """Pass the episodes on one by one; return the columns of encoded pictures that were not decoded here.

    Args:
        job: what to do.
        writer: of the destination; closed on return.
        done: episodes that are there already.
        taken: the kinds of encoded pictures that the writer takes.
        show: show a progress bar.
    """
    copied: set[str] = set()
    queue = [(part.dataset, int(index)) for part in job.parts for index in part.episodes]
    with writer, show_progress(job.operation, len(queue), "episodes", done=done, show=show) as advance:
        for dataset, index in queue[done:]:
            episode = dataset.episode(index, job.columns, decode=not taken)
            observation = {name: _suited(array, taken) for name, array in episode.observation.items()}
            copied |= {name for name, array in observation.items() if not isinstance(array, np.ndarray)}
            metadata = {**episode.metadata, "split": str(dataset.reader.index.splits[index])}
            writer.write(replace(episode, observation=observation, metadata=metadata))
            advance()
    return tuple(name for name in job.columns if name in copied)


def _suited(array: Any, taken: tuple[type, ...]) -> Any:
    return array if isinstance(array, (np.ndarray, *taken)) else array.decode()


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
        exact = new.codec in _LOSSLESS and new.codec == column.codec
        if new.codec is not None and name not in copied and not exact:
            yield _encoded_again(job, name, new)
    splits = np.concatenate([part.dataset.reader.index.splits[part.episodes] for part in job.parts])
    moved = int((splits != written.reader.index.splits).sum())
    if moved:
        yield f"{moved} of {len(splits)} episodes went to the other split, train or val: the format does not keep it."


def _encoded_again(job: TransferJob, name: str, new: Column) -> str:
    before = " or ".join(sorted({str(_column(part, name).codec) for part in job.parts}))
    loss = "which loses nothing" if new.codec in _LOSSLESS else "which is lossy"
    return f"The pictures of {name!r} were decoded ({before}) and encoded again ({new.codec}), {loss}."


def _save_card(written: Dataset) -> Iterator[str]:
    """Describe the new dataset in its folder; the data are safe whatever happens here."""
    if not written.reader.location.is_local or written.reader.location.path.is_dir():
        try:
            write_card(written)
        except OSError as error:
            yield f"README.md could not be written ({error})."
