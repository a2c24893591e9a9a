"""Lance tables, on local disks and in object stores. The one place that imports lance."""

import contextlib
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pyarrow as pa

from swm.core.errors import DatasetError, SwmError
from swm.data.location import Location

STEPS, EPISODES, VIDEOS = "steps.lance", "episodes.lance", "videos.lance"

_FILE_VERSION = "2.2"
_REMOTE_BLOCK = 4096
"""Bytes that an object store is asked for at least: small pictures lie far apart in a shuffled batch."""


def lance_module() -> Any:
    """Import lance.

    Raises:
        DatasetError: it is the unrelated package of that name.
    """
    import lance

    if not hasattr(lance, "write_dataset"):
        raise DatasetError(
            f"'import lance' found a package without write_dataset ({getattr(lance, '__file__', lance)}): the PyPI "
            f"project 'lance' is unrelated and overwrites the module of 'pylance'. "
            f"Run: pip uninstall -y lance pylance && pip install --force-reinstall 'pylance>=12,<15'"
        )
    return lance


@contextlib.contextmanager
def translated(what: str, advice: str = "") -> Iterator[None]:
    """Turn whatever Lance raises into a `DatasetError`; a panic of its Rust code too.

    Args:
        what: the beginning of the message: what failed.
        advice: its end: what to do.
    """
    try:
        yield
    except SwmError:
        raise
    except (OSError, ValueError, RuntimeError, KeyError, pa.ArrowException) as error:
        raise DatasetError(f"{what}: {_first_line(error)}.{advice and ' '}{advice}") from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        reason = f"the stored bytes make no sense ({_first_line(error)})"
        raise DatasetError(f"{what}: {reason}.{advice and ' '}{advice}") from error


def _first_line(error: BaseException) -> str:
    text = re.sub(r"LanceError\(\w+\): |, /\S+?\.rs:\d+:\d+", "", str(error).partition("\n")[0])
    return text[:300].rstrip(".")


def has_table(place: Location) -> bool:
    """Whether a table was ever committed at `place`."""
    if place.is_local:
        versions = place.path / "_versions"
        return versions.is_dir() and any(name.suffix == ".manifest" for name in versions.iterdir())
    with translated(f"{place} cannot be reached", "Check the bucket, the credentials and the endpoint."):
        return any(name.endswith(".manifest") for name in place.names("_versions"))


def open_table(place: Location, version: int | str | None = None) -> Any:
    """Open a version (None: the latest; a text: a tag) of the table at `place`.

    Raises:
        DatasetError: the table or the version does not exist, or it is damaged.
    """
    lance = lance_module()
    options = {} if place.is_local else {"block_size": _REMOTE_BLOCK, "storage_options": dict(place.storage_options)}
    try:
        with translated(f"no table can be opened at {place}"):
            return lance.dataset(place.uri, version=version, **options)
    except DatasetError:
        if version is None or not has_table(place):
            raise
        table = open_table(place)
        known = [*sorted(table.tags.list()), *(entry["version"] for entry in table.versions())]
        if version in known:
            raise
    raise DatasetError(f"{place} has no version {version!r}. Versions there: {known}.")


def create_table(place: Location, schema: pa.Schema) -> Any:
    """Make an empty table, or open the one that another process has just made."""
    try:
        return lance_module().write_dataset(schema.empty_table(), place.uri, mode="create", **_writing(place))
    except OSError:
        if not has_table(place):
            raise
        return open_table(place)


def replace_table(place: Location, rows: pa.Table) -> Any:
    """Commit `rows` as the whole content of the table, whatever it was; earlier versions stay readable."""
    mode = "overwrite" if has_table(place) else "create"
    return lance_module().write_dataset(rows, place.uri, mode=mode, **_writing(place))


def stage(place: Location, rows: pa.Table) -> list[Any]:
    """Write rows beside a table; `commit` makes them part of it."""
    from lance.fragment import write_fragments

    fragments: list[Any] = write_fragments(rows, place.uri, mode="append", **_writing(place))
    return fragments


def commit(table: Any, place: Location, fragments: list[Any]) -> tuple[Any, int]:
    """Append staged rows to the newest version of a table; other processes may do the same at the same time.

    Returns:
        The table as it is then, and the row at which the new ones begin.
    """
    lance = lance_module()
    options = None if place.is_local else dict(place.storage_options)
    committed = lance.LanceDataset.commit(
        place.uri, lance.LanceOperation.Append(fragments), read_version=table.version, storage_options=options
    )
    ours = {data.path for fragment in fragments for data in fragment.files}
    first = 0
    for fragment in committed.get_fragments():
        if any(data.path in ours for data in fragment.data_files()):
            return committed, first
        first += fragment.metadata.num_rows
    raise RuntimeError(f"the rows that were committed to {place} are not in it")


def continues(latest: Any, earlier: Any) -> bool:
    """Whether `latest` begins with the files of `earlier`: nothing was replaced in between."""
    before = [data.path for fragment in earlier.get_fragments() for data in fragment.data_files()]
    after = [data.path for fragment in latest.get_fragments() for data in fragment.data_files()]
    return after[: len(before)] == before


def forget_old_versions(table: Any) -> None:
    """Delete every version but the latest and the tagged ones, and the files that only they use."""
    table.cleanup_old_versions(older_than=timedelta(0), delete_unverified=True, error_if_tagged_old_versions=False)


def _writing(place: Location) -> dict[str, Any]:
    options = {} if place.is_local else {"storage_options": dict(place.storage_options)}
    return {"data_storage_version": _FILE_VERSION, **options}
