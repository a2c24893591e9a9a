"""Diagnostics on latents whose figures are known."""

from typing import Any

import pytest
import torch

from swm.baselines.common.diagnostics import (
    effective_rank,
    horizon_errors,
    is_collapsed,
    latent_statistics,
    open_loop_predictions,
)
from swm.baselines.common.losses import InverseDynamics, temporal_similarity, weighted_sum
from swm.core.errors import ShapeError


def test_effective_rank_of_equal_directions_is_their_number() -> None:
    rows = torch.cat([torch.eye(6), -torch.eye(6)])
    assert effective_rank(rows) == pytest.approx(6)
    assert effective_rank(rows @ torch.diag(torch.tensor([1.0, 1, 1, 0, 0, 0])) + 5) == pytest.approx(3)


def test_effective_rank_of_a_line_is_one_and_of_a_point_zero() -> None:
    line = torch.linspace(-1, 1, 50)[:, None] * torch.randn(8, generator=torch.Generator().manual_seed(0))
    assert effective_rank(line) == pytest.approx(1, abs=1e-4)
    assert effective_rank(torch.ones(10, 4)) == 0


def test_effective_rank_ignores_scale_and_rotation() -> None:
    latents = torch.randn(200, 5, generator=torch.Generator().manual_seed(1)) * torch.tensor([5.0, 2, 1, 0.5, 0.1])
    rotation = torch.linalg.qr(torch.randn(5, 5, generator=torch.Generator().manual_seed(2)))[0]
    assert effective_rank(100 * latents @ rotation) == pytest.approx(effective_rank(latents), rel=1e-4)


def test_collapse_is_a_line_or_a_point() -> None:
    spread = torch.randn(100, 6, generator=torch.Generator().manual_seed(3))
    assert not is_collapsed(latent_statistics(spread))
    assert is_collapsed(latent_statistics(1e-3 * spread))
    assert is_collapsed(latent_statistics(spread[:, :1] * torch.ones(6)))


def test_horizon_error_is_zero_for_the_truth_and_one_for_the_mean() -> None:
    truth = torch.randn(300, 3, 4, generator=torch.Generator().manual_seed(4)) * torch.tensor([1.0, 5.0, 0.2])[:, None]
    assert horizon_errors(truth, truth) == [0, 0, 0]
    assert horizon_errors(truth.mean(0).expand_as(truth), truth) == pytest.approx([1, 1, 1])


def test_open_loop_predictions_begin_after_the_history(toy: Any) -> None:
    model = toy.model().eval()
    predicted, encoded = open_loop_predictions(model, toy.clips(5, 6, seed=0))
    assert predicted.shape == encoded.shape == (5, 4, 8)
    with pytest.raises(ShapeError, match="more than 2 frames, got 2 frames"):
        open_loop_predictions(model, toy.clips(5, 2, seed=0))


def test_weighted_sum() -> None:
    total, metrics = weighted_sum({"a": (2.0, torch.tensor(3.0)), "b": (0.5, torch.tensor(4.0))})
    assert float(total) == 8
    assert {name: float(value) for name, value in metrics.items()} == {"loss": 8, "a": 3, "b": 4}


def test_temporal_similarity_is_zero_for_still_latents() -> None:
    still = torch.randn(4, 1, 3).expand(4, 5, 3)
    assert float(temporal_similarity(still)) == 0
    assert float(temporal_similarity(torch.arange(3.0).view(1, 3, 1))) == 1


@pytest.mark.parametrize("hidden", [0, 32])
def test_inverse_dynamics_can_read_a_linear_action(hidden: int) -> None:
    generator = torch.Generator().manual_seed(5)
    actions = torch.randn(64, 2, 2, generator=generator)
    start = torch.randn(64, 1, 2, generator=generator)
    latents = torch.cat([start, start + actions.cumsum(1)], 1)
    torch.manual_seed(0)
    head = InverseDynamics(2, 2, hidden=hidden)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.02)
    for _ in range(300):
        optimizer.zero_grad()
        loss = head(latents, actions)
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.05
