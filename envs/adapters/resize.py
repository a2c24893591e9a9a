"""Foreign pictures at the size that is asked for, by area averaging."""

from functools import lru_cache

from swm.core.protocols import Array
from swm.envs.adapters.linear import Separable, area, to_eighths, to_pixels


def resize(picture: Array, image_size: tuple[int, int]) -> Array:
    """Average a picture (height, width, 3) uint8 over the area of each new pixel; a fresh array of `image_size`.

    Nothing aliases, and the mean of the picture stays what it was. A larger size repeats pixels.
    """
    if picture.shape[:2] == image_size:
        return picture.copy()
    return to_pixels(_fit(picture.shape[:2], image_size)(to_eighths(picture)))


@lru_cache(maxsize=8)
def _fit(size: tuple[int, int], new_size: tuple[int, int]) -> Separable:
    return Separable(*(area(old, new) for old, new in zip(size, new_size, strict=True)))
