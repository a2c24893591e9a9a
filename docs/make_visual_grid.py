"""Draw docs/images/visual_factors.png: each visual factor over TwoRoom, at two values."""

from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from matplotlib.figure import Figure

import swm.envs
from swm.core.factors import Factor

PATH = Path(__file__).parent / "images" / "visual_factors.png"
SEVERITIES = (0.35, 1.0)
COLUMNS = 8
SCENE = {"agent.position": (60.0, 70.0), "target.position": (165.0, 150.0), "target.visible": 1}


def values_of(factor: Factor) -> list[Any]:
    """A low and the full severity, upwards; both ends of a factor that multiplies."""
    assert isinstance(factor.space, spaces.Box)
    low, high = factor.space.low, factor.space.high
    if np.all(factor.default == 1):
        return [low.tolist(), high.tolist()]
    return [np.asarray(factor.default + severity * (high - factor.default)).tolist() for severity in SEVERITIES]


def main() -> None:
    """Draw and save the grid."""
    env = swm.envs.make("swm/TwoRoom-v0", image_size=224, visual="all")
    cells: list[tuple[str, dict[str, Any]]] = [("default", {})]
    for name, factor in env.factors.items():
        if factor.group == "visual":
            for chosen in values_of(factor):
                shown = ", ".join(f"{number:.2g}" for number in np.ravel(chosen))
                cells.append((f"{name.removeprefix('visual.')} = {shown}", {name: chosen}))
    rows = -(-len(cells) // COLUMNS)
    figure = Figure(figsize=(COLUMNS * 1.3, rows * 1.46), dpi=120)
    for index, (title, values) in enumerate(cells):
        axes = figure.add_subplot(rows, COLUMNS, index + 1)
        env.reset(seed=4, options={"variation": {**SCENE, **values}})
        axes.imshow(env.render())
        axes.set_title(title, fontsize=6.5)
        axes.set_axis_off()
    figure.subplots_adjust(left=0.01, right=0.99, top=0.95, bottom=0.005, wspace=0.06, hspace=0.2)
    figure.savefig(PATH)


if __name__ == "__main__":
    main()
