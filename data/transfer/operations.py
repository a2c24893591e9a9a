"""Datasets into datasets: another format, several into one, one into several, a choice of episodes.

Every function streams episode by episode in constant memory, copies encoded pictures as they are where
the new format takes them, and keeps metadata, payloads, splits, and the provenance of its sources.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Unpack

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import InvalidValueError, UnknownNameError
from swm.core.seeding import make_rng
from swm.data import access
from swm.data.condition import parse_condition
from swm.data.dataset import Dataset
from swm.data.location import Location
from swm.data.selection import Condition, check_episodes, summaries
from swm.data.transfer.agreement import agreed_columns, check_distinct, kept_columns
from swm.data.transfer.job import Part, TransferJob, WriterOptions
from swm.data.transfer.run import TransferReport, run

__all__ = ["TransferReport", "convert", "filter", "merge", "split"]

Source = Dataset | str | os.PathLike[str] | Location
Place = str | os.PathLike[str] | Location

_CACHE_BYTES = 64 << 20
"""Of the sources: a stream has little use for more."""


def convert(
    source: Source,
    dest: Place,
    *,
    format: str | None = None,
    columns: Sequence[str] | None = None,
    overwrite: bool = False,
    progress: bool = True,
    **options: Unpack[WriterOptions],
) -> TransferReport:
    """Write a dataset again, in any format.

    Args:
        source: a dataset, or where one is.
        dest: where to; a transfer of the same data with the same options that was stopped is continued.
        format: a row of `swm.data.FORMATS`; None is ``"frames"``.
        columns: the observation components to keep; None is all. Transitions are always kept.
        overwrite: replace a dataset that is already at `dest`.
        progress: show a progress bar.
        options: of the writer: ``codec``, ``quality``, ``chroma``, ``crf``, ``fps``, ``shard_size``,
            ``storage_options``, as `swm.data.create` takes them. Without a codec, quality or crf,
            pictures are copied as they are stored where the format can.

    Returns:
        What was written, and what could not be kept.

    Raises:
        DatasetError: `dest` is taken, or is the source; nothing was touched.
        UnknownNameError: no such column or format.
    """
    opened = _open(source)
    part = Part(dataset=opened, episodes=opened.split("all"))
    job = TransferJob(
        operation="convert",
        parts=(part,),
        dest=_place(dest, options),
        format=format,
        columns=kept_columns(opened, columns),
    )
    return run(job, options, overwrite=overwrite, progress=progress)


def merge(
    sources: Sequence[Source],
    dest: Place,
    *,
    format: str | None = None,
    columns: Sequence[str] | Literal["common"] | None = None,
    overwrite: bool = False,
    progress: bool = True,
    **options: Unpack[WriterOptions],
) -> TransferReport:
    """Write several datasets into one, the episodes of the first source first.

    Args:
        sources: two or more datasets, or where they are.
        dest: as for `convert`.
        format: as for `convert`.
        columns: None asks that all sources have the same columns; ``"common"`` keeps the observation
            components that all have alike; names keep those.
        overwrite: as for `convert`.
        progress: as for `convert`.
        options: as for `convert`.

    Raises:
        DatasetError: the columns do not agree, and every difference is named; one source comes twice;
            or `dest` is taken. Nothing was touched.
    """
    if isinstance(sources, str | os.PathLike | Dataset | Location) or len(sources) < 2:
        raise InvalidValueError(f"a merge needs two or more sources, got {sources!r}. Copy one with convert.")
    opened = [_open(source) for source in sources]
    check_distinct(opened)
    kept = agreed_columns(opened, columns)
    parts = tuple(Part(dataset=each, episodes=each.split("all")) for each in opened)
    job = TransferJob(operation="merge", parts=parts, dest=_place(dest, options), format=format, columns=kept)
    return run(job, options, overwrite=overwrite, progress=progress)


def filter(
    source: Source,
    dest: Place,
    where: Condition | str | None = None,
    *,
    episodes: Sequence[int] | None = None,
    format: str | None = None,
    columns: Sequence[str] | None = None,
    overwrite: bool = False,
    progress: bool = True,
    **options: Unpack[WriterOptions],
) -> TransferReport:
    """Write some episodes of a dataset into another, in their order.

    Args:
        source: a dataset, or where one is.
        dest: as for `convert`.
        where: what an episode must fulfil: a function of its `EpisodeSummary`, or a text such as
            ``success and length > 20 and variation["agent.speed"] < 3`` (see `swm.data.condition`).
        episodes: numbers to choose from; None is all.
        format: as for `convert`; None is ``"frames"``.
        columns: as for `convert`.
        overwrite: as for `convert`.
        progress: as for `convert`.
        options: as for `convert`.

    Raises:
        InvalidValueError: no condition and no episodes, a condition that cannot be read, or an episode
            that does not exist.
        DatasetError: no episode is left, or `dest` is taken. Nothing was touched.
    """
    if where is None and episodes is None:
        raise InvalidValueError("filter needs a condition, episodes or both, got neither. Copy all with convert.")
    condition = parse_condition(where) if isinstance(where, str) else where
    opened = _open(source)
    chosen = np.arange(opened.num_episodes)
    if episodes is not None:
        chosen = np.unique(np.array(check_episodes(episodes, opened.num_episodes), np.int64))
    if condition is not None:
        fulfil = np.array([bool(condition(summary)) for summary in summaries(opened)], np.bool_)
        chosen = chosen[fulfil[chosen]]
    details = {"where": where if isinstance(where, str) else getattr(where, "__name__", None)}
    job = TransferJob(
        operation="filter",
        parts=(Part(dataset=opened, episodes=chosen),),
        dest=_place(dest, options),
        format=format,
        columns=kept_columns(opened, columns),
        details=details,
    )
    return run(job, options, overwrite=overwrite, progress=progress)


def split(
    source: Source,
    out: str | os.PathLike[str],
    parts: Mapping[str, float | str],
    *,
    seed: int = 0,
    format: str | None = None,
    columns: Sequence[str] | None = None,
    overwrite: bool = False,
    progress: bool = True,
    **options: Unpack[WriterOptions],
) -> dict[str, TransferReport]:
    """Write a dataset into several, each episode into at most one of them.

    Args:
        source: a dataset, or where one is.
        out: the folder, or the URI in an object store, to hold the new datasets.
        parts: name of a new dataset -> its share of the episodes, in (0, 1], or the stored split that it
            gets, ``"train"`` or ``"val"``. Shares sum to at most 1; episodes of one seed stay together.
        seed: of the draw of the shares.
        format: as for `convert`.
        columns: as for `convert`.
        overwrite: as for `convert`.
        progress: as for `convert`.
        options: as for `convert`.

    Returns:
        One report per part. An episode keeps its stored split in its new dataset.

    Raises:
        InvalidValueError: parts that are no such mapping.
        DatasetError: a part would be empty, or its place is taken. Nothing was touched.
    """
    _check_parts(parts)
    opened = _open(source)
    shares = {name: share for name, share in parts.items() if not isinstance(share, str)}
    if shares:
        chosen = _draw(opened, shares, seed)
    else:
        chosen = {name: opened.split(str(stored)) for name, stored in parts.items()}
    kept, folder = kept_columns(opened, columns), _place(out, options)
    jobs = {
        name: TransferJob(
            operation="split",
            parts=(Part(dataset=opened, episodes=chosen[name]),),
            dest=folder / name,
            format=format,
            columns=kept,
            details={"name": name, "parts": dict(parts), "seed": seed},
        )
        for name in parts
    }
    for job in jobs.values():
        job.check(overwrite=overwrite, options=options)
    return {name: run(job, options, overwrite=overwrite, progress=progress) for name, job in jobs.items()}


def _open(source: Source) -> Dataset:
    return source if isinstance(source, Dataset) else access.open(source, cache_bytes=_CACHE_BYTES)


def _place(dest: Place, options: WriterOptions) -> Location:
    return Location.parse(dest, options.get("storage_options"))


def _check_parts(parts: Mapping[str, float | str]) -> None:
    """Refuse parts that are no mapping of names to shares, or of names to stored splits."""
    if not isinstance(parts, Mapping):
        raise InvalidValueError(f"parts are named, for example {{'train': 0.8, 'test': 0.2}}, got {parts!r}.")
    if len(parts) < 1 or len({isinstance(share, str) for share in parts.values()}) > 1:
        raise InvalidValueError(f"parts are all shares or all stored splits, and at least one, got {dict(parts)}.")
    for name, share in parts.items():
        if not name or name in (".", "..") or "/" in name:
            raise InvalidValueError(f"a part is named like a folder, got {name!r}.")
        if isinstance(share, str) and share not in ("train", "val"):
            raise UnknownNameError("stored split", share, ("train", "val"))
        if not isinstance(share, str) and not 0.0 < share <= 1.0:
            raise InvalidValueError(f"the share of part {name!r} must be in (0, 1], got {share!r}.")
    if len(set(parts.values())) < len(parts) and all(isinstance(share, str) for share in parts.values()):
        raise InvalidValueError(f"a stored split can go into one part alone, got {dict(parts)}.")
    total = sum(share for share in parts.values() if not isinstance(share, str))
    if total > 1.0 + 1e-9:
        raise InvalidValueError(f"the shares must sum to at most 1, got {total:g} from {dict(parts)}.")


def _draw(dataset: Dataset, shares: Mapping[str, float], seed: int) -> dict[str, NDArray[np.int64]]:
    """Part -> its episodes; those that were recorded with one seed stay together."""
    groups: dict[Any, list[int]] = {}
    for episode in dataset.episodes:
        recorded = episode["metadata"].get("seed")
        key = recorded if isinstance(recorded, int) and recorded >= 0 else f"index {episode['index']}"
        groups.setdefault(key, []).append(episode["index"])
    owners = list(groups.values())
    order = make_rng(seed, "parts").permutation(len(owners))
    ends = np.round(np.cumsum(list(shares.values())) * len(owners)).astype(int)
    drawn = np.split(order, ends)
    return {
        name: np.array(sorted(index for group in numbers for index in owners[group]), np.int64)
        for name, numbers in zip(shares, drawn, strict=False)
    }
