"""Colours: brightness, contrast, saturation, hue, grey, and the colours of the random convolution.

All of them are affine in RGB, so together they are one matrix and one offset per frame.
"""

import numpy as np

from swm.core.protocols import Array
from swm.envs.adapters import visual_random_conv
from swm.envs.adapters.linear import EIGHTHS, WHITE
from swm.envs.adapters.visual_stage import Episode, Stage, Values, real, strength

FACTORS = (
    real("brightness", 0.3, 1.7, 1.0, "factor of all colours"),
    real("contrast", 0.2, 1.8, 1.0, "factor of the difference to mid-grey"),
    real("saturation", 0.0, 2.5, 1.0, "factor of the difference to the grey of the same brightness"),
    real("hue", -0.5, 0.5, 0.0, "rotation of all hues", "turns"),
    strength("grayscale", 1.0, "share of the colour that is taken away"),
)
_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
_MID_GREY = 127.5
_UNIT = 4096


def prepare(values: Values, episode: Episode) -> Stage | None:
    """Combine the effects into one affine map, clipped to the range of colours at its end."""
    matrix, offset = _affine(values, episode)
    if np.array_equal(matrix, np.eye(3)) and not offset.any():
        return None
    weights = np.rint(matrix * _UNIT)
    constant = np.rint(offset * EIGHTHS * _UNIT)[:, None]

    def stage(picture: Array, step: int) -> Array:
        mapped = np.rint((weights @ picture.reshape(3, -1).astype(np.float64) + constant) / _UNIT)
        clipped: Array = np.clip(mapped, 0, WHITE).astype(np.float32)
        return clipped.reshape(picture.shape)

    return stage


def _affine(values: Values, episode: Episode) -> tuple[Array, Array]:
    """The matrix (3, 3) and the offset (3,) in grey levels."""
    gain = values["brightness"] * values["contrast"] * np.eye(3)
    chroma = values["saturation"] * (1 - values["grayscale"])
    mixing = visual_random_conv.mixing(values, episode)
    tint = np.eye(3) if chroma == 1 and values["hue"] == 0 else _chroma(chroma, 2 * np.pi * values["hue"])
    offset = _MID_GREY * (1 - values["contrast"]) * (mixing @ tint).sum(axis=1) + _MID_GREY * (1 - mixing.sum(axis=1))
    return mixing @ tint @ gain, offset


def _chroma(scale: float, angle: float) -> Array:
    """Scale and rotate the two dimensions of colour, and leave the brightness."""
    turn = np.eye(3)
    turn[1:, 1:] = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix: Array = np.linalg.inv(_YIQ) @ turn @ _YIQ
    return matrix
