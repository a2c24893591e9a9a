"""The rows of OGBench in the table of environments."""

from swm.envs.row import EnvRow

_CUBES = {"Single": (1, 200), "Double": (2, 500), "Triple": (3, 1000), "Quadruple": (4, 1000), "Octuple": (8, 1500)}
"""Name -> number of cubes and OGBench's time limit."""


def _cube(name: str, count: int, steps: int) -> EnvRow:
    return EnvRow(
        target="swm.envs.ogbench.manipulation:CubeEnv",
        kwargs={"kind": name.lower()},
        extra="ogbench",
        expert="swm.envs.ogbench.expert:ManipulationExpert",
        expert_kwargs={"kind": name.lower()},
        oracle={"noise": 0.0, "random_prob": 0.0, "wander": False},
        max_episode_steps=steps,
        success_radius=0.04,
        unit="m",
        nightly=name != "Single",
        summary=f"Move {'a cube' if count == 1 else f'{count} cubes'} with a robot arm and its gripper to given places.",
    )


ROWS = {f"swm/OGBCube{name}-v0": _cube(name, *numbers) for name, numbers in _CUBES.items()}
