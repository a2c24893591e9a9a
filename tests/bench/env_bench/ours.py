"""swm's side: ``python -m tests.bench.env_bench.ours``."""

import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import swm
from swm import envs
from tests.bench.readers.serving import answer_commands

from .side import NUM_ENVS, Side


class Ours(Side):
    """Records with the fastest executor that the environment has."""

    def __init__(self) -> None:
        self._world: swm.World | None = None
        self._best: dict[str, str] = {}

    def ids(self) -> list[str]:
        return list(envs.ENVS)

    def _open(self, env_id: str, size: int, max_steps: int, arguments: dict[str, Any]) -> str:
        self._max_steps = max_steps
        if env_id not in self._best and envs.ENVS[env_id].native is None:
            self._best[env_id] = max(("inline", "process"), key=lambda each: self._try(each, env_id, size, arguments))
        executor = self._best.setdefault(env_id, "native")
        self._make(executor, env_id, size, arguments)
        return executor

    def _make(self, executor: str, env_id: str, size: int, arguments: dict[str, Any]) -> None:
        if self._world is not None:
            self._world.close()
        self._world = swm.World(env_id, num_envs=NUM_ENVS, image_size=size, executor=executor, **arguments)

    def _try(self, executor: str, env_id: str, size: int, arguments: dict[str, Any]) -> float:
        self._make(executor, env_id, size, arguments)
        self._warm_up()
        return self._warm_up()

    def _warm_up(self) -> float:
        with tempfile.TemporaryDirectory() as folder:
            begin = time.perf_counter()
            return self._record(f"{folder}/data", NUM_ENVS) / (time.perf_counter() - begin)

    def _record(self, path: str, episodes: int) -> int:
        assert self._world is not None
        dataset = self._world.collect(
            path, episodes=episodes, max_steps=self._max_steps, policy="random", progress=False
        )
        return dataset.num_steps

    def _reset(self, seed: int) -> None:
        assert self._world is not None
        self._world.executor.reset([seed + row for row in range(NUM_ENVS)], ["all"] * NUM_ENVS)

    def _stages(self, env_id: str) -> dict[str, Any]:
        made: list[Any] = []
        return {
            "construct": lambda: made.append(envs.make(env_id, image_size=64)),
            "reset": lambda: made[0].reset(seed=0, options={"variation": "all"}),
            "step": lambda: made[0].step(made[0].action_space.sample()),
            "render": lambda: _check_picture(made[0].render()),
            "record": lambda: _record_one(env_id),
        }


def _check_picture(picture: Any) -> None:
    if picture is None or picture.ndim != 3:
        raise ValueError("render() gave no picture")


def _record_one(env_id: str) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        swm.World(env_id, num_envs=1, image_size=64, executor="inline") as world,
    ):
        dataset = world.collect(str(Path(folder) / "data"), episodes=1, max_steps=3, policy="random", progress=False)
        if dataset.num_steps < 1:
            raise ValueError("nothing was recorded")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    answer_commands(Ours())
