"""A planner by name: which solver, with which options, judged by what."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from swm.core.errors import UnknownNameError
from swm.core.protocols import WorldModel
from swm.core.spaces import ActionSpace
from swm.policy.planning import PlanningConfig, PlanningPolicy

if TYPE_CHECKING:
    from swm.core.protocols import Solver


@dataclass(frozen=True, kw_only=True)
class Planner:
    """Everything about planning that is not the model."""

    solver: str = "cem"
    """A name of `swm.solvers.SOLVERS`."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the solver's configuration, for example ``{"num_samples": 200}``."""
    planning: PlanningConfig = field(default_factory=PlanningConfig)

    def make_solver(self) -> "Solver":
        """Make the solver.

        Raises:
            UnknownNameError: no solver or option has this name.
        """
        from swm import solvers

        known = [each.name for each in fields(solvers.SOLVERS.load(self.solver).Config)]
        for name in self.options:
            if name not in known:
                raise UnknownNameError(f"option of solver {self.solver!r}", name, known)
        return solvers.make(self.solver, **self.options)

    def make_policy(self, model: WorldModel, action_space: ActionSpace) -> PlanningPolicy:
        """Make the policy that plans with `model`."""
        return PlanningPolicy(model, self.make_solver(), self.planning, action_space)


PLANNERS: Mapping[str, Planner] = MappingProxyType(
    {
        "fast": Planner(
            options={"num_samples": 100, "num_iterations": 6, "num_elites": 12},
            planning=PlanningConfig(horizon=5, receding_horizon=1, objective="geometric", hold_actions=True),
        ),
        "paper": Planner(
            options={"num_samples": 300, "num_iterations": 30, "num_elites": 30},
            planning=PlanningConfig(horizon=5, receding_horizon=5, objective="last"),
        ),
    }
)
"""Planners of record.

``fast`` replans after every block, holds one action per block, and weighs later blocks more: few
candidates find the way through a door. ``paper`` is that of LeWorldModel on PushT (arXiv 2603.19312,
appendix D): every block of a plan is executed before the next plan is made.
"""
