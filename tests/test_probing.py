"""The linear probe on maps that are known."""

import numpy as np
import pytest

from swm.core.errors import InvalidValueError, ShapeError
from swm.probing import linear_probe


def split(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, 5)), rng.normal(size=(count // 2, 5))


def test_a_linear_map_is_found_exactly() -> None:
    latents, held_out = split(200)
    weights, bias = np.random.default_rng(1).normal(size=(5, 3)), np.array([10.0, -3.0, 0.0])
    result = linear_probe(latents, latents @ weights + bias, held_out, held_out @ weights + bias)
    np.testing.assert_allclose(result.r, 1, atol=1e-9)
    np.testing.assert_allclose(result.r2, 1, atol=1e-6)
    np.testing.assert_allclose(result.mse, 0, atol=1e-6)


def test_units_and_rotations_do_not_matter() -> None:
    latents, held_out = split(200)
    target, held_out_target = (np.tanh(x[:, :2]) + 0.1 * x[:, 2:4] for x in (latents, held_out))
    rotation = np.linalg.qr(np.random.default_rng(2).normal(size=(5, 5)))[0]
    first = linear_probe(latents, target, held_out, held_out_target)
    second = linear_probe(latents @ rotation, 512 * target + 7, held_out @ rotation, 512 * held_out_target + 7)
    np.testing.assert_allclose(first.r, second.r, atol=1e-5)
    np.testing.assert_allclose(first.mse, second.mse, atol=1e-5)


def test_noise_is_measured_on_held_out_data() -> None:
    latents, held_out = split(4000)
    rng = np.random.default_rng(3)
    target, held_out_target = (x[:, :1] + rng.normal(size=(len(x), 1)) for x in (latents, held_out))
    result = linear_probe(latents, target, held_out, held_out_target)
    assert result.r[0] == pytest.approx(0.5**0.5, abs=0.03)
    assert result.r2[0] == pytest.approx(0.5, abs=0.04)


def test_nothing_to_find_gives_nothing_and_memorising_does_not_help() -> None:
    rng = np.random.default_rng(4)
    latents, held_out = rng.normal(size=(40, 39)), rng.normal(size=(400, 39))
    result = linear_probe(latents, rng.normal(size=(40, 1)), held_out, rng.normal(size=(400, 1)))
    assert abs(result.r[0]) < 0.3
    assert result.r2[0] < 0


def test_constant_targets_have_no_correlation() -> None:
    latents, held_out = split(50)
    result = linear_probe(latents, np.ones((50, 1)), held_out, np.ones((25, 1)))
    assert np.isnan(result.r).all()
    assert np.isnan(result.r2).all()
    assert result.mse[0] == 0


def test_constant_latents_are_allowed() -> None:
    latents, held_out = split(50)
    latents[:, 1] = held_out[:, 1] = 3.0
    target, held_out_target = latents[:, :1], held_out[:, :1]
    np.testing.assert_allclose(linear_probe(latents, target, held_out, held_out_target).r, 1, atol=1e-9)


def test_bad_data_are_refused() -> None:
    latents, held_out = split(50)
    with pytest.raises(ShapeError, match=r"fit data of linear_probe\(\)"):
        linear_probe(latents, latents[:10], held_out, held_out)
    with pytest.raises(ShapeError, match="held-out data"):
        linear_probe(latents, latents, held_out[:, :3], held_out)
    with pytest.raises(InvalidValueError, match="not finite"):
        linear_probe(latents * np.nan, latents, held_out, held_out)
    with pytest.raises(InvalidValueError, match="at least two held-out rows, got 1"):
        linear_probe(latents, latents, held_out[:1], held_out[:1])
