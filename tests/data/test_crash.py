"""A writer that is killed at any moment loses nothing that it had committed."""

import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import swm.data

WRITER = """
import sys
import numpy as np
import swm.data

def episode_of(seed):
    rng = np.random.default_rng(seed)
    length = 2 + seed % 5
    flags = rng.random(length) < 0.5
    return swm.data.Episode(
        observation={"pixels": rng.integers(0, 256, (length + 1, 8, 8, 3), dtype=np.uint8)},
        action=rng.normal(size=(length, 2)), reward=rng.normal(size=length),
        terminated=flags, truncated=flags, success=flags, metadata={"seed": seed},
    )

def main():
    with swm.data.create(sys.argv[1], mode="append", codec="png", shard_size=8) as writer:
        print("ready", flush=True)
        while True:
            writer.write(episode_of(writer.num_episodes))
            writer.flush()
            print(writer.num_episodes, flush=True)
"""


def test_sigkill_at_any_moment_loses_nothing_committed(
    tmp_path: Path, same: Callable[[swm.data.Episode, swm.data.Episode], None]
) -> None:
    path = tmp_path / "d"
    program: dict[str, Any] = {}
    exec(WRITER, program)
    rng = np.random.default_rng(0)
    promised = 0
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", f"{WRITER}\nmain()", str(path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.stdout.readline()
        time.sleep(rng.uniform(0, 0.25))
        process.kill()
        said = [int(line) for line in process.stdout.read().splitlines()]
        process.stdout.close()
        process.wait()
        promised = max([promised, *said])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            dataset = swm.data.open(path)
        assert dataset.num_episodes >= promised
        assert dataset.verify().ok
        for index in (0, dataset.num_episodes // 2, dataset.num_episodes - 1):
            same(dataset.episode(index), program["episode_of"](index))
    assert promised > 4
    with swm.data.create(path, mode="append") as writer:
        writer.write(program["episode_of"](writer.num_episodes))
    repaired = swm.data.open(path)
    assert repaired.torn_rows == 0
    assert repaired.verify().ok
