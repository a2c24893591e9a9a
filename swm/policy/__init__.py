"""Policies: random, none, a function's, an expert's, and planning with a world model.

What needs torch is imported when first used, so that recording with a random policy does not load it.
"""

import importlib
from typing import TYPE_CHECKING, Any

from swm.core.errors import InvalidValueError, UnknownNameError
from swm.core.protocols import Policy
from swm.core.registry import load_target
from swm.core.spaces import ActionSpace
from swm.policy.simple import FunctionPolicy, NoOpPolicy, RandomPolicy

if TYPE_CHECKING:
    from swm.policy.planner import PLANNERS as PLANNERS
    from swm.policy.planner import Planner as Planner
    from swm.policy.planning import PlanLatency as PlanLatency
    from swm.policy.planning import PlanningConfig as PlanningConfig
    from swm.policy.planning import PlanningPolicy as PlanningPolicy

_LAZY = {
    "PLANNERS": "swm.policy.planner",
    "Planner": "swm.policy.planner",
    "PlanLatency": "swm.policy.planning",
    "PlanningConfig": "swm.policy.planning",
    "PlanningPolicy": "swm.policy.planning",
}

__all__ = [
    "PLANNERS",
    "POLICIES",
    "FunctionPolicy",
    "NoOpPolicy",
    "PlanLatency",
    "Planner",
    "PlanningConfig",
    "PlanningPolicy",
    "RandomPolicy",
    "make_policy",
]

POLICIES = ("expert", "noop", "random")
"""The names that `make_policy` takes: the policies that need neither a model nor data."""


def make_policy(name: str, action_space: ActionSpace, env_id: str = "", **options: Any) -> Policy:
    """Make a policy that needs neither a model nor data.

    Args:
        name: one of `POLICIES`.
        action_space: of one environment.
        env_id: the environment: whose expert, and which action does nothing.
        options: parameters of the environment's expert; the other policies have none.

    Raises:
        UnknownNameError: no policy, environment or option has this name.
        InvalidValueError: "expert" without `env_id`, or the space is not one that the policy can act in.
    """
    if name not in POLICIES:
        raise UnknownNameError("policy", name, POLICIES)
    if name == "expert":
        if not env_id:
            raise InvalidValueError("policy 'expert' needs env_id: each environment has its own expert.")
        expert: Policy = load_target("swm.envs:make_expert")(env_id, **options)
        return expert
    if options:
        raise UnknownNameError(f"option of policy {name!r}", next(iter(options)), ())
    if name == "random":
        return RandomPolicy(action_space)
    return NoOpPolicy(action_space, load_target("swm.envs:ENVS")[env_id].noop if env_id else 0)


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'swm.policy' has no attribute {name!r}")
