"""The benchmark's episodes: recorded ones of TwoRoom, and drawn ones in the style of PushT.

``python -m readers.drawing FOLDER SCENE EPISODES`` writes them as arrays (see `serving.Source`).
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

STEPS = 100
"""Transitions per episode."""

Floats = NDArray[np.float32]


def draw_push_t(size: int, seed: int) -> tuple[NDArray[np.uint8], Floats, Floats]:
    """An episode of a disc that chases a T which turns and moves over the outline of its goal.

    Edges are anti-aliased, the ground is plain and light, without texture.

    Returns:
        Pixels (T + 1, size, size, 3), state (T + 1, 4), action (T + 1, 2); the last action is never used.
    """
    rng = np.random.default_rng(seed)
    action = np.clip(np.cumsum(rng.normal(0, 0.4, (STEPS + 1, 2)), axis=0) * 0.3, -1, 1).astype(np.float32)
    agent = _inside(rng.uniform(0.2, 0.8, 2) + np.cumsum(0.03 * action, axis=0))
    block = _inside(rng.uniform(0.3, 0.7, 2) + np.cumsum(rng.normal(0, 0.012, (STEPS + 1, 2)), axis=0))
    angle = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.06, STEPS + 1))
    axis = ((np.arange(size) + 0.5) / size).astype(np.float32)
    points = np.stack(np.meshgrid(axis, axis), axis=-1)
    goal = np.abs(_distance_to_t(points, np.array([0.5, 0.5]), np.pi / 4)) - np.float32(0.006)
    pixels = np.empty((STEPS + 1, size, size, 3), np.uint8)
    for step in range(STEPS + 1):
        picture = np.full((size, size, 3), (246, 245, 240), np.float32)
        _paint(picture, goal, (150, 205, 150))
        _paint(picture, _distance_to_t(points, block[step], angle[step]), (110, 125, 145))
        x, y = np.moveaxis(points - agent[step], -1, 0)
        _paint(picture, np.hypot(x, y) - np.float32(0.035), (60, 90, 220))
        pixels[step] = np.rint(picture)
    return pixels, np.concatenate([agent, block], axis=1).astype(np.float32), action


def _inside(path: NDArray[np.float64]) -> Floats:
    """Reflect a path at the borders of [0.1, 0.9]."""
    return (0.1 + 0.8 * np.abs((path - 0.1) / 0.8 % 2 - 1)).astype(np.float32)


def _distance_to_t(points: Floats, center: NDArray[np.floating], angle: float) -> Floats:
    """Signed distance to a T of two bars, negative inside, in picture widths."""
    cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    x, y = np.moveaxis(points - center.astype(np.float32), -1, 0)
    x, y = cosine * x + sine * y, cosine * y - sine * x
    return np.minimum(_distance_to_box(x, y + 0.06, 0.12, 0.03), _distance_to_box(x, y - 0.045, 0.03, 0.105))


def _distance_to_box(x: Floats, y: Floats, half_width: float, half_height: float) -> Floats:
    dx, dy = np.abs(x) - np.float32(half_width), np.abs(y) - np.float32(half_height)
    outside = np.hypot(np.maximum(dx, 0), np.maximum(dy, 0))
    return np.asarray(outside + np.minimum(np.maximum(dx, dy), 0), np.float32)


def _paint(picture: Floats, distance: Floats, color: tuple[int, int, int]) -> None:
    cover = np.clip(0.5 - distance * np.float32(len(picture)), 0, 1)[..., None]
    picture += cover * (np.asarray(color, np.float32) - picture)


def record_two_room(size: int, episodes: int) -> tuple[NDArray[np.uint8], Floats, Floats, list[int]]:
    """Expert episodes of TwoRoom, losslessly: pixels, state and action, one row per picture, and their lengths."""
    import swm

    with tempfile.TemporaryDirectory() as folder, swm.World("swm/TwoRoom-v0", num_envs=32, image_size=size) as world:
        dataset = world.collect(
            f"{folder}/data", episodes=episodes, max_steps=STEPS, codec="raw", seed=0, progress=False
        )
        recorded = [dataset.episode(index) for index in range(episodes)]
    action = [np.concatenate([episode.action, episode.action[-1:]]) for episode in recorded]
    return (
        np.concatenate([episode.observation["pixels"] for episode in recorded]),
        np.concatenate([episode.observation["state"] for episode in recorded]).astype(np.float32),
        np.concatenate(action).astype(np.float32),
        [len(each) for each in action],
    )


def main(folder: Path, scene: str, episodes: int) -> None:
    """Make the episodes of ``two-room-SIZE`` or ``push-t-SIZE``."""
    folder.mkdir(parents=True)
    name, _, side = scene.rpartition("-")
    size = int(side)
    if name == "two-room":
        pixels, state, action, lengths = record_two_room(size, episodes)
        np.save(folder / "pixels.npy", pixels)
    else:
        shape = (episodes * (STEPS + 1), size, size, 3)
        stored = np.lib.format.open_memmap(folder / "pixels.npy", mode="w+", dtype=np.uint8, shape=shape)
        drawn, lengths = [], [STEPS + 1] * episodes
        for seed in range(episodes):
            frames, *rest = draw_push_t(size, seed)
            stored[seed * (STEPS + 1) : (seed + 1) * (STEPS + 1)] = frames
            drawn.append(rest)
        stored.flush()
        state, action = (np.concatenate([each[place] for each in drawn]) for place in (0, 1))
    np.save(folder / "state.npy", state)
    np.save(folder / "action.npy", action)
    np.save(folder / "lengths.npy", np.array(lengths))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
