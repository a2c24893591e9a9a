"""The bound of a copy: the same windows taken out of arrays in memory, ``python -m readers.memory``."""

from collections.abc import Iterator

import numpy as np

from .serving import BATCH_SIZE, FRAME_SKIP, NUM_STEPS, SPAN, Array, Clip, Contestant, Source, serve


class Memory(Contestant):
    """np.take in the process itself; there is nothing to write and no worker."""

    def write(self, source: Source, episodes: int, path: str) -> None:
        raise NotImplementedError("arrays in memory are not written")

    def batches(self, source: Source, path: str, workers: int) -> Iterator[int]:
        self.pixels, self.source = np.array(source.pixels), source
        return self._batches()

    def _batches(self) -> Iterator[int]:
        rng = np.random.default_rng(0)
        while True:
            first = self._rows(rng, BATCH_SIZE)[:, None]
            pixels = np.take(self.pixels, first + np.arange(NUM_STEPS) * FRAME_SKIP, axis=0)
            np.take(self.source.action, first + np.arange(SPAN), axis=0)
            yield len(pixels)

    def _rows(self, rng: np.random.Generator, count: int) -> Array:
        episodes = rng.integers(len(self.source.lengths), size=count)
        return np.asarray(self.source.offsets[episodes] + rng.integers(self.source.lengths[episodes] - SPAN))

    def clip(self, rng: np.random.Generator) -> Clip:
        row = int(self._rows(rng, 1)[0])
        episode = int(np.searchsorted(self.source.offsets, row, side="right")) - 1
        pixels = self.pixels[row : row + SPAN + 1 : FRAME_SKIP]
        return episode, row - int(self.source.offsets[episode]), pixels, self.source.action[row : row + SPAN]

    def episode(self, index: int) -> Array:
        first = self.source.offsets[index]
        return self.pixels[first : first + self.source.lengths[index]].copy()


if __name__ == "__main__":
    serve(Memory())
