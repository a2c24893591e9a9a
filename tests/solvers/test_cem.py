"""CEM against problems whose optimum is known in closed form, and its invariances."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from swm import solvers
from swm.core.errors import ShapeError
from swm.core.protocols import CostFn, PlanningProblem
from swm.testing.solvers import quadratic_problem, targets

F64 = torch.float64


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def box_problem(cost: CostFn, batch: int, horizon: int, dim: int, seed: int = 0) -> PlanningProblem:
    high = torch.ones(dim, dtype=F64)
    return PlanningProblem(cost=cost, batch_size=batch, horizon=horizon, low=-high, high=high, generator=seeded(seed))


def quadratic_form(matrix: Tensor, optimum: Tensor) -> CostFn:
    """Costs (x - optimum)' matrix (x - optimum) of flattened candidates; matrix (N, N), optimum (B, N)."""

    def cost(candidates: Tensor) -> Tensor:
        error = candidates.flatten(2) - optimum[:, None]
        return torch.einsum("bsi,ij,bsj->bs", error, matrix, error)

    return cost


@pytest.mark.parametrize("condition", [1.0, 30.0, 1000.0])
@pytest.mark.parametrize("distance", [0.3, 0.95, 1.0])
def test_quadratic_optimum_inside_and_at_the_bounds(condition: float, distance: float) -> None:
    scale = torch.logspace(0, math.log10(condition), 12, dtype=F64)
    sign = torch.randint(0, 2, (3, 12), generator=seeded(1)).to(F64) * 2 - 1
    optimum = distance * sign
    plan = solvers.make("cem").solve(box_problem(quadratic_form(torch.diag(scale), optimum), 3, 3, 4))
    assert (plan.cost < 1e-4 * distance**2 * scale.sum()).all()
    if condition < 1000.0:
        torch.testing.assert_close(plan.actions.flatten(1), optimum, atol=0.02, rtol=0.0)


def test_optimum_beyond_the_bounds_is_the_nearest_corner() -> None:
    optimum = torch.tensor([[1.5, -2.0, 0.2, 3.0]], dtype=F64)
    plan = solvers.make("cem").solve(box_problem(quadratic_form(torch.eye(4, dtype=F64), optimum), 1, 2, 2))
    torch.testing.assert_close(plan.actions.flatten(1), optimum.clamp(-1, 1), atol=1e-3, rtol=0.0)


def test_rotated_ill_conditioned_quadratic_loses_most_of_its_cost() -> None:
    basis = torch.linalg.qr(torch.randn(12, 12, generator=seeded(2), dtype=F64))[0]
    matrix = basis @ torch.diag(torch.logspace(0, 3, 12, dtype=F64)) @ basis.T
    cost = quadratic_form(matrix, 0.5 * torch.randn(4, 12, generator=seeded(3), dtype=F64).clamp(-1, 1))
    plan = solvers.make("cem", min_std=0.02).solve(box_problem(cost, 4, 3, 4))
    assert (plan.cost < 0.02 * cost(torch.zeros(4, 1, 3, 4, dtype=F64))[:, 0]).all()


def test_linear_dynamics_reach_the_least_squares_plan() -> None:
    """x' = A x + B u over 4 steps, cost |x_4 - g|^2 + 0.1 |u|^2: one linear solve gives the optimum."""
    a = torch.tensor([[1.0, 0.1], [0.0, 0.9]], dtype=F64)
    b = torch.tensor([[0.0], [0.5]], dtype=F64)
    start, goal = torch.tensor([0.2, -0.1], dtype=F64), torch.tensor([0.3, 0.4], dtype=F64)

    def end(actions: Tensor) -> Tensor:
        x = start.expand(*actions.shape[:-2], 2)
        for u in actions.unbind(dim=-2):
            x = x @ a.T + u @ b.T
        return x

    def cost(actions: Tensor) -> Tensor:
        return (end(actions) - goal).square().sum(-1) + 0.1 * actions.square().sum((-1, -2))

    powers = [torch.linalg.matrix_power(a, 3 - t) @ b for t in range(4)]
    lift = torch.cat(powers, dim=1)
    free = torch.linalg.matrix_power(a, 4) @ start
    optimum = torch.linalg.solve(lift.T @ lift + 0.1 * torch.eye(4, dtype=F64), lift.T @ (goal - free))
    assert optimum.abs().max() < 1
    plan = solvers.make("cem").solve(box_problem(cost, 1, 4, 1))
    torch.testing.assert_close(plan.actions.flatten(), optimum, atol=1e-3, rtol=0.0)


def test_scaling_and_shifting_the_cost_changes_nothing() -> None:
    problem = quadratic_problem(2, 3, 2)
    solver = solvers.make("cem", num_iterations=8)

    def solve(factor: float, constant: float) -> Tensor:
        scaled = replace(problem, cost=lambda x: factor * problem.cost(x) + constant, generator=seeded())
        return solver.solve(scaled).actions

    torch.testing.assert_close(solve(10.0, 0.0), solve(1.0, 0.0))
    torch.testing.assert_close(solve(1.0, 3.0), solve(1.0, 0.0))


