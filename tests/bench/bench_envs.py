"""Steps recorded per second and resets per second of the environments, beside the closest peer on the same machine.

Run: ``python tests/bench/bench_envs.py [--peer PYTHON] [--only ID ...]``, where PYTHON is the
interpreter of an environment that holds PyPI's ``stable-worldmodel``. Both sides record their own
environment with random actions, 8 copies at a time, at 64 x 64 and 224 x 224 into Lance, opening
and committing included; the number of episodes is such that a recording takes about ``--seconds``.
Rounds alternate between the two. Where the peer's recording fails, its message stands in the
table, beside the steps per second of one of its environments with a picture each and nothing
stored. Then come resets with all factors drawn and a picture each, and the share of all
registered ids that can be constructed, reset with all factors, stepped, rendered and recorded.

DeepMind Control is recorded with an action repeat of 2, the peer's. Writes runs/bench/envs.json.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("MUJOCO_GL", "egl")

import numpy as np

import swm
import swm.envs
from swm.core.config import write_json
from swm.core.provenance import describe_hardware, describe_software
from swm.core.spaces import sample_action
from swm.envs.base import FactoredEnv

PAIRS = {
    "swm/PushT-v0": "swm/PushT-v1",
    "swm/TwoRoom-v0": "swm/TwoRoom-v1",
    "swm/Piecewise-v0": "swm/Piecewise-v0",
    "swm/CartPole-v0": "swm/CartPoleControl-v1",
    "swm/Pendulum-v0": "swm/PendulumControl-v1",
    "swm/MountainCar-v0": "swm/MountainCarControl-v0",
    "swm/Acrobot-v0": "swm/AcrobotControl-v1",
    "swm/DMC-ReacherHard-v0": "swm/ReacherDMControl-v0",
    "swm/DMC-CheetahRun-v0": "swm/CheetahDMControl-v0",
    "swm/DMC-WalkerWalk-v0": "swm/WalkerDMControl-v0",
    "swm/DMC-HumanoidWalk-v0": "swm/HumanoidDMControl-v0",
    "swm/FetchReach-v0": "swm/FetchReach-v3",
    "swm/OGBCubeSingle-v0": "swm/OGBCube-v0",
}
"""Ours -> the peer's."""
SIZES = (64, 224)
NUM_ENVS = 8
STEPS = 50
"""Most steps of a recorded episode."""
MOST_EPISODES = 4000
STAGES = ("construct", "reset", "step", "render", "record")
PEER = Path(__file__).with_name("envs_peer.py")
LIMIT = 600
"""Seconds after which the peer counts as not running."""

Asker = Callable[..., Any]
"""Asks the peer's interpreter for something; see envs_peer.py."""


def record(env_id: str, size: int, episodes: int, steps: int = STEPS) -> dict[str, Any]:
    """Steps per second of one recording of ours, and how many steps."""
    repeat: dict[str, Any] = {"action_repeat": 2} if env_id.startswith("swm/DMC-") else {}
    with (
        swm.World(env_id, num_envs=NUM_ENVS, image_size=size, **repeat) as world,
        tempfile.TemporaryDirectory() as folder,
    ):
        start = time.perf_counter()
        dataset = world.collect(f"{folder}/data", episodes=episodes, policy="random", max_steps=steps, progress=False)
        return {"rate": dataset.num_steps / (time.perf_counter() - start), "rows": dataset.num_steps}


def resets(env_id: str, seconds: float) -> dict[str, Any]:
    """Resets per second of one of our environments with all factors drawn; each draws its picture."""
    env = swm.envs.make(env_id, image_size=64)
    env.reset(seed=0, options={"variation": "all"})
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        count += 1
        env.reset(seed=count, options={"variation": "all"})
    rate = count / (time.perf_counter() - start)
    env.close()
    return {"rate": rate}


def check(env_id: str) -> dict[str, str]:
    """Stage -> ``"ok"`` or what went wrong."""
    stages: dict[str, str] = {}
    made: list[FactoredEnv] = []
    calls: tuple[Callable[[], Any], ...] = (
        lambda: made.append(swm.envs.make(env_id, image_size=64)),
        lambda: made[0].reset(seed=0, options={"variation": "all"}),
        lambda: made[0].step(sample_action(made[0].action_space, np.random.default_rng(0))),
        lambda: made[0].render(),
        lambda: record(env_id, 64, NUM_ENVS, 5),
    )
    for name, call in zip(STAGES, calls, strict=True):
        try:
            call()
            stages[name] = "ok"
        except Exception as error:
            stages[name] = f"{type(error).__name__}: {error}"
    return stages


def asker(python: str) -> Asker:
    """Ask the peer in a process of its own; an error or a timeout is an answer too."""

    def ask(*arguments: Any) -> Any:
        command = [python, str(PEER), *map(str, arguments)]
        try:
            run = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
        except subprocess.TimeoutExpired:
            return {"error": f"no result within {LIMIT} s"}
        lines = [line for line in run.stdout.splitlines() if line.startswith(("{", "["))]
        if not lines:
            return {"error": run.stderr.strip().splitlines()[-1] if run.stderr.strip() else "no output"}
        return json.loads(lines[-1])

    return ask


