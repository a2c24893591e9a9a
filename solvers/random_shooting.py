"""Random shooting: draw plans, keep the cheapest."""

from dataclasses import dataclass

import torch

from swm.core.errors import InvalidValueError
from swm.core.protocols import Plan, PlanningProblem
from swm.solvers.base import ConfiguredSolver, Search


@dataclass(frozen=True, kw_only=True)
class RandomShootingConfig:
    """Options of `RandomShooting`."""

    num_samples: int = 1000
    """Candidates per problem."""
    chunk_size: int | None = None
    """Most candidates per problem in one call of the cost; None is all at once."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.num_samples < 1 or (self.chunk_size is not None and self.chunk_size < 1):
            raise InvalidValueError(
                f"num_samples and chunk_size must be at least 1, got {self.num_samples} and {self.chunk_size}."
            )


class RandomShooting(ConfiguredSolver[RandomShootingConfig]):
    """Evaluates plans drawn uniformly within the bounds, and the first guess; returns the cheapest."""

    name = "random_shooting"
    Config = RandomShootingConfig

    def solve(self, problem: PlanningProblem) -> Plan:
        """Solve all problems at once.

        Raises:
            InvalidValueError: a bound is infinite, or no candidate has a finite cost.
            ShapeError: the problem or its cost has a wrong shape.
        """
        with torch.no_grad():
            search = Search(problem, self.config.chunk_size)
            if not bool((problem.high - problem.low).isfinite().all()):
                raise InvalidValueError(
                    f"random shooting needs finite bounds, got {problem.low.tolist()} and {problem.high.tolist()}. "
                    "Use the solver 'cem', which takes infinite ones."
                )
            drawn = problem.low + search.uniform(self.config.num_samples) * (problem.high - problem.low)
            candidates = search.clamp(drawn).repeat(problem.batch_size // len(drawn), 1, 1, 1)
            candidates[:, 0] = search.start
            search.record(search.evaluate(candidates))
            return search.plan()
