"""The rows of the mazes in the table of environments."""

from typing import Any

from swm.envs.row import EnvRow


def _row(maze: str, max_episode_steps: int, summary: str, **differences: Any) -> EnvRow:
    return EnvRow(
        target="swm.envs.point_maze.env:PointMazeEnv",
        native="swm.envs.point_maze.env:PointMazeVector",
        expert="swm.envs.point_maze.expert:PointMazeExpert",
        kwargs={"maze": maze},
        expert_kwargs={"maze": maze},
        oracle={"noise": 0.0, "random_prob": 0.0, "wander": False},
        max_episode_steps=max_episode_steps,
        success_radius=8.0,
        unit="world units (the arena is 224 wide)",
        summary=summary,
        **differences,
    )


ROWS = {
    "swm/PointMazeU-v0": _row("u", 200, "Move a disc around the bend of a U to a goal."),
    "swm/PointMazeMedium-v0": _row("medium", 300, "Move a disc through a maze of 6 by 6 cells.", nightly=True),
    "swm/PointMazeLarge-v0": _row("large", 500, "Move a disc through a maze of 9 by 9 cells.", nightly=True),
    "swm/PointMazeRandom-v0": _row("random", 500, "Move a disc through one of many mazes, other ones for testing."),
}
