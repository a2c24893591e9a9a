"""Smaller pictures are averages over areas, however they were stored."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from swm.core.errors import InvalidValueError
from swm.data import codecs
from swm.data.resize import decode_resized, resize

Array = NDArray[Any]


def area_weights(old: int, new: int) -> Array:
    """How much of each old cell lies in each new one, shape (new, old), rows sum to 1."""
    edges = np.arange(new + 1) * old / new
    cells = np.arange(old)
    overlap = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
    return np.asarray(np.maximum(overlap, 0) * new / old)


def area_average(pictures: Array, size: tuple[int, int]) -> Array:
    down, across = area_weights(pictures.shape[1], size[0]), area_weights(pictures.shape[2], size[1])
    return np.asarray(np.einsum("ih,nhwc,jw->nijc", down, pictures, across))


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 99),
    factors=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    size=st.tuples(st.integers(2, 20), st.integers(2, 20)),
    channels=st.sampled_from([1, 3]),
)
def test_whole_factors_average_blocks(
    seed: int, factors: tuple[int, int], size: tuple[int, int], channels: int
) -> None:
    shape = (2, size[0] * factors[0], size[1] * factors[1], channels)
    pictures = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    blocks = pictures.reshape(2, size[0], factors[0], size[1], factors[1], channels).mean((2, 4))
    small = resize(pictures, size)
    assert small.dtype == np.uint8
    assert small.shape == (2, *size, channels)
    assert np.abs(small - blocks).max() <= 1


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(64, 64), (50, 77), (96, 31)])
def test_other_factors_average_areas(size: tuple[int, int], channels: int) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (3, 96, 112, channels), dtype=np.uint8)
    assert np.abs(resize(pictures, size) - area_average(pictures, size)).max() <= 1.5


def test_many_pictures_are_as_one_by_one() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (150, 24, 20, 3), dtype=np.uint8)
    together = resize(pictures, (7, 9))
    np.testing.assert_array_equal(together, np.concatenate([resize(pictures[i : i + 1], (7, 9)) for i in range(150)]))
    view = np.ascontiguousarray(pictures.transpose(0, 2, 1, 3)).transpose(0, 2, 1, 3)
    np.testing.assert_array_equal(resize(view, (7, 9)), together)
    assert resize(pictures, (24, 20)) is pictures
    assert resize(pictures[:0], (7, 9)).shape == (0, 7, 9, 3)
    with pytest.raises(InvalidValueError, match=r"sides of 2 or more, got \(7, 1\)"):
        resize(pictures, (7, 1))


def test_larger_pictures_keep_flat_colours() -> None:
    picture = np.full((1, 5, 6, 3), (10, 200, 77), np.uint8)
    np.testing.assert_array_equal(resize(picture, (13, 17)), np.full((1, 13, 17, 3), (10, 200, 77), np.uint8))


def smooth(height: int, width: int, channels: int) -> Array:
    y, x = np.mgrid[0:height, 0:width]
    waves = [127 + 100 * np.sin(x / (17 + c) + c) * np.cos(y / (19 - c)) for c in range(channels)]
    return np.stack(waves, axis=-1).astype(np.uint8)[None]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(96, 96), (240, 80), (33, 250)])
@pytest.mark.parametrize("share", [0.1, 0.25, 0.3, 0.375, 0.5, 0.9])
@pytest.mark.parametrize("codec", ["jpeg", "png", "raw"])
def test_decoding_to_a_size_is_decoding_and_resizing(
    codec: str, share: float, shape: tuple[int, int], channels: int
) -> None:
    picture = smooth(*shape, channels)
    blobs = codecs.encode(codec, picture, 95)
    whole = np.empty_like(picture)
    codecs.decode(codec, blobs, whole)
    size = (max(1, int(shape[0] * share)), max(1, int(shape[1] * share)))
    got = decode_resized(codec, blobs, picture.shape[1:], size)
    assert got.shape == (1, *size, channels)
    difference = np.abs(got.astype(int) - resize(whole, size))
    if codec != "jpeg":
        assert difference.max() == 0
    assert difference.mean() < 3  # the frequencies that are left out are not those that averaging removes
    assert difference.max() < 25


def test_scales_of_jpeg_are_the_smallest_that_suffice() -> None:
    assert codecs.reduced_size("jpeg", (224, 224, 3), (224, 224)) == (224, 224)
    assert codecs.reduced_size("jpeg", (224, 224, 3), (113, 20)) == (224, 224)
    assert codecs.reduced_size("jpeg", (224, 224, 3), (112, 112)) == (112, 112)
    assert codecs.reduced_size("jpeg", (224, 224, 3), (64, 64)) == (84, 84)
    assert codecs.reduced_size("jpeg", (40, 248, 3), (5, 30)) == (5, 31)
    assert codecs.reduced_size("jpeg", (33, 250, 3), (5, 30)) == (33, 250)
    assert codecs.reduced_size("jpeg", (64, 64, 3), (100, 100)) == (64, 64)
    assert codecs.reduced_size("png", (224, 224, 3), (64, 64)) == (224, 224)


def test_a_jpeg_of_another_shape_is_refused_at_any_scale() -> None:
    blobs = codecs.encode("jpeg", smooth(48, 48, 3), 95)
    with pytest.raises(codecs.PictureError, match=r"shape \(48, 48\) instead of \(96, 96\)"):
        decode_resized("jpeg", blobs, (96, 96, 3), (40, 40))
    with pytest.raises(codecs.PictureError):
        decode_resized("jpeg", [blobs[0][:100]], (48, 48, 3), (20, 20))


@pytest.mark.parametrize("codec", ["jpeg", "png", "raw"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (2, 1)])
def test_pictures_of_one_pixel_a_side_are_read_at_their_own_size(codec: str, shape: tuple[int, int]) -> None:
    picture = np.full((1, *shape, 3), 128, np.uint8)
    blobs = codecs.encode(codec, picture, 95)
    np.testing.assert_array_equal(decode_resized(codec, blobs, (*shape, 3), shape), picture)
    with pytest.raises(InvalidValueError, match="sides of 2 or more"):
        decode_resized(codec, blobs, (*shape, 3), (3, 1))
