"""The default protocol makes tasks in each environment that has an expert, and policies are measured on them."""

import pytest

import swm
from swm.envs import ENVS, make_expert
from swm.evaluation import build_tasks, default_protocol
from swm.policy import make_policy

TYPICAL = ("swm/PushT-v0", "swm/CartPole-v0", "swm/DMC-ReacherHard-v0", "swm/TwoRoomDiscrete-v0")
"""One environment each of several physics, action spaces and protocols."""
WITH_EXPERT = [
    env_id if env_id in TYPICAL else pytest.param(env_id, marks=pytest.mark.slow)
    for env_id, row in ENVS.items()
    if row.expert is not None
]


@pytest.mark.parametrize("env_id", WITH_EXPERT)
def test_tasks_are_built_and_policies_are_measured_on_them(env_id: str) -> None:
    protocol = default_protocol(env_id)
    with swm.World(env_id, num_envs=2, image_size=16) as world:
        made = build_tasks(world.executor, make_expert(env_id), env_id=env_id, count=2, seed=0, protocol=protocol)
        assert all(task.start_distance >= protocol.min_distance for task in made.tasks)
        oracle = make_expert(env_id, **ENVS[env_id].oracle)
        floors = [make_policy(name, world.executor.action_space, env_id) for name in ("random", "noop")]
        for policy in (oracle, *floors):
            rows = world.evaluate(policy, made, progress=False).rows
            assert [row.seed for row in rows] == [task.seed for task in made.tasks]
            assert all(0 < row.steps <= protocol.budget for row in rows)
