"""The row of TwoRoom in the table of environments."""

from swm.envs.row import EnvRow

ROWS = {
    "swm/TwoRoom-v0": EnvRow(
        target="swm.envs.two_room.env:TwoRoomEnv",
        native="swm.envs.two_room.env:TwoRoomVector",
        expert="swm.envs.two_room.expert:TwoRoomExpert",
        oracle={"noise": 0.0, "random_prob": 0.0, "wander": False},
        max_episode_steps=200,
        success_radius=16.0,
        unit="world units (the arena is 224 wide)",
        summary="Move a disc through a door to a goal in one of two rooms.",
    ),
}
