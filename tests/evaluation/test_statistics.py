"""Known values and closed forms of the intervals and tests."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swm.core.errors import InvalidValueError, ShapeError
from swm.evaluation.statistics import (
    Rate,
    compare,
    mcnemar_p_value,
    paired_difference,
    pool_seeds,
    wilson_interval,
    z_value,
)


@pytest.mark.parametrize(
    ("successes", "count", "low", "high"),
    [
        (45, 50, 0.7864, 0.9565),
        (81, 263, 0.2553, 0.3662),  # Newcombe 1998, table I, method 3
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 0.8830, 1.0),
    ],
)
def test_wilson_known_values(successes: int, count: int, low: float, high: float) -> None:
    assert wilson_interval(successes, count) == pytest.approx((low, high), abs=1e-4)


@given(st.integers(1, 500), st.data())
def test_wilson_bounds_solve_the_score_equation(count: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, count))
    rate, z = successes / count, z_value()
    for bound in wilson_interval(successes, count):
        if 0 < bound < 1:
            assert abs(rate - bound) == pytest.approx(z * math.sqrt(bound * (1 - bound) / count), rel=1e-6)


def test_wilson_is_symmetric_and_shrinks_with_more_trials() -> None:
    low, high = wilson_interval(7, 40)
    assert wilson_interval(33, 40) == pytest.approx((1 - high, 1 - low))
    wide, narrow = wilson_interval(30, 40), wilson_interval(300, 400)
    assert narrow[1] - narrow[0] < wide[1] - wide[0]
    assert z_value(0.95) == pytest.approx(1.959964, abs=1e-6)


@pytest.mark.parametrize(("successes", "count"), [(0, 0), (3, 2), (-1, 5)])
def test_wilson_refuses_what_is_no_rate(successes: int, count: int) -> None:
    with pytest.raises(InvalidValueError, match="successes <= count"):
        wilson_interval(successes, count)


def test_confidence_must_be_a_probability() -> None:
    with pytest.raises(InvalidValueError, match="strictly between 0 and 1"):
        z_value(1.0)


def test_rate_counts() -> None:
    rate = Rate.of([True, False, True, True])
    assert (rate.successes, rate.count, rate.value) == (3, 4, 0.75)
    assert rate.low < 0.75 < rate.high
    assert rate.to_json()["rate"] == 0.75


@pytest.mark.parametrize(
    ("b", "c", "p"),
    [(0, 0, 1.0), (5, 5, 1.0), (0, 5, 0.0625), (1, 9, 22 / 1024), (10, 2, 2 * 79 / 4096)],
)
def test_mcnemar_closed_forms(b: int, c: int, p: float) -> None:
    assert mcnemar_p_value(b, c) == pytest.approx(p)
    assert mcnemar_p_value(c, b) == pytest.approx(p)


def test_mcnemar_keeps_its_level() -> None:
    """Under the null hypothesis no more than 5 % of all outcomes have p <= 0.05, for any count."""
    for count in range(1, 40):
        mass = sum(math.comb(count, k) / 2**count for k in range(count + 1) if mcnemar_p_value(k, count - k) <= 0.05)
        assert mass <= 0.05 + 1e-12


def test_paired_difference_is_bonett_and_price() -> None:
    n11, n12, n21, n22 = 20, 12, 3, 15
    first = [1] * n11 + [1] * n12 + [0] * n21 + [0] * n22
    second = [1] * n11 + [0] * n12 + [1] * n21 + [0] * n22
    n = n11 + n12 + n21 + n22
    p12, p21 = (n12 + 1) / (n + 2), (n21 + 1) / (n + 2)
    half = z_value() * math.sqrt((p12 + p21 - (p12 - p21) ** 2) / (n + 2))
    difference = paired_difference(first, second)
    assert (difference.low, difference.high) == pytest.approx((p12 - p21 - half, p12 - p21 + half))
    assert difference.value == pytest.approx((n12 - n21) / n)


def test_paired_difference_of_equals_still_has_width() -> None:
    difference = paired_difference([1] * 50, [1] * 50)
    assert difference.value == 0
    assert difference.low == pytest.approx(-difference.high)
    assert difference.high == pytest.approx(z_value() * math.sqrt(2) / 52)


def test_paired_difference_is_antisymmetric() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random(30), rng.random(30)
    forward, backward = paired_difference(a, b), paired_difference(b, a)
    assert (forward.low, forward.high) == pytest.approx((-backward.high, -backward.low))


def test_compare_counts_and_refuses_unpaired() -> None:
    result = compare([True, True, False, False, True], [True, False, True, False, False])
    assert (result.both, result.only_first, result.only_second, result.neither) == (1, 2, 1, 1)
    assert result.difference.value == pytest.approx(0.2)
    assert result.p_value == 1.0
    with pytest.raises(ShapeError, match="one length"):
        compare([True], [True, False])


def test_runs_that_agree_are_worth_one_run() -> None:
    one = np.arange(40) % 4 != 0
    summary = pool_seeds(np.stack([one] * 5))
    assert summary.std == 0
    assert summary.effective_count == pytest.approx(40, rel=0.03)
    assert (summary.low, summary.high) == pytest.approx(wilson_interval(30, 40), abs=0.01)


def test_independent_outcomes_are_worth_all_episodes() -> None:
    rng = np.random.default_rng(1)
    counts = [pool_seeds(rng.random((5, 200)) < 0.5).effective_count for _ in range(20)]
    assert np.median(counts) > 0.8 * 1000
    assert max(counts) <= 1000


def test_runs_that_differ_are_worth_few_episodes() -> None:
    outcomes = np.zeros((4, 100))
    outcomes[:2] = 1
    summary = pool_seeds(outcomes)
    assert summary.effective_count < 4
    assert summary.std == pytest.approx(np.std([1, 1, 0, 0], ddof=1))


def test_pooled_interval_covers_new_tasks_and_runs() -> None:
    """Nine in ten intervals at least hold the true rate when tasks and runs both vary."""
    rng, hits = np.random.default_rng(2), 0
    for _ in range(200):
        run, task = rng.normal(0, 0.3, (5, 1)), rng.normal(0, 1.0, (1, 60))
        summary = pool_seeds(rng.random((5, 60)) < 1 / (1 + np.exp(-run - task)))
        hits += summary.low <= 0.5 <= summary.high
    assert hits >= 180


def test_one_run_is_plain_wilson_and_certainty_is_not_overstated() -> None:
    single = pool_seeds([[True] * 9 + [False]])
    assert (single.low, single.high) == pytest.approx(wilson_interval(9, 10))
    assert single.std == 0
    assert pool_seeds(np.ones((3, 20))).effective_count == 20
    with pytest.raises(ShapeError, match=r"\(runs, tasks\)"):
        pool_seeds([True, False])
