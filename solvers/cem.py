"""The cross-entropy method."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from swm.core.errors import InvalidValueError, ShapeError
from swm.core.protocols import Plan, PlanningProblem
from swm.solvers.base import ConfiguredSolver, Search


@dataclass(frozen=True, kw_only=True)
class CEMConfig:
    """Options of `CEM`. The defaults are those of LeWorldModel and DINO-WM on PushT."""

    num_samples: int = 300
    """Candidates S per problem and iteration."""
    num_iterations: int = 30
    """Rounds of drawing and refitting."""
    num_elites: int = 30
    """Cheapest candidates that the Gaussian is refitted to."""
    init_std: float | tuple[float, ...] = 1.0
    """Standard deviation of the first Gaussian in the unit of the candidates; one number, or one per dimension."""
    min_std: float = 0.0
    """Floor of the standard deviation, in the same unit."""
    momentum: float = 0.0
    """Share of the old mean and standard deviation in the new ones, in [0, 1)."""
    chunk_size: int | None = None
    """Most candidates per problem in one call of the cost; None is all at once."""

    def __post_init__(self) -> None:
        """Check the ranges, and take a list, as JSON gives, for a tuple."""
        if not isinstance(self.init_std, (int, float)):
            object.__setattr__(self, "init_std", tuple(self.init_std))
        counts = (self.num_samples, self.num_iterations, self.num_elites, self.chunk_size)
        if any(count is not None and count < 1 for count in counts):
            raise InvalidValueError(
                f"num_samples, num_iterations, num_elites and chunk_size must be at least 1, got {counts}."
            )
        if self.num_elites > self.num_samples:
            raise InvalidValueError(f"num_elites ({self.num_elites}) must not exceed num_samples ({self.num_samples}).")
        stds = self.init_std if isinstance(self.init_std, tuple) else (self.init_std,)
        if not stds or not all(0 < std < math.inf for std in stds) or not 0 <= self.min_std < math.inf:
            raise InvalidValueError(
                "init_std must be positive and min_std not negative, both finite, "
                f"got {self.init_std} and {self.min_std}."
            )
        if not 0 <= self.momentum < 1:
            raise InvalidValueError(f"momentum must be in [0, 1), got {self.momentum}.")


class CEM(ConfiguredSolver[CEMConfig]):
    """Draws candidates from a Gaussian, refits it to the cheapest of them, and repeats.

    The mean begins at the warm start, else at zero, and is itself a candidate of every iteration.
    The answer is the cheapest of all candidates and the last mean, so it is never dearer than the
    warm start. Candidates outside the bounds are moved to the nearest point within them before they
    are evaluated, so the elites, their mean and the answer are plans that can be executed.

    Source: Rubinstein and Kroese, "The Cross-Entropy Method" (2004), as planner in PlaNet
    (arXiv 1811.04551) and DINO-WM (arXiv 2411.04983).
    """

    name = "cem"
    Config = CEMConfig

    def solve(self, problem: PlanningProblem) -> Plan:
        """Solve all problems at once.

        Raises:
            InvalidValueError: no candidate of a problem has a finite cost.
            ShapeError: the problem or its cost has a wrong shape.
        """
        config = self.config
        with torch.no_grad():
            search = Search(problem, config.chunk_size)
            mean, std = search.start, self._first_std(search)
            for _ in range(config.num_iterations):
                noise = search.normal(config.num_samples)
                candidates = mean[:, None] + std[:, None] * noise
                candidates[:, 0] = mean
                candidates = search.clamp(candidates)
                costs = search.evaluate(candidates)
                elite_costs, index = costs.topk(config.num_elites, dim=1, largest=False)
                mean, std = self._refit(search.pick(candidates, index), elite_costs, mean, std)
                search.record(costs, elite_mean=elite_costs.mean(dim=1), std=std.mean(dim=(1, 2)))
            search.evaluate(search.clamp(mean)[:, None])
            return search.plan()

    def _first_std(self, search: Search) -> Tensor:
        std = torch.as_tensor(self.config.init_std).to(search.start)
        if std.ndim == 1 and len(std) != search.start.shape[-1]:
            raise ShapeError("init_std", f"one number, or {search.start.shape[-1]} (one per dimension)", len(std))
        return std.expand_as(search.start)

    def _refit(self, elites: Tensor, costs: Tensor, mean: Tensor, std: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (B, H, A) of the elites (B, E, H, A) whose cost is finite.

        A problem without any keeps its old ones; one elite alone has standard deviation zero.
        """
        weight = costs.isfinite().to(elites)[:, :, None, None]
        count = weight.sum(dim=1)
        elite_mean = (weight * elites).sum(dim=1) / count.clamp(min=1)
        squares = (weight * (elites - elite_mean[:, None]).square()).sum(dim=1)
        elite_std = (squares / (count - 1).clamp(min=1)).sqrt()
        keep = torch.full_like(count, self.config.momentum).masked_fill(count == 0, 1.0)
        new_mean, new_std = elite_mean.lerp(mean, keep), elite_std.lerp(std, keep)
        return new_mean, new_std.clamp(min=self.config.min_std)