def test_more_samples_and_more_iterations_are_better_on_average() -> None:
    def mean_cost(**options: int) -> float:
        problem = replace(quadratic_problem(8, 4, 3), generator=seeded())
        return float(solvers.make("cem", **options).solve(problem).cost.mean())

    samples = [mean_cost(num_samples=n, num_elites=n // 10, num_iterations=4) for n in (20, 100, 500)]
    iterations = [mean_cost(num_samples=100, num_elites=10, num_iterations=n) for n in (1, 3, 9)]
    assert samples == sorted(samples, reverse=True)
    assert iterations == sorted(iterations, reverse=True)


def test_chunks_change_nothing_and_bound_the_candidates_of_a_call() -> None:
    problem, sizes = quadratic_problem(2, 2, 2), []

    def cost(candidates: Tensor) -> Tensor:
        sizes.append(candidates.shape[1])
        return problem.cost(candidates)

    whole = solvers.make("cem", num_iterations=3).solve(replace(problem, generator=seeded()))
    split = solvers.make("cem", num_iterations=3, chunk_size=70)
    parts = split.solve(replace(problem, cost=cost, generator=seeded()))
    assert torch.equal(whole.actions, parts.actions)
    assert max(sizes) == 70


def test_trace_has_every_iteration_and_counts_what_it_left_out() -> None:
    problem = quadratic_problem(2, 1, 1)

    def cost(candidates: Tensor) -> Tensor:
        return torch.where(candidates[..., 0, 0] < 0, math.nan, problem.cost(candidates))

    trace = solvers.make("cem", num_iterations=5).solve(replace(problem, cost=cost)).trace
    assert {name: tuple(figures.shape) for name, figures in trace.items()} == dict.fromkeys(
        ("best", "mean", "excluded", "elite_mean", "std"), (5, 2)
    )
    assert 100 < int(trace["excluded"][0, 0]) < 200
    assert all(bool(figures.isfinite().all()) for figures in trace.values())


def test_fewer_finite_costs_than_elites_refit_to_the_finite_ones() -> None:
    problem = quadratic_problem(1, 1, 1)

    def cost(candidates: Tensor) -> Tensor:
        return torch.where(candidates[..., 0, 0] < 1.2, math.inf, problem.cost(candidates))

    inside = replace(problem, cost=cost, init=torch.full((1, 1, 1), 1.9, dtype=F64))
    plan = solvers.make("cem", num_samples=10, num_elites=9, num_iterations=6).solve(inside)
    assert float(plan.actions) >= 1.2


@pytest.mark.parametrize("options", [{"num_elites": 1}, {"num_samples": 1, "num_elites": 1}, {"num_iterations": 1}])
def test_smallest_settings_stay_finite(options: dict[str, int]) -> None:
    plan = solvers.make("cem", **options).solve(quadratic_problem(2, 1, 1))
    assert plan.actions.isfinite().all()
    assert all(bool(figures.isfinite().all()) for figures in plan.trace.values())


class HostReads(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the operations that make the host wait for the device."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default)
        return func(*args, **(kwargs or {}))


def test_iterations_never_wait_for_the_device() -> None:
    counts = []
    for iterations in (1, 5):
        with HostReads() as reads:
            solvers.make("cem", num_iterations=iterations).solve(quadratic_problem(2, 2, 2))
        counts.append(reads.count)
    assert counts[0] == counts[1] > 0


def test_momentum_keeps_a_share_of_the_old_gaussian() -> None:
    stds = [
        float(solvers.make("cem", num_iterations=1, momentum=m).solve(quadratic_problem(1, 1, 1)).trace["std"])
        for m in (0.0, 0.5)
    ]
    assert stds[1] == pytest.approx((stds[0] + 1.0) / 2)


def test_standard_deviation_per_dimension_and_its_floor() -> None:
    problem = replace(quadratic_problem(1, 2, 2), cost=lambda x: -x[..., 0, 1])
    narrow = solvers.make("cem", init_std=(1.0, 1e-6), num_iterations=1).solve(problem)
    assert narrow.actions[0, 0, 1] < 1e-4
    floored = solvers.make("cem", min_std=0.3).solve(quadratic_problem(1, 2, 2))
    assert floored.trace["std"][-1] >= 0.3 - 1e-9
    with pytest.raises(ShapeError, match="init_std"):
        solvers.make("cem", init_std=(1.0,)).solve(problem)


def test_infinite_bounds_are_allowed() -> None:
    target = targets(2, 2, 2)
    problem = quadratic_problem(2, 2, 2)
    wide = replace(problem, low=problem.low * math.inf, high=problem.high * math.inf)
    torch.testing.assert_close(solvers.make("cem").solve(wide).actions, target, atol=1e-3, rtol=0.0)


@settings(max_examples=25, deadline=None)
@given(
    centre=st.lists(st.floats(-50, 50), min_size=2, max_size=2),
    half=st.lists(st.floats(0, 10), min_size=2, max_size=2),
    init=st.floats(-100, 100),
    name=st.sampled_from(["cem", "random_shooting"]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_every_candidate_and_the_plan_are_within_the_bounds(
    centre: list[float], half: list[float], init: float, name: str, dtype: torch.dtype
) -> None:
    low = torch.tensor([c - h for c, h in zip(centre, half, strict=True)], dtype=dtype)
    high = torch.tensor([c + h for c, h in zip(centre, half, strict=True)], dtype=dtype)

    def cost(candidates: Tensor) -> Tensor:
        assert ((candidates >= low) & (candidates <= high)).all()
        return candidates.sum(dim=(-1, -2))

    options = {"num_iterations": 3} if name == "cem" else {}
    problem = PlanningProblem(
        cost=cost,
        batch_size=1,
        horizon=2,
        low=low,
        high=high,
        generator=seeded(),
        init=torch.full((1, 2, 2), init, dtype=dtype),
    )
    plan = solvers.make(name, num_samples=40, **options).solve(problem)
    assert ((plan.actions >= low) & (plan.actions <= high)).all()
