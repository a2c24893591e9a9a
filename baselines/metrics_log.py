"""``metrics.jsonl``: one JSON object per line, each with its ``step`` and ``split``."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from swm.core.errors import DatasetError


class MetricsLog:
    """Appends rows, each flushed at once; a run that resumes drops the rows after its checkpoint."""

    def __init__(self, path: Path, step: int) -> None:
        """Open `path` and keep the rows up to `step`; the rest of a killed run is written again."""
        kept = [row for row in read_metrics(path) if row["step"] <= step] if path.exists() else []
        part = path.with_name(f".{path.name}.part")
        part.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")
        part.replace(path)
        self._file = path.open("a", encoding="utf-8")

    def write(self, step: int, split: str, metrics: Mapping[str, Any]) -> None:
        """Append one row."""
        self._file.write(json.dumps({"step": step, "split": split, **metrics}) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_metrics(path: str | Path, split: str | None = None) -> list[dict[str, Any]]:
    """Read the rows of ``metrics.jsonl``, of one split or of all; a last line cut short is left out.

    Raises:
        DatasetError: another line is not JSON.
    """
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            rows.append(json.loads(line))
        except ValueError as error:
            if number < len(lines):
                raise DatasetError(f"{path}: line {number} is not JSON: {error}") from error
    return [row for row in rows if split in (None, row["split"])]
