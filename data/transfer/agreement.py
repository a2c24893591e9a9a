"""Which columns a transfer keeps, and whether several datasets agree on them."""

from collections.abc import Sequence
from typing import Literal

from swm.core.errors import DatasetError, InvalidValueError
from swm.data.columns import select
from swm.data.dataset import Dataset
from swm.data.episode import TRANSITIONS
from swm.data.transfer.job import overlap


def kept_columns(dataset: Dataset, columns: Sequence[str] | None) -> tuple[str, ...]:
    """The observation components to keep: those among `columns`, or all.

    Raises:
        UnknownNameError: a name is not a column.
        InvalidValueError: none of them is an observation component.
    """
    names = tuple(dataset.columns) if columns is None else select(dataset.columns, columns)
    kept = tuple(name for name in names if name not in TRANSITIONS)
    if not kept:
        raise InvalidValueError(f"columns {columns!r} hold no observation component; an episode needs at least one.")
    return kept


def check_distinct(sources: Sequence[Dataset]) -> None:
    """Refuse to merge the same episodes twice.

    Raises:
        DatasetError: two sources overlap.
    """
    for number, later in enumerate(sources):
        for earlier in sources[:number]:
            if overlap(earlier.reader.location, later.reader.location) or earlier.fingerprint == later.fingerprint:
                raise DatasetError(
                    f"{earlier.uri} and {later.uri} hold the same episodes: a merge would have each of them twice. "
                    f"Name every dataset once."
                )


def agreed_columns(sources: Sequence[Dataset], columns: Sequence[str] | Literal["common"] | None) -> tuple[str, ...]:
    """The observation components to keep of every source.

    Raises:
        DatasetError: they, or the transitions, differ.
    """
    first = sources[0]
    names = [name for name in first.columns if name not in TRANSITIONS]
    if columns == "common":
        names = [name for name in names if not any(_differences(first, other, [name]) for other in sources[1:])]
    elif columns is not None:
        names = list(kept_columns(first, columns))
    wanted = [*names, *TRANSITIONS]
    found = []
    for other in sources[1:]:
        found += _differences(first, other, wanted if columns is not None else [*wanted, *other.columns])
    if found:
        advice = "" if columns == "common" else " Merge what they share with columns='common', or name the columns."
        raise DatasetError(f"the sources do not have the same columns: {'; '.join(found)}.{advice}")
    if not names:
        raise DatasetError("the sources have no observation component in common: there is nothing to merge.")
    return tuple(names)


def _differences(first: Dataset, other: Dataset, names: Sequence[str]) -> list[str]:
    """One text per difference between some columns of two datasets; codecs may differ."""
    found = []
    for name in dict.fromkeys(names):
        here, there = first.columns.get(name), other.columns.get(name)
        if here is None or there is None:
            lacking = first if here is None else other
            found.append(f"{name!r} is missing in {lacking.uri}")
            continue
        for what in ("dtype", "shape", "role"):
            if getattr(here, what) != getattr(there, what):
                values = f"{getattr(here, what)} in {first.uri}, {getattr(there, what)} in {other.uri}"
                found.append(f"{name!r} has {what} {values}")
    return found
