"""A planner by name: which solver, with which options, judged by what."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gymnasium import spaces

from swm.core.protocols import WorldModel
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

        return solvers.make(self.solver, **self.options)

    def make_policy(self, model: WorldModel, action_space: spaces.Box) -> PlanningPolicy:
        """Make the policy that plans with `model`."""
        return PlanningPolicy(model, self.make_solver(), self.planning, action_space)
