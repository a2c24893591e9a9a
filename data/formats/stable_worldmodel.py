"""To be written."""

from pathlib import Path


def detect(path: Path) -> bool:
    """Whether `path` holds a dataset of this format."""
    return False
