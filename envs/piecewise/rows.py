"""The rows of the piecewise arena in the table of environments."""

from typing import Any

from swm.envs.row import EnvRow


def _row(summary: str, **differences: Any) -> EnvRow:
    return EnvRow(
        target="swm.envs.piecewise.env:PiecewiseEnv",
        native="swm.envs.piecewise.env:PiecewiseVector",
        expert="swm.envs.piecewise.expert:PiecewiseExpert",
        oracle={"noise": 0.0, "random_prob": 0.0, "wander": False},
        max_episode_steps=200,
        success_radius=16.0,
        unit="world units (the arena is 224 wide)",
        summary=summary,
        **differences,
    )


ROWS = {
    "swm/Piecewise-v0": _row("Move a disc to a goal in an arena whose 2 by 2 zones each push it another way."),
    "swm/Piecewise3x3-v0": _row(
        "The piecewise arena with 3 by 3 zones.", kwargs={"grid_n": 3}, expert_kwargs={"grid_n": 3}, nightly=True
    ),
}
