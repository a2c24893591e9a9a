"""Draw docs/images/<name>_factors.png: an environment's start and goal, and each factor at its ends.

    python docs/make_factor_grids.py [FAMILY or ID ...]

A family is drawn by its first environment that is not nightly, `SEVERAL` says where by more of them.
A factor that acts on the motion alone is shown by the same actions under both values: the start and,
paler, the moments on the way to the last frame; where the whole picture moves, by the last frame.
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from matplotlib.figure import Figure

import swm.envs
from swm.core.errors import InvalidValueError
from swm.core.factors import Factor
from swm.core.spaces import action_bounds, is_rgb
from swm.envs import FactoredEnv
from swm.testing.common import family

FOLDER = Path(__file__).parent / "images"
SEVERAL = ("classic",)
"""Families of different environments: each that is not nightly is drawn."""
SIZE, COLUMNS, CELL = 160, 10, 1.28
"""Pixels of the pictures that are rendered, cells per row, inches of a cell."""
SEED = 1
STEPS = (14, 28, 56, 112)
"""Steps of a motion: the first number whose last frames differ visibly, else the last."""
CHANGED = 20
"""A pixel has changed if a channel differs by more than this, of 255."""
MOVING_CAMERA = 0.4
"""If a larger share of the pixels changes during a motion, the last frame stands for it."""
GHOSTS = 8


@dataclass(frozen=True)
class Cell:
    """One picture with its title."""

    title: str
    picture: np.ndarray


def values(factor: Factor) -> list[Any]:
    """The values to show: two colours, up to four integers, or both ends of a range."""
    if is_rgb(factor.space):
        return [(90, 60, 160), (255, 150, 40)]
    if isinstance(factor.space, spaces.Discrete):
        every = [int(factor.space.start + i) for i in range(int(factor.space.n))]
        return every if len(every) <= 4 else [every[0], every[-1]]
    return [factor.space.low, factor.space.high]


def begin(env: FactoredEnv, factor: Factor, value: Any) -> Any:
    """Reset to `value`, or as near to it as the defaults of the other factors allow; return what it became."""
    for share in (1.0, 0.9, 0.75, 0.5, 0.25):
        near = value
        if isinstance(factor.space, spaces.Box):
            middle = np.asarray(factor.default, np.float64)
            near = np.asarray(middle + share * (np.asarray(value) - middle), factor.space.dtype)
        try:
            _, info = env.reset(seed=SEED, options={"variation": {factor.name: near}})
        except InvalidValueError:
            continue
        return info["variation"][factor.name]
    raise InvalidValueError(f"no value of {factor.name!r} near {value!r} goes with the defaults.")


def move(env: FactoredEnv, steps: int) -> list[np.ndarray]:
    """Pictures (steps + 1) under actions that turn slowly, from the running episode's start."""
    low, high = (np.asarray(bound, np.float64) for bound in action_bounds(env.action_space))
    pictures = [env.observe()[0]["pixels"]]
    for angle in np.linspace(-np.pi / 2, np.pi / 3, steps):
        action = (low + high) / 2 + 0.45 * (high - low) * np.cos(
            angle - np.arange(low.size).reshape(low.shape) * np.pi / 2
        )
        discrete = not isinstance(env.action_space, spaces.Box)
        pictures.append(env.step(np.rint(action) if discrete else action)[0]["pixels"])
    return pictures


