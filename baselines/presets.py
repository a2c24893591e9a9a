"""Named recipes: a model configuration and the training configuration that goes with it."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from swm.baselines import BASELINES
from swm.baselines.train import TrainConfig
from swm.core.errors import UnknownNameError


@dataclass(frozen=True, kw_only=True)
class Preset:
    """One recipe of a baseline."""

    summary: str
    """One line for tables: what it is for."""
    model: Any
    """The baseline's config dataclass."""
    train: TrainConfig


def presets(baseline: str) -> Mapping[str, Preset]:
    """All presets of a baseline: ``PRESETS`` of the module ``presets`` beside its class.

    Raises:
        UnknownNameError: no baseline has this name.
    """
    BASELINES.load(baseline)
    package = BASELINES[baseline].target.partition(":")[0]
    found: Mapping[str, Preset] = importlib.import_module(f"{package}.presets").PRESETS
    return found


def preset(baseline: str, name: str) -> Preset:
    """One preset of a baseline, for example ``preset("lewm", "tiny")``.

    Raises:
        UnknownNameError: no baseline or no preset has this name.
    """
    found = presets(baseline)
    if name not in found:
        raise UnknownNameError(f"preset of {baseline!r}", name, found)
    return found[name]
