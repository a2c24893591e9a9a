"""The labels follow from intervals alone."""

import numpy as np
import pytest

from swm.core.errors import InvalidValueError
from swm.evaluation.statistics import paired_difference
from swm.evaluation.verdict import judge

ALL = np.ones(50, bool)


def some(count: int) -> np.ndarray:
    return np.arange(50) < count


@pytest.mark.parametrize(
    ("shifted", "label", "since"),
    [
        ({0.5: ALL, 1.0: ALL}, "holds", None),
        ({0.5: ALL, 1.0: some(49)}, "holds", None),
        ({0.5: ALL, 1.0: some(48)}, "unclear", 1.0),
        ({0.5: some(35), 1.0: some(35)}, "degrades", 0.5),
        ({0.5: some(48), 1.0: some(10)}, "breaks", 1.0),
        ({1.0: some(0), 0.5: some(40), 0.25: some(0)}, "breaks", 0.25),
    ],
)
def test_labels(shifted: dict[float, np.ndarray], label: str, since: float | None) -> None:
    verdict = judge(ALL, shifted)
    assert (verdict.label, verdict.since) == (label, since)
    assert [severity for severity, _, _ in verdict.by_severity] == sorted(shifted)


def test_the_drop_is_averaged_over_severities_per_task() -> None:
    verdict = judge(ALL, {0.5: some(40), 1.0: some(20)})
    assert verdict.drop.value == pytest.approx(0.4)
    assert verdict.drop == paired_difference(ALL, (some(40) / 2 + some(20) / 2))


def test_without_success_nothing_can_break() -> None:
    assert judge(some(0), {1.0: some(0)}).label == "holds"
    assert judge(some(2), {1.0: some(0)}).label in ("unclear", "holds")


def test_a_factor_without_effect_is_rarely_called_out() -> None:
    rng, severities = np.random.default_rng(0), (0.25, 0.5, 0.75, 1.0)
    labels = [judge(rng.random(50) < 0.8, {s: rng.random(50) < 0.8 for s in severities}).label for _ in range(400)]
    assert sum(label in ("breaks", "degrades") for label in labels) <= 16


def test_a_factor_that_costs_a_fifth_is_rarely_said_to_hold() -> None:
    rng = np.random.default_rng(1)
    labels = [judge(rng.random(50) < 0.9, {1.0: rng.random(50) < 0.7}).label for _ in range(200)]
    assert sum(label == "holds" for label in labels) <= 6


@pytest.mark.parametrize(
    ("tasks", "paired", "low", "high"),
    [(50, False, 0.7, 0.9), (50, True, 0.7, 0.9), (100, False, 0.95, 1.0), (100, True, 0.95, 1.0)],
)
def test_power(tasks: int, paired: bool, low: float, high: float) -> None:
    """How often a loss of 20 points of 90 at each of four severities is called out: the documentation's numbers."""
    rng, called = np.random.default_rng(0), 0
    for _ in range(200):
        luck = rng.random(tasks)
        shifted = {s: (luck if paired else rng.random(tasks)) < 0.7 for s in (0.25, 0.5, 0.75, 1.0)}
        called += judge(luck < 0.9, shifted).label in ("degrades", "breaks")
    assert low <= called / 200 <= high


def test_a_verdict_needs_a_severity() -> None:
    with pytest.raises(InvalidValueError, match="at least one severity"):
        judge(ALL, {})