def changes(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Which pixels differ."""
    return np.abs(a.astype(np.float64) - b).max(axis=-1) > CHANGED


def tell_apart(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    """Whether two motions end visibly apart: most of what moved is elsewhere."""
    moved = max(changes(motion[0], motion[-1]).sum() for motion in (one, other))
    return bool(changes(one[-1], other[-1]).sum() > 0.6 * moved > 0)


def onion(pictures: list[np.ndarray]) -> np.ndarray:
    """The last picture over paler earlier ones; the last alone if nearly everything changes."""
    still = np.median(pictures, axis=0)
    if np.any([changes(picture, pictures[0]) for picture in pictures], axis=0).mean() > MOVING_CAMERA:
        return pictures[-1]
    drawn = still
    chosen = np.unique(np.linspace(0, len(pictures) - 1, GHOSTS).astype(int))
    for index in chosen:
        moving = np.clip(np.abs(pictures[index] - still).max(axis=-1, keepdims=True) / (2 * CHANGED), 0, 1)
        opacity = moving * (1.0 if index == chosen[-1] else 0.2 + 0.4 * index / len(pictures))
        drawn = drawn * (1 - opacity) + pictures[index] * opacity
    return np.rint(drawn).astype(np.uint8)


def factor_cells(env: FactoredEnv, factor: Factor) -> list[Cell]:
    """The factor's values: in the start, in the goal if the start does not show them, or in the motion."""
    chosen, starts, goals = [], [], []
    for value in values(factor):
        chosen.append(begin(env, factor, value))
        starts.append(env.observe()[0]["pixels"])
        goals.append(env.goal_pixels())
    titles = [_title(factor, value) for value in chosen]
    if factor.kind != "physical":
        in_goal = not np.any(starts[0] != starts[-1])
        return [
            Cell(f"{title}, goal" if in_goal else title, picture)
            for title, picture in zip(titles, goals if in_goal else starts, strict=True)
        ]
    for steps in STEPS:
        motions = []
        for value in chosen:
            begin(env, factor, value)
            motions.append(move(env, steps))
        if tell_apart(motions[0], motions[-1]):
            break
    return [Cell(f"{title}, {steps} steps", onion(m)) for title, m in zip(titles, motions, strict=True)]


def _title(factor: Factor, value: Any) -> str:
    if is_rgb(factor.space):
        return f"{factor.name}\n"
    numbers = np.asarray(value, np.float64).ravel()
    shown = ", ".join(f"{number:.3g}" for number in numbers[:3]) + (", …" if len(numbers) > 3 else "")
    return f"{factor.name}\n{shown}"


def draw(env_id: str, name: str) -> None:
    """Draw and save the grid of one environment."""
    env = swm.envs.make(env_id, image_size=SIZE)
    env.reset(seed=SEED)
    cells = [Cell("start\n", env.observe()[0]["pixels"]), Cell("goal\n", env.goal_pixels())]
    for factor in env.factors.values():
        cells.extend(factor_cells(env, factor))
    env.close()
    rows = -(-len(cells) // COLUMNS)
    height = CELL + 0.3
    figure = Figure(figsize=(COLUMNS * CELL, rows * height), dpi=120)
    for index, cell in enumerate(cells):
        row, column = divmod(index, COLUMNS)
        bottom = 1 - ((row + 1) * height - 0.02) / (rows * height)
        axes = figure.add_axes((column / COLUMNS + 0.001, bottom, 1 / COLUMNS - 0.002, (CELL - 0.03) / (rows * height)))
        axes.imshow(cell.picture)
        axes.set_title(cell.title, fontsize=6.5, pad=2, linespacing=1.1)
        axes.set_axis_off()
    FOLDER.mkdir(exist_ok=True)
    figure.savefig(FOLDER / f"{name}_factors.png", pil_kwargs={"optimize": True})


def slug(env_id: str) -> str:
    """The name of an environment in a file's name: ``swm/CartPole-v0`` is ``cart_pole``."""
    bare = re.sub(r"-v\d+$", "", env_id.partition("/")[2])
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|-", "_", bare).lower().strip("_")


def named(word: str) -> dict[str, str]:
    """What a family or an id asks for: id -> name of its picture."""
    if word in swm.envs.ENVS:
        return {word: slug(word)}
    ids = [env_id for env_id in swm.envs.ENVS if family(env_id) == word]
    if not ids:
        raise SystemExit(f"{word!r} is neither an environment nor a family of them")
    light = [env_id for env_id in ids if not swm.envs.ENVS[env_id].nightly] or ids
    return {env_id: slug(env_id) for env_id in light} if word in SEVERAL else {light[0]: word}


if __name__ == "__main__":
    for word in sys.argv[1:] or dict.fromkeys(map(family, swm.envs.ENVS)):
        for env_id, name in named(word).items():
            draw(env_id, name)
