"""Pictures are exact area averages with anti-aliased discs, whatever the size."""

import numpy as np
import pytest

from swm.envs.arena.geometry import SIZE, stack
from swm.envs.arena.render import draw_discs
from swm.envs.two_room import render
from swm.envs.two_room.env import TwoRoomEnv
from swm.envs.two_room.factors import FACTORS


@pytest.mark.parametrize("size", [(16, 16), (50, 50), (64, 96)])
def test_the_arena_is_the_area_average_of_the_regions(size: tuple[int, int]) -> None:
    """Against brute force: every pixel is the mean colour of many points in it."""
    fine = 12
    values = stack([FACTORS.resolve("all", seed) for seed in range(6)], tuple(FACTORS))
    drawn = render.draw_arena(values, size)
    y, x = ((np.arange(side * fine) + 0.5) * SIZE / (side * fine) for side in size)
    for row in range(6):
        picture = np.empty((len(y), len(x), 3))
        picture[:] = values["background.color"][row]
        vertical = values["wall.axis"][row] == 1
        across, along = (x[None], y[:, None]) if vertical else (y[:, None], x[None])
        half = values["wall.thickness"][row] / 2
        band = np.broadcast_to(np.abs(across - values["wall.position"][row]) < half, picture.shape[:2])
        picture[band] = values["wall.color"][row]
        for door in values["door.position"][row][: values["door.number"][row]]:
            picture[band & (np.abs(along - door) < values["door.width"][row])] = values["door.color"][row]
        edge = np.maximum(np.abs(x[None] - SIZE / 2), np.abs(y[:, None] - SIZE / 2))
        picture[edge > SIZE / 2 - values["border.thickness"][row]] = values["border.color"][row]
        mean = picture.reshape(size[0], fine, size[1], fine, 3).mean(axis=(1, 3))
        assert np.abs(drawn[row] - mean).max() < 255 / fine * 2
        assert np.abs(drawn[row] - mean).mean() < 1.0


@pytest.mark.parametrize("size", [24, 32, 64, 224])
def test_a_disc_covers_its_area_at_its_place(size: int) -> None:
    rng = np.random.default_rng(size)
    count = 40
    centre, radius = rng.uniform(20, 204, (count, 2)), rng.uniform(4, 12, count)
    pictures = np.zeros((count, size, size, 3), np.uint8)
    draw_discs(pictures, centre, radius, np.full((count, 3), 255))
    cover = pictures[..., 0] / 255
    cell = SIZE / size
    area = cover.sum(axis=(1, 2)) * cell**2
    assert area == pytest.approx(np.pi * radius**2, rel=0.02 + 0.1 * (cell / 4) ** 2)
    grid = (np.arange(size) + 0.5) * cell
    mean = np.stack([(cover * grid).sum(axis=(1, 2)), (cover * grid[:, None]).sum(axis=(1, 2))], axis=1) * cell**2
    assert np.abs(mean / area[:, None] - centre).max() < 0.15 * cell


def test_a_disc_moves_its_picture_continuously() -> None:
    """A thousandth of a unit never changes a pixel by more than rounding: nothing snaps to the grid."""
    count = 200
    centre = np.stack([np.linspace(60, 61, count), np.full(count, 70.3)], axis=1)
    pictures = np.zeros((count, 64, 64, 3), np.uint8)
    draw_discs(pictures, centre, np.full(count, 7.0), np.full((count, 3), 255))
    assert np.abs(np.diff(pictures.astype(int), axis=0)).max() <= 2


def test_discs_do_not_depend_on_the_other_rows_and_stay_inside_the_picture() -> None:
    rng = np.random.default_rng(0)
    centre, radius = rng.uniform(12, 212, (20, 2)), rng.uniform(4, 12, 20)
    color = rng.integers(0, 256, (20, 3))
    together = np.full((20, 33, 47, 3), 90, np.uint8)
    draw_discs(together, centre, radius, color)
    for row in range(20):
        alone = np.full((1, 33, 47, 3), 90, np.uint8)
        draw_discs(alone, centre[[row]], radius[[row]], color[[row]])
        assert np.array_equal(alone[0], together[row])


def test_the_agent_is_drawn_over_the_target_and_an_invisible_target_is_not_drawn() -> None:
    env = TwoRoomEnv(64)
    exact = {"agent.position": [60.0, 150.0], "target.position": [180.0, 150.0]}
    shown, _ = env.reset(seed=0, options={"variation": {**exact, "target.visible": 1}})
    x, y = (int(v * 64 / SIZE) for v in (180.0, 150.0))
    assert tuple(shown["pixels"][y, x]) == tuple(FACTORS["target.color"].default)
    assert tuple(env.goal_pixels()[y, x]) == tuple(FACTORS["agent.color"].default)
    hidden, _ = env.reset(seed=0, options={"variation": {**exact, "target.visible": 0}})
    assert tuple(hidden["pixels"][y, x]) == tuple(FACTORS["background.color"].default)
    assert not np.array_equal(env.goal_pixels(), hidden["pixels"])
