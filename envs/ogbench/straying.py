"""How the scripted experts of OGBench stray from their way, so that their data cover more."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from swm.core.protocols import Array
from swm.envs.straying import check_straying


@dataclass(frozen=True, kw_only=True)
class Straying:
    """How far an expert strays; ``noise=0, random_prob=0, wander=False`` is the oracle."""

    noise: float
    """Standard deviation of the noise added to each component of the action."""
    random_prob: float
    """Probability per step that a uniformly random action begins."""
    random_steps: int
    """Steps for which a random action is held."""
    wander: bool
    """Whether to go on to other goals once at the goal; otherwise it stays there."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_straying(self.noise, self.random_prob, self.random_steps)

    def describe(self) -> dict[str, Any]:
        """The parameters."""
        return asdict(self)


class Stray:
    """The straying of one episode."""

    def __init__(self, straying: Straying, rng: np.random.Generator) -> None:
        """Begin an episode whose random numbers come from `rng`."""
        self._straying, self._rng = straying, rng
        self._left, self._random = 0, np.zeros(0)

    def __call__(self, action: Array) -> Array:
        """What to do instead of `action` (A,), within [-1, 1]."""
        straying, rng = self._straying, self._rng
        if straying.random_prob > 0:
            starts, drawn = rng.random() < straying.random_prob, rng.uniform(-1, 1, len(action))
            if self._left == 0 and starts:
                self._left, self._random = straying.random_steps, drawn
            if self._left > 0:
                self._left, action = self._left - 1, self._random
        if straying.noise > 0:
            action = action + straying.noise * rng.standard_normal(len(action))
        return np.clip(action, -1.0, 1.0)
