"""The trainer on a real dataset: written, read, split and normalised by `swm.data`."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import swm.baselines
from swm import data
from swm.baselines.metrics_log import read_metrics
from swm.baselines.train import TrainConfig, build_for, train


@pytest.fixture
def dataset(tmp_path: Path, toy: Any) -> Any:
    """Sixteen episodes of ten steps of noise."""
    rng = np.random.default_rng(0)
    with data.create(tmp_path / "data", codec="png", provenance={"recording": {"env_id": "toy/Dot-v0"}}) as writer:
        for index in range(16):
            writer.write(
                data.Episode(
                    observation={"pixels": rng.integers(0, 256, (11, toy.size, toy.size, 3), np.uint8)},
                    action=rng.normal(2.0, 3.0, (10, toy.action_dim)).astype(np.float32),
                    reward=np.zeros(10),
                    terminated=np.zeros(10, bool),
                    truncated=np.arange(10) == 9,
                    success=np.zeros(10, bool),
                    metadata={"index": index, "seed": index},
                )
            )
    return data.open(tmp_path / "data")


CONFIG = TrainConfig(
    steps=6,
    batch_size=16,
    log_every=1,
    eval_every=3,
    eval_batches=2,
    eval_horizon=2,
    checkpoint_every=3,
    device="cpu",
)


def test_the_model_is_made_for_the_dataset(dataset: Any, toy: Any) -> None:
    model = build_for("lewm", dataset, toy.config())
    assert model.spec.env_id == "toy/Dot-v0"
    assert model.spec.image_size == (toy.size, toy.size)
    statistics = dataset.statistics("action", split="train")
    np.testing.assert_allclose(model.action_mean.numpy(), statistics.mean, rtol=1e-6)
    np.testing.assert_allclose(model.action_std.numpy(), statistics.std, rtol=1e-6)
    clips = dataset.clips(num_steps=3, frame_skip=2, columns=("action",), split="train")
    blocks = torch.from_numpy(np.stack([clip["action"] for clip in clips]))
    actions = model.normalize_blocks(blocks).view(-1, toy.action_dim)
    assert float(actions.mean().abs()) < 0.1
    assert float(actions.std()) == pytest.approx(1, abs=0.1)


def test_training_stops_and_continues_on_a_dataset(dataset: Any, toy: Any, tmp_path: Path) -> None:
    def stop(step: int, metrics: dict[str, float]) -> None:
        if step == 5:
            raise KeyboardInterrupt

    options = {"model_config": toy.config(), "progress": False}
    train("lewm", dataset, CONFIG, tmp_path / "whole", **options)
    with pytest.raises(KeyboardInterrupt):
        train("lewm", dataset, CONFIG, tmp_path / "stopped", on_progress=stop, **options)
    result = train("lewm", dataset.uri, CONFIG, tmp_path / "stopped", **options)
    curves = [[row["loss"] for row in read_metrics(tmp_path / name / "metrics.jsonl")] for name in ("whole", "stopped")]
    assert curves[0] == curves[1]
    facts = swm.baselines.checkpoint.read_provenance(result.checkpoint)
    assert facts["data"]["fingerprint"] == dataset.fingerprint
    assert facts["data"]["provenance"][0]["recording"] == {"env_id": "toy/Dot-v0"}
    assert swm.baselines.load(result.checkpoint, device="cpu").spec.env_id == "toy/Dot-v0"
