"""Static of the sensor."""

import numpy as np

from swm.core.protocols import Array
from swm.core.seeding import derive_seed
from swm.envs.adapters.linear import EIGHTHS, Separable, area
from swm.envs.adapters.visual_stage import Episode, Stage, Values, strength
from swm.envs.arena import counter_rng

GRID = 64
"""Grains along each side of the picture, whatever its size."""
FACTORS = (
    strength(
        "noise", 0.5, "share of coloured static that is mixed in, new at every step; its deviation is 74 times it"
    ),
)


def prepare(values: Values, episode: Episode) -> Stage | None:
    """Mix static in: ``(1 - share) x + share u``, u uniform; it never clips, so its mean is the same at every size."""
    share = np.float32(values["noise"])
    if share == 0:
        return None
    key = np.array([derive_seed(episode.key, "noise")])
    height, width = episode.image_size
    fit = None if (height, width) == (GRID, GRID) else Separable(area(GRID, height), area(GRID, width))

    def stage(picture: Array, step: int) -> Array:
        words = counter_rng.bits(key, np.array([step]), GRID * GRID * 3 // 8)
        static = words.astype("<u8").view(np.uint8).reshape(3, GRID, GRID) * np.float32(EIGHTHS)
        picture += np.rint(share * ((static if fit is None else fit(static)) - picture))
        return picture

    return stage
