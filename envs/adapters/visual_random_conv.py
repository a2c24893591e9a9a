"""A random convolution: how each episode draws it.

Its 3 x 3 kernel is separable, of three taps along each axis and one matrix over the colours; at strength 0
it is the identity. Source of the idea: Lee et al., "Network randomization", ICLR 2020 (arXiv 1910.05396).
"""

import numpy as np

from swm.core.protocols import Array
from swm.envs.adapters import linear
from swm.envs.adapters.visual_stage import Episode, Values, strength

FACTORS = (
    strength("random_conv", 1.0, "strength of a random 3 x 3 convolution over space and colours, drawn per episode"),
)
_SPACING = 1 / 64
"""Between taps, as a share of the picture's side."""
_MAX_TAP = 0.25


def taps(values: Values, episode: Episode, axis: int) -> Array | None:
    """Weights along an axis (0 vertical, 1 horizontal), or None without effect."""
    if values["random_conv"] == 0:
        return None
    size = episode.image_size[axis]
    before, after = values["random_conv"] * _MAX_TAP * _signed(episode, f"random_conv taps {axis}", 2)
    there, back = (linear.shift(size, sign * _SPACING * size) for sign in (1, -1))
    weights: Array = (1 - before - after) * np.eye(size) + before * there + after * back
    return weights


def mixing(values: Values, episode: Episode) -> Array:
    """The matrix (3, 3) over the colours, about mid-grey."""
    if values["random_conv"] == 0:
        return np.eye(3)
    drawn = np.sqrt(3) * _signed(episode, "random_conv colors", 9).reshape(3, 3)
    matrix: Array = np.eye(3) + values["random_conv"] * (drawn - np.eye(3))
    return matrix


def _signed(episode: Episode, purpose: str, count: int) -> Array:
    numbers: Array = 2 * episode.uniform(purpose, count) - 1
    return numbers
