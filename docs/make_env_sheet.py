"""Draw docs/images/environments.png: one picture of each family of environments.

python docs/make_env_sheet.py
"""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import swm.envs
from swm.envs import FactoredEnv

SIZE, COLUMNS, CELL = 160, 6, 1.34
"""Pixels of a picture, pictures per row, inches of one."""
PICTURES: dict[str, tuple[str, int, dict[str, Any]]] = {
    "TwoRoom": ("swm/TwoRoom-v0", 3, {"target.visible": 1}),
    "PointMaze": ("swm/PointMazeMedium-v0", 3, {"target.visible": 1}),
    "Piecewise": ("swm/Piecewise-v0", 1, {"zones.visible": 1, "target.visible": 1}),
    "PushT": ("swm/PushT-v0", 1, {"goal.visible": 1}),
    "Classic control": ("swm/Acrobot-v0", 1, {"upper.angle": 0.9, "lower.angle": 0.8}),
    "DeepMind Control": ("swm/DMC-CheetahRun-v0", 1, {}),
    "OGBench": ("swm/OGBScene-v0", 3, {}),
    "OGBench mazes": ("swm/OGBAntMazeMedium-v0", 1, {"target.visible": 1}),
    "Fetch": ("swm/FetchPickAndPlace-v0", 3, {}),
    "MuJoCo models": ("Humanoid-v5", 1, {}),
    "any Gymnasium id": ("gym:MiniGrid-DoorKey-8x8-v0", 2, {}),
    "visual factors": ("swm/PushT-v0", 1, {"visual.background": 0.7}),
}
"""Title -> environment, seed, and the factors that do not have their defaults."""


def make(env_id: str, variation: dict[str, Any]) -> FactoredEnv:
    """Make what a row of `PICTURES` names."""
    if env_id not in swm.envs.ENVS:
        return swm.envs.factorize(env_id, image_size=SIZE)
    visual = [name.removeprefix("visual.") for name in variation if name.startswith("visual.")]
    return swm.envs.make(env_id, image_size=SIZE, visual=visual or None)


def picture(env_id: str, seed: int, variation: dict[str, Any]) -> np.ndarray:
    """The first picture of an episode."""
    env = make(env_id, variation)
    observation, _ = env.reset(seed=seed, options={"variation": variation})
    env.close()
    return np.asarray(observation["pixels"])


def main() -> None:
    """Draw and save the sheet."""
    rows = -(-len(PICTURES) // COLUMNS)
    height = CELL + 0.2
    figure = Figure(figsize=(COLUMNS * CELL, rows * height), dpi=150)
    for index, (title, row) in enumerate(PICTURES.items()):
        line, column = divmod(index, COLUMNS)
        bottom = 1 - ((line + 1) * height - 0.02) / (rows * height)
        axes = figure.add_axes((column / COLUMNS + 0.004, bottom, 1 / COLUMNS - 0.008, (CELL - 0.03) / (rows * height)))
        axes.imshow(picture(*row))
        axes.set_title(title, fontsize=7.5, pad=2)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set(color="0.75", linewidth=0.5)
    figure.savefig(Path(__file__).parent / "images" / "environments.png", pil_kwargs={"optimize": True})


if __name__ == "__main__":
    main()
