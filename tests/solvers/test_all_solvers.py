"""Every row of SOLVERS keeps the laws, and breaking one is noticed."""

import json
from dataclasses import replace
from typing import Any

import pytest
import torch

from swm import solvers
from swm.core.errors import InvalidValueError, UnknownNameError
from swm.core.protocols import Plan, PlanningProblem
from swm.testing.solvers import check_solver


@pytest.mark.parametrize("name", sorted(solvers.SOLVERS))
def test_every_solver_keeps_the_laws(name: str) -> None:
    check_solver(solvers.make(name))


@pytest.mark.parametrize(
    ("name", "options"), [*((name, {}) for name in solvers.SOLVERS), ("cem", {"init_std": (1, 2)})]
)
def test_description_makes_the_same_solver(name: str, options: dict[str, Any]) -> None:
    described = json.loads(json.dumps(solvers.make(name, **options).describe()))
    assert json.loads(json.dumps(solvers.make(**described).describe())) == described
    assert described["name"] == name


def test_unknown_names_come_with_the_closest_ones() -> None:
    with pytest.raises(UnknownNameError, match="'cem'"):
        solvers.make("cen")
    with pytest.raises(UnknownNameError, match="'num_samples'"):
        solvers.make("cem", num_sample=3)


class _Broken:
    """A solver that breaks one law."""

    def __init__(self, law: str) -> None:
        self.law, self.inner = law, solvers.make("cem", num_iterations=3)

    def solve(self, problem: PlanningProblem) -> Plan:
        if self.law == "same generator":
            problem = replace(problem, generator=torch.Generator().manual_seed(torch.seed() % 2**60))
        if self.law == "warm start":
            problem = replace(problem, init=None)
        if self.law == "not written":
            assert problem.init is None or problem.init.add_(1) is not None
        plan = self.inner.solve(problem)
        if self.law == "within":
            return replace(plan, actions=plan.actions + 3)
        if self.law == "cost is the cost":
            return replace(plan, cost=plan.cost / 2)
        if self.law == "alone":
            return replace(plan, actions=plan.actions.mean(dim=0, keepdim=True).expand_as(plan.actions))
        return replace(plan, trace={}) if self.law == "trace" else plan

    def describe(self) -> dict[str, Any]:
        return {}


@pytest.mark.parametrize("law", ["same generator", "warm start", "not written", "within", "cost is the cost", "trace"])
def test_a_broken_law_is_noticed(law: str) -> None:
    with pytest.raises(AssertionError, match=law):
        check_solver(_Broken(law))


def test_mixing_the_problems_is_noticed() -> None:
    with pytest.raises(AssertionError):
        check_solver(_Broken("alone"))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cem", {"num_elites": 301}),
        ("cem", {"num_iterations": 0}),
        ("cem", {"init_std": 0.0}),
        ("cem", {"init_std": ()}),
        ("cem", {"momentum": 1.0}),
        ("cem", {"chunk_size": 0}),
        ("random_shooting", {"num_samples": 0}),
        ("random_shooting", {"chunk_size": 0}),
    ],
)
def test_impossible_options_are_refused(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidValueError):
        solvers.make(name, **options)
