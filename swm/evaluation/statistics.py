"""What a success rate over a few episodes allows to say, and what it does not.

Three questions, one answer each: how sure is one rate (`Rate`, Wilson), do two policies differ on the
same tasks (`compare`, paired), and what do several training runs say together (`pool_seeds`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from swm.core.errors import InvalidValueError, ShapeError
from swm.core.protocols import Array

Outcomes = Sequence[bool] | Array
"""Success, one boolean per task."""
CONFIDENCE = 0.95
"""The two-sided confidence of every interval that names no other."""


def z_value(confidence: float = CONFIDENCE) -> float:
    """Return the two-sided quantile of the standard normal distribution, 1.96 for 95 %."""
    if not 0.0 < confidence < 1.0:
        raise InvalidValueError(f"a confidence lies strictly between 0 and 1, got {confidence!r}.")
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def wilson_interval(successes: float, count: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the Wilson score interval of a rate.

    The rates p for which `successes` out of `count` lie within z standard errors, the error being that of
    p itself. Unlike the Wald interval it never has width zero and never leaves [0, 1].

    Args:
        successes: from 0 to `count`; a fraction after an adjustment for dependence.
        count: trials, above 0.
        confidence: two-sided.

    Raises:
        InvalidValueError: there are no trials, or more successes than trials.

    Source: Wilson, Probable inference, the law of succession, and statistical inference, JASA 1927.
    """
    if count <= 0 or not 0 <= successes <= count:
        raise InvalidValueError(f"a rate needs 0 <= successes <= count and count > 0, got {successes} of {count}.")
    z2 = z_value(confidence) ** 2
    rate = successes / count
    centre = (rate + z2 / (2 * count)) / (1 + z2 / count)
    half = math.sqrt(z2) / (1 + z2 / count) * math.sqrt(rate * (1 - rate) / count + z2 / (4 * count * count))
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == count else centre + half
    return max(0.0, low), min(1.0, high)


@dataclass(frozen=True, kw_only=True)
class Rate:
    """A success rate with its interval."""

    successes: int
    count: int
    low: float
    high: float

    @classmethod
    def of(cls, outcomes: Outcomes, confidence: float = CONFIDENCE) -> "Rate":
        """Count `outcomes`, one boolean per independent episode."""
        successes, count = int(np.sum(outcomes)), len(outcomes)
        low, high = wilson_interval(successes, count, confidence)
        return cls(successes=successes, count=count, low=low, high=high)

    @property
    def value(self) -> float:
        """The rate, from 0 to 1."""
        return self.successes / self.count

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, with the rate."""
        return {
            "rate": self.value,
            "low": self.low,
            "high": self.high,
            "successes": self.successes,
            "count": self.count,
        }


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The mean of a paired difference with its interval."""

    value: float
    low: float
    high: float
    count: int


def paired_difference(first: Any, second: Any, confidence: float = CONFIDENCE) -> Difference:
    """Return the mean of ``first - second`` over pairs, with an interval.

    The interval is Wald's after adding one pair with difference +1 and one with -1, so that its width is
    never zero. For single outcomes this is the interval of Bonett and Price; a pair may as well hold
    means of outcomes, such as one task's successes over several severities.

    Args:
        first: shape (n,), numbers in [0, 1].
        second: shape (n,), numbers in [0, 1], of the same tasks in the same order.
        confidence: two-sided.

    Raises:
        ShapeError: the two are not one-dimensional, empty, or of different lengths.

    Source: Bonett and Price, Adjusted Wald confidence interval for a difference of binomial proportions
    based on paired data, J. Educ. Behav. Stat. 2012.
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if a.ndim != 1 or a.shape != b.shape or not len(a):
        raise ShapeError("a paired difference", "two sequences of one length", f"{a.shape} and {b.shape}")
    adjusted = np.concatenate([a - b, [1.0, -1.0]])
    centre = float(adjusted.mean())
    half = z_value(confidence) * math.sqrt(float(np.mean(adjusted**2) - centre**2) / len(adjusted))
    return Difference(
        value=float((a - b).mean()), low=max(-1.0, centre - half), high=min(1.0, centre + half), count=len(a)
    )


def mcnemar_p_value(only_first: int, only_second: int) -> float:
    """Return the exact two-sided p-value of McNemar's test.

    Under the null hypothesis each task on which exactly one of two policies succeeds is a fair coin.

    Args:
        only_first: tasks that only the first policy solved.
        only_second: tasks that only the second one solved.
    """
    count = only_first + only_second
    tail = sum(math.comb(count, k) for k in range(min(only_first, only_second) + 1))
    return min(1.0, tail / float(2 ** (count - 1))) if count else 1.0


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two policies on the same tasks."""

    both: int
    only_first: int
    only_second: int
    neither: int
    difference: Difference
    """First minus second."""
    p_value: float
    """McNemar's exact test, two-sided."""


