"""The row of PushT in the table of environments."""

from swm.envs.row import EnvRow

ROWS: dict[str, EnvRow] = {
    "swm/PushT-v0": EnvRow(
        target="swm.envs.push_t.env:PushTEnv",
        expert="swm.envs.push_t.expert:PushTExpert",
        oracle={"noise": 0.0, "random_prob": 0.0, "wander": False},
        noop=(0.0, 0.0),
        max_episode_steps=300,
        success_radius=20.0,
        unit="px (the arena is 512 wide); 20 px also stands for 20 degrees of the block",
        summary="Push a T to a place and an angle.",
    ),
}
