"""Conformance suites: run them on your own environments, datasets, solvers and models.

Names are imported when first used, so that none of them needs what only another needs.
"""

import importlib
from typing import Any

_LAZY = {
    "ENV_LAWS": "swm.testing.envs",
    "FORMAT_LAWS": "swm.testing.formats",
    "ROW_LAWS": "swm.testing.rows",
    "check_env": "swm.testing.envs",
    "check_format": "swm.testing.formats",
    "check_solver": "swm.testing.solvers",
    "check_world_model": "swm.testing.models",
}

__all__ = ["ENV_LAWS", "FORMAT_LAWS", "ROW_LAWS", "check_env", "check_format", "check_solver", "check_world_model"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'swm.testing' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
