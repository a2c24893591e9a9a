"""Normalisers: inverses, the promised range, every dtype and shape, NumPy and torch alike."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from swm.core.errors import InvalidValueError, ShapeError, UnknownNameError
from swm.data.measure import picture_statistics, stream_statistics
from swm.data.normalize import Method, Normalizer
from swm.data.statistics import Statistics

METHODS: tuple[Method, ...] = ("zscore", "minmax", "quantile", "identity")

values_of = arrays(np.float64, st.tuples(st.integers(1, 30), st.just(3)), elements=st.floats(-1e6, 1e6, width=32))


def measure(values: Any) -> Statistics:
    return stream_statistics([values], values.shape[1:])


def resolution(normalizer: Normalizer, *values: Any) -> float:
    """What rounding may do: a few steps of the coarsest number that occurs."""
    size = max(float(np.abs(np.asarray(part, np.float64)).max(initial=0)) for part in (*values, normalizer.offset))
    return 8 * size * float(np.finfo(values[0].dtype).eps)


@given(values_of, st.sampled_from(METHODS), st.sampled_from(["float16", "float32", "float64"]))
def test_denormalize_is_the_inverse(values: Any, method: Method, dtype: str) -> None:
    if dtype == "float16":
        values = np.clip(values, -6e4, 6e4)
    values[:, 0] = values[0, 0]  # one entry that never varies
    values = values.astype(dtype)
    normalizer = Normalizer.from_statistics(measure(values), method)
    back = normalizer.denormalize(normalizer.normalize(values))
    assert back.dtype == values.dtype
    np.testing.assert_allclose(back, values, rtol=0, atol=resolution(normalizer, values))
    np.testing.assert_array_equal(back[:, 0], values[:, 0])


@given(st.floats(-1e6, 1e6, width=32), st.floats(-1e6, 1e6, width=32), st.sampled_from(METHODS))
def test_a_constant_entry_maps_any_value_and_back(value: float, other: float, method: Method) -> None:
    normalizer = Normalizer.from_statistics(measure(np.full((5, 1), value)), method)
    assert normalizer.scale[0] == 1.0
    x = np.array([other])
    assert abs(normalizer.denormalize(normalizer.normalize(x))[0] - other) <= resolution(normalizer, x)
    if method != "identity":
        assert normalizer.normalize(np.array([value]))[0] == 0.0


def test_rounding_noise_is_not_blown_up() -> None:
    values = 5e5 + np.random.default_rng(0).normal(size=(1000, 1)) * 1e-3
    for method in ("zscore", "minmax", "quantile"):
        normalizer = Normalizer.from_statistics(measure(values), method)
        assert np.abs(normalizer.normalize(values)).max() < 0.1
    small = np.random.default_rng(0).normal(size=(1000, 1)) * 1e-9  # a small signal around zero is one
    assert Normalizer.from_statistics(measure(small)).normalize(small).std() == pytest.approx(1.0)


@given(values_of)
def test_minmax_reaches_both_ends(values: Any) -> None:
    values[0], values[-1] = values.min() - 1, values.max() + 2
    normalized = Normalizer.from_statistics(measure(values), "minmax").normalize(values)
    if len(values) > 1:
        np.testing.assert_allclose(normalized.min(axis=0), -1, rtol=1e-9)
        np.testing.assert_allclose(normalized.max(axis=0), 1, rtol=1e-9)


def test_zscore_has_mean_zero_and_deviation_one() -> None:
    values = np.random.default_rng(0).normal([1, -50, 1e4], [2, 0.1, 300], (5000, 3))
    normalized = Normalizer.from_statistics(measure(values), "zscore").normalize(values)
    np.testing.assert_allclose(normalized.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(normalized.std(axis=0), 1, rtol=1e-9)


def test_quantile_maps_98_percent_between_the_ends_and_clips_nothing() -> None:
    values = np.random.default_rng(0).standard_cauchy((10_000, 2))
    normalizer = Normalizer.from_statistics(measure(values), "quantile")
    normalized = normalizer.normalize(values)
    np.testing.assert_allclose((np.abs(normalized) <= 1).mean(axis=0), 0.98, atol=1e-3)
    assert normalized.max() > 10
    np.testing.assert_allclose(normalizer.normalize(np.quantile(values, [0.01, 0.99], axis=0)), [[-1, -1], [1, 1]])


def test_quantile_of_a_rare_event_takes_the_range() -> None:
    values = np.zeros((1000, 1))
    values[:5] = 400.0
    normalized = Normalizer.from_statistics(measure(values), "quantile").normalize(values)
    assert (normalized.min(), normalized.max()) == (-1.0, 1.0)


# ------------------------------------------------------------------------------- shapes and dtypes


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
@pytest.mark.parametrize("leading", [(), (5,), (4, 5)])
def test_shapes_are_kept(method: Method, shape: tuple[int, ...], leading: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    normalizer = Normalizer.from_statistics(measure(rng.normal(size=(20, *shape))), method)
    x = rng.normal(size=(*leading, *shape)).astype(np.float32)
    tensor = torch.from_numpy(np.array(x))
    for call in (normalizer.normalize, normalizer.denormalize):
        assert call(x).shape == x.shape
        np.testing.assert_array_equal(call(tensor).numpy(), call(x), strict=True)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_tensors_keep_their_dtype(dtype: torch.dtype) -> None:
    normalizer = Normalizer.from_statistics(measure(np.random.default_rng(0).normal(7e4, 3e4, (50, 3))))
    x = torch.randn(4, 3, dtype=dtype)
    values = normalizer.denormalize(x.double())
    assert normalizer.normalize(values.to(torch.bfloat16 if dtype == torch.float16 else dtype)).isfinite().all()
    assert normalizer.normalize(x).dtype == normalizer.denormalize(x / 4).dtype == dtype
    torch.testing.assert_close(normalizer.normalize(values), x.double())


@pytest.mark.parametrize("name", ["bool", "uint8", "int16", "int32", "int64"])
def test_integers_become_floats_that_hold_them(name: str) -> None:
    values = (np.arange(12).reshape(6, 2) * 5 % 7).astype(name)
    normalizer = Normalizer.from_statistics(measure(values), "minmax")
    expected = "float64" if name in ("int32", "int64") else "float32"
    assert normalizer.normalize(values).dtype == expected
    assert normalizer.normalize(torch.from_numpy(values)).dtype == getattr(torch, expected)
    np.testing.assert_allclose(normalizer.denormalize(normalizer.normalize(values)), values, atol=1e-6)


def test_gradients_are_those_of_the_map() -> None:
    normalizer = Normalizer.from_statistics(measure(np.random.default_rng(0).normal(3, 2, (50, 3))))
    x = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    (up,) = torch.autograd.grad(normalizer.normalize(x).sum(), x)
    (down,) = torch.autograd.grad(normalizer.denormalize(x).sum(), x)
    torch.testing.assert_close(up * down, torch.ones_like(x))
    assert torch.autograd.gradcheck(normalizer.normalize, x)


def test_pictures_are_normalised_per_channel() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (20, 6, 5, 3), dtype=np.uint8)
    normalized = Normalizer.from_statistics(picture_statistics([pictures], 3)).normalize(pictures)
    assert normalized.dtype == np.float32
    np.testing.assert_allclose(normalized.mean(axis=(0, 1, 2), dtype=np.float64), 0, atol=1e-5)
    np.testing.assert_allclose(normalized.std(axis=(0, 1, 2), dtype=np.float64), 1, atol=1e-5)


def test_blocks_are_normalised_step_by_step() -> None:
    normalizer = Normalizer.from_statistics(measure(np.random.default_rng(0).normal(3, 2, (50, 3))))
    steps = np.random.default_rng(1).normal(size=(4, 5, 3))
    blocks = normalizer.for_blocks(5).normalize(steps.reshape(4, 15))
    np.testing.assert_array_equal(blocks.reshape(4, 5, 3), normalizer.normalize(steps))
    with pytest.raises(InvalidValueError, match="frame_skip must be at least 1, got 0"):
        normalizer.for_blocks(0)
    with pytest.raises(ShapeError, match="blocks"):
        Normalizer.from_statistics(measure(np.zeros(5))).for_blocks(2)


@pytest.mark.parametrize("make", [np.asarray, torch.as_tensor])
def test_what_does_not_fit_is_refused(make: Any) -> None:
    normalizer = Normalizer.from_statistics(measure(np.zeros((5, 3))), column="state")
    with pytest.raises(ShapeError, match=r"'state': expected shape \(\.\.\., 3\), got shape \(3, 2\)"):
        normalizer.normalize(make(np.zeros((3, 2))))
    with pytest.raises(ShapeError):
        normalizer.normalize(make(np.zeros(())))
    with pytest.raises(ShapeError, match="real numbers"):
        normalizer.normalize(make(np.zeros(3, complex)))


# ----------------------------------------------------------------------------------------- records


@pytest.mark.parametrize("method", METHODS)
def test_a_dataset_makes_one_that_survives_json(make_dataset: Any, method: Method) -> None:
    dataset = make_dataset((5, 9, 3, 12), val_fraction=0.5)
    normalizer = dataset.normalizer("state", method)
    again = Normalizer.from_json(json.loads(json.dumps(normalizer.to_json(), allow_nan=False)))
    assert (again.method, again.column, again.split) == (method, "state", "train")
    assert again.fingerprint == dataset.fingerprint
    assert again.statistics.count == dataset.statistics("state").count
    x = dataset.episode(0).observation["state"]
    np.testing.assert_array_equal(again.normalize(x), normalizer.normalize(x), strict=True)


def test_bad_requests_are_refused(make_dataset: Any) -> None:
    dataset = make_dataset()
    with pytest.raises(UnknownNameError, match=r"'zscor'.*'zscore'"):
        dataset.normalizer("state", "zscor")
    with pytest.raises(InvalidValueError, match="schema 1"):
        Normalizer.from_json({"mean": [0.0]})
    data = dataset.normalizer("state").to_json()
    with pytest.raises(InvalidValueError, match=r"damaged.*'scale'"):
        Normalizer.from_json({name: value for name, value in data.items() if name != "scale"})
    with pytest.raises(InvalidValueError, match=r"damaged.*could not convert"):
        Normalizer.from_json({**data, "scale": ["x"]})
    with pytest.raises(ShapeError, match="scale of a normaliser"):
        Normalizer.from_json({**data, "scale": [1.0]})
    for shape, entries in (((2,), r"\[1\]"), ((2, 2), r"\[1, 3\]")):
        empty = np.full((4, *shape), np.nan)
        empty[..., 0] = 1.0
        with pytest.raises(InvalidValueError, match=rf"entries {entries} have no finite value"):
            Normalizer.from_statistics(measure(empty))
