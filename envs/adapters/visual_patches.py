"""Squares in front of the scene: still, moving, and blacked out."""

import numpy as np

from swm.core.protocols import Array
from swm.envs.adapters.visual_stage import Episode, Stage, Values, paint, strength

_SHARE = "share of the picture's side"
NUM_OCCLUDERS = 3
SPEED = 0.02
"""Of the moving patch along each axis, as a share of the picture's side per step."""
FACTORS = (
    strength("occlusion", 0.35, f"side of {NUM_OCCLUDERS} coloured squares that stand still for an episode", _SHARE),
    strength("moving_patch", 0.35, "side of a coloured square that moves and bounces off the picture's edges", _SHARE),
    strength("cutout", 0.4, "side of a black square, at another place at every step", _SHARE),
)


def prepare(values: Values, episode: Episode) -> Stage | None:
    """Paint the squares that have a size."""
    stages = [
        make(values[name], episode)
        for name, make in (("occlusion", _still), ("moving_patch", _moving), ("cutout", _black))
        if values[name] > 0
    ]
    if not stages:
        return None

    def stage(picture: Array, step: int) -> Array:
        for each in stages:
            each(picture, step)
        return picture

    return stage


def _still(side: float, episode: Episode) -> Stage:
    numbers = episode.uniform("occlusion", NUM_OCCLUDERS * 5).reshape(NUM_OCCLUDERS, 5)

    def stage(picture: Array, step: int) -> Array:
        for row in numbers:
            paint(picture, row[:2], side, 255 * row[2:])
        return picture

    return stage


def _moving(side: float, episode: Episode) -> Stage:
    numbers = episode.uniform("moving_patch", 7)
    room, color = 1 - side, 255 * numbers[4:]
    velocity = SPEED * np.where(numbers[2:4] < 0.5, -1, 1)

    def stage(picture: Array, step: int) -> Array:
        way = (numbers[:2] * room + velocity * step) % (2 * room)
        paint(picture, side / 2 + np.minimum(way, 2 * room - way), side, color)
        return picture

    return stage


def _black(side: float, episode: Episode) -> Stage:
    def stage(picture: Array, step: int) -> Array:
        paint(picture, side / 2 + (1 - side) * episode.uniform("cutout", 2, step), side, np.zeros(3))
        return picture

    return stage
