"""How strong the visual factors are as an episode goes on."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

from swm.core.errors import InvalidValueError, UnknownNameError

Shape = Literal["constant", "linear", "cosine", "exponential", "sinusoidal"]
_GROWTH = 5.0


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The strength of visual factors as a share of the values that the episode drew, step by step."""

    shape: Shape = "constant"
    """``"constant"`` is `end` throughout; ``"sinusoidal"`` swings from `start` to `end` and back in
    `steps` steps, for ever; the others go once from `start` to `end` and stay there."""
    steps: int = 50
    """Environment steps from start to end."""
    start: float = 0.0
    """Strength at the reset, 0 to 1."""
    end: float = 1.0
    """Strength at the end, 0 to 1."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.shape not in get_args(Shape):
            raise UnknownNameError("shape of a schedule", self.shape, get_args(Shape))
        if self.steps < 1:
            raise InvalidValueError(f"steps of a schedule must be at least 1, got {self.steps}.")
        if not (0 <= self.start <= 1 and 0 <= self.end <= 1):
            raise InvalidValueError(f"start and end of a schedule must be in [0, 1], got {self.start}, {self.end}.")

    def strength(self, step: int) -> float:
        """The strength `step` steps after the reset."""
        if self.shape == "constant":
            return self.end
        return self.start + (self.end - self.start) * self._progress(step / self.steps)

    def _progress(self, time: float) -> float:
        """The share of the way from start to end at `time`, in units of `steps`."""
        if self.shape == "sinusoidal":
            return (1 - math.cos(2 * math.pi * time)) / 2
        time = min(time, 1.0)
        if self.shape == "cosine":
            return (1 - math.cos(math.pi * time)) / 2
        if self.shape == "exponential":
            return math.expm1(_GROWTH * time) / math.expm1(_GROWTH)
        return time
