"""Frames per second of the writer alone and of the loader, per codec.

Run: ``python tests/bench/bench_writer.py``. Prints the median and the spread of the repeats.
"""

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import numpy as np
import torch

import swm.data
from swm.data import Codec


def moving_disc(num_frames: int, size: int, seed: int) -> swm.data.Episode:
    """An episode of a disc on a plain ground with a wall: the kind of picture that the suite records."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:size, 0:size]
    centers = np.cumsum(rng.normal(0, 1, (num_frames, 2)), axis=0) % size
    pixels = np.full((num_frames, size, size, 3), 235, np.uint8)
    pixels[:, :, size // 2 - 1 : size // 2 + 1] = 40
    inside = (rows - centers[:, :1, None]) ** 2 + (columns - centers[:, 1:, None]) ** 2 < (size / 10) ** 2
    pixels[inside] = (200, 30, 30)
    steps = num_frames - 1
    flags = np.zeros(steps, np.bool_)
    return swm.data.Episode(
        observation={"pixels": pixels, "state": centers},
        action=rng.normal(size=(steps, 2)).astype(np.float32),
        reward=np.zeros(steps),
        terminated=flags,
        truncated=flags,
        success=flags,
        metadata={"seed": seed, "variation": {"agent.color": [200, 30, 30]}},
    )


def write(folder: str, codec: Codec, episodes: list[swm.data.Episode]) -> int:
    """Write a new dataset; return the number of frames."""
    with swm.data.create(Path(folder) / codec, codec=codec, mode="overwrite") as writer:
        for episode in episodes:
            writer.write(episode)
    return sum(episode.num_steps + 1 for episode in episodes)


def load(batches: Iterator[dict[str, torch.Tensor]], count: int) -> int:
    """Take `count` batches; return the number of frames."""
    return sum(batch["pixels"].shape[0] * batch["pixels"].shape[1] for batch in itertools.islice(batches, count))


def measure(work: Callable[[], int], repeats: int) -> str:
    """Run `work`, which returns how many frames it handled, and describe its speed."""
    speeds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        frames = work()
        speeds.append(frames / (time.perf_counter() - begin))
    return f"{statistics.median(speeds):>9,.0f} frames/s ({min(speeds):,.0f} to {max(speeds):,.0f})"


def main() -> None:
    """Measure each codec."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=64, help="height and width in pixels")
    parser.add_argument("--episodes", type=int, default=150)
    parser.add_argument("--steps", type=int, default=100, help="transitions per episode")
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    episodes = [moving_disc(args.steps + 1, args.size, seed) for seed in range(args.episodes)]
    with tempfile.TemporaryDirectory() as folder:
        for codec in get_args(Codec):
            print(f"{codec:>4} write {measure(lambda c=codec: write(folder, c, episodes), args.repeats)}")  # type: ignore[misc]
            dataset = swm.data.open(Path(folder) / codec)
            batches = iter(swm.data.Loader(dataset.clips(num_steps=4), 64, seed=0))
            load(batches, 1)
            print(f"{codec:>4} load  {measure(lambda b=batches: load(b, 50), args.repeats)}")  # type: ignore[misc]
            size = sum(dataset.reader.disk_bytes().values()) / sum(dataset.lengths + 1)
            print(f"{codec:>4} size  {size:>9,.0f} bytes/frame")


if __name__ == "__main__":
    main()
