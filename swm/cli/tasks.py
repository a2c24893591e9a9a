"""``swm tasks``."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from swm.cli.options import EnvId, OptionalFloat
from swm.core.errors import InvalidValueError

TasksPath = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]


@dataclass(frozen=True, kw_only=True)
class Tasks:
    """Build a task set from held-out episodes of an environment's expert.

    The file is what ``--tasks`` of ``swm eval`` and ``swm bench`` takes.
    """

    env: EnvId
    """The environment's id, for example swm/PushT-v0."""
    file: TasksPath
    """Where the set is written; ends in .json."""
    count: int = 100
    """Tasks."""
    seed: int = 0
    """Of the set."""
    goal_offset: int = 25
    """Steps of the expert from start to goal."""
    budget: int = 50
    """Steps that a policy gets."""
    min_distance: OptionalFloat = None
    """Least distance of a start to its goal; twice the success distance if not given."""
    num_envs: int = 16
    """Environments that are stepped together."""

    def run(self) -> int:
        """Write the file and say what is in it."""
        from swm.evaluation import build_tasks, default_protocol
        from swm.policy import make_policy
        from swm.world import World

        if self.file.suffix != ".json" or self.file.exists():
            wrong = "exists already" if self.file.exists() else "must end in .json"
            raise InvalidValueError(f"{self.file} {wrong}; results belong to one set: give each a file of its own.")
        default = default_protocol(self.env)
        least = default.min_distance if self.min_distance is None else self.min_distance
        steps = max(default.episode_steps, self.goal_offset)
        protocol = replace(
            default, goal_offset=self.goal_offset, budget=self.budget, min_distance=least, episode_steps=steps
        )
        with World(self.env, num_envs=self.num_envs, image_size=32, executor="auto") as world:
            tasks = build_tasks(
                world.executor,
                make_policy("expert", world.executor.action_space, self.env),
                env_id=self.env,
                count=self.count,
                seed=self.seed,
                protocol=protocol,
                name=self.file.stem,
            )
        tasks.save(self.file)
        print(f"{self.file}: {len(tasks)} tasks, goals {self.goal_offset} steps away, budget {self.budget} steps")
        return 0
