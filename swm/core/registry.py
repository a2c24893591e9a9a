"""Tables of named parts: a literal row each, imported when first used."""

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar

from swm.core.errors import InvalidValueError, MissingExtraError, UnknownNameError


@dataclass(frozen=True, kw_only=True)
class Row:
    """One named part."""

    target: str
    """Where it lives: ``"package.module:Name"``."""
    summary: str
    """One line for tables."""
    extra: str | None = None
    """The extra of this package whose dependencies it needs, if any."""


def load_target(target: str) -> Any:
    """Import ``"package.module:Name"`` and return the named object."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


R = TypeVar("R", bound=Row)


class Registry(Mapping[str, R], Generic[R]):
    """A mapping name -> row that other packages extend through an entry-point group.

    An entry point's object is a `Row` (or a subclass that the registry's kind asks for).
    """

    def __init__(self, kind: str, rows: Mapping[str, R], group: str) -> None:
        """Make a registry.

        Args:
            kind: the noun for messages, for example ``"solver"``.
            rows: the rows of this package.
            group: the entry-point group that adds rows, for example ``"swm.solvers"``.
        """
        self.kind = kind
        self.group = group
        self._rows = dict(rows)
        self._extended = False

    def _all(self) -> dict[str, R]:
        if not self._extended:
            self._extended = True
            for point in entry_points(group=self.group):
                if point.name in self._rows:
                    raise InvalidValueError(
                        f"{self.kind} {point.name!r} is defined twice: {self._rows[point.name].target} and "
                        f"{point.value}. Rename one of the two."
                    )
                self._rows[point.name] = point.load()
        return self._rows

    def __getitem__(self, name: str) -> R:
        rows = self._all()
        if name not in rows:
            raise UnknownNameError(self.kind, name, rows)
        return rows[name]

    def __contains__(self, name: object) -> bool:
        return name in self._all()

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def load(self, name: str) -> Any:
        """Import the part called `name`.

        Raises:
            UnknownNameError: no row has this name; the message lists the closest ones.
            MissingExtraError: the row's extra is not installed.
        """
        row = self[name]
        try:
            return load_target(row.target)
        except ImportError as error:
            if row.extra is None:
                raise
            raise MissingExtraError(f"{self.kind} {name!r}", row.extra) from error
