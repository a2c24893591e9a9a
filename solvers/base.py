"""What all solvers share: checked problems, noise, bounds, costs, the best plan so far, the trace."""

import math
from collections.abc import Callable
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor

from swm.core.config import to_json
from swm.core.errors import InvalidValueError, ShapeError
from swm.core.protocols import Plan, PlanningProblem

C = TypeVar("C")


class ConfiguredSolver(Generic[C]):
    """A solver whose whole state is its configuration; subclasses add ``solve``."""

    name: ClassVar[str]
    """Its name in `swm.solvers.SOLVERS`."""
    Config: ClassVar[type[Any]]
    """The dataclass C of its options."""

    def __init__(self, config: C | None = None) -> None:
        """Make the solver; without `config`, with every option at its default."""
        self.config: C = self.Config() if config is None else config

    def describe(self) -> dict[str, Any]:
        """Name and options, JSON-ready."""
        return {"name": self.name, **to_json(self.config)}


class Search:
    """One solve in progress: candidates go in, costs come out, and the best one is remembered.

    Nothing here waits for the device, so an accelerator can run ahead until `plan` is called.
    """

    def __init__(self, problem: PlanningProblem, chunk_size: int | None = None) -> None:
        """Begin to solve `problem`.

        Args:
            problem: what to solve.
            chunk_size: most candidates per problem in one call of the cost, to bound its memory;
                None is all at once.

        Raises:
            ShapeError: the bounds, the warm start or the generators have the wrong shape or dtype.
            InvalidValueError: a bound is above its counterpart, or a value is not a number.
        """
        check_problem(problem)
        self.problem = problem
        self.chunk_size = chunk_size
        low = problem.low
        zeros = low.new_zeros(problem.batch_size, problem.horizon, len(low))
        self.start = self.clamp(zeros if problem.init is None else problem.init.to(low))
        """The first guess (B, H, A): the warm start, else zero, moved into the bounds."""
        self.best = self.start
        """The cheapest candidate so far, (B, H, A)."""
        self.best_cost = low.new_full((problem.batch_size,), math.inf)
        """Its cost, (B,); infinite until some candidate has a finite cost."""
        self._rows = torch.arange(problem.batch_size, device=low.device)
        self._trace: list[dict[str, Tensor]] = []

    def clamp(self, actions: Tensor) -> Tensor:
        """Move `actions` (..., A) to the nearest point within the bounds."""
        return torch.clamp(actions, self.problem.low, self.problem.high)

    def normal(self, count: int) -> Tensor:
        """Draw standard normal noise for `count` candidates: (B or 1, count, H, A)."""
        return self._draw(torch.randn, count)

    def uniform(self, count: int) -> Tensor:
        """Draw noise from [0, 1) for `count` candidates: (B or 1, count, H, A)."""
        return self._draw(torch.rand, count)

    def _draw(self, draw: Callable[..., Tensor], count: int) -> Tensor:
        source, low = self.problem.generator, self.problem.low
        shape = (count, self.problem.horizon, len(low))
        generators = [source] if isinstance(source, torch.Generator) else source
        noise = [draw(shape, generator=g, device=g.device, dtype=low.dtype) for g in generators]
        return torch.stack(noise).to(low.device)

    def evaluate(self, candidates: Tensor) -> Tensor:
        """Ask the cost for the candidates (B, S, H, A), and remember the cheapest.

        Returns:
            Costs (B, S), infinite where the cost is not a finite number.

        Raises:
            ShapeError: the cost did not return a tensor (B, S).
        """
        chunks = torch.split(candidates, self.chunk_size or candidates.shape[1], dim=1)
        costs = torch.cat([self._checked_cost(chunk) for chunk in chunks], dim=1)
        costs = torch.where(costs.isfinite(), costs, math.inf)
        cost, index = costs.min(dim=1)
        better = cost < self.best_cost
        self.best_cost = torch.where(better, cost, self.best_cost)
        self.best = torch.where(better[:, None, None], candidates[self._rows, index], self.best)
        return costs

    def _checked_cost(self, candidates: Tensor) -> Tensor:
        costs = self.problem.cost(candidates)
        expected = tuple(candidates.shape[:2])
        got = tuple(costs.shape) if isinstance(costs, Tensor) else type(costs).__name__
        if got != expected:
            raise ShapeError(
                f"cost of candidates {tuple(candidates.shape)}",
                f"a tensor {expected}",
                got,
                "A cost returns one number per problem and candidate.",
            )
        return costs.to(candidates.dtype)

    def pick(self, candidates: Tensor, index: Tensor) -> Tensor:
        """Pick the candidates (B, E, H, A) at `index` (B, E) of (B, S, H, A)."""
        return candidates[self._rows[:, None], index]

    def record(self, costs: Tensor, **figures: Tensor) -> None:
        """Add one iteration to the trace.

        Args:
            costs: what `evaluate` returned, (B, S).
            figures: further figures of the iteration, name -> (B,).
        """
        finite = costs.isfinite()
        mean = torch.where(finite, costs, 0.0).sum(dim=1) / finite.sum(dim=1)
        self._trace.append({"best": self.best_cost, "mean": mean, "excluded": (~finite).sum(dim=1), **figures})

    def plan(self) -> Plan:
        """Return the cheapest candidate seen, with the trace.

        Raises:
            InvalidValueError: a problem has no candidate with a finite cost.
        """
        failed = (~self.best_cost.isfinite()).nonzero().flatten().tolist()
        if failed:
            raise InvalidValueError(
                f"no candidate of problems {failed} (of {self.problem.batch_size}) has a finite cost. "
                "Check the cost, and the model behind it, for NaN and infinity."
            )
        trace = {name: torch.stack([row[name] for row in self._trace]) for name in self._trace[0]}
        return Plan(actions=self.best, cost=self.best_cost, trace=trace)


def check_problem(problem: PlanningProblem) -> None:
    """Refuse a malformed problem (see `Search` for what is raised)."""
    low, high, init = problem.low, problem.high, problem.init
    if problem.batch_size < 1 or problem.horizon < 1:
        raise InvalidValueError(
            f"batch_size and horizon must be at least 1, got {problem.batch_size} and {problem.horizon}."
        )
    if low.ndim != 1 or not low.dtype.is_floating_point:
        raise ShapeError("lower bounds", "a floating-point tensor (A,)", f"{tuple(low.shape)} {low.dtype}")
    if (high.shape, high.dtype, high.device) != (low.shape, low.dtype, low.device):
        expected, got = ((tuple(x.shape), x.dtype, str(x.device)) for x in (low, high))
        raise ShapeError("upper bounds", f"{expected}, as the lower bounds", got)
    if not bool((low <= high).all()):
        raise InvalidValueError(
            f"each lower bound must be at most its upper bound, got {low.tolist()} and {high.tolist()}."
        )
    shape = (problem.batch_size, problem.horizon, len(low))
    if init is not None and tuple(init.shape) != shape:
        raise ShapeError("warm start", f"(B, H, A) = {shape}", tuple(init.shape))
    if init is not None and not bool(init.isfinite().all()):
        raise InvalidValueError("the warm start has values that are not finite.")
    if not isinstance(problem.generator, torch.Generator) and len(problem.generator) != problem.batch_size:
        raise ShapeError("generators", f"one, or one per problem ({problem.batch_size})", len(problem.generator))
