"""``swm compact``, ``tag`` and ``versions``: keeping a Lance dataset in order."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from swm.cli.options import DatasetPath, OptionalInt
from swm.cli.output import show_json, show_table


@dataclass(frozen=True, kw_only=True)
class Compact:
    """Merge the files of many commits, remove torn rows, and forget versions without a tag."""

    uri: DatasetPath
    """The dataset."""

    def run(self) -> int:
        """Compact, and say what was done."""
        from swm import data

        report = data.compact(self.uri)
        print(
            f"{self.uri}: {report.files_before} files became {report.files_after}, {report.torn_rows} torn rows removed"
        )
        return 0


@dataclass(frozen=True, kw_only=True)
class Tag:
    """Give a version of a dataset a name that keeps it."""

    uri: DatasetPath
    """The dataset."""
    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")]
    """Letters, digits, dots, hyphens and underscores."""
    version: OptionalInt = None
    """The version; the latest if not given."""

    def run(self) -> int:
        """Tag, and say which version it was."""
        from swm import data

        print(f"{self.uri}: version {data.tag(self.uri, self.name, self.version)} is now {self.name!r}")
        return 0


@dataclass(frozen=True, kw_only=True)
class Versions:
    """List the versions of a dataset that can be opened."""

    uri: DatasetPath
    """The dataset."""
    json: bool = False
    """Print JSON instead of a table."""

    def run(self) -> int:
        """Print one row per version."""
        from swm import data

        found = data.versions(self.uri)
        if self.json:
            show_json(found)
        else:
            show_table("Versions", [{**entry, "tags": ", ".join(entry["tags"])} for entry in found])
        return 0
