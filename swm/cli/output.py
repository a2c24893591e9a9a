"""Tables for people, JSON for scripts."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from swm.core.config import to_json

if TYPE_CHECKING:
    from rich.table import Table


def show_json(data: Any) -> None:
    """Print `data` as JSON."""
    print(json.dumps(to_json(data), indent=2))


_PIPED = 80
"""Width of tables that go to a file or another program."""
_NARROW = 32
"""Columns of at most this many characters are never wrapped."""


def show_table(title: str, rows: Sequence[Mapping[str, Any]], piped: int = _PIPED) -> None:
    """Print rows of the same keys; narrow columns are never wrapped, wide ones share the rest of the line.

    Args:
        title: printed above the rows.
        rows: column name -> value, the same names in each row.
        piped: characters per line where the output is no terminal.
    """
    table = _table(title, show_header=True)
    for key in rows[0] if rows else ():
        width = max(len(cell(row[key])) for row in rows)
        table.add_column(key, min_width=width if width <= _NARROW else None, overflow="fold")
    for row in rows:
        table.add_row(*(cell(value) for value in row.values()))
    _print(table, piped)


def show_facts(title: str, facts: Mapping[str, Any]) -> None:
    """Print names and values beside each other."""
    table = _table(title, show_header=False)
    for name, value in facts.items():
        table.add_row(name, cell(value))
    _print(table)


def cell(value: Any) -> str:
    """Write a value as people read it: four digits, lists without brackets, nothing for None."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(cell, value))
    return "" if value is None else str(value)


def span(low: Any, high: Any) -> str:
    """Write a range, or the one value that it holds."""
    return cell(low) if low == high else f"{cell(low)} … {cell(high)}"


def _table(title: str, *, show_header: bool) -> "Table":
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    return Table(
        title=escape(title), title_justify="left", box=box.SIMPLE_HEAD, show_header=show_header, pad_edge=False
    )


def _print(table: "Table", piped: int = _PIPED) -> None:
    from rich.console import Console

    wide = None if sys.stdout.isatty() else piped
    Console(highlight=False, markup=False, width=wide).print(table)
