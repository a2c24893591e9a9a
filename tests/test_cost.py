"""Objectives judge predicted distances as they say."""

import pytest
import torch
from torch import Tensor

from swm.core.errors import UnknownNameError
from swm.core.protocols import Context, ModelSpec
from swm.cost import OBJECTIVES, goal_cost


class Adder:
    """Latents of two numbers, each block adds its own."""

    spec = ModelSpec(env_id="", image_size=(1, 1), action_dim=2, frame_skip=1, history=1)

    def encode(self, pixels: Tensor) -> Tensor:
        return pixels[..., 0, 0, :2].float()

    def rollout(self, context: Context, actions: Tensor) -> Tensor:
        return context.latents[:, -1, None, None] + actions.cumsum(dim=2)

    def distance(self, predicted: Tensor, goal: Tensor) -> Tensor:
        return (predicted - goal[:, None]).abs().sum(dim=-1)

    def normalize_actions(self, actions: Tensor) -> Tensor:
        return actions

    def denormalize_actions(self, actions: Tensor) -> Tensor:
        return actions


CONTEXT = Context(latents=torch.zeros(2, 1, 2), actions=torch.zeros(2, 0, 2))
GOAL = torch.tensor([[2.0, 0.0], [0.0, -1.0]])
STEPS = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
"""The first problem's candidate passes its goal at the second of three blocks: distances 1, 0, 1; the other's are
2, 3, 4."""


@pytest.mark.parametrize(
    ("objective", "expected"),
    [("last", [1.0, 4.0]), ("sum", [2.0, 9.0]), ("min", [0.0, 2.0]), ("geometric", [1.25, 6.0])],
)
def test_objectives_by_hand(objective: str, expected: list[float]) -> None:
    candidates = torch.stack([STEPS, 0 * STEPS]).expand(2, 2, 3, 2)
    costs = goal_cost(Adder(), CONTEXT, GOAL, objective)(candidates)
    assert costs.shape == (2, 2)
    assert costs[:, 0].tolist() == expected


def test_objectives_agree_at_horizon_one() -> None:
    candidates = torch.randn(2, 5, 1, 2, generator=torch.Generator().manual_seed(0))
    costs = [goal_cost(Adder(), CONTEXT, GOAL, name)(candidates) for name in OBJECTIVES]
    assert all(torch.equal(cost, costs[0]) for cost in costs)


def test_a_callable_is_an_objective() -> None:
    def effort(model: object, predicted: Tensor, goal: Tensor, actions: Tensor) -> Tensor:
        return actions.square().sum(dim=(-1, -2))

    assert goal_cost(Adder(), CONTEXT, GOAL, effort)(STEPS.expand(2, 1, 3, 2)).tolist() == [[3.0], [3.0]]


def test_unknown_objective_comes_with_the_closest_ones() -> None:
    with pytest.raises(UnknownNameError, match="'last'"):
        goal_cost(Adder(), CONTEXT, GOAL, "lost")
