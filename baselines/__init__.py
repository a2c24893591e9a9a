"""World models and the trainer that they share.

A baseline is a `swm.baselines.base.Baseline`: a world model with a loss. `BASELINES` names them all,
`build` makes one with fresh weights, `swm.baselines.train.train` trains it, `load` reads a checkpoint.
Names are imported when first used, so that listing the registry loads no torch.
"""

if __name__ != "swm.baselines":
    raise ImportError(f"import this package as swm.baselines, not as {__name__!r}")

import importlib
from typing import TYPE_CHECKING, Any

from swm.core.registry import Registry, Row

if TYPE_CHECKING:
    from swm.baselines.base import Baseline as Baseline
    from swm.baselines.base import build as build
    from swm.baselines.checkpoint import load as load
    from swm.baselines.checkpoint import save as save
    from swm.baselines.presets import Preset as Preset
    from swm.baselines.presets import preset as preset
    from swm.baselines.train import TrainConfig as TrainConfig
    from swm.baselines.train import TrainResult as TrainResult

BASELINES: Registry[Row] = Registry(
    "baseline",
    {
        "lewm": Row(
            target="swm.baselines.lewm:LeWorldModel",
            summary="LeWorldModel: joint-embedding prediction from pixels, kept from collapse by SIGReg.",
        ),
    },
    "swm.baselines",
)

_LAZY = {
    "Baseline": "swm.baselines.base",
    "Preset": "swm.baselines.presets",
    "TrainConfig": "swm.baselines.train",
    "TrainResult": "swm.baselines.train",
    "build": "swm.baselines.base",
    "load": "swm.baselines.checkpoint",
    "preset": "swm.baselines.presets",
    "save": "swm.baselines.checkpoint",
}

__all__ = [
    "BASELINES",
    "Baseline",
    "Preset",
    "TrainConfig",
    "TrainResult",
    "build",
    "load",
    "preset",
    "save",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'swm.baselines' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
