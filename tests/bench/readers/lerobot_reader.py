"""LeRobot in its own interpreter: ``python -m readers.lerobot_reader``.

Its own writer with its defaults (AV1, a key frame every second picture), its own reader with
``delta_timestamps`` and its best video backend that works. Pictures come out as float32 in [0, 1].
"""

import shutil
from collections.abc import Iterator
from typing import Any

import numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset  # type: ignore[import-not-found]
from torch.utils.data import DataLoader, RandomSampler, Subset

from .serving import BATCH_SIZE, FRAME_SKIP, NUM_STEPS, SPAN, Array, Clip, Contestant, Source, serve

FPS = 10
PIXELS = "observation.images.main"


class LeRobot(Contestant):
    """A local LeRobotDataset."""

    def write(self, source: Source, episodes: int, path: str) -> None:
        shutil.rmtree(path, ignore_errors=True)
        numbers = {"observation.state": "state", "action": "action", "next.reward": "reward", "next.done": "terminated"}
        first = source.columns(0)
        features: dict[str, Any] = {
            PIXELS: {"dtype": "video", "shape": first["pixels"].shape[1:], "names": ["height", "width", "channels"]}
        }
        for name, column in numbers.items():
            values = first[column]
            features[name] = {"dtype": str(values.dtype), "shape": values.shape[1:] or (1,), "names": None}
        dataset = LeRobotDataset.create("local/bench", fps=FPS, features=features, root=path)
        for index in range(episodes):
            columns = source.columns(index)
            for step in range(len(columns["action"])):
                row = {name: np.atleast_1d(columns[column][step]) for name, column in numbers.items()}
                dataset.add_frame({PIXELS: columns["pixels"][step], **row, "task": "bench"})
            dataset.save_episode()
        dataset.finalize()

    def batches(self, source: Source, path: str, workers: int) -> Iterator[int]:
        windows = {
            PIXELS: [step * FRAME_SKIP / FPS for step in range(NUM_STEPS)],
            "action": [step / FPS for step in range(SPAN)],
        }
        self.dataset, self.source = LeRobotDataset("local/bench", root=path, delta_timestamps=windows), source
        self.whole = LeRobotDataset("local/bench", root=path)
        starts = [
            int(row)
            for first, count in zip(source.offsets, source.lengths, strict=True)
            for row in range(first, first + count - SPAN)
        ]
        self.windows = Subset(self.dataset, starts)
        self.prefetched = 2 * workers
        loader = DataLoader(
            self.windows,
            BATCH_SIZE,
            sampler=RandomSampler(self.windows, replacement=True, num_samples=10**9),
            num_workers=workers,
            persistent_workers=workers > 0,
            prefetch_factor=2 if workers else None,
            multiprocessing_context="spawn" if workers else None,
        )
        return (len(batch[PIXELS]) for batch in loader)

    def clip(self, rng: np.random.Generator) -> Clip:
        index = int(rng.integers(len(self.windows)))
        row = int(self.windows.indices[index])
        episode = int(np.searchsorted(self.source.offsets, row, side="right")) - 1
        clip = self.windows[index]
        return episode, row - int(self.source.offsets[episode]), _as_bytes(clip[PIXELS]), clip["action"].numpy()

    def episode(self, index: int) -> Array:
        first = int(self.source.offsets[index])
        rows = range(first, first + int(self.source.lengths[index]))
        return np.stack([self.whole[row][PIXELS].numpy() for row in rows])


def _as_bytes(pictures: Any) -> Array:
    return np.asarray((pictures * 255).round().byte().permute(0, 2, 3, 1).numpy())


if __name__ == "__main__":
    serve(LeRobot())
