"""One case of bench_memory.py in a process of its own: memory over many batches, or over many episodes.

``python -m readers.steady load LAYOUT BATCHES``, ``... write LAYOUT EPISODES`` or ``... record frames EPISODES``;
prints samples of (proportional, resident) MiB as JSON.
"""

import itertools
import json
import os
import sys
import tempfile
import threading
from collections.abc import Callable

import torch

import swm
import swm.data

from .drawing import draw_push_t
from .ours import open_layout
from .processes import pss_mib, rss_mib, tree

SIZE, EPISODES = 64, 40
SAMPLES = 200


def sample() -> tuple[float, float]:
    """Memory of this process and its workers now."""
    members = tree(os.getpid())
    return sum(map(pss_mib, members)), sum(map(rss_mib, members))


def make_episode(seed: int) -> swm.data.Episode:
    """A drawn episode."""
    pixels, state, action = draw_push_t(SIZE, seed)
    flags = torch.zeros(len(action) - 1, dtype=torch.bool).numpy()
    return swm.data.Episode(
        observation={"pixels": pixels, "state": state},
        action=action[:-1],
        reward=flags.astype("float32"),
        terminated=flags,
        truncated=flags,
        success=flags,
        metadata={"seed": seed},
    )


def load(layout: str, folder: str, count: int) -> list[tuple[float, float]]:
    """Memory over `count` batches."""
    with swm.data.create(f"{folder}/data", format=None if layout == "decoded" else layout) as writer:
        for seed in range(EPISODES):
            writer.write(make_episode(seed))
    dataset = open_layout(layout, f"{folder}/data", shared=False)
    clips = dataset.clips(num_steps=4, frame_skip=5, columns=["pixels", "action"], split="all")
    every = max(1, count // SAMPLES)
    batches = itertools.islice(swm.data.Loader(clips, 64, seed=0), count)
    return [sample() for number, _ in enumerate(batches) if number % every == 0]


def write(layout: str, folder: str, count: int) -> list[tuple[float, float]]:
    """Memory over `count` written episodes."""
    episodes = [make_episode(seed) for seed in range(EPISODES)]
    samples = []
    with swm.data.create(f"{folder}/data", format=layout) as writer:
        for number in range(count):
            writer.write(episodes[number % EPISODES])
            if number % max(1, count // SAMPLES) == 0:
                samples.append(sample())
    return samples


def record(layout: str, folder: str, count: int) -> list[tuple[float, float]]:
    """Memory while a world records `count` episodes, taken by a second thread at even times."""
    samples: list[tuple[float, float]] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            samples.append(sample())

    with swm.World("swm/TwoRoom-v0", num_envs=32, image_size=SIZE) as world:
        thread = threading.Thread(target=watch)
        thread.start()
        try:
            world.collect(f"{folder}/data", episodes=count, max_steps=100, progress=False)
        finally:
            done.set()
            thread.join()
    return samples


CASES: dict[str, Callable[[str, str, int], list[tuple[float, float]]]] = {
    "load": load,
    "write": write,
    "record": record,
}


if __name__ == "__main__":
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        print(json.dumps(CASES[sys.argv[1]](sys.argv[2], scratch, int(sys.argv[3]))))
