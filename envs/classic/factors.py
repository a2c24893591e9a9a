"""The kinds of factors that the classic control environments are made of."""

from typing import Any

import numpy as np
from gymnasium import spaces

from swm.core.factors import Factor
from swm.core.spaces import rgb, scalar

WHITE, BLACK = (255, 255, 255), (0, 0, 0)


def color(name: str, default: tuple[int, int, int], summary: str, **more: Any) -> Factor:
    """A colour that only pictures show."""
    return Factor(name=name, kind="visual", space=rgb(), default=default, summary=summary, **more)


def size(name: str, low: float, high: float, default: float, unit: str, summary: str) -> Factor:
    """The size of something drawn, without effect on the motion."""
    return Factor(name=name, kind="visual", space=scalar(low, high), default=default, unit=unit, summary=summary)


def physical(name: str, low: float, high: float, default: float, unit: str, summary: str) -> Factor:
    """A constant of the motion."""
    return Factor(name=name, kind="physical", space=scalar(low, high), default=default, unit=unit, summary=summary)


def geometric(name: str, low: float, high: float, default: float, unit: str, summary: str) -> Factor:
    """A size that shows and that the motion or the task depends on."""
    return Factor(name=name, kind="geometric", space=scalar(low, high), default=default, unit=unit, summary=summary)


def start(
    name: str, full: tuple[float, float], train: tuple[float, float], unit: str, summary: str, default: float = 0.0
) -> Factor:
    """A number of the start or the goal, which every reset draws from its train range."""
    return Factor(
        name=name,
        kind="task",
        space=scalar(*full),
        train=spaces.Box(*train, (), np.float64),
        default=default,
        sampled=True,
        unit=unit,
        summary=summary,
    )


def marker(summary: str) -> tuple[Factor, Factor]:
    """Whether and in which colour the goal is marked."""
    visible = Factor(name="target.visible", kind="visual", space=spaces.Discrete(2), default=0, summary=summary)
    green = (0, 158, 115)
    return visible, color("target.color", green, "colour of the goal's marker", requires={"target.visible": 1})
