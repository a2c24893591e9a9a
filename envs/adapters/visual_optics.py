"""The camera: blur, resolution, a shifted or shaking view, and the kernel of the random convolution.

All of them are linear along rows and columns, so together they are one matrix per axis.
"""

import numpy as np

from swm.core.factors import Factor
from swm.core.protocols import Array
from swm.core.spaces import vector
from swm.envs.adapters import linear, visual_random_conv
from swm.envs.adapters.visual_stage import PREFIX, Episode, Stage, Values, strength

_SHARE = "share of the picture's side"
_MAX_SHIFT = 0.15
FACTORS = (
    strength("blur", 0.06, "standard deviation of a Gaussian blur", _SHARE),
    strength("resolution", 0.125, "side of the cells into which the picture is averaged", _SHARE),
    Factor(
        name=f"{PREFIX}shift",
        kind="visual",
        space=vector([-_MAX_SHIFT] * 2, [_MAX_SHIFT] * 2),
        default=(0.0, 0.0),
        summary="constant shift of the picture to the right and down; its edge is repeated",
        unit=_SHARE,
    ),
    strength("shake", 0.1, "largest random shift along each axis, new at every step", _SHARE),
    *visual_random_conv.FACTORS,
)


def prepare(values: Values, episode: Episode) -> Stage | None:
    """Combine the effects into one matrix per axis, new at every step only if the view shakes."""
    fixed = [_lens(values, episode, axis) for axis in (0, 1)]
    across, down = values["shift"]
    shake = values["shake"]
    if not shake:
        still = _combine(fixed, (down, across), episode)
        return None if still is None else lambda picture, step: still(picture)

    def stage(picture: Array, step: int) -> Array:
        dx, dy = shake * (2 * episode.uniform("shake", 2, step) - 1)
        moved = _combine(fixed, (down + dy, across + dx), episode)
        return picture if moved is None else moved(picture)

    return stage


def _lens(values: Values, episode: Episode, axis: int) -> Array | None:
    """What blur, resolution and convolution do along an axis."""
    size = episode.image_size[axis]
    maps = []
    if values["blur"] > 0:
        maps.append(linear.gaussian(size, values["blur"] * size))
    if values["resolution"] * size > 1:
        maps.append(linear.mosaic(size, values["resolution"] * size))
    if (taps := visual_random_conv.taps(values, episode, axis)) is not None:
        maps.append(taps)
    return _product(maps)


def _combine(lens: list[Array | None], shift: tuple[float, float], episode: Episode) -> linear.Separable | None:
    """Shift along rows and columns, then the lens; None if that does nothing."""
    maps = [
        _product([*([linear.shift(size, share * size)] if share else []), *([] if glass is None else [glass])])
        for size, share, glass in zip(episode.image_size, shift, lens, strict=True)
    ]
    if all(each is None for each in maps):
        return None
    rows, columns = (
        np.eye(size) if each is None else each for size, each in zip(episode.image_size, maps, strict=True)
    )
    return linear.Separable(rows, columns)


def _product(maps: list[Array]) -> Array | None:
    """One map that does all of them, the first one first."""
    product: Array | None = None
    for each in maps:
        product = each if product is None else each @ product
    return product
