"""stable-worldmodel in its own interpreter: ``python -m readers.peer FORMAT``.

Used as its documentation and its benchmark script do: readers and writers from its format table,
``keys_to_load``, actions in ``keys_to_cache`` where the format has it (faster here), a DataLoader
with persistent workers over its ``__getitems__``. A window of its `num_steps` spans
``num_steps * frameskip`` steps: the same pictures as ours, and one more block of actions.
"""

import sys
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from stable_worldmodel.data import get_format, list_formats  # type: ignore[import-not-found]
from torch.utils.data import DataLoader, RandomSampler

from .serving import BATCH_SIZE, FRAME_SKIP, NUM_STEPS, SPAN, Array, Clip, Contestant, Source, serve


class Peer(Contestant):
    """One format of stable-worldmodel with its own settings."""

    def __init__(self, layout: str) -> None:
        self.layout = layout

    def _format(self) -> Any:
        if self.layout not in list_formats():
            raise NotImplementedError(f"this release has the formats {', '.join(list_formats())}")
        return get_format(self.layout)

    def write(self, source: Source, episodes: int, path: str) -> None:
        columns = (source.columns(index) for index in range(episodes))
        with self._format().open_writer(path, mode="overwrite") as writer:
            writer.write_episodes({name: list(values) for name, values in episode.items()} for episode in columns)

    def batches(self, source: Source, path: str, workers: int) -> Iterator[int]:
        settings: dict[str, Any] = {"keys_to_load": ["pixels", "action"]}
        if self.layout in ("lance", "lance_video", "hdf5"):
            settings["keys_to_cache"] = ["action"]
        if self.layout == "video":
            settings["video_keys"] = ["pixels"]
        self.dataset = self._format().open_reader(path, num_steps=NUM_STEPS, frameskip=FRAME_SKIP, **settings)
        self.prefetched = 2 * workers
        loader = DataLoader(
            self.dataset,
            BATCH_SIZE,
            sampler=RandomSampler(self.dataset, replacement=True, num_samples=10**9),
            num_workers=workers,
            persistent_workers=workers > 0,
            prefetch_factor=2 if workers else None,
        )
        return (len(batch["pixels"]) for batch in loader)

    def clip(self, rng: np.random.Generator) -> Clip:
        index = int(rng.integers(len(self.dataset)))
        episode, start = self.dataset.clip_indices[index]
        clip = self.dataset[index]
        pictures = clip["pixels"].permute(0, 2, 3, 1).numpy()
        return episode, int(start), pictures, clip["action"].numpy().reshape(NUM_STEPS * FRAME_SKIP, -1)[:SPAN]

    def episode(self, index: int) -> Array:
        frame_skip, self.dataset.frameskip = self.dataset.frameskip, 1
        try:
            return np.asarray(self.dataset.load_episode(index)["pixels"])
        finally:
            self.dataset.frameskip = frame_skip


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    serve(Peer(sys.argv[1]))
