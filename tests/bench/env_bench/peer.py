"""stable-worldmodel's side, in its own interpreter: ``python -m tests.bench.env_bench.peer``.

Used as its documentation says: a World at the image shape that is asked for, its RandomPolicy,
`collect` into Lance, resets with ``options={"variation": ["all"]}``.
"""

import tempfile
import time
import warnings
from typing import Any

import gymnasium
import lance  # type: ignore[import-untyped, unused-ignore]
import stable_worldmodel as peer  # type: ignore[import-not-found]
from stable_worldmodel.policy import RandomPolicy  # type: ignore[import-not-found]

from tests.bench.readers.serving import answer_commands

from .side import NUM_ENVS, Side

_ALL = {"variation": ["all"]}


class Peer(Side):
    """Its environments step one after the other in its own process; it has no other way."""

    def __init__(self) -> None:
        self._world: Any = None

    def ids(self) -> list[str]:
        return [name for name in gymnasium.registry if name.startswith("swm/")]

    def _open(self, env_id: str, size: int, max_steps: int, arguments: dict[str, Any]) -> str:
        if self._world is not None:
            self._world.close()
        self._env_id = env_id
        self._world = _make(env_id, size, NUM_ENVS, max_steps, arguments)
        return "inline"

    def _warm_up(self) -> float:
        self._world.reset(seed=0)
        begin, steps = time.perf_counter(), 0
        while (elapsed := time.perf_counter() - begin) < 0.5 or not steps:
            self._world.envs.step(self._world.envs.action_space.sample())
            steps += NUM_ENVS
        return steps / elapsed

    def _record(self, path: str, episodes: int) -> int:
        self._world.collect(path, episodes=episodes, seed=0, progress=False)
        return int(lance.dataset(path).count_rows())

    def _reset(self, seed: int) -> None:
        self._world.reset(seed=seed, options=_ALL)

    def resets(self, seconds: float) -> dict[str, Any]:
        """As every side; where a World cannot sample the factors, the bare environments do, one after the other."""
        try:
            return super().resets(seconds)
        except Exception as error:
            envs = [gymnasium.make(self._env_id, render_mode="rgb_array") for _ in range(NUM_ENVS)]
            self._reset = lambda seed: _reset_bare(envs, seed)  # type: ignore[method-assign]
            return {**super().resets(seconds), "instead_of_world": f"{type(error).__name__}: {error}"}

    def loop(self, env_id: str, seconds: float) -> dict[str, Any]:
        """The best case of an id that cannot be recorded: one environment, step and render, nothing stored."""
        env = gymnasium.make(env_id, render_mode="rgb_array")
        env.reset(seed=0)
        for _ in range(2):
            env.step(env.action_space.sample())
            env.render()
        begin, steps = time.perf_counter(), 0
        while (elapsed := time.perf_counter() - begin) < seconds or not steps:
            *_, terminated, truncated, _ = env.step(env.action_space.sample())
            env.render()
            steps += 1
            if terminated or truncated:
                env.reset()
        return {"per_second": steps / elapsed, "seconds": elapsed, "steps": steps}

    def _stages(self, env_id: str) -> dict[str, Any]:
        made: list[Any] = []
        return {
            "construct": lambda: made.append(gymnasium.make(env_id, render_mode="rgb_array")),
            "reset": lambda: made[0].reset(seed=0, options=_ALL),
            "step": lambda: made[0].step(made[0].action_space.sample()),
            "render": lambda: _check_picture(made[0].render()),
            "record": lambda: _record_one(env_id),
        }


def _make(env_id: str, size: int, num_envs: int, max_steps: int, arguments: dict[str, Any]) -> Any:
    world = peer.World(env_id, num_envs=num_envs, image_shape=(size, size), max_episode_steps=max_steps, **arguments)
    world.set_policy(RandomPolicy(seed=0))
    return world


def _reset_bare(envs: list[Any], seed: int) -> None:
    for row, env in enumerate(envs):
        env.reset(seed=seed + row, options=_ALL)
        env.render()


def _check_picture(picture: Any) -> None:
    if picture is None or picture.ndim != 3:
        raise ValueError("render() gave no picture")


def _record_one(env_id: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _make(env_id, 64, 1, 3, {}).collect(f"{folder}/data.lance", episodes=1, seed=0, progress=False)
        if lance.dataset(f"{folder}/data.lance").count_rows() < 1:
            raise ValueError("nothing was recorded")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    answer_commands(Peer())