def alternate(sides: Mapping[str, Callable[[], dict[str, Any]]], rounds: int) -> dict[str, Any]:
    """Measure the sides in turns: side -> the rates of its rounds, or why it does not run."""
    results: dict[str, Any] = {side: [] for side in sides}
    for _ in range(rounds):
        for side, measure in sides.items():
            if isinstance(results[side], list):
                answer = measure()
                if "error" in answer:
                    results[side] = f"does not run: {answer['error']}"
                else:
                    results[side].append(answer["rate"])
    return results


def sized(measure: Callable[[int], dict[str, Any]], seconds: float) -> Callable[[], dict[str, Any]]:
    """Record so many episodes that it takes about `seconds`; the first recording only finds out how many."""
    first = measure(NUM_ENVS)
    if "error" in first:
        return lambda: first
    wanted = seconds * first["rate"] * NUM_ENVS / first["rows"]
    episodes = NUM_ENVS * max(1, min(round(wanted / NUM_ENVS), MOST_EPISODES // NUM_ENVS))
    return lambda: measure(episodes)


def measure_recording(env_id: str, size: int, options: argparse.Namespace, ask: Asker | None) -> dict[str, Any]:
    """The rates of both sides; of a peer that cannot record, of one environment with pictures too."""
    sides = {"ours": sized(lambda episodes: record(env_id, size, episodes), options.seconds)}
    if ask is not None:
        other = PAIRS[env_id]
        sides["peer"] = sized(lambda episodes: ask("record", other, size, episodes, STEPS), options.seconds)
    results = alternate(sides, options.rounds)
    if ask is not None and isinstance(results["peer"], str):
        loop = alternate({"peer": lambda: ask("frames", PAIRS[env_id], options.seconds)}, options.rounds)
        results["peer, frames alone"] = loop["peer"]
    return results


def measure_resets(env_id: str, options: argparse.Namespace, ask: Asker | None) -> dict[str, Any]:
    """The rates of both sides."""
    sides: dict[str, Callable[[], dict[str, Any]]] = {"ours": lambda: resets(env_id, options.seconds)}
    if ask is not None:
        sides["peer"] = lambda: ask("resets", PAIRS[env_id], options.seconds)
    return alternate(sides, options.rounds)


def show(title: str, results: Mapping[str, Any]) -> None:
    """Print one row: medians, spread, and ours as a multiple of each of the peer's."""
    print(title)
    for side, rates in results.items():
        if isinstance(rates, str):
            print(f"    {side:<20} {rates}")
            continue
        ours = statistics.median(results["ours"])
        ratio = "" if side == "ours" else f", ours is {ours / statistics.median(rates):.1f} times that"
        print(f"    {side:<20} {statistics.median(rates):>10,.1f} /s ({min(rates):,.1f} to {max(rates):,.1f}){ratio}")


def show_coverage(side: str, stages: Mapping[str, Any]) -> None:
    """Print how many ids pass each stage, and which do not."""
    counts = {stage: sum(each.get(stage) == "ok" for each in stages.values()) for stage in STAGES}
    whole = sum(all(each.get(stage) == "ok" for stage in STAGES) for each in stages.values())
    print(f"{side}: {whole} of {len(stages)} ids pass all of " + ", ".join(f"{n} ({c})" for n, c in counts.items()))
    for env_id, each in stages.items():
        failed = {name: text for name, text in each.items() if text != "ok"}
        if failed:
            name, text = next(iter(failed.items()))
            print(f"    {env_id}: {name}: {text}")


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", help="interpreter of an environment with stable-worldmodel")
    parser.add_argument("--only", nargs="+", choices=PAIRS, metavar="ID", help="some of: " + " ".join(PAIRS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="of one measurement, about")
    parser.add_argument("--out", type=Path, default=Path("runs/bench/envs.json"))
    options = parser.parse_args()
    chosen = tuple(options.only or PAIRS)
    missing = [env_id for env_id in chosen if env_id not in swm.envs.ENVS]
    if missing:
        raise SystemExit(f"not registered: {', '.join(missing)}; leave them out with --only")
    ask = asker(options.peer) if options.peer else None
    results: dict[str, Any] = {"recording": {}, "resets": {}, "coverage": {}}
    for env_id in chosen:
        for size in SIZES:
            rates = measure_recording(env_id, size, options, ask)
            results["recording"][f"{env_id}, {size}"] = rates
            show(f"{env_id}, recorded at {size} x {size}, steps", rates)
        results["resets"][env_id] = measure_resets(env_id, options, ask)
        show(f"{env_id}, resets", results["resets"][env_id])
    coverage = results["coverage"]
    coverage["ours"] = {env_id: check(env_id) for env_id in (options.only or swm.envs.ENVS)}
    if ask is not None:
        theirs = [PAIRS[env_id] for env_id in options.only] if options.only else ask("ids")
        coverage["peer"] = {env_id: ask("check", env_id) for env_id in theirs}
    for side, stages in coverage.items():
        show_coverage(side, stages)
    write_json(options.out, {**results, "software": describe_software(), "hardware": describe_hardware()})
    print(json.dumps(describe_hardware()))


if __name__ == "__main__":
    main()
