"""Draw docs/images/<name>_factors.png: an environment's start and goal, and each factor at its ends.

    python docs/make_factor_grids.py [FAMILY or ID ...]

A family is drawn by its first environment that is not nightly, `SEVERAL` says where by more of them;
the family ``mujoco`` by an environment of Gymnasium that `swm.envs.factorize` gives factors.
A factor that acts on the motion alone is shown by the same actions under both values, the expert's in
the default episode, or from another start if they never meet what the factor acts on: the last frame
and, paler, moments on the way; where the whole picture moves, the last frame alone.
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
from swm.rollout import EpisodeRequest, run_episodes
from swm.testing.common import family

FOLDER = Path(__file__).parent / "images"
SEVERAL = ("classic",)
"""Families of different environments: each that is not nightly is drawn."""
FACTORIZED = {"mujoco": "HalfCheetah-v5"}
"""Families without rows: the environment of Gymnasium that shows what `factorize` derives."""
SIZE, COLUMNS, CELL = 160, 10, 1.28
"""Pixels of the pictures that are rendered, cells per row, inches of a cell."""
SEED = 1
STEPS = (14, 28, 56, 112)
"""Steps of a motion: the first number whose last frames differ visibly, else the one where they differ most."""
VISIBLE = 0.6
"""Two motions differ visibly if this share of what moved is elsewhere."""
FAINT = 0.1
"""Below this share, a factor hardly acts on the motion, and other starts are tried."""
STARTS = 4
"""Starts that are tried."""
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
    """The values to show: two colours, up to eight integers, or both ends of a range."""
    if is_rgb(factor.space):
        return [(90, 60, 160), (255, 150, 40)]
    if isinstance(factor.space, spaces.Discrete):
        every = [int(factor.space.start + i) for i in range(int(factor.space.n))]
        return every if len(every) <= 8 else [every[0], every[-1]]
    return [factor.space.low, factor.space.high]


def begin(env: FactoredEnv, factor: Factor, value: Any, seed: int = SEED) -> Any:
    """Reset to `value`, or as near to it as the defaults of the other factors allow; return what it became."""
    for share in (1.0, 0.9, 0.75, 0.5, 0.25):
        near = value
        if isinstance(factor.space, spaces.Box):
            middle = np.asarray(factor.default, np.float64)
            near = np.asarray(middle + share * (np.asarray(value) - middle), factor.space.dtype)
        try:
            _, info = env.reset(seed=seed, options={"variation": {factor.name: near}})
        except InvalidValueError:
            continue
        return info["variation"][factor.name]
    raise InvalidValueError(f"no value of {factor.name!r} near {value!r} goes with the defaults.")


def commands(env_id: str, env: FactoredEnv) -> np.ndarray:
    """Actions (STEPS[-1], ...): the expert's in the default episode, or ones that turn slowly."""
    row, steps = swm.envs.ENVS.get(env_id), STEPS[-1]
    if row is not None and row.expert is not None:
        executor = swm.envs.make_executor(env_id, 1, 32, "inline", render_mode=None)
        expert = swm.envs.make_expert(env_id, **row.oracle)
        (record,) = run_episodes(executor, expert, [EpisodeRequest(seed=SEED, max_steps=steps)], keep=["state"])
        executor.close()
        return record.action[np.minimum(np.arange(steps), len(record.action) - 1)]
    low, high = (np.asarray(bound, np.float64) for bound in action_bounds(env.action_space))
    phase = np.arange(low.size).reshape(low.shape) * np.pi / 2
    angles = np.linspace(-np.pi / 2, 2 * np.pi, steps)
    turning = np.stack([(low + high) / 2 + 0.45 * (high - low) * np.cos(angle - phase) for angle in angles])
    return turning if isinstance(env.action_space, spaces.Box) else np.rint(turning)


