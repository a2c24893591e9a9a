"""World-model research: record, train, plan, and measure how planning holds up when the world shifts.

Names are imported when first used, so that ``import swm`` loads neither torch nor mujoco nor lance.
"""

import importlib
from typing import TYPE_CHECKING, Any

from swm.core.version import __version__

if TYPE_CHECKING:
    from swm.world import World as World

_LAZY = {
    "World": "swm.world",
}
_ROOMS = ("baselines", "data", "envs", "solvers", "testing")

__all__ = ["World", "__version__", "baselines", "data", "envs", "solvers", "testing"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    if name in _ROOMS:
        return importlib.import_module(f"swm.{name}")
    raise AttributeError(f"module 'swm' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
