"""The rows of DeepMind Control in the table of environments."""

from typing import Any

from swm.envs.row import EnvRow

_TARGET = "swm.envs.dmc.env:DMControlEnv"
_STEPS = 1000
"""dm_control's limit in control steps, in every task."""


def _rows(
    domain: str, radius: float, unit: str, *tasks: tuple[str, str], default: str = "", **more: Any
) -> dict[str, EnvRow]:
    """The rows of a domain from its tasks (name, summary); the laws of `default` are in the default tests."""
    return {
        f"swm/DMC-{_camel(domain)}{_camel(task)}-v0": EnvRow(
            target=_TARGET,
            kwargs={"domain": domain, "task": task},
            extra="dmc",
            max_episode_steps=_STEPS,
            success_radius=radius,
            unit=unit,
            summary=summary,
            nightly=task != default,
            **more,
        )
        for task, summary in tasks
    }


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def _robot(domain: str, *tasks: tuple[str, str], default: str = "") -> dict[str, EnvRow]:
    return _rows(domain, 0.3, "rad or m, the largest difference of the pose", *tasks, default=default)


def _expert(controller: str, **kwargs: float) -> dict[str, Any]:
    name = f"swm.envs.dmc.expert:{controller}"
    return {"expert": name, "expert_kwargs": kwargs, "oracle": {"noise": 0.0, "random_prob": 0.0}}


ROWS: dict[str, EnvRow] = {
    **_robot(
        "humanoid",
        ("stand", "Stand upright with 21 motors."),
        ("walk", "Walk at 1 m/s."),
        ("run", "Run at 10 m/s."),
    ),
    **_robot(
        "cheetah",
        ("run", "Run forwards at 10 m/s in the plane."),
        ("run_backward", "Run backwards at 10 m/s."),
        ("stand_front", "Stand on the front feet with the torso upright."),
        ("stand_back", "Stand on the back feet with the torso upright."),
        ("jump", "Have the torso and all feet high above the floor."),
        ("run_front", "Run forwards on the front feet alone."),
        ("run_back", "Run forwards on the back feet alone."),
        ("lie_down", "Lie still on the belly."),
        ("legs_up", "Lie on the back with the feet in the air."),
        ("flip", "Turn over forwards, off the floor."),
        ("flip_backward", "Turn over backwards, off the floor."),
        default="run",
    ),
    **_robot(
        "hopper",
        ("stand", "Stand on one leg."),
        ("hop", "Hop forwards at 2 m/s."),
        ("hop_backward", "Hop backwards at 2 m/s."),
        ("flip", "Turn over forwards, off the floor."),
        ("flip_backward", "Turn over backwards, off the floor."),
    ),
    **_robot(
        "walker",
        ("stand", "Stand upright in the plane."),
        ("walk", "Walk at 1 m/s."),
        ("run", "Run at 8 m/s."),
        ("walk_backward", "Walk backwards at 1 m/s."),
        ("arabesque", "Stand on the right foot with the left one raised behind."),
        ("lie_down", "Lie flat on the floor."),
        ("legs_up", "Lie on the back with the feet in the air."),
        ("flip", "Turn over forwards, off the floor."),
    ),
    **_robot("quadruped", ("walk", "Walk at 0.5 m/s on four legs."), ("run", "Run at 5 m/s on four legs.")),
    **_rows("reacher", 0.06, "m", ("easy", "Put the finger of a two-link arm on a large target."), **_expert("Reach")),
    **_rows(
        "reacher",
        0.025,
        "m",
        ("hard", "Put the finger of a two-link arm on a small target."),
        default="hard",
        **_expert("Reach"),
    ),
    **_rows(
        "reacher",
        0.05,
        "rad, the larger difference of the two joints",
        ("joints", "Bring both joints of a two-link arm to the goal's angles."),
        **_expert("Reach"),
    ),
    **_rows(
        "acrobot",
        0.2,
        "m",
        ("swingup", "Swing a double pendulum up with a motor at the elbow; smooth reward."),
        ("swingup_sparse", "Swing a double pendulum up with a motor at the elbow; sparse reward."),
    ),
    **_rows(
        "pendulum",
        0.13962634015954636,
        "rad",
        ("swingup", "Swing a pendulum up with a motor too weak to lift it."),
        default="swingup",
        **_expert("PendulumSwingUp", noise=0.1, random_prob=0.01),
    ),
    **_rows(
        "cartpole",
        0.10004171361154007,
        "rad; 2.5 m of the cart count as 1 rad",
        ("swingup", "Swing a pole up on a cart; smooth reward."),
        ("swingup_sparse", "Swing a pole up on a cart; sparse reward."),
        ("balance", "Balance a pole while the cart goes to its goal; smooth reward."),
        ("balance_sparse", "Balance a pole while the cart goes to its goal; sparse reward."),
        goal_offset=100,
        **_expert("CartPole", noise=0.2, random_prob=0.01),
    ),
    **_rows("ball_in_cup", 0.025, "m", ("catch", "Catch a ball on a string in the cup.")),
    **_rows(
        "finger",
        0.3,
        "rad, the largest difference of the pose",
        ("spin", "Spin a body on a hinge with a finger."),
    ),
    **_rows("finger", 0.07, "m", ("turn_easy", "Turn a body on a hinge with a finger to a large target.")),
    **_rows("finger", 0.03, "m", ("turn_hard", "Turn a body on a hinge with a finger to a small target.")),
    **_rows(
        "manipulator",
        0.00994987437106620,
        "m",
        ("bring_ball", "Bring a ball to a target with an arm and a gripper."),
    ),
}
