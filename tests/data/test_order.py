"""Orders are permutations, spread as they should, and computable from any point."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from swm.data.order import Order, Permutation, PlainOrder, ShuffledOrder, WeightedOrder, make_keys, uniform


def is_likely(counts: NDArray[Any], expected: NDArray[Any]) -> bool:
    """Chi-square within five standard deviations of its mean."""
    freedom = len(counts) - 1
    statistic: float = ((counts - expected) ** 2 / expected).sum()
    return bool(abs(statistic - freedom) < 5 * np.sqrt(2 * freedom))


@settings(deadline=None, max_examples=60)
@given(size=st.integers(1, 700), seed=st.integers(0, 2**62), epoch=st.integers(0, 9))
def test_a_permutation_holds_each_number_once(size: int, seed: int, epoch: int) -> None:
    permutation = Permutation(size, seed, "epoch", epoch)
    whole = permutation(np.arange(size))
    np.testing.assert_array_equal(np.sort(whole), np.arange(size))
    np.testing.assert_array_equal(permutation(np.arange(size)[size // 3 :]), whole[size // 3 :])


def test_a_large_permutation_costs_what_is_asked_of_it() -> None:
    permutation = Permutation(10**15, 0)
    some = permutation(np.arange(10**15 - 1000, 10**15))
    assert len(set(some.tolist())) == 1000
    assert some.min() >= 0
    assert some.max() < 10**15


@pytest.mark.parametrize("size", [2, 5, 24])
def test_each_pair_is_as_likely_to_begin_a_permutation(size: int) -> None:
    begins = np.array([Permutation(size, 7, "epoch", epoch)(np.arange(2)) for epoch in range(3000)])
    pairs = np.bincount(begins[:, 0] * size + begins[:, 1], minlength=size * size).reshape(size, size)
    assert pairs.diagonal().sum() == 0
    counts = pairs[~np.eye(size, dtype=bool)]
    assert is_likely(counts, np.full(len(counts), 3000 / len(counts)))


@pytest.mark.parametrize("size", [6, 50])
def test_the_number_of_fixed_points_is_that_of_random_permutations(size: int) -> None:
    fixed = [
        int((Permutation(size, 3, "epoch", epoch)(np.arange(size)) == np.arange(size)).sum()) for epoch in range(2000)
    ]
    assert abs(np.mean(fixed) - 1) < 5 / np.sqrt(2000)
    assert abs(np.var(fixed) - 1) < 0.25


def test_uniform_numbers_are_uniform_and_independent() -> None:
    keys = make_keys(5, np.arange(20000))
    assert len(np.unique(keys)) == len(keys)
    first, second = uniform(keys, 0), uniform(keys, 1)
    cells = np.bincount((first * 10).astype(int) * 10 + (second * 10).astype(int), minlength=100)
    assert is_likely(cells, np.full(100, 200.0))
    after = np.bincount((first[:-1] * 10).astype(int) * 10 + (first[1:] * 10).astype(int), minlength=100)
    assert is_likely(after, np.full(100, 199.99))
    other = uniform(make_keys(6, np.arange(20000)), 0)
    assert abs(np.corrcoef(first, other)[0, 1]) < 5 / np.sqrt(20000)


@settings(deadline=None, max_examples=60)
@given(
    parts=st.lists(st.tuples(st.integers(1, 20), st.floats(0.01, 1)), min_size=1, max_size=5),
    seed=st.integers(0, 99),
    epoch=st.integers(0, 3),
    cut=st.integers(0, 60),
)
def test_components_take_turns_by_weight_and_go_through_their_own_clips(
    parts: list[tuple[int, float]], seed: int, epoch: int, cut: int
) -> None:
    sizes, weights = zip(*parts, strict=True)
    order = WeightedOrder(seed=seed, sizes=sizes, weights=weights, epoch_size=60)
    stream = np.concatenate([order.slots(e, 0, 60).indices for e in range(4)])
    np.testing.assert_array_equal(order.slots(epoch, cut, 60).indices, stream[epoch * 60 + cut : (epoch + 1) * 60])
    ends = np.cumsum(sizes)
    component = np.searchsorted(ends, stream, side="right")
    for k, (size, weight) in enumerate(parts):
        window = (component[cut : cut + 40] == k).sum()
        assert abs(window - 40 * weight / sum(weights)) <= len(parts)
        own = stream[component == k] - (ends[k] - size)
        for begin in range(0, len(own), size):
            part = own[begin : begin + size]
            assert len(set(part.tolist())) == len(part)


def test_a_long_stream_has_the_weights_exactly() -> None:
    order = WeightedOrder(seed=0, sizes=(10, 1000, 50), weights=(1.0, 2.5, 0.5), epoch_size=10**6)
    indices = order.slots(400_000, 0, 40_000).indices
    counts = np.bincount(np.searchsorted([10, 1010], indices, side="right"))
    np.testing.assert_allclose(counts, [10_000, 25_000, 5_000], atol=3)


def test_keys_are_of_the_position_and_the_epoch() -> None:
    orders: list[Order] = [
        ShuffledOrder(seed=1, num_clips=50),
        WeightedOrder(seed=1, sizes=(20, 30), weights=(1.0, 1.0), epoch_size=50),
    ]
    for order in orders:
        keys = np.concatenate([order.slots(epoch, 0, 50).keys for epoch in range(3)])
        assert len(np.unique(keys)) == 150
        np.testing.assert_array_equal(order.slots(1, 7, 9).keys, keys[57:59])
    plain = PlainOrder(seed=1)
    np.testing.assert_array_equal(plain.slots(0, 3, 6).indices, [3, 4, 5])
    np.testing.assert_array_equal(plain.slots(0, 3, 6).keys, plain.slots(8, 3, 6).keys)
