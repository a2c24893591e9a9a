"""Malformed problems are refused before the first cost, with both sides of the mismatch."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from swm import solvers
from swm.core.errors import InvalidValueError, ShapeError
from swm.solvers.base import Search
from swm.testing.solvers import quadratic_problem

PROBLEM = quadratic_problem(2, 3, 2)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"batch_size": 0}, "got 0 and 3"),
        ({"horizon": 0}, "got 2 and 0"),
        ({"low": torch.zeros(1, 2)}, r"\(1, 2\)"),
        ({"low": torch.zeros(2, dtype=torch.int64)}, "int64"),
        ({"high": torch.ones(3)}, r"\(3,\)"),
        ({"high": torch.ones(2, dtype=torch.float32)}, "float32"),
        ({"high": PROBLEM.low - 1}, "at most its upper bound"),
        ({"high": PROBLEM.low * torch.nan}, "at most its upper bound"),
        ({"init": torch.zeros(2, 3, 1)}, r"\(2, 3, 2\).*\(2, 3, 1\)"),
        ({"init": torch.full((2, 3, 2), torch.nan)}, "not finite"),
        ({"generator": [torch.Generator()]}, r"one per problem \(2\), got 1"),
    ],
)
def test_malformed_problems_are_refused(change: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidValueError, match=text):
        solvers.make("cem").solve(replace(PROBLEM, **change))


@pytest.mark.parametrize("bad", [torch.zeros(2, 1), torch.zeros(300), 0.0])
def test_cost_of_wrong_shape_names_both_shapes(bad: Any) -> None:
    with pytest.raises(ShapeError, match=r"\(2, 300, 3, 2\): expected a tensor \(2, 300\)"):
        solvers.make("cem").solve(replace(PROBLEM, cost=lambda candidates: bad))


def test_problems_without_a_finite_cost_are_named() -> None:
    def cost(candidates: torch.Tensor) -> torch.Tensor:
        costs = PROBLEM.cost(candidates)
        costs[1] = torch.nan
        return costs

    with pytest.raises(InvalidValueError, match=r"problems \[1\] \(of 2\)"):
        solvers.make("cem").solve(replace(PROBLEM, cost=cost))


def test_random_shooting_refuses_infinite_bounds() -> None:
    with pytest.raises(InvalidValueError, match="cem"):
        solvers.make("random_shooting").solve(replace(PROBLEM, high=PROBLEM.high * torch.inf))


def test_solving_builds_no_graph() -> None:
    weight = torch.ones((), dtype=torch.float64, requires_grad=True)
    plan = solvers.make("cem").solve(replace(PROBLEM, cost=lambda x: weight * PROBLEM.cost(x)))
    assert not plan.cost.requires_grad


def test_search_remembers_the_cheapest_of_all_calls() -> None:
    search = Search(PROBLEM)
    for value in (1.5, 0.5, 1.0):
        candidates = torch.full((2, 1, 3, 2), value, dtype=torch.float64)
        search.record(search.evaluate(candidates))
    costs = torch.stack([PROBLEM.cost(torch.full((2, 1, 3, 2), v, dtype=torch.float64))[:, 0] for v in (1.5, 0.5, 1.0)])
    assert torch.equal(search.plan().cost, costs.min(dim=0).values)
    assert torch.equal(search.plan().trace["best"], costs.cummin(dim=0).values)
