"""Environment steps per second recorded into Lance, beside the closest peer on the same machine.

Run: ``python tests/bench/bench_recorder.py [--peer PYTHON]``, where PYTHON is the interpreter of an
environment that holds PyPI's ``stable-worldmodel``. Both record their own TwoRoom with their own
expert at 64 x 64 into Lance, opening and committing included; rounds alternate between the two.
Writes runs/bench/recorder.json.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import swm
from swm.core.config import write_json
from swm.core.provenance import describe_hardware, describe_software

PEER = """
import sys, time
import stable_worldmodel as peer
from stable_worldmodel.envs.two_room import ExpertPolicy
world = peer.World("swm/TwoRoom-v1", num_envs=8, image_shape=(64, 64), max_episode_steps=100)
world.set_policy(ExpertPolicy(action_noise=2.0, seed=0))
start = time.perf_counter()
world.collect(sys.argv[1] + "/peer.lance", episodes=int(sys.argv[2]), seed=0, progress=False)
seconds = time.perf_counter() - start
import lance
print(lance.dataset(sys.argv[1] + "/peer.lance").count_rows() / seconds)
"""


def record(folder: str, episodes: int, num_envs: int, executor: str, codec: Any) -> float:
    """Steps per second of one recording."""
    with swm.World("swm/TwoRoom-v0", num_envs=num_envs, image_size=64, executor=executor) as world:
        start = time.perf_counter()
        dataset = world.collect(f"{folder}/data", episodes=episodes, max_steps=100, codec=codec, progress=False)
        return dataset.num_steps / (time.perf_counter() - start)


def record_peer(python: str, folder: str, episodes: int) -> float:
    """Rows per second of one recording by the peer."""
    run = subprocess.run([python, "-c", PEER, folder, str(episodes)], capture_output=True, text=True, check=True)
    return float(run.stdout.strip().splitlines()[-1])


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", help="interpreter of an environment with stable-worldmodel")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("runs/bench/recorder.json"))
    options = parser.parse_args()
    cases: dict[str, tuple[int, int, str, str]] = {
        "native, jpeg": (500, 64, "native", "jpeg"),
        "native, png": (500, 64, "native", "png"),
        "inline, jpeg": (50, 8, "inline", "jpeg"),
        "process, jpeg": (50, 8, "process", "jpeg"),
    }
    rates: dict[str, list[float]] = {name: [] for name in (*cases, *(["peer"] if options.peer else []))}
    for _ in range(options.rounds):
        for name in rates:
            with tempfile.TemporaryDirectory() as folder:
                if name == "peer":
                    rates[name].append(record_peer(options.peer, folder, 16))
                else:
                    rates[name].append(record(folder, *cases[name]))
    for name, values in rates.items():
        ratio = f", {statistics.median(values) / statistics.median(rates['peer']):.0f} x peer" if options.peer else ""
        print(
            f"{name:<14} {statistics.median(values):>9,.0f} steps/s ({min(values):,.0f} to {max(values):,.0f}){ratio}"
        )
    write_json(
        options.out,
        {"steps_per_second": rates, "software": describe_software(), "hardware": describe_hardware()},
    )
    print(json.dumps(describe_hardware()))


if __name__ == "__main__":
    main()
