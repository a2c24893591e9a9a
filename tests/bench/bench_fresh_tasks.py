"""Success on tasks that no choice was made on: ``python tests/bench/bench_fresh_tasks.py CHECKPOINT ...``.

Draws 100 tasks like those of two_room-v1 from another seed and plans with the fast planner.
"""

import sys

from swm import baselines, envs
from swm.evaluation import build_tasks, default_protocol
from swm.policy import PLANNERS
from swm.world import World

SEED = 2
"""Seed of the tasks: two_room-v1 has 0, checkpoints are selected on 1."""


def main(checkpoints: list[str]) -> None:
    """Measure and print."""
    if not checkpoints:
        print("no checkpoint given, nothing measured")
        return
    with World("swm/TwoRoom-v0", num_envs=100, image_size=64) as world:
        tasks = build_tasks(
            world.executor,
            envs.make_expert(world.env_id),
            env_id=world.env_id,
            count=100,
            seed=SEED,
            protocol=default_protocol(world.env_id),
        )
        for path in checkpoints:
            policy = PLANNERS["fast"].make_policy(baselines.load(path), world.executor.action_space)
            rate = world.evaluate(policy, tasks, progress=False).success
            print(f"{path}: {100 * rate.value:.0f} % ({100 * rate.low:.0f}-{100 * rate.high:.0f})", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
