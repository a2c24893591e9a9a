"""Tables for people, JSON for scripts."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from swm.core.config import to_json


def show_json(data: Any) -> None:
    """Print `data` as JSON."""
    print(json.dumps(to_json(data), indent=2))


def show_table(title: str, rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Print rows of the same keys as a table, or as a JSON list."""
    if as_json:
        show_json(rows)
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for key in rows[0] if rows else ():
        table.add_column(key, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    Console().print(table)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.4g}"
    if isinstance(value, list):
        return " … ".join(map(str, value)) if len(value) == 2 else ", ".join(map(str, value))
    return "" if value is None else str(value)
