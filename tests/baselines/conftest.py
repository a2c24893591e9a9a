"""A dot that actions push over a small picture, served as `swm.data` would serve it."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from swm.baselines.base import Baseline, build
from swm.baselines.lewm import LeWMConfig

SIZE, FRAME_SKIP, ACTION_DIM = 16, 2, 2


def make_clips(count: int, frames: int, seed: int) -> dict[str, Tensor]:
    """Clips of a 3 x 3 dot: pixels (count, frames, 16, 16, 3), blocks (count, frames - 1, 4) in pixels per step."""
    rng = np.random.default_rng(seed)
    actions = rng.uniform(-1.5, 1.5, (count, frames - 1, FRAME_SKIP, ACTION_DIM)).astype(np.float32)
    place = rng.uniform(2, SIZE - 3, (count, ACTION_DIM))
    pixels = np.full((count, frames, SIZE, SIZE, 3), 30, np.uint8)
    for t in range(frames):
        for index, (row, column) in enumerate(np.rint(place).astype(int)):
            pixels[index, t, row - 1 : row + 2, column - 1 : column + 2] = (220, 90, 40)
        if t < frames - 1:
            place = np.clip(place + actions[:, t].sum(1), 2, SIZE - 3)
    return {"pixels": torch.from_numpy(pixels), "action": torch.from_numpy(actions).flatten(2)}


class ToyBatches:
    """An endless, resumable stream of batches, as `swm.baselines.run.Batches` asks."""

    def __init__(self, clips: dict[str, Tensor], batch_size: int, seed: int) -> None:
        self.clips, self.batch_size, self.seed, self.handed_out = clips, batch_size, seed, 0

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        while True:
            rng = np.random.default_rng([self.seed, self.handed_out])
            rows = torch.from_numpy(rng.choice(len(self.clips["pixels"]), self.batch_size, replace=False))
            self.handed_out += 1
            yield {name: values[rows] for name, values in self.clips.items()}

    def epoch(self, shuffle: bool = False) -> Iterator[dict[str, Tensor]]:
        assert shuffle, "neighbouring clips would not be a sample"
        for begin in range(0, len(self.clips["pixels"]), self.batch_size):
            yield {name: values[begin : begin + self.batch_size] for name, values in self.clips.items()}

    def state_dict(self) -> dict[str, Any]:
        return {"handed_out": self.handed_out}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.handed_out = state["handed_out"]


def tiny_config(**changes: Any) -> LeWMConfig:
    sizes: dict[str, Any] = {
        "encoder": "conv",
        "conv_channels": (8, 16),
        "encoder_width": 16,
        "latent_dim": 8,
        "projector_hidden": 32,
        "predictor_width": 16,
        "predictor_depth": 2,
        "predictor_heads": 2,
        "predictor_head_dim": 8,
        "predictor_hidden": 32,
        "action_hidden": 16,
        "history": 2,
        "frame_skip": FRAME_SKIP,
        "num_frames": 3,
        "sigreg_slices": 16,
    }
    return LeWMConfig(**{**sizes, **changes})


def tiny_model(seed: int = 0, **changes: Any) -> Baseline:
    return build("lewm", tiny_config(**changes), image_size=(SIZE, SIZE), action_dim=ACTION_DIM, seed=seed)


@pytest.fixture
def toy() -> SimpleNamespace:
    """The helpers of this file."""
    return SimpleNamespace(
        clips=make_clips, batches=ToyBatches, config=tiny_config, model=tiny_model, size=SIZE, action_dim=ACTION_DIM
    )
