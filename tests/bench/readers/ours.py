"""swm: ``python -m readers.ours LAYOUT``, where LAYOUT is a dataset format, or ``decoded`` for frames in memory."""

import inspect
import sys
from collections.abc import Iterator

import lance  # noqa: F401  (before the clock starts)
import numpy as np
import torch  # noqa: F401

import swm.data

from .serving import BATCH_SIZE, FRAME_SKIP, NUM_STEPS, SPAN, Array, Clip, Contestant, Source, serve


class Ours(Contestant):
    """One of our layouts, written and read with the defaults, JPEG quality 95."""

    def __init__(self, layout: str) -> None:
        self.layout = layout

    def write(self, source: Source, episodes: int, path: str) -> None:
        with swm.data.create(path, format=self.layout, mode="overwrite") as writer:
            for index in range(episodes):
                writer.write(make_episode(source, index))

    def batches(self, source: Source, path: str, workers: int) -> Iterator[int]:
        extra = {"decoded_bytes": 4 << 30} if self.layout == "decoded" else {}
        if unknown := extra.keys() - inspect.signature(swm.data.open).parameters.keys():
            raise NotImplementedError(f"swm.data.open has no {', '.join(unknown)}")
        self.dataset = swm.data.open(path, **extra)  # type: ignore[arg-type]
        self.clips = self.dataset.clips(
            num_steps=NUM_STEPS, frame_skip=FRAME_SKIP, columns=["pixels", "action"], split="all"
        )
        self.prefetched = 2 * max(1, workers)
        loader = swm.data.Loader(self.clips, BATCH_SIZE, seed=0, num_workers=workers)
        return (len(batch["pixels"]) for batch in loader)

    def clip(self, rng: np.random.Generator) -> Clip:
        index = int(rng.integers(len(self.clips)))
        episode, start = self.clips.locate(np.array([index]))
        clip = self.clips[index]
        return int(episode[0]), int(start[0]), clip["pixels"], clip["action"].reshape(SPAN, -1)

    def episode(self, index: int) -> Array:
        return self.dataset.episode(index, ["pixels"]).observation["pixels"]


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
