"""Draw docs/images/two_room_factors.png: the default arena and its goal, and each factor at two values."""

from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from matplotlib.figure import Figure

import swm.envs
from swm.core.factors import Factor
from swm.core.spaces import is_rgb

PATH = Path(__file__).parent / "images" / "two_room_factors.png"
ENV_ID = "swm/TwoRoom-v0"
PLACES = {"agent.position": (48.0, 160.0), "target.position": (176.0, 160.0)}
MARKER = {"target.visible": 1}
"""The goal is marked in all cells but those of the defaults."""
COLUMNS = 8
STEPS = 14
"""Steps of the path that is drawn for a factor that acts on the motion."""


def ends(factor: Factor) -> tuple[Any, Any]:
    """A low and a high value of the factor that the defaults of the others allow."""
    if is_rgb(factor.space):
        return (90, 60, 160), (255, 150, 40)
    if isinstance(factor.space, spaces.Discrete):
        return int(factor.space.start), int(factor.space.start + factor.space.n - 1)
    assert isinstance(factor.space, spaces.Box)
    low, high = factor.space.low, factor.space.high
    return (low.tolist(), high.tolist()) if factor.space.shape else (float(low), float(high))


def path(env: swm.envs.FactoredEnv) -> np.ndarray:
    """Positions (STEPS + 1, 2) under a command that turns, from the running episode's start."""
    angle = np.linspace(-np.pi / 2, np.pi / 3, STEPS)
    moves = np.stack([np.cos(angle), np.sin(angle)], axis=1) * 0.9
    return np.stack([env.get_state()[:2], *(env.step(move)[0]["state"][:2] for move in moves)])


def main() -> None:
    """Draw and save the grid."""
    env = swm.envs.make(ENV_ID, image_size=224)
    cells: list[tuple[str, dict[str, Any], bool]] = [("default", {}, False), ("goal picture", {}, False)]
    for name, factor in env.factors.items():
        for value in ends(factor):
            shown = "" if is_rgb(factor.space) else f" = {np.asarray(value).ravel()[0]:g}"
            cells.append((name + shown, {name: value}, factor.kind == "physical"))
    rows = -(-len(cells) // COLUMNS)
    figure = Figure(figsize=(COLUMNS * 1.3, rows * 1.46), dpi=120)
    for index, (title, values, moves) in enumerate(cells):
        axes = figure.add_subplot(rows, COLUMNS, index + 1)
        env.reset(seed=1, options={"variation": {**PLACES, **MARKER, **values} if values else PLACES})
        picture = env.goal_pixels() if title == "goal picture" else env.render()
        axes.imshow(picture, extent=(0, 224, 224, 0))
        if moves:
            x, y = path(env).T
            axes.plot(x, y, ".-", color="#dc322f", linewidth=0.8, markersize=2.5)
        axes.set_title(title, fontsize=6.5)
        axes.set_axis_off()
    figure.subplots_adjust(left=0.01, right=0.99, top=0.97, bottom=0.005, wspace=0.06, hspace=0.2)
    PATH.parent.mkdir(exist_ok=True)
    figure.savefig(PATH)


if __name__ == "__main__":
    main()
