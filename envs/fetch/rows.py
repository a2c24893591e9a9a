"""The rows of fetch in the table of environments."""

from swm.envs.row import EnvRow

_TASKS = {
    "FetchPush": ("push", "Push a box over a table to a place."),
    "FetchSlide": ("slide", "Hit a puck so that it slides to a place that is mostly out of reach."),
    "FetchReach": ("reach", "Bring the gripper of a robot arm to a place in the air."),
    "FetchPickAndPlace": ("pick_and_place", "Pick up a box and bring it to a place on the table or in the air."),
}


def _row(task: str, reward: str, summary: str, nightly: bool) -> EnvRow:
    return EnvRow(
        target="swm.envs.fetch.env:FetchEnv",
        kwargs={"task": task, "reward": reward},
        extra="robotics",
        expert="swm.envs.fetch.expert:FetchExpert",
        expert_kwargs={"task": task},
        oracle={"noise": 0.0, "random_prob": 0.0},
        max_episode_steps=50,
        success_radius=0.05,
        unit="m",
        summary=summary,
        nightly=nightly,
    )


ROWS: dict[str, EnvRow] = {
    f"swm/{name}{suffix}-v0": _row(task, reward, f"{summary}{note}", bool(suffix) or task not in ("reach", "push"))
    for name, (task, summary) in _TASKS.items()
    for suffix, reward, note in (("", "sparse", ""), ("Dense", "dense", " The reward is minus the distance."))
}
"""Gymnasium-Robotics Fetch."""
