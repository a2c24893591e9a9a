"""Goals for goal-conditioned learning: observations that a clip could have been on its way to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import InvalidValueError, UnknownNameError
from swm.data.order import Keys, uniform

FutureDistribution = Literal["geometric", "uniform"]

Steps = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Goals:
    """How the goal of a clip is drawn, as in OGBench (Park et al. 2025) after HER (Andrychowicz et al. 2017).

    The goal is an observation, and is drawn for the clip's *first* observation, at step t of an
    episode of T transitions:

    - with probability `current`, that observation itself: the goal is reached;
    - with probability `future`, observation ``min(t + k, T)`` of the same episode: what lies beyond
      the end is the last observation. Geometric: P(k) = (1 - discount) * discount**(k - 1), k >= 1.
      Uniform: t + k is one of t + 1, ..., T with the same probability each;
    - with probability `random`, any observation of any episode of the split, each with the same
      probability.
    """

    current: float = 0.2
    future: float = 0.5
    random: float = 0.3
    future_distribution: FutureDistribution = "geometric"
    discount: float = 0.99
    """Of the geometric distribution, in [0, 1): the mean of k is 1 / (1 - discount)."""
    columns: Sequence[str] | None = None
    """Observation columns that come as ``goal.<name>``; None is those of the clips."""

    def __post_init__(self) -> None:
        """Check every value."""
        shares = (self.current, self.future, self.random)
        if min(shares) < 0 or abs(sum(shares) - 1) > 1e-9:
            raise InvalidValueError(
                f"current, future and random are the probabilities of a goal's origin and must sum to 1, "
                f"got {self.current!r} + {self.future!r} + {self.random!r} = {sum(shares)!r}."
            )
        if self.future_distribution not in get_args(FutureDistribution):
            raise UnknownNameError("future distribution", self.future_distribution, get_args(FutureDistribution))
        if not 0 <= self.discount < 1:
            raise InvalidValueError(f"discount of the goals must be in [0, 1), got {self.discount!r}.")


class DrawnGoals(NamedTuple):
    """One goal per clip."""

    rows: Steps
    """The row of the observation."""
    steps: Steps
    """Steps from the clip's first observation to the goal; -1 where the goal was drawn at random."""


class GoalSampler:
    """Draws goals among the observations of some episodes."""

    def __init__(self, goals: Goals, offsets: Steps, lengths: Steps) -> None:
        """Remember where the split's episodes lie: their first rows and their transitions, shape (E,)."""
        self._goals = goals
        self._ends: Steps = np.cumsum(lengths + 1)
        self._firsts: Steps = offsets - (self._ends - lengths - 1)

    def draw(self, keys: Keys, offset: Steps, start: Steps, length: Steps) -> DrawnGoals:
        """Draw one goal per clip, a function of its key.

        Args:
            keys: shape (B,).
            offset: row of the first observation of the clip's episode, shape (B,).
            start: step of the clip's first observation, shape (B,).
            length: transitions of the clip's episode, shape (B,).
        """
        origin = uniform(keys, 0)
        ahead = np.minimum(start + self._distance(uniform(keys, 1), length - start), length) - start
        is_current = origin < self._goals.current
        is_random = origin >= 1 - self._goals.random
        steps = np.where(is_random, -1, np.where(is_current, 0, ahead))
        return DrawnGoals(np.where(is_random, self._any_row(uniform(keys, 2)), offset + start + steps), steps)

    def _distance(self, u: NDArray[np.float64], left: Steps) -> Steps:
        """Steps into the future, at least 1."""
        if self._goals.future_distribution == "uniform":
            before = np.floor(u * left)
        elif self._goals.discount == 0:
            before = np.zeros(len(u))
        else:
            before = np.floor(np.log1p(-u) / np.log(self._goals.discount))
        steps: Steps = before.astype(np.int64) + 1
        return steps

    def _any_row(self, u: NDArray[np.float64]) -> Steps:
        number = np.floor(u * self._ends[-1]).astype(np.int64)
        slot = np.searchsorted(self._ends, number, side="right")
        rows: Steps = self._firsts[slot] + number
        return rows
