"""The laws that every solver keeps, to run on your own."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from swm.core.errors import InvalidValueError, ShapeError
from swm.core.protocols import CostFn, Plan, PlanningProblem, Solver

_LOW, _HIGH = -1.0, 2.0


def check_solver(solver: Solver) -> None:
    """Check that `solver` keeps the laws of its contract; a second on the CPU for a fast solver.

    The plan has the problem's shape, dtype and device, lies within the bounds, costs what it says and
    never more than the first guess; the same generator gives the same plan; B problems solved together
    give what each gives alone, in any order; costs that are not finite are passed over, and an error if
    there are no others; the trace is complete.

    Raises:
        AssertionError: a law is broken; the message says which.
    """
    _require(isinstance(solver, Solver), "a solver has the methods solve and describe")
    json.dumps(solver.describe())
    for dtype in (torch.float32, torch.float64):
        for shape in ((1, 1, 1), (3, 1, 2), (2, 4, 3)):
            _check_plan(solver, quadratic_problem(*shape, dtype=dtype))
    _check_same_seed(solver)
    _check_together_is_alone(solver)
    _check_improves(solver)
    _check_warm_start(solver)
    _check_costs_that_are_not_finite(solver)
    _check_cost_of_wrong_shape(solver)


def quadratic_problem(
    batch_size: int, horizon: int, action_dim: int, *, dtype: torch.dtype = torch.float64, seed: int = 0
) -> PlanningProblem:
    """Make problems whose cost is the squared distance to a plan drawn within the bounds [-1, 2].

    Each problem has its own generator. `targets` gives the plans that have cost zero.
    """
    low = torch.full((action_dim,), _LOW, dtype=dtype)
    return PlanningProblem(
        cost=_quadratic(targets(batch_size, horizon, action_dim, dtype=dtype, seed=seed)),
        batch_size=batch_size,
        horizon=horizon,
        low=low,
        high=torch.full_like(low, _HIGH),
        generator=_generators(range(batch_size)),
    )


def targets(
    batch_size: int, horizon: int, action_dim: int, *, dtype: torch.dtype = torch.float64, seed: int = 0
) -> Tensor:
    """The optimal plans (B, H, A) of `quadratic_problem` with the same arguments."""
    drawn = torch.rand(batch_size, horizon, action_dim, generator=torch.Generator().manual_seed(seed))
    return (_LOW + drawn * (_HIGH - _LOW)).to(dtype)


def _quadratic(target: Tensor) -> CostFn:
    return lambda candidates: (candidates - target[:, None]).square().sum(dim=(-1, -2))


def _generators(seeds: Sequence[int]) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def _require(holds: bool, law: str) -> None:
    if not holds:
        raise AssertionError(f"broken law: {law}.")


def _check_plan(solver: Solver, problem: PlanningProblem) -> Plan:
    plan = solver.solve(problem)
    shape = (problem.batch_size, problem.horizon, len(problem.low))
    _require(tuple(plan.actions.shape) == shape, f"actions have shape (B, H, A) = {shape}, not {plan.actions.shape}")
    _require(plan.actions.dtype == problem.low.dtype, f"actions have the dtype of the bounds, {problem.low.dtype}")
    _require(plan.actions.device == problem.low.device, "actions are on the device of the bounds")
    within = (plan.actions >= problem.low) & (plan.actions <= problem.high)
    _require(bool(within.all()), "actions are within the bounds")
    _require(tuple(plan.cost.shape) == shape[:1], f"cost has shape (B,) = {shape[:1]}, not {tuple(plan.cost.shape)}")
    again = problem.cost(plan.actions[:, None])[:, 0]
    _require(torch.allclose(plan.cost, again, rtol=1e-4, atol=1e-6), "cost is the cost of the actions")
    for name in ("best", "mean"):
        _require(name in plan.trace, f"the trace has {name!r}")
    for name, figures in plan.trace.items():
        fits = figures.ndim == 2 and figures.shape[1] == problem.batch_size
        _require(fits, f"trace {name!r} has shape (iterations, B), not {tuple(figures.shape)}")
    best = plan.trace["best"]
    _require(bool((best.diff(dim=0) <= 0).all()), "trace 'best' never rises")
    _require(bool((plan.cost <= best[-1]).all()), "the plan costs at most the best of the trace")
    return plan


def _check_same_seed(solver: Solver) -> None:
    problem = quadratic_problem(2, 3, 2)
    for seeds in ([7, 8], [7]):
        plans = []
        for _ in range(2):
            drawn = _generators(seeds)
            plans.append(solver.solve(replace(problem, generator=drawn if len(drawn) > 1 else drawn[0])))
        _require(torch.equal(plans[0].actions, plans[1].actions), "the same generator gives the same plan")


def _check_together_is_alone(solver: Solver) -> None:
    problem, target = quadratic_problem(3, 2, 2), targets(3, 2, 2)
    own = _check_plan(solver, problem)
    shared = _check_plan(solver, replace(problem, generator=_generators([5])[0]))
    order = [2, 0, 1]
    permuted = replace(problem, cost=_quadratic(target[order]), generator=_generators(order))
    _same(solver.solve(permuted).actions, own.actions[order], "permuting the problems permutes the plans")
    for row in range(problem.batch_size):
        alone = replace(problem, cost=_quadratic(target[row : row + 1]), batch_size=1)
        for generator, plan in ((_generators([row]), own), (_generators([5])[0], shared)):
            found = solver.solve(replace(alone, generator=generator)).actions[0]
            _same(found, plan.actions[row], "problems solved together give what each gives alone")


def _same(got: Tensor, expected: Tensor, law: str) -> None:
    _require(torch.allclose(got, expected, rtol=1e-4, atol=1e-6), law)


def _check_improves(solver: Solver) -> None:
    target = torch.tensor([[[0.8, -0.6]], [[1.5, 1.2]]], dtype=torch.float64)
    plan = _check_plan(solver, replace(quadratic_problem(2, 1, 2), cost=_quadratic(target)))
    zero = _quadratic(target)(torch.zeros_like(target)[:, None])[:, 0]
    _require(bool((plan.cost < 0.2 * zero).all()), "a problem of two numbers loses 80 % of the cost of the zero plan")


def _check_warm_start(solver: Solver) -> None:
    problem, target = quadratic_problem(2, 3, 2), targets(2, 3, 2)
    for distance in (0.0, 0.01, 5.0):
        init = target + distance
        given = init.clone()
        plan = _check_plan(solver, replace(problem, init=init))
        _require(torch.equal(init, given), "the warm start is not written to")
        start = problem.cost(torch.clamp(init, problem.low, problem.high)[:, None])[:, 0]
        _require(bool((plan.cost <= start).all()), "the plan costs at most the warm start")


def _check_costs_that_are_not_finite(solver: Solver) -> None:
    problem = quadratic_problem(2, 2, 2)
    for bad in (math.nan, math.inf, -math.inf):

        def cost(candidates: Tensor, bad: float = bad) -> Tensor:
            return problem.cost(candidates) + torch.where(candidates[:, :, 0, 0] > 0.1, bad, 0.0)

        plan = solver.solve(replace(problem, cost=cost))
        _require(bool(plan.cost.isfinite().all()), f"candidates of cost {bad} are passed over")
    try:
        solver.solve(replace(problem, cost=lambda candidates: problem.cost(candidates) * math.nan))
    except InvalidValueError:
        return
    _require(False, "a problem without any finite cost raises InvalidValueError")


def _check_cost_of_wrong_shape(solver: Solver) -> None:
    problem = quadratic_problem(2, 2, 2)
    try:
        solver.solve(replace(problem, cost=lambda candidates: problem.cost(candidates).sum(dim=1)))
    except ShapeError:
        return
    _require(False, "a cost of the wrong shape raises ShapeError")