def changes(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Which pixels differ."""
    return np.abs(a.astype(np.float64) - b).max(axis=-1) > CHANGED


def same(pictures: list[np.ndarray]) -> bool:
    """Whether all pictures are equal."""
    return all(np.array_equal(picture, pictures[0]) for picture in pictures)


def parting(one: list[np.ndarray], other: list[np.ndarray]) -> float:
    """How far apart two motions end: the pixels that differ, as a share of those that moved."""
    moved = max(changes(motion[0], motion[-1]).sum() for motion in (one, other))
    return float(changes(one[-1], other[-1]).sum() / max(moved, 1))


def scenery(env: FactoredEnv) -> list[np.ndarray]:
    """Pictures of many states, whose median shows what stands still."""
    env.reset(seed=SEED)
    rng, pictures = np.random.default_rng(SEED), []
    for _ in range(13):
        env.set_goal(env.sample_goal(rng))
        pictures.append(env.goal_pixels())
    return pictures


def onion(pictures: list[np.ndarray], others: list[np.ndarray]) -> np.ndarray:
    """The last picture over paler earlier ones; the last alone if nearly everything changes."""
    if np.any([changes(picture, pictures[0]) for picture in pictures], axis=0).mean() > MOVING_CAMERA:
        return pictures[-1]
    chosen = np.unique(np.linspace(0, len(pictures) - 1, GHOSTS).astype(int))
    drawn = still = np.median([*others, *(pictures[index] for index in chosen)], axis=0)
    for index in chosen:
        moving = np.clip(np.abs(pictures[index] - still).max(axis=-1, keepdims=True) / (2 * CHANGED), 0, 1)
        opacity = moving * (1.0 if index == chosen[-1] else 0.2 + 0.4 * index / len(pictures))
        drawn = drawn * (1 - opacity) + pictures[index] * opacity
    return np.rint(drawn).astype(np.uint8)


class Grid:
    """The cells of one environment."""

    def __init__(self, env: FactoredEnv, actions: np.ndarray) -> None:
        """Begin with the start and the goal of the default episode; motions take `actions`."""
        self.env, self.actions = env, actions
        self.scenery = scenery(env)
        env.reset(seed=SEED)
        self.start, self.goal = env.observe()[0]["pixels"], env.goal_pixels()
        self.cells = [Cell("start\n", self.start), Cell("goal\n", self.goal)]

    def add(self, factor: Factor) -> None:
        """Add the factor's values: in the start, in the goal if the start does not show them, or in the motion."""
        chosen, starts, goals = self.show(factor, values(factor))
        in_start, in_goal = not same([self.start, *starts]), not same([self.goal, *goals])
        if (in_start or in_goal) and same(starts) and same(goals):  # a range that is a whole turn: its middle
            chosen, starts, goals = self.show(factor, [chosen[0], (np.asarray(chosen[0]) + np.asarray(chosen[1])) / 2])
        if in_start or in_goal:
            shown, note = (starts, "") if in_start else (goals, ", goal")
        else:
            shown, note = self.motions(factor, chosen)
        self.cells += [
            Cell(_title(factor, value) + note, picture) for value, picture in zip(chosen, shown, strict=True)
        ]

    def show(self, factor: Factor, wanted: list[Any]) -> tuple[list[Any], list[np.ndarray], list[np.ndarray]]:
        """The values that the factor became, and start and goal under each."""
        chosen, starts, goals = [], [], []
        for value in wanted:
            chosen.append(begin(self.env, factor, value))
            starts.append(self.env.observe()[0]["pixels"])
            goals.append(self.env.goal_pixels())
        return chosen, starts, goals

    def motions(self, factor: Factor, chosen: list[Any]) -> tuple[list[np.ndarray], str]:
        """The same actions under each value, from the start and for as many steps as show a difference best."""
        found: list[tuple[float, int, list[list[np.ndarray]]]] = []
        for seed in range(SEED, SEED + STARTS):
            whole = [self.motion(factor, value, seed) for value in chosen]
            for steps in STEPS:
                motions = [motion[: steps + 1] for motion in whole]
                found.append((parting(motions[0], motions[-1]), steps, motions))
                if found[-1][0] > VISIBLE:
                    break
            if max(share for share, *_ in found) > FAINT:
                break
        _, steps, best = max(found, key=lambda each: each[0])
        return [onion(motion, self.scenery) for motion in best], f", {steps} steps"

    def motion(self, factor: Factor, value: Any, seed: int) -> list[np.ndarray]:
        """The pictures of an episode under `value`, the first one included."""
        begin(self.env, factor, value, seed)
        return [self.env.observe()[0]["pixels"], *(self.env.step(action)[0]["pixels"] for action in self.actions)]


def _title(factor: Factor, value: Any) -> str:
    if is_rgb(factor.space):
        return f"{factor.name}\n"
    numbers = np.asarray(value, np.float64).ravel()
    shown = ", ".join(f"{number:.3g}" for number in numbers[:3]) + (", …" if len(numbers) > 3 else "")
    return f"{factor.name}\n{shown}"


def draw(env_id: str, name: str) -> None:
    """Draw and save the grid of one environment."""
    make = swm.envs.make if env_id in swm.envs.ENVS else swm.envs.factorize
    env = make(env_id, image_size=SIZE)
    grid = Grid(env, commands(env_id, env))
    for factor in env.factors.values():
        grid.add(factor)
    env.close()
    cells = grid.cells
    rows = -(-len(cells) // COLUMNS)
    height = CELL + 0.3
    figure = Figure(figsize=(COLUMNS * CELL, rows * height), dpi=120)
    for index, cell in enumerate(cells):
        row, column = divmod(index, COLUMNS)
        bottom = 1 - ((row + 1) * height - 0.02) / (rows * height)
        axes = figure.add_axes((column / COLUMNS + 0.001, bottom, 1 / COLUMNS - 0.002, (CELL - 0.03) / (rows * height)))
        axes.imshow(cell.picture)
        axes.set_title(cell.title, fontsize=6.5, pad=2, linespacing=1.1)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set(color="0.75", linewidth=0.5)
    FOLDER.mkdir(exist_ok=True)
    figure.savefig(FOLDER / f"{name}_factors.png", pil_kwargs={"optimize": True})


def slug(env_id: str) -> str:
    """The name of an environment in a file's name: ``swm/CartPole-v0`` is ``cart_pole``."""
    bare = re.sub(r"-v\d+$", "", env_id.partition("/")[2])
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|-", "_", bare).lower()


def named(word: str) -> dict[str, str]:
    """What a family or an id asks for: id -> name of its picture."""
    if word in swm.envs.ENVS:
        return {word: slug(word)}
    if word in FACTORIZED:
        return {FACTORIZED[word]: word}
    ids = [env_id for env_id in swm.envs.ENVS if family(env_id) == word]
    if not ids:
        raise SystemExit(f"{word!r} is neither an environment nor a family of them")
    light = [env_id for env_id in ids if not swm.envs.ENVS[env_id].nightly] or ids
    return {env_id: slug(env_id) for env_id in light} if word in SEVERAL else {light[0]: word}


if __name__ == "__main__":
    for word in sys.argv[1:] or [*dict.fromkeys(map(family, swm.envs.ENVS)), *FACTORIZED]:
        for env_id, name in named(word).items():
            draw(env_id, name)
