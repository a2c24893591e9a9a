"""Planners: each minimises a cost over bounded action sequences, and knows nothing of models or environments.

A solver takes a `swm.core.protocols.PlanningProblem` and returns a `swm.core.protocols.Plan`; what all
of them share is in `swm.solvers.base`, what tells one from another is in its own module.
"""

if __name__ != "swm.solvers":
    raise ImportError(f"import this package as swm.solvers, not as {__name__!r}")

from typing import Any

from swm.core.config import from_json
from swm.core.protocols import Solver
from swm.core.registry import Registry, Row

__all__ = ["SOLVERS", "make"]

SOLVERS: Registry[Row] = Registry(
    "solver",
    {
        "random_shooting": Row(
            target="swm.solvers.random_shooting:RandomShooting",
            summary="the best of uniformly drawn action sequences: the floor for every other solver",
        ),
        "cem": Row(
            target="swm.solvers.cem:CEM",
            summary="cross-entropy method: a Gaussian refitted to the cheapest candidates, again and again",
        ),
    },
    group="swm.solvers",
)
"""Name -> row; the row's class has its configuration dataclass as ``Config`` and takes one."""


def make(name: str, **options: Any) -> Solver:
    """Make the solver called `name`.

    Args:
        name: a name in `SOLVERS`.
        options: fields of the solver's configuration; the others keep their defaults.

    Raises:
        UnknownNameError: no solver, or no option of this solver, has this name.
        InvalidValueError: an option has a value outside what is allowed.
    """
    kind = SOLVERS.load(name)
    solver: Solver = kind(from_json(kind.Config, options))
    return solver
