"""swm: ``python -m readers.ours LAYOUT``, where LAYOUT is a dataset format or one of `LAYOUTS`."""

import sys
from collections.abc import Iterator
from typing import Any

import lance  # noqa: F401  (before the clock starts)
import numpy as np
import torch  # noqa: F401

import swm.data

from .serving import BATCH_SIZE, FRAME_SKIP, NUM_STEPS, SPAN, Array, Clip, Contestant, Source, serve

LAYOUTS: dict[str, dict[str, Any]] = {
    "decoded": {"format": "frames"},
    "frames-420": {"format": "frames", "chroma": "4:2:0"},
    "video-crf30": {"format": "video", "crf": 30},
}
"""Layout -> what the writer is told; ``decoded`` keeps the pictures of frames decoded."""


class Ours(Contestant):
    """One of our layouts, JPEG quality 95."""

    def __init__(self, layout: str) -> None:
        self.layout = layout

    def write(self, source: Source, episodes: int, path: str) -> None:
        with swm.data.create(path, mode="overwrite", **LAYOUTS.get(self.layout, {"format": self.layout})) as writer:
            for index in range(episodes):
                writer.write(make_episode(source, index))

    def batches(self, source: Source, path: str, workers: int) -> Iterator[int]:
        self.dataset = open_layout(self.layout, path, workers > 0)
        self.clips = self.dataset.clips(
            num_steps=NUM_STEPS, frame_skip=FRAME_SKIP, columns=["pixels", "action"], split="all"
        )
        self.prefetched = 2 * max(1, workers)
        loader = swm.data.Loader(self.clips, BATCH_SIZE, seed=0, num_workers=workers)
        return (len(batch["pixels"]) for batch in loader)

    def fill(self) -> None:
        if self.layout == "decoded":
            for index in range(len(self.dataset)):
                self.episode(index)

    def clip(self, rng: np.random.Generator) -> Clip:
        index = int(rng.integers(len(self.clips)))
        episode, start = self.clips.locate(np.array([index]))
        clip = self.clips[index]
        return int(episode[0]), int(start[0]), clip["pixels"], clip["action"].reshape(SPAN, -1)

    def episode(self, index: int) -> Array:
        return self.dataset.episode(index, ["pixels"]).observation["pixels"]


def open_layout(layout: str, path: str, shared: bool) -> swm.data.Dataset:
    """Open a dataset; ``decoded`` keeps its pictures decoded, in memory or in files that processes share."""
    if layout != "decoded":
        return swm.data.open(path)
    return swm.data.open(path, decoded_bytes=4 << 30, decoded_path=f"{path}-decoded" if shared else None)


def make_episode(source: Source, index: int) -> swm.data.Episode:
    """One episode of the source: N pictures, N - 1 transitions."""
    columns = source.columns(index)
    names = ("action", "reward", "terminated", "truncated", "success")
    return swm.data.Episode(
        observation={name: columns[name] for name in ("pixels", "state")},
        **{name: columns[name][:-1] for name in names},  # type: ignore[arg-type]
        metadata={"seed": index},
    )


if __name__ == "__main__":
    serve(Ours(sys.argv[1]))
