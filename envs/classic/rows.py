"""The rows of Gymnasium's classic control in the table of environments."""

from typing import Any

from swm.envs.row import EnvRow

_ORACLE: dict[str, Any] = {"random_prob": 0.0}


def _row(module: str, name: str, **more: Any) -> EnvRow:
    return EnvRow(
        target=f"swm.envs.classic.{module}:{name}Env",
        expert=f"swm.envs.classic.experts:{name}Expert",
        oracle=_ORACLE,
        **more,
    )


ROWS = {
    "swm/CartPole-v0": _row(
        "cart_pole",
        "CartPole",
        expert_kwargs={"random_steps": 1},
        max_episode_steps=500,
        goal_offset=100,
        success_radius=0.1,
        unit="m",
        summary="Balance a pole on a cart and bring it to a place.",
    ),
    "swm/MountainCar-v0": _row(
        "mountain_car",
        "MountainCar",
        noop=1,
        max_episode_steps=300,
        success_radius=0.05,
        unit="of the valley's coordinate (it is 1.8 wide)",
        summary="Drive an underpowered car out of a valley.",
    ),
    "swm/MountainCarContinuous-v0": _row(
        "mountain_car",
        "MountainCarContinuous",
        max_episode_steps=999,
        nightly=True,
        success_radius=0.05,
        unit="of the valley's coordinate (it is 1.8 wide)",
        summary="Drive an underpowered car out of a valley, with any force.",
    ),
    "swm/Acrobot-v0": _row(
        "acrobot",
        "Acrobot",
        noop=1,
        max_episode_steps=500,
        success_radius=0.2,
        unit="m",
        summary="Swing a two-link arm above a line with a motor at its elbow.",
    ),
    "swm/Pendulum-v0": _row(
        "pendulum",
        "Pendulum",
        max_episode_steps=200,
        success_radius=0.15,
        unit="rad (1 rad/s counts as 0.2 rad)",
        summary="Swing a rod up with a weak motor and hold it upright.",
    ),
}