def compare(first: Outcomes, second: Outcomes, confidence: float = CONFIDENCE) -> Comparison:
    """Compare the outcomes of two policies on the same tasks, in the same order."""
    difference = paired_difference(first, second, confidence)
    a, b = np.asarray(first, bool), np.asarray(second, bool)
    only_first, only_second = int(np.sum(a & ~b)), int(np.sum(~a & b))
    return Comparison(
        both=int(np.sum(a & b)),
        only_first=only_first,
        only_second=only_second,
        neither=int(np.sum(~a & ~b)),
        difference=difference,
        p_value=mcnemar_p_value(only_first, only_second),
    )


@dataclass(frozen=True, kw_only=True)
class SeedSummary:
    """Several training runs of one recipe on the same tasks."""

    rates: tuple[float, ...]
    """One success rate per training run."""
    mean: float
    std: float
    """Sample standard deviation over the runs; 0 for a single run."""
    low: float
    high: float
    """The interval of `mean`, for new tasks and new training runs alike."""
    effective_count: float
    """How many independent episodes the runs are worth together."""


def pool_seeds(outcomes: Any, confidence: float = CONFIDENCE) -> SeedSummary:
    """Pool the outcomes of K training runs on the same n tasks.

    The K n outcomes are not independent: a hard task is hard for every run, and a bad run fails many
    tasks. With tasks and runs as crossed random effects the variance of the grand mean is
    ``(MS_task + MS_run - MS_rest) / (K n)``, by the mean squares of the two-way analysis of variance. The
    interval is Wilson's for the number of independent episodes that would have this variance: n when
    all runs agree on every task, K n when nothing is shared, few when the runs differ much. At most K n
    are believed; a single run is worth its n tasks.

    Args:
        outcomes: shape (K, n), booleans: the same tasks in the same order for each run.
        confidence: two-sided.

    Raises:
        ShapeError: not two-dimensional, or empty.
    """
    x = np.asarray(outcomes, np.float64)
    if x.ndim != 2 or not x.size:
        raise ShapeError("outcomes of training runs", "(runs, tasks)", x.shape)
    runs, tasks = x.shape
    mean, rates = float(x.mean()), x.mean(axis=1)
    count = float(tasks) if runs == 1 else _effective_count(x)
    low, high = wilson_interval(mean * count, count, confidence)
    return SeedSummary(
        rates=tuple(rates.tolist()),
        mean=mean,
        std=float(rates.std(ddof=1)) if runs > 1 else 0.0,
        low=low,
        high=high,
        effective_count=count,
    )


def _effective_count(x: np.ndarray) -> float:
    runs, tasks = x.shape
    mean, by_run, by_task = x.mean(), x.mean(axis=1, keepdims=True), x.mean(axis=0, keepdims=True)
    mean_square_run = tasks * float(((by_run - mean) ** 2).sum()) / (runs - 1)
    mean_square_task = runs * float(((by_task - mean) ** 2).sum()) / max(1, tasks - 1)
    rest = float(((x - by_run - by_task + mean) ** 2).sum()) / max(1, (runs - 1) * (tasks - 1))
    variance = (mean_square_task + mean_square_run - rest) / x.size
    if mean in (0.0, 1.0) or variance <= 0:
        return float(tasks if mean in (0.0, 1.0) else x.size)
    return float(min(x.size, max(1.0, mean * (1 - mean) / variance)))
