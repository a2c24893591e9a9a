"""A world model and an objective make the cost that a solver minimises."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

import torch
from torch import Tensor

from swm.core.errors import UnknownNameError
from swm.core.protocols import Context, CostFn, WorldModel


class Objective(Protocol):
    """Judges predicted futures."""

    def __call__(self, model: WorldModel, predicted: Tensor, goal: Tensor, actions: Tensor) -> Tensor:
        """Cost (B, S) of each candidate, lower is better.

        Args:
            model: measures distances between latents.
            predicted: latents after each block, (B, S, H, ...).
            goal: goal latents, (B, ...).
            actions: the candidates, (B, S, H, A), in the model's action space.
        """
        ...


def goal_distances(model: WorldModel, predicted: Tensor, goal: Tensor) -> Tensor:
    """Distance (B, S, H) of predicted latents (B, S, H, ...) to goal latents (B, ...)."""
    return model.distance(predicted.flatten(1, 2), goal).reshape(predicted.shape[:3])


def last(model: WorldModel, predicted: Tensor, goal: Tensor, actions: Tensor) -> Tensor:
    """Distance to the goal after the last block: where the plan ends is all that counts."""
    return model.distance(predicted[:, :, -1], goal)


def total(model: WorldModel, predicted: Tensor, goal: Tensor, actions: Tensor) -> Tensor:
    """Sum of the distances after each block: arriving early counts, and so does staying."""
    return goal_distances(model, predicted, goal).sum(dim=-1)


def nearest(model: WorldModel, predicted: Tensor, goal: Tensor, actions: Tensor) -> Tensor:
    """Least of the distances after each block: passing the goal is enough."""
    return goal_distances(model, predicted, goal).amin(dim=-1)


def geometric(model: WorldModel, predicted: Tensor, goal: Tensor, actions: Tensor) -> Tensor:
    """Sum of the distances, each block's weighing twice as much as the one before; the last weighs 1.

    Where the plan ends decides, as in `last`, so that a way around a wall is found; arriving early
    is still a gain, so that replanning does not put arrival off for ever. The weights are those of
    DINO-WM's objective over all steps (arXiv 2411.04983).
    """
    distances = goal_distances(model, predicted, goal)
    steps = torch.arange(1 - distances.shape[-1], 1, dtype=distances.dtype, device=distances.device)
    return (distances * 2**steps).sum(dim=-1)


OBJECTIVES: Mapping[str, Objective] = MappingProxyType(
    {"last": last, "sum": total, "min": nearest, "geometric": geometric}
)
"""Name -> objective."""


def make_objective(name: str) -> Objective:
    """Return the objective called `name`.

    Raises:
        UnknownNameError: there is none; the message lists the closest ones.
    """
    if name not in OBJECTIVES:
        raise UnknownNameError("objective", name, OBJECTIVES)
    return OBJECTIVES[name]


def goal_cost(model: WorldModel, context: Context, goal: Tensor, objective: str | Objective = "last") -> CostFn:
    """Make the cost of action sequences under a world model.

    Args:
        model: predicts.
        context: the past of B episodes.
        goal: their goals' latents, (B, ...).
        objective: a name in `OBJECTIVES`, or a callable like them.

    Returns:
        A function from candidates (B, S, H, A), in the model's action space, to costs (B, S).

    Raises:
        UnknownNameError: no objective has this name.
    """
    judge = make_objective(objective) if isinstance(objective, str) else objective

    def cost(candidates: Tensor) -> Tensor:
        return judge(model, model.rollout(context, candidates), goal, candidates)

    return cost
