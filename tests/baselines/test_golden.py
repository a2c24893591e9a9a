"""The loss curve of a tiny LeWorldModel on fixed synthetic clips, step by step.

A change that moves it changes what a training run gives, and says so in the change log. To record
the curve anew, delete the file and run the test twice.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

GOLDEN = Path(__file__).parents[1] / "golden" / "lewm_loss_curve.json"


def loss_curve(toy: Any) -> list[float]:
    """Losses of 25 steps of Adam."""
    model = toy.model(dropout=0.0, inverse_dynamics_weight=0.1, num_frames=4, prediction_steps=2)
    batches = iter(toy.batches(toy.clips(64, 4, seed=0), 16, 0))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    losses = []
    for step in range(25):
        loss, _ = model.loss(next(batches), torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


def test_the_loss_curve_is_the_recorded_one(toy: Any) -> None:
    found = loss_curve(toy)
    if not GOLDEN.exists():
        GOLDEN.write_text(json.dumps([round(loss, 6) for loss in found]) + "\n")
        pytest.fail(f"{GOLDEN.name} was not there and has been recorded. Run the test again.")
    assert found == pytest.approx(json.loads(GOLDEN.read_text()), rel=1e-4, abs=1e-4)
