"""What bench_envs.py asks of the closest peer; run by the interpreter that has ``stable-worldmodel``.

    python envs_peer.py ids | check ID | record ID SIZE EPISODES STEPS | frames ID SECONDS | resets ID SECONDS

Prints one line of JSON: the result, or ``{"error": ...}``.
"""

import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import Any

NUM_ENVS = 8
_MESSAGE = 140
"""Most characters of an error that are told."""


def make(env_id: str) -> Any:
    """One of its environments, as gymnasium makes it."""
    import gymnasium
    import stable_worldmodel  # type: ignore[import-not-found]  # noqa: F401 - registers the ids

    return gymnasium.make(env_id, render_mode="rgb_array")


def ids() -> list[str]:
    """Its registered environments."""
    from stable_worldmodel.envs import WORLDS  # type: ignore[import-not-found]

    return sorted(WORLDS)


def record(env_id: str, size: int, episodes: int, steps: int) -> dict[str, float]:
    """Rows per second of a recording by its random policy, and how many rows."""
    import lance
    import stable_worldmodel as peer

    world = peer.World(env_id, num_envs=NUM_ENVS, image_shape=(size, size), max_episode_steps=steps)
    world.set_policy(peer.policy.RandomPolicy(seed=0))
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        world.collect(f"{folder}/peer.lance", episodes=episodes, seed=0, progress=False)
        seconds = time.perf_counter() - start
        rows = lance.dataset(f"{folder}/peer.lance").count_rows()
    return {"rate": rows / seconds, "rows": rows}


def frames(env_id: str, seconds: float) -> dict[str, float]:
    """Steps per second of one environment, each with a picture."""
    env = make(env_id)
    env.reset(seed=0)
    env.action_space.seed(0)

    def once(index: int) -> None:
        _, _, terminated, truncated, _ = env.step(env.action_space.sample())
        env.render()
        if terminated or truncated:
            env.reset(seed=index)

    return {"rate": _rate(once, seconds)}


def resets(env_id: str, seconds: float) -> dict[str, float]:
    """Resets per second of one environment with all factors drawn, each with a picture."""
    env = make(env_id)

    def once(index: int) -> None:
        env.reset(seed=index, options={"variation": ["all"]})
        env.render()

    return {"rate": _rate(once, seconds)}


def _rate(once: Callable[[int], None], seconds: float) -> float:
    """Calls per second, after one that does not count."""
    once(0)
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        count += 1
        once(count)
    return count / (time.perf_counter() - start)


def check(env_id: str) -> dict[str, str]:
    """Stage -> ``"ok"`` or what went wrong: construct, reset with all factors, step, render, record."""
    stages: dict[str, str] = {}
    made: list[Any] = []
    for name, stage in (
        ("construct", lambda: made.append(make(env_id))),
        ("reset", lambda: made[0].reset(seed=0, options={"variation": ["all"]})),
        ("step", lambda: made[0].step(made[0].action_space.sample())),
        ("render", lambda: made[0].render().shape),
        ("record", lambda: record(env_id, 64, NUM_ENVS, 5)),
    ):
        try:
            stage()
            stages[name] = "ok"
        except Exception as error:
            stages[name] = _describe(error)
    return stages


def _describe(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:_MESSAGE]


def main() -> None:
    """Do what the arguments ask."""
    warnings.filterwarnings("ignore")
    what, *arguments = sys.argv[1:]
    asked: dict[str, Callable[[], Any]] = {
        "ids": ids,
        "check": lambda: check(arguments[0]),
        "record": lambda: record(arguments[0], *map(int, arguments[1:])),
        "frames": lambda: frames(arguments[0], float(arguments[1])),
        "resets": lambda: resets(arguments[0], float(arguments[1])),
    }
    try:
        result = asked[what]()
    except Exception as error:
        result = {"error": _describe(error)}
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
