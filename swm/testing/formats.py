"""What every dataset format must do: `check_format` holds it to the laws of `FORMAT_LAWS`.

Each law takes a `FormatCase` and raises AssertionError with a message that says what was broken.
"""

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from swm.core.errors import InvalidValueError, UnknownNameError
from swm.data.formats import FORMATS
from swm.testing.format_case import FormatCase
from swm.testing.format_reading import READING_LAWS
from swm.testing.format_writing import WRITING_LAWS

FORMAT_LAWS: dict[str, Callable[[FormatCase], None]] = {**READING_LAWS, **WRITING_LAWS}
"""Every law: name -> function of a `FormatCase`."""


def check_format(
    name: str,
    tmp_path: Path,
    laws: Iterable[str] | None = None,
    *,
    datasets: Iterable[Path] = (),
    future: Callable[[Path], None] | None = None,
) -> None:
    """Check that a dataset format keeps the laws of `FORMAT_LAWS`.

    Args:
        name: a row of `swm.data.FORMATS`.
        tmp_path: an empty folder.
        laws: names of the laws to check; None is all that apply: a format that is only read is
            held to the laws of reading.
        datasets: of this format, that exist already. A format that is only read needs one.
        future: edits the dataset at a path so that it claims a later version of its format; None
            replaces the number of ``"schema_version"`` in its files.

    Raises:
        AssertionError: a law is broken; the message names it.
        InvalidValueError: there is nothing to check.
        UnknownNameError: no such format, or a name is not in `FORMAT_LAWS`.
    """
    case = FormatCase(name, tmp_path, tuple(datasets), future)
    if not case.writable and not case.given:
        raise InvalidValueError(f"the format {name!r} can only be read: give `datasets` to read, at least one.")
    for law in laws_of(name) if laws is None else laws:
        if law not in FORMAT_LAWS:
            raise UnknownNameError("law of dataset formats", law, FORMAT_LAWS)
        case.folder = tmp_path / law
        case.folder.mkdir(parents=True)
        try:
            FORMAT_LAWS[law](case)
        except AssertionError as error:
            raise AssertionError(f"law {law!r} is broken: {error}") from error
        except Exception as error:
            raise AssertionError(f"law {law!r} is broken: it raises {error!r}") from error
        shutil.rmtree(case.folder)


def laws_of(name: str) -> list[str]:
    """The laws that a format is held to: all, or those of reading if it has no writer."""
    return [law for law in FORMAT_LAWS if law in READING_LAWS or FORMATS[name].writer is not None]
