"""What every contestant has in common: it answers the benchmark's commands, one JSON line each.

Runs in foreign interpreters: imports the standard library and NumPy alone.
"""

import json
import os
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

NUM_STEPS, FRAME_SKIP, BATCH_SIZE = 4, 5, 64
"""The window: four pictures, five steps apart; sixty-four windows per batch."""

SPAN = (NUM_STEPS - 1) * FRAME_SKIP
"""Transitions between the first and the last picture of a window."""

PACKAGES = (
    *("swm", "stable-worldmodel", "lerobot", "torch", "torchvision", "torchcodec", "numpy", "pylance", "lancedb"),
    *("pyarrow", "h5py", "av", "decord", "simplejpeg", "pillow", "datasets", "imageio-ffmpeg"),
)

Array = NDArray[Any]
Clip = tuple[int, int, Array, Array]
"""Episode, first step, pictures (NUM_STEPS, height, width, 3) uint8, actions (SPAN, A)."""


class Source:
    """The recorded episodes as plain arrays: one row per picture, episode after episode."""

    def __init__(self, folder: str) -> None:
        self.pixels: Array = np.load(Path(folder) / "pixels.npy", mmap_mode="r")
        self.state: Array = np.load(Path(folder) / "state.npy")
        self.action: Array = np.load(Path(folder) / "action.npy")
        self.lengths: Array = np.load(Path(folder) / "lengths.npy")
        self.offsets: Array = np.concatenate([[0], np.cumsum(self.lengths)[:-1]])

    def columns(self, episode: int) -> dict[str, Array]:
        """N values of every column for the N pictures of an episode; the last transition is repeated."""
        rows = slice(self.offsets[episode], self.offsets[episode] + self.lengths[episode])
        count = int(self.lengths[episode])
        flags = np.zeros(count, np.bool_)
        return {
            "pixels": self.pixels[rows],
            "state": self.state[rows],
            "action": self.action[rows],
            "reward": np.zeros(count, np.float32),
            **{name: flags for name in ("terminated", "truncated", "success")},
        }


class Contestant(ABC):
    """One way to keep episodes and to hand out batches of windows."""

    prefetched = 0
    """Batches that wait when nobody asks; each round passes over them before the clock starts."""

    @abstractmethod
    def write(self, source: Source, episodes: int, path: str) -> None:
        """Open, write the first `episodes` episodes, close."""

    @abstractmethod
    def batches(self, source: Source, path: str, workers: int) -> Iterator[int]:
        """Open and hand out random batches of pixels and actions without end; yield the windows in each."""

    def fill(self) -> None:  # noqa: B027
        """Bring what `batches` opened into the state that it reaches in a long run, if it fills a cache."""

    @abstractmethod
    def clip(self, rng: np.random.Generator) -> Clip:
        """One random window of what `batches` opened."""

    @abstractmethod
    def episode(self, index: int) -> Array:
        """The pictures of one whole episode of what `batches` opened."""


def compare(source: Source, clips: list[Clip]) -> dict[str, Any]:
    """Hold windows against the source.

    A picture is misplaced if it is clearly closer (half the squared error) to another picture of its
    episode, at most five steps away, than to the one that was asked for: the reader returned another
    one, or the encoder lost what moved.
    """
    psnr, misplaced, actions = [], 0, True
    for episode, start, pictures, action in clips:
        first, last = int(source.offsets[episode]), int(source.offsets[episode] + source.lengths[episode]) - 1
        actions &= bool(np.allclose(action, source.action[first + start : first + start + SPAN], atol=1e-6))
        for step, picture in enumerate(pictures):
            row = first + start + step * FRAME_SKIP
            error = _squared_error(picture, source.pixels[row])
            psnr.append(99.0 if error == 0 else float(10 * np.log10(255**2 / error)))
            near = [other for other in range(max(first, row - 5), min(last, row + 5) + 1) if other != row]
            misplaced += min(_squared_error(picture, source.pixels[other]) for other in near) < error / 2
    return {
        "psnr_db": float(np.median(psnr)),
        "worst_psnr_db": min(psnr),
        "pictures": len(psnr),
        "misplaced_pictures": misplaced,
        "actions_equal": actions,
    }


def _squared_error(picture: Array, other: Array) -> float:
    return float(np.square(picture.astype(np.float32) - other).mean())


class Server:
    """Keeps one contestant and answers commands."""

    def __init__(self, contestant: Contestant) -> None:
        self.contestant = contestant

    def versions(self) -> dict[str, str]:
        """Of this interpreter and its libraries."""
        found = {"python": sys.version.split()[0]}
        for name in PACKAGES:
            try:
                found[name] = metadata.version(name)
            except metadata.PackageNotFoundError:
                continue
        return found

    def write(self, source: str, path: str) -> dict[str, Any]:
        """Write everything once, after one episode elsewhere as a warm-up."""
        episodes = Source(source)
        episodes.pixels = np.array(episodes.pixels)
        stem, dot, suffix = path.partition(".")
        self.contestant.write(episodes, 1, f"{stem}-warm{dot}{suffix}")
        begin = time.perf_counter()
        self.contestant.write(episodes, len(episodes.lengths), path)
        return {"seconds": time.perf_counter() - begin, "frames": len(episodes.pixels)}

    def open(self, source: str, path: str, workers: int) -> dict[str, Any]:
        """Open for reading and take the first batch."""
        self.source = Source(source)
        begin = time.perf_counter()
        self.stream = self.contestant.batches(self.source, path, workers)
        next(self.stream)
        seconds = time.perf_counter() - begin
        self.contestant.fill()
        return {"first_batch_seconds": seconds}

    def round(self, seconds: float, batches: int) -> dict[str, Any]:
        """Take batches for some time, at least `batches`; those that were ready beforehand do not count."""
        for _ in range(self.contestant.prefetched):
            next(self.stream)
        begin, clips, taken = time.perf_counter(), 0, 0
        while (elapsed := time.perf_counter() - begin) < seconds or taken < batches:
            clips, taken = clips + next(self.stream), taken + 1
        return {"seconds": elapsed, "clips": clips}

    def sequential(self, seconds: float) -> dict[str, Any]:
        """Read whole episodes in their order for some time."""
        begin, frames, index = time.perf_counter(), 0, 0
        while (elapsed := time.perf_counter() - begin) < seconds:
            frames += len(self.contestant.episode(index % len(self.source.lengths)))
            index += 1
        return {"seconds": elapsed, "frames": frames}

    def check(self, clips: int) -> dict[str, Any]:
        """Compare random windows with the source."""
        rng = np.random.default_rng(0)
        return compare(self.source, [self.contestant.clip(rng) for _ in range(clips)])


def serve(contestant: Contestant) -> None:
    """Answer for a contestant, see `answer_commands`."""
    answer_commands(Server(contestant))


def answer_commands(server: object) -> None:
    """Call what standard input names until it ends; what libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = getattr(server, command.pop("do"))(**command)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers)
    os._exit(0)  # without waiting for workers that read ahead
