"""The benchmark's judge can tell right pictures from wrong ones, and its drawings are the same every time."""

from pathlib import Path

import numpy as np
import pytest

from tests.bench.readers.drawing import draw_push_t
from tests.bench.readers.serving import FRAME_SKIP, NUM_STEPS, SPAN, Clip, Source, compare


@pytest.fixture
def source(tmp_path: Path) -> Source:
    pixels, state, action = draw_push_t(48, seed=0)
    for name, values in (("pixels", pixels), ("state", state), ("action", action)):
        np.save(tmp_path / f"{name}.npy", values)
    np.save(tmp_path / "lengths.npy", np.array([len(pixels)]))
    return Source(str(tmp_path))


def clip_at(source: Source, start: int, shift: int = 0) -> Clip:
    """The window at `start`, with the pictures of `shift` steps later."""
    rows = start + shift + np.arange(NUM_STEPS) * FRAME_SKIP
    return 0, start, np.array(source.pixels[rows]), source.action[start : start + SPAN]


def test_exact_pictures_pass(source: Source) -> None:
    found = compare(source, [clip_at(source, start) for start in (0, 40, 85)])
    assert found["worst_psnr_db"] == 99.0
    assert found["misplaced_pictures"] == 0
    assert found["actions_equal"]


@pytest.mark.parametrize("shift", [-1, 1, 3])
def test_shifted_pictures_are_all_found(source: Source, shift: int) -> None:
    assert compare(source, [clip_at(source, 40, shift)])["misplaced_pictures"] == NUM_STEPS


def test_noise_is_loss_and_no_shift(source: Source) -> None:
    episode, start, pictures, action = clip_at(source, 40)
    noise = np.random.default_rng(0).integers(-9, 10, pictures.shape)
    noisy = np.clip(pictures + noise, 0, 255).astype(np.uint8)
    found = compare(source, [(episode, start, noisy, action)])
    assert found["misplaced_pictures"] == 0
    assert 30 < found["worst_psnr_db"] < 40


def test_other_actions_are_found(source: Source) -> None:
    episode, start, pictures, action = clip_at(source, 40)
    assert not compare(source, [(episode, start, pictures, action[::-1])])["actions_equal"]


def test_same_seed_same_drawing() -> None:
    for first, second in zip(draw_push_t(32, 3), draw_push_t(32, 3), strict=True):
        np.testing.assert_array_equal(first, second)
