"""The rows of OGBench in the table of environments."""

from swm.envs.row import EnvRow

_CUBES = {"Single": (1, 200), "Double": (2, 500), "Triple": (3, 1000), "Quadruple": (4, 1000), "Octuple": (8, 1500)}
"""Name -> number of cubes and OGBench's time limit."""


def _cube(name: str, count: int, steps: int) -> EnvRow:
    return EnvRow(
        target="swm.envs.ogbench.cube:CubeEnv",
        kwargs={"kind": name.lower()},
        extra="ogbench",
        expert="swm.envs.ogbench.expert:ManipulationExpert",
        expert_kwargs={"kind": name.lower()},
        oracle={"noise": 0.0, "random_prob": 0.0, "wander": False},
        max_episode_steps=steps,
        success_radius=0.04,
        unit="m",
        nightly=name != "Single",
        summary=f"Move {'a cube' if count == 1 else f'{count} cubes'} with a robot arm to given places.",
    )


def _maze(agent: str, maze: str) -> EnvRow:
    point = agent == "point"
    return EnvRow(
        target="swm.envs.ogbench.maze:MazeEnv",
        kwargs={"agent": agent, "maze": maze},
        extra="ogbench",
        expert="swm.envs.ogbench.maze_expert:PointMazeExpert" if point else None,
        expert_kwargs={"maze": maze} if point else {},
        oracle={"noise": 0.0, "random_prob": 0.0, "wander": False} if point else {},
        max_episode_steps=1000,
        success_radius=1.0 if point else 0.5,
        unit="m",
        nightly=not point or maze != "medium",
        summary=f"{'Steer a point' if point else 'Walk a four-legged ant'} through a {maze} maze to a goal.",
    )


_SCENE = EnvRow(
    target="swm.envs.ogbench.scene:SceneEnv",
    extra="ogbench",
    expert="swm.envs.ogbench.expert:ManipulationExpert",
    expert_kwargs={"kind": "scene"},
    oracle={"noise": 0.0, "random_prob": 0.0, "wander": False},
    max_episode_steps=750,
    success_radius=0.04,
    unit="m",
    nightly=True,
    summary="Put a cube, a drawer, a window and the buttons that lock them into a given state.",
)

ROWS = {
    **{f"swm/OGBCube{name}-v0": _cube(name, *numbers) for name, numbers in _CUBES.items()},
    "swm/OGBScene-v0": _SCENE,
    **{
        f"swm/OGB{agent}Maze{maze}-v0": _maze(agent.lower(), maze.lower())
        for agent in ("Point", "Ant")
        for maze in ("Medium", "Large", "Giant")
    },
}
